"""Trials on several devices: which ones train on more than one, and what cannot."""

from tuneoff.errors import TrialError
from tuneoff.methods import Method, method_class
from tuneoff.spec import TrainSpec, TrialSpec


def ranks_of(trial: TrialSpec) -> int:
    """Processes that a trial trains in: baselines, and heads on frozen features, which train in seconds, keep to one."""
    if trial.stage == "pretrain":
        return trial.train.devices
    kind = method_class(trial.method.removeprefix("pretrain+"))
    return trial.train.devices if issubclass(kind, Method) and not kind.facts.frozen_backbone else 1


def cannot_divide(method: Method, train: TrainSpec, pretrain: bool) -> str | None:
    """Why a method cannot train on devices as the study has them (a key of the string table), or ``None``."""
    if train.devices == 1 or method.facts.frozen_backbone:
        return None
    if train.precision == "fp16":
        return "cluster.no_fp16"
    if train.strategy == "ddp":
        return None
    if method.facts.quantised:
        return "cluster.fsdp_four_bit"
    if pretrain or not method.facts.shardable or train.gradient_checkpointing:
        return "cluster.fsdp_not_checked"
    return None


def refuse_fp16(precision: str, ranks: int) -> None:
    """Each rank would scale its gradients by itself.

    Raises:
        TrialError: the device computes in fp16, and there are several.
    """
    if ranks > 1 and precision == "fp16":
        raise TrialError("cluster.no_fp16")
