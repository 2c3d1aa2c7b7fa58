"""Where a notebook finds its study: around itself, on Google Drive, or in what the user uploads."""

import importlib
import importlib.util
import shutil
import zipfile
from pathlib import Path
from typing import Any, Final

from tuneoff.errors import UsageError
from tuneoff.spec import STUDY_FILE, load

DRIVE: Final = "MyDrive"
#: How deep below the Drive's root a study's folder is looked for: reading a whole Drive would take minutes.
DEPTHS: Final = ("", "*/", "*/*/")


def study_folder(name: str, root: Path = Path("/content")) -> Path:
    """The study's folder: here or above; in Colab also on the user's Drive, which is mounted, or else uploaded.

    Args:
        name: of the study's folder.
        root: where Colab keeps files.

    Raises:
        UsageError: nowhere.
    """
    here = Path.cwd()
    for folder in (here, here.parent, here / name):
        if (folder / STUDY_FILE).is_file():
            return folder
    if not in_colab():
        raise UsageError("notebook.no_study", where=str(here), name=name)
    return _on_drive(name, root) or _uploaded(name, root)


def in_colab() -> bool:
    """Whether this is Google Colab."""
    try:
        return importlib.util.find_spec("google.colab") is not None
    except ModuleNotFoundError:  # No package called google at all.
        return False


def _colab(module: str) -> Any:
    return importlib.import_module(f"google.colab.{module}")


def _on_drive(name: str, root: Path) -> Path | None:
    mounted = root / "drive"
    _colab("drive").mount(str(mounted))
    found = [file.parent for depth in DEPTHS for file in sorted((mounted / DRIVE).glob(f"{depth}{name}/{STUDY_FILE}"))]
    return found[0] if found else None


def _uploaded(name: str, root: Path) -> Path:
    """Ask for the study as a zip, or for its files; they go where the study file expects them."""
    target = root / name
    target.mkdir(parents=True, exist_ok=True)
    for given, content in _colab("files").upload().items():
        file = target / Path(given).name
        file.write_bytes(content)
        if zipfile.is_zipfile(file) and file.suffix == ".zip":
            with zipfile.ZipFile(file) as archive:
                archive.extractall(target)
            file.unlink()
    found = [file.parent for depth in DEPTHS[:2] for file in sorted(target.glob(f"{depth}{STUDY_FILE}"))]
    if not found:
        raise UsageError("notebook.no_study", where=str(target), name=name)
    _put_data_in_place(found[0], target)
    return found[0]


def _put_data_in_place(folder: Path, uploads: Path) -> None:
    """A data file that lies flat among the uploads moves to the path that the study names."""
    data = load(folder).spec.data
    for source in (data.train, data.validation, data.test, data.unlabelled):
        if source is None or source.file is None:
            continue
        wanted, lying = folder / source.file, uploads / Path(source.file).name
        if not wanted.exists() and lying.exists():
            wanted.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(lying, wanted)
