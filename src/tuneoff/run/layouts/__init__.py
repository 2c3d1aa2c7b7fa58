"""How a trained model lies in a folder for others: one way a file."""

import json

from tuneoff.methods import CONFIG_FILE, OWN_TYPE
from tuneoff.methods._soft_prompt import Prompted
from tuneoff.methods.feature_extraction import Encoder, Probe
from tuneoff.run.artefact import Predictor
from tuneoff.run.layouts._layout import Layout
from tuneoff.run.layouts.complete import Complete
from tuneoff.run.layouts.features import Features
from tuneoff.run.layouts.own import Own
from tuneoff.run.layouts.peft import PeftAdapter, PeftPrompt


def choose_layout(predictor: Predictor, merge: bool) -> Layout:
    """The layout that most programs load.

    Args:
        predictor: the trained model.
        merge: fold what the method added into the weights; the method must be able to.
    """
    adapted = predictor.adapted
    if isinstance(adapted.encode, Encoder) and isinstance(adapted.decode, Probe):
        return Features(predictor)
    if merge or (not adapted.adapter and adapted.encode is None):
        return Complete(predictor)
    told = json.loads((predictor.folder / CONFIG_FILE).read_text(encoding="utf-8"))
    if not told["peft_type"].startswith(OWN_TYPE):
        return PeftAdapter(predictor)
    # Elsewhere PEFT reads a prompt otherwise: in front of the padding, and before the first token only.
    if isinstance(adapted.model, Prompted) and adapted.model.placement == "before" and not adapted.model.causal:
        return PeftPrompt(predictor)
    return Own(predictor)


__all__ = ["Layout", "choose_layout"]
