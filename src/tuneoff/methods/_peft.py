"""Methods that the PEFT library implements: a configuration, and the head trained and saved beside it."""

import logging
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

# PEFT imports bitsandbytes, which warns on every CPU that an optional kernel package is not installed.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

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
            wrapped = get_peft_model(model, config)
        # The artefact names the backbone as the study does, not the folder of this machine that it was loaded from.
        config.base_model_name_or_path = backbone.name
        config.revision = None if ":" in backbone.revision else backbone.revision
        return self._declare(wrapped)

    def _declare(self, wrapped: "nn.Module") -> Adapted:
        trainable = [name for name, parameter in wrapped.named_parameters() if parameter.requires_grad]
        head = [name for name in trainable if "modules_to_save" in name]
        return Adapted(wrapped, adapter=[name for name in trainable if name not in set(head)], head=head)

    def save(self, adapted: Adapted, folder: Path) -> None:
        """PEFT's own layout, which plain PEFT loads."""
        model: Any = adapted.model
        # Embeddings are never resized here; left to itself PEFT asks the hub whether they were.
        model.save_pretrained(folder, save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)  # A form to fill in, with the path of this machine's cache.

    def load(self, model: "nn.Module", backbone: "BackboneFacts", folder: Path) -> Adapted:
        """Attach as before, then take the trained weights.

        PEFT's own loading would do for prediction, but refuses to make a loaded prefix trainable.

        Raises:
            KeyError: the folder lacks a declared parameter.
        """
        import torch
        from peft import load_peft_weights, set_peft_model_state_dict

        adapted = self.attach(model, backbone, torch.Generator().manual_seed(0))
        wrapped: Any = adapted.model
        weights = load_peft_weights(str(folder), device="cpu")
        missing = set_peft_model_state_dict(wrapped, weights).missing_keys
        # A prefix is stored under a name of its own and loaded strictly, although it is reported as missing.
        lost = {name for name in adapted.trainable if name in missing and not name.startswith("prompt_encoder.")}
        if lost:
            raise KeyError(f"{folder}: no {', '.join(sorted(lost))}")
        return adapted

    def merge(self, adapted: Adapted) -> "nn.Module":
        """PEFT's own merging, with the trained head put in its place beforehand.

        PEFT 0.21 puts it back itself under LoRA, but under IA³ only where it is a single linear layer.
        """
        from peft.utils import ModulesToSaveWrapper

        model: Any = adapted.model
        inner: nn.Module = model.get_base_model()
        for name, module in list(inner.named_modules()):
            if isinstance(module, ModulesToSaveWrapper):
                inner.set_submodule(name, module.modules_to_save[model.active_adapter])
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
