"""Methods that the PEFT library implements: a configuration, and the head trained and saved beside it."""

import warnings
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from tuneoff.methods._base import Adapted, Method

if TYPE_CHECKING:
    import torch
    from peft import PeftConfig
    from torch import nn

    from tuneoff.backbone import BackboneFacts

#: ``all-linear``, ``query-value``, or names of the backbone's own modules.
Targets: TypeAlias = Literal["all-linear", "query-value"] | tuple[str, ...]


def target_modules(targets: Targets, backbone: "BackboneFacts") -> list[str]:
    """Full names of the linear layers meant by ``targets``.

    Raises:
        ValueError: a name that no module of the backbone ends with.
    """
    if targets == "all-linear":
        return list(backbone.linear)
    if targets == "query-value":
        return list(dict.fromkeys((*backbone.roles["query"], *backbone.roles["value"])))
    unknown = [target for target in targets if not any(_is_called(module, target) for module in backbone.linear)]
    if unknown:
        known = dict.fromkeys(module.rpartition(".")[2] for module in backbone.linear)
        raise ValueError(f"no linear layer is called {', '.join(unknown)} (there are: {', '.join(known)})")
    return [module for module in backbone.linear if any(_is_called(module, target) for target in targets)]


def _is_called(module: str, target: str) -> bool:
    return module == target or module.endswith("." + target)


class PeftMethod(Method):
    """A method of PEFT. The classifier is among ``modules_to_save``: without it a reload has a random head."""

    @abstractmethod
    def peft_config(self, backbone: "BackboneFacts") -> "PeftConfig":
        """PEFT's configuration for this backbone."""

    def attach(self, model: "nn.Module", backbone: "BackboneFacts", generator: "torch.Generator") -> Adapted:
        """Wrap in a ``PeftModelForSequenceClassification``."""
        from peft import get_peft_model

        config: Any = self.peft_config(backbone)
        if not config.is_prompt_learning:
            config.modules_to_save = list(backbone.head)
        with _known_warnings():
            return self._declare(get_peft_model(model, config))

    def _declare(self, wrapped: "nn.Module") -> Adapted:
        trainable = [name for name, parameter in wrapped.named_parameters() if parameter.requires_grad]
        head = [name for name in trainable if "modules_to_save" in name]
        return Adapted(wrapped, adapter=[name for name in trainable if name not in set(head)], head=head)

    def save(self, adapted: Adapted, folder: Path) -> None:
        """PEFT's own layout, which plain PEFT loads."""
        model: Any = adapted.model
        # Embeddings are never resized here; left to itself PEFT asks the hub whether they were.
        model.save_pretrained(folder, save_embedding_layers=False)

    def load(self, model: "nn.Module", backbone: "BackboneFacts", folder: Path) -> Adapted:
        """PEFT's own loading."""
        from peft import PeftModel

        base: Any = model
        with _known_warnings():
            return self._declare(PeftModel.from_pretrained(base, folder, is_trainable=True))

    def merge(self, adapted: Adapted) -> "nn.Module":
        """PEFT's own merging."""
        model: Any = adapted.model
        merged: nn.Module = model.merge_and_unload()
        return merged


@contextmanager
def _known_warnings() -> Iterator[None]:
    """Silence what a user can do nothing about: PEFT 0.21 reads an attribute that transformers 5 renames."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing.* is deprecated", category=FutureWarning)
        yield


def no_linear_role(backbone: "BackboneFacts", roles: Sequence[str]) -> str | None:
    """The reason if the backbone lacks linear layers of one of these roles."""
    return "method.no_modules" if any(not backbone.roles[role] for role in roles) else None
