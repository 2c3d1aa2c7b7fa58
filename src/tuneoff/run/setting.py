"""A method on its backbone, with its rows: loaded, attached, tokenised, not yet trained."""

from dataclasses import dataclass
from typing import Any

import torch
from transformers import PreTrainedTokenizerBase

from tuneoff.backbone import Format, Resolved, load_tokenizer, tokenizer_hash
from tuneoff.data import tokenise
from tuneoff.forecast import Parameters
from tuneoff.forecast.parameters import declared_parameters
from tuneoff.methods import Adapted, Method
from tuneoff.run.artefact import classifier_facts, open_classifier
from tuneoff.run.bench import Bench
from tuneoff.seeds import seed_for
from tuneoff.train import TokenRows

#: Test rows whose logits a reloaded artefact must give again, computed in batches of their own, because in bf16 a row's
#: logits depend on the shape of the batch it stands in.
PROOF, PROOF_ROWS = "proof", 256


@dataclass(frozen=True)
class Setting:
    """What a training starts from. ``parameters`` are counted before anything trains."""

    bench: Bench
    method: Method
    adapted: Adapted
    tokenizer: PreTrainedTokenizerBase
    identity: str
    parameters: Parameters
    precision: Format

    def rows(self, name: str) -> TokenRows:
        """Rows of a split, or of the proof; tokenised when first asked for."""
        splits = self.bench.splits
        texts = splits.test.texts[:PROOF_ROWS] if name == PROOF else splits[name].texts
        tokens = tokenise(texts, self.tokenizer, self.identity, self.bench.job.trial.train.max_length, self.bench.job.cache)
        targets = None if name == PROOF else splits.targets(name)
        return TokenRows(tokens, targets, self.tokenizer.pad_token_id, self.bench.device, self.adapted.padding_side)


def open_setting(bench: Bench, method: Method) -> Setting:
    """Load, attach and count, always from the same seeds: whatever ran before in this process leaves no trace."""
    job, trial, clock = bench.job, bench.job.trial, bench.clock
    assert job.backbone is not None
    resolved = Resolved(job.backbone.name, job.pretrained, trial.backbone, "stage") if job.pretrained else job.backbone
    with clock.phase("load"):
        tokenizer: Any = load_tokenizer(job.backbone, trial.trust_remote_code)
        facts = classifier_facts(resolved, len(bench.splits.labels), trial.trust_remote_code)
        head_seed = seed_for("head", trial.seed)
        pad, asked, trusts_code = tokenizer.pad_token_id, trial.train.precision, trial.trust_remote_code
        model, precision = open_classifier(method, resolved, facts, pad, head_seed, asked, bench.device, trusts_code)
        if trial.train.gradient_checkpointing:
            model.activation_checkpointing_enable()
        attach_seed = seed_for("attach", trial.method, trial.seed)
        torch.manual_seed(attach_seed)
        adapted = method.attach(model, facts, torch.Generator().manual_seed(attach_seed))
        adapted.model.to(bench.device)
        parameters = declared_parameters(adapted, facts)
    setting = Setting(bench, method, adapted, tokenizer, tokenizer_hash(tokenizer), parameters, precision)
    with clock.phase("tokenise"):
        for name in ("train", "validation", "test"):
            setting.rows(name)
    return setting
