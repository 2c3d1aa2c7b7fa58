"""The Hugging Face hub's client: no request without a time limit, and what stopped it told apart."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Literal, TypeAlias

from tuneoff.errors import short

Kind: TypeAlias = Literal[
    "gated",
    "no_revision",
    "not_found",
    "hidden",
    "bad_token",
    "bad_name",
    "forbidden",
    "busy",
    "server",
    "cache_failed",
    "offline",
    "failed",
]
SHOWN_CHARACTERS = 300
_STATUS: dict[int, Kind] = {401: "bad_token", 403: "forbidden", 404: "not_found", 429: "busy"}


@dataclass(frozen=True)
class Trouble:
    """Why the hub gave nothing.

    Attributes:
        kind: the last part of the error's key.
        reason: the client's own words on one line, without any token.
        status: of the hub's answer, where there was one.
    """

    kind: Kind
    reason: str
    status: int | None = None


def bound_requests() -> None:
    """Give every request of this process's hub client a time limit: ``HF_HUB_DOWNLOAD_TIMEOUT``, 10 s unless set.

    The client lists a repository without any limit, and asks for a file's metadata six times with 60 s each:
    a hub that accepts a connection and says nothing would hold a study for ever.
    """
    from huggingface_hub import set_client_factory
    from huggingface_hub.utils import _http

    factory = _http._GLOBAL_CLIENT_FACTORY  # The one in force: it may carry a company's proxy or certificates.
    if getattr(factory, "bounded", False):
        return

    def bounded() -> Any:
        client = factory()
        hooks = client.event_hooks
        client.event_hooks = hooks | {"request": [*hooks["request"], _bound]}
        return client

    bounded.bounded = True  # type: ignore[attr-defined]
    set_client_factory(bounded)


@contextmanager
def offline() -> Iterator[None]:
    """Nothing leaves the machine in this block: what would be asked of the hub fails at once, without retries."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _bound(request: Any) -> None:
    from huggingface_hub import constants

    limit = constants.HF_HUB_DOWNLOAD_TIMEOUT
    asked = request.extensions.get("timeout", {})
    request.extensions["timeout"] = {phase: min(asked.get(phase) or limit, limit) for phase in ("connect", "read", "write", "pool")}


def diagnose(error: BaseException) -> Trouble:
    """Tell apart what an exception of the hub's client means; what is none of the others is ``failed``."""
    from huggingface_hub.errors import FileMetadataError, HfHubHTTPError, HFValidationError

    httpx = _httpx()
    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError | TimeoutError):
        return Trouble("cache_failed", _words(error))
    for cause in _causes(error):
        if isinstance(cause, HfHubHTTPError):
            return Trouble(_answer(cause), _words(cause), cause.response.status_code)
        if isinstance(cause, HFValidationError):
            return Trouble("bad_name", _words(cause))
        if isinstance(cause, httpx.LocalProtocolError | UnicodeEncodeError):
            return Trouble("bad_token", "not a token that can be sent")  # The client's words may quote the header.
        if isinstance(cause, httpx.HTTPError | ConnectionError | TimeoutError | FileMetadataError):
            return Trouble("offline", _words(cause))
    return Trouble("failed", _words(error.__cause__ or error))


def _answer(error: Any) -> Kind:
    from huggingface_hub import get_token
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    status = error.response.status_code
    if isinstance(error, GatedRepoError):
        return "gated"
    if isinstance(error, RevisionNotFoundError):
        return "no_revision"
    if isinstance(error, RepositoryNotFoundError):  # Who sends no token gets 401 for a repository that does not exist.
        if not get_token():
            return "not_found"
        return "bad_token" if status == HTTPStatus.UNAUTHORIZED else "hidden"
    return _STATUS.get(status, "server")


def _httpx() -> Any:
    """The library below the client, which is httpx or, since the client's version 2, httpx2."""
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]

    return httpx


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was raised from: the client wraps whatever stopped it in 'not in the cache'."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__


def _words(error: BaseException) -> str:
    """The error on one line. A token is never part of a message."""
    from huggingface_hub import get_token

    words = " ".join(str(error).split())
    for secret in (get_token(), *re.findall(r"hf_\w+|Bearer [^\s'\"]+", words)):
        words = words.replace(secret, "***") if secret else words
    return short(f"{type(error).__name__}: {words}" if words else type(error).__name__, SHOWN_CHARACTERS)
