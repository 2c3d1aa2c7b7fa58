"""Methods that the PEFT library implements: a configuration, and the head trained and saved beside it."""

import logging
import os
import warnings
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from tuneoff.methods._base import WEIGHTS_FILE, Adapted, Method

if TYPE_CHECKING:
    import torch
    from peft import PeftConfig
    from torch import nn

    from tuneoff.backbone import BackboneFacts

# PEFT imports bitsandbytes, which warns on every CPU that an optional kernel package is not installed.
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)


@cache
def load_peft() -> None:
    """Import PEFT, and with it bitsandbytes where that is installed, but not PyTorch's compiler.

    bitsandbytes marks kernels for ``torch.compile`` as it is imported, which alone loads the whole compiler: a second, and 40 MB of
    every process. They are spare ones for devices without kernels of their own; a CPU and a GPU have theirs.
    """
    import torch._dynamo  # noqa: F401 (It reads the variable as it is imported, and keeps what it read.)

    before = os.environ.get("TORCHDYNAMO_DISABLE")
    os.environ["TORCHDYNAMO_DISABLE"] = "1"
    try:
        import peft  # noqa: F401
    finally:
        del os.environ["TORCHDYNAMO_DISABLE"]
        if before is not None:
            os.environ["TORCHDYNAMO_DISABLE"] = before


#: PEFT's name for the one adapter of a model, and what the name of every parameter of the trained copy of a head has in it.
ADAPTER, HEAD_COPY = "default", "modules_to_save"

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
        load_peft()
        return self.declare(self._wrap(model, backbone, self.peft_config(backbone)))

    def declare(self, wrapped: "nn.Module") -> Adapted:
        """What trains: what PEFT left trainable."""
        trainable = [name for name, parameter in wrapped.named_parameters() if parameter.requires_grad]
        head = [name for name in trainable if HEAD_COPY in name]
        return Adapted(wrapped, adapter=[name for name in trainable if name not in set(head)], head=head)

    def _wrap(self, model: "nn.Module", backbone: "BackboneFacts", config: Any) -> "nn.Module":
        import torch
        from peft import get_peft_model

        # Left undecided, PyTorch warns of it when SHiRA or FRoD make their first sparse tensor.
        torch.sparse.check_sparse_tensor_invariants.disable()
        pretrained = {id(buffer) for buffer in model.buffers()}
        dtype = next(model.parameters()).dtype
        config.modules_to_save = list(backbone.head)
        with _known_warnings():
            wrapped: nn.Module = get_peft_model(model, config)
        # Random projections are buffers. Computing in bf16 casts parameters, and a product needs both in one format.
        for module in wrapped.modules():
            for name, buffer in module.named_buffers(recurse=False):
                if id(buffer) not in pretrained and buffer.is_floating_point():
                    module._buffers[name] = buffer.to(dtype)
        # The artefact names the backbone as the study does, not the folder of this machine that it was loaded from.
        config.base_model_name_or_path = backbone.name
        config.revision = None if ":" in backbone.revision else backbone.revision
        return wrapped

    def after_step(self, adapted: Adapted, step: int, num_steps: int) -> None:
        """Some tuners divide their parameters anew while they train; PEFT wants to be asked, counting steps from 1."""
        model: Any = adapted.model
        if hasattr(model.base_model, "update_and_allocate") and next(model.parameters()).device.type != "meta":
            model.base_model.update_and_allocate(step + 1)

    def save(self, adapted: Adapted, folder: Path) -> None:
        """PEFT's own layout, which plain PEFT loads."""
        model: Any = adapted.model
        with _networks_as_in_training(model):
            # Embeddings are never resized here; left to itself PEFT asks the hub whether they were.
            model.save_pretrained(folder, save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)  # A form to fill in, with the path of this machine's cache.

    def load(self, model: "nn.Module", backbone: "BackboneFacts", folder: Path) -> Adapted:
        """Attach as before, then take the trained weights.

        Raises:
            KeyError: the folder lacks a declared parameter.
        """
        from safetensors.torch import load_file

        config: Any = self.peft_config(backbone)
        # Of a network that makes virtual tokens only what it made is stored, and only in this mode that is what is read.
        config.inference_mode = config.is_prompt_learning
        wrapped: Any = self._wrap(model, backbone, config)
        adapted = _declare_prompt(wrapped) if config.is_prompt_learning else self.declare(wrapped)
        self.take(adapted, load_file(folder / WEIGHTS_FILE), folder)
        return adapted

    def take(self, adapted: Adapted, tensors: "dict[str, torch.Tensor]", folder: Path) -> None:
        """Set the declared parameters to what the folder held.

        Raises:
            KeyError: one of them was not there.
        """
        import torch
        from peft import set_peft_model_state_dict

        model: Any = adapted.model
        with torch.no_grad():
            for parameter in adapted.parameters(adapted.trainable):
                parameter.fill_(torch.nan)
        set_peft_model_state_dict(model, tensors)
        # PEFT's own list of missing keys has shared parameters and virtual tokens that are there under another name.
        known = dict(model.named_parameters())
        lost = [name for name in adapted.trainable if bool(known[name].isnan().any())]
        if lost:
            raise KeyError(f"{folder}: no {', '.join(sorted(lost))}")

    def fold(self, adapted: Adapted) -> "nn.Module":
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


def _declare_prompt(wrapped: "nn.Module") -> Adapted:
    """Virtual tokens and head by name: nothing of PEFT is trainable in inference mode."""
    names = [name for name, _ in wrapped.named_parameters()]
    return Adapted(
        wrapped, adapter=[name for name in names if name.startswith("prompt_encoder.")], head=[name for name in names if HEAD_COPY in name]
    )


@contextmanager
def _networks_as_in_training(model: Any) -> Iterator[None]:
    """Let networks that make virtual tokens compute in the backbone's format: what they make is all that PEFT stores of them."""
    networks = [encoder for encoder in getattr(model, "prompt_encoder", {}).values() if len(list(encoder.parameters())) > 1]
    precise = {parameter: parameter.data for network in networks for parameter in network.parameters()}
    dtype = next(model.get_base_model().parameters()).dtype
    for parameter in precise:
        parameter.data = parameter.data.to(dtype)
    yield
    for parameter, data in precise.items():
        parameter.data = data


@contextmanager
def _known_warnings() -> Iterator[None]:
    """Silence what a user can do nothing about."""
    known = (
        (".*is_gradient_checkpointing.* is deprecated", FutureWarning),  # PEFT 0.21 reads what transformers 5 renames.
        ("Failed to load the CUDA extension", UserWarning),  # BOFT's kernel is built on first use; PyTorch's product does as well.
        ("Setting boft_n_butterfly_factor to 1", UserWarning),  # What follows.
        ("Detected that the base layer has no bias", UserWarning),  # BEFT: nothing is merged here.
        ("Unsupported layer type .*Norm", UserWarning),  # LayerNorm tuning, of which that is the point.
    )
    with warnings.catch_warnings():
        for message, category in known:
            warnings.filterwarnings("ignore", message=message, category=category)
        yield


def no_linear_role(backbone: "BackboneFacts", roles: Sequence[str]) -> str | None:
    """The reason if the backbone lacks linear layers of one of these roles."""
    return "method.no_modules" if any(not backbone.roles[role] for role in roles) else None


def lacks_targets(targets: Targets, backbone: "BackboneFacts") -> str | None:
    """The reason if the backbone has no layers such as ``targets`` means: GPT-2 has transposed convolutions in their place."""
    if targets == "query-value":
        return no_linear_role(backbone, ("query", "value"))
    return None if backbone.linear else "method.no_modules"
