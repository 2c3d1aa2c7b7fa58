"""The architecture: BERT, small enough for two cores and a wheel."""

from pathlib import Path

import torch
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

from tuneoff.backbone import draw_missing
from tuneoff.seeds import seed_for

LAYERS, HIDDEN, HEADS = 4, 256, 4


def untrained(tokenizer: PreTrainedTokenizerFast, seed: int = 0) -> BertForMaskedLM:
    """The model with weights drawn from a seed. No dropout: a corpus read a few times at most is not learnt by heart."""
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=HIDDEN,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        intermediate_size=4 * HIDDEN,
        max_position_embeddings=tokenizer.model_max_length,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = BertForMaskedLM(config)
    draw_missing(model, {name for name, _ in model.named_parameters()}, seed_for("ko_mini", seed))
    model.tie_weights()
    return model


def load(folder: Path) -> BertForMaskedLM:
    """What :func:`export` wrote, in full precision and again without dropout."""
    model: BertForMaskedLM = BertForMaskedLM.from_pretrained(
        folder, dtype=torch.float32, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, local_files_only=True
    )
    return model


def export(model: BertForMaskedLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write weights in half precision, configuration and tokenizer, as a hub repository would hold them."""
    dropout = model.config.hidden_dropout_prob, model.config.attention_probs_dropout_prob
    half = BertForMaskedLM(model.config).to(torch.float16)
    half.load_state_dict(model.state_dict())
    # Fine-tuning on little data does learn by heart: BERT's own dropout is the default of who loads it.
    half.config.hidden_dropout_prob = half.config.attention_probs_dropout_prob = 0.1
    half.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    model.config.hidden_dropout_prob, model.config.attention_probs_dropout_prob = dropout
