"""Models without pretrained weights: empty on the meta device, random on a real one, in the formats of loading."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM

from tuneoff.backbone import BackboneFacts, classifier_config, empty_classifier
from tuneoff.errors import MethodError
from tuneoff.forecast.autocast import Autocast
from tuneoff.forecast.four_bit import quantise
from tuneoff.forecast.scene import Scene

META = torch.device("meta")


def classifier(scene: Scene, device: torch.device) -> Any:
    """The classifier without pretrained weights: empty on the meta device, random on a real one; in the formats of loading."""
    options = {} if scene.method is None else scene.method.load_options(scene.facts)
    model: Any = empty_classifier(classifier_config(scene.facts.config, _pad_token(scene)), scene.trust_remote_code)
    for parameter in model.parameters():
        parameter.data = parameter.data.to(scene.loading_dtype)
    if device.type != "meta":
        fill(model, device)
    if options:
        quantisation = options["quantization_config"]
        quantisation.bnb_4bit_compute_dtype = scene.target.compute_dtype
        quantise(model, quantisation)
    for part in scene.facts.head:
        model.get_submodule(part).float()
    if scene.train.gradient_checkpointing:
        model.activation_checkpointing_enable(*_again(scene, device))
    return model


def _again(scene: Scene, device: torch.device) -> list[dict[str, Any]]:
    """What checkpointing computes again must meet the same casts, which autograd does not carry to it here."""
    if device.type != "meta" or scene.precision != "fp16":
        return []

    @contextmanager
    def again() -> Iterator[None]:
        with Autocast(torch.float16):
            yield

    return [{"use_reentrant": False, "context_fn": lambda: (nullcontext(), again())}]


def _pad_token(scene: Scene) -> int:
    """As the tokenizer would say; which one does not matter."""
    pad = scene.facts.config.pad_token_id
    return 0 if pad is None else int(pad)


def fill(model: Any, device: torch.device) -> None:
    """Move an empty model to a device and draw its weights as transformers would for a new one."""
    model.to_empty(device=device)
    with torch.no_grad():
        model.initialize_weights()
    model.tie_weights()


def language_model(facts: BackboneFacts, device: torch.device, trust_remote_code: bool) -> Any:
    """The backbone with its language-model head, without pretrained weights.

    Raises:
        MethodError: transformers has no language model for this architecture.
    """
    kind = AutoModelForMaskedLM if facts.kind == "encoder" else AutoModelForCausalLM
    try:
        with META:  # A copy: training on a CPU sets the attention of the model's own configuration.
            model: Any = kind.from_config(copy.deepcopy(facts.config), trust_remote_code=trust_remote_code)
    except ValueError as error:
        raise MethodError("method.no_language_model", where=facts.name, architecture=facts.model_type) from error
    model.float()
    model.tie_weights()
    if device.type != "meta":
        fill(model, device)
    return model
