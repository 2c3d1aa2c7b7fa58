"""Which trials the device cannot hold as the study has them, known before they start: shrunk, or refused with the reason."""

from dataclasses import dataclass
from typing import Any

from tuneoff.backbone import BackboneFacts
from tuneoff.forecast import Fit, Target
from tuneoff.methods import Method
from tuneoff.run.outlook import device_here, fits_on
from tuneoff.run.planner import Plan

#: A trial that needs less than half of the device by this generous count is not looked at: bytes for each parameter, for each
#: number of the residual stream, and for each score of attention.
_PARAMETER, _STREAM, _SCORE, _ROOM = 40, 120, 12, 0.5


@dataclass(frozen=True)
class Admission:
    """How a trial may run.

    Attributes:
        micro_batch: rows of a forward pass, where the study's own do not fit; the update is the same.
        refusal: key and facts of the reason not to try.
        need: bytes that it takes of the device, where others may run beside it.
    """

    micro_batch: int | None = None
    refusal: dict[str, Any] | None = None
    need: int | None = None


def admit(plan: Plan, target: Target | None = None, beside: int = 1) -> dict[str, Admission]:
    """Trials and stages that need something, by name; all others fit as they are.

    Args:
        plan: of the study; its ``fit`` decides what is done.
        target: the device; this machine's unless said.
        beside: trials that may run on the device at once. With several, the need of each is named, unless all are small.
    """
    mode = plan.study.spec.fit
    if mode == "try" or plan.facts is None or plan.study.spec.train.devices > 1:  # What is foreseen is one device.
        return {}
    target = target or device_here()
    if target.usable is None or _roomy(plan, plan.facts, target.usable // beside):
        return {}
    admissions: dict[str, Admission] = {}
    for name, fit in fits_on(plan, target).items():
        if fit.verdict == "micro_batch" and mode == "auto":
            admissions[name] = Admission(micro_batch=fit.micro_batch, need=fit.need)
        elif fit.verdict != "fits":
            admissions[name] = Admission(refusal=_refusal(fit, target))
        elif beside > 1:
            admissions[name] = Admission(need=fit.need)
    return admissions


def _refusal(fit: Fit, target: Target) -> dict[str, Any]:
    facts = {"need": fit.need, "usable": fit.usable, "device": target.name, "rows": fit.micro_batch or 0}
    return {"key": f"forecast.refused_{fit.verdict}", "facts": facts}


def _roomy(plan: Plan, facts: BackboneFacts, usable: int) -> bool:
    spec = plan.study.spec
    rows, length = max(spec.train.batch_size, spec.pretrain.batch_size), max(spec.train.max_length, spec.pretrain.max_length)
    heads = int(getattr(facts.config, "num_attention_heads", 1))
    methods = [method.chosen.build() for method in plan.methods]
    tokens = length + max((method.num_virtual_tokens() for method in methods if isinstance(method, Method)), default=0)
    stream = rows * tokens * facts.hidden * facts.layers * _STREAM + rows * heads * tokens**2 * facts.layers * _SCORE
    vocabulary = rows * tokens * int(getattr(facts.config, "vocab_size", 0)) * _SCORE if plan.stages else 0
    return facts.total_parameters * _PARAMETER + stream + vocabulary < usable * _ROOM
