"""The Hugging Face hub's client: no request without a time limit, and what stopped it told apart."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

Kind: TypeAlias = Literal[
    "gated", "no_revision", "not_found", "bad_token", "bad_name", "forbidden", "busy", "server", "cache_failed", "offline"
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

    The client lists a repository without any limit, and repeats a file's header six times with 60 s each:
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


def _bound(request: Any) -> None:
    from huggingface_hub import constants

    limit = constants.HF_HUB_DOWNLOAD_TIMEOUT
    asked = request.extensions.get("timeout", {})
    request.extensions["timeout"] = {phase: min(asked.get(phase) or limit, limit) for phase in ("connect", "read", "write", "pool")}


def diagnose(error: BaseException) -> Trouble:
    """Tell apart what an exception of the hub's client means; what is none of the others is ``offline``."""
    from huggingface_hub import get_token
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, HFValidationError, RepositoryNotFoundError, RevisionNotFoundError
    from huggingface_hub.utils import httpx

    if isinstance(error, OSError) and error.errno is not None and not isinstance(error, ConnectionError | TimeoutError):
        return Trouble("cache_failed", _words(error))
    for cause in _causes(error):
        if isinstance(cause, HfHubHTTPError):
            status = cause.response.status_code
            kind: Kind = _STATUS.get(status, "server")
            if isinstance(cause, GatedRepoError):
                kind = "gated"
            elif isinstance(cause, RevisionNotFoundError):
                kind = "no_revision"
            elif isinstance(cause, RepositoryNotFoundError):
                # Who sends no token gets 401 for a repository that does not exist.
                kind = "bad_token" if status == httpx.codes.UNAUTHORIZED and get_token() else "not_found"
            return Trouble(kind, _words(cause), status)
        if isinstance(cause, HFValidationError):
            return Trouble("bad_name", _words(cause))
        if isinstance(cause, httpx.LocalProtocolError | UnicodeEncodeError):
            return Trouble("bad_token", "not a token that can be sent")  # The client's words quote the header.
    return Trouble("offline", _words(error.__cause__ or error))


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
    shown = words if len(words) <= SHOWN_CHARACTERS else words[:SHOWN_CHARACTERS] + "…"
    return f"{type(error).__name__}: {shown}" if shown else type(error).__name__
