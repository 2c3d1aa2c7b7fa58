"""Architectures of well-known backbones, so that a study can be planned before anything is downloaded.

``known.json`` holds facts of public ``config.json`` files, no weights. ``published`` is the number of parameters that the
weights' own page or the paper states: of the language model for decoders, of the bare model for encoders. A test counts them.
"""

import json
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from transformers import AutoConfig, PreTrainedConfig

from tuneoff.backbone.facts import read_config
from tuneoff.backbone.resolve import Resolved, check_pinned, fetch_config, glimpse
from tuneoff.errors import BackboneError

#: Revision of a backbone of which only the architecture is known.
UNSEEN = "unseen"


@dataclass(frozen=True)
class Known:
    """One architecture.

    Attributes:
        name: on the hub.
        config: of transformers, ``model_type`` included.
        aliases: other names of the same architecture.
        gated: its licence must be accepted on the hub before the weights can be downloaded.
        published: number of parameters as its makers state it, where they do.
    """

    name: str
    config: dict[str, Any]
    aliases: tuple[str, ...] = ()
    gated: bool = False
    published: int | None = None
    names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", frozenset(name.lower() for name in (self.name, *self.aliases)))

    def read_config(self) -> PreTrainedConfig:
        """A fresh configuration."""
        options = dict(self.config)
        return AutoConfig.for_model(options.pop("model_type"), **options)


@cache
def known_backbones() -> tuple[Known, ...]:
    """All of them."""
    entries = json.loads((files("tuneoff.backbone") / "known.json").read_text(encoding="utf-8"))
    return tuple(Known(**(entry | {"aliases": tuple(entry.get("aliases", ()))})) for entry in entries)


def known_backbone(name: str) -> Known | None:
    """The architecture of this name; a pinned revision is no part of it."""
    plain = name.partition("@")[0].lower()
    return next((entry for entry in known_backbones() if plain in entry.names), None)


def look_up(name: str, base: Path, trust_remote_code: bool = False) -> tuple[PreTrainedConfig, Resolved | None]:
    """A backbone's configuration without its weights: of the folder or backbone that is here, else a known one, else the hub's.

    Args:
        name: as in the study file.
        base: the study's folder.
        trust_remote_code: as in the study file.

    Returns:
        The configuration, and where the backbone lies if it is here whole.

    Raises:
        BackboneError: it is neither here nor known, and the hub does not give it.
    """
    entry = known_backbone(name)
    try:
        resolved = glimpse(name, base)
    except BackboneError as error:
        if entry is not None:
            return entry.read_config(), None
        if error.key != "backbone.no_weights":
            raise
        # A folder with a configuration and nothing else will do.
        return read_config(Resolved(name, base / name, UNSEEN, "folder"), trust_remote_code), None
    if resolved is None or resolved.origin == "hub":
        check_pinned(name, trust_remote_code)
    if resolved is not None:
        return read_config(resolved, trust_remote_code), resolved
    if entry is not None:
        return entry.read_config(), None
    folder = fetch_config(name)
    return read_config(Resolved(name, folder, UNSEEN, "hub"), trust_remote_code), None
