"""Tiny pretrained models of many architectures, saved as the hub serves them: safetensors, config, fast tokenizer.

Two layers, 32 wide, 4 heads, some 300 tokens. What the real architectures do that bites is kept: RoBERTa counts
positions from ``pad + 1``, DistilBERT names its sizes otherwise, decoders come without a pad token.
"""

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModel, AutoModelForMaskedLM, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

ENCODERS = ("bert", "roberta", "electra", "distilbert", "deberta-v2", "modernbert", "xlm-roberta")
DECODERS = ("llama", "qwen2", "gemma2", "gpt_neox")
HIDDEN, LAYERS, HEADS, FEED_FORWARD, POSITIONS = 32, 2, 4, 64, 64
VOCABULARY = 300

SENTENCES = (
    "Operating profit rose to 3.1 million from 2.4 million a year earlier.",
    "The company no longer expects a loss in the second half.",
    "Sales fell short of what analysts had expected.",
    "The board will meet on Friday to decide on the dividend.",
    "Costs grew faster than revenue, and the outlook was cut.",
    "영업이익이 전년 동기 대비 늘었다.",
    "회사는 하반기에 적자를 예상하지 않는다.",
    "매출이 시장 기대치에 미치지 못했다.",
    "이사회는 금요일에 배당을 결정한다.",
    "비용이 매출보다 빠르게 늘어 전망을 낮췄다.",
)


def tiny_encoder(folder: Path, kind: str = "bert", seed: int = 0) -> Path:
    """Save a tiny encoder with its tokenizer and return the folder."""
    assert kind in ENCODERS, kind
    tokenizer = _byte_bpe(_ROBERTA) if kind in ("roberta", "xlm-roberta") else _word_piece()
    sizes: dict[str, Any] = {"max_position_embeddings": POSITIONS}
    if kind in ("roberta", "xlm-roberta"):
        # As published: 512 usable positions are 514 rows, for they are counted from padding_idx + 1.
        sizes["max_position_embeddings"] = POSITIONS + tokenizer.pad_token_id + 1
        sizes["type_vocab_size"] = 1
    if kind == "electra":
        sizes["embedding_size"] = HIDDEN // 2
    if kind == "distilbert":
        sizes |= {"dim": HIDDEN, "n_layers": LAYERS, "n_heads": HEADS, "hidden_dim": FEED_FORWARD}
    if kind == "deberta-v2":
        # The settings of deberta-v3: disentangled attention over buckets of distances, no token types.
        sizes |= {"relative_attention": True, "position_buckets": 16, "pos_att_type": ["p2c", "c2p"], "share_att_key": True}
        sizes |= {"norm_rel_ebd": "layer_norm", "position_biased_input": False, "type_vocab_size": 0}
    if kind == "modernbert":
        sizes |= {"global_attn_every_n_layers": 2, "local_attention": 16}
        sizes |= {"cls_token_id": tokenizer.cls_token_id, "sep_token_id": tokenizer.sep_token_id}
    config = _config(kind, tokenizer, sizes | {"pad_token_id": tokenizer.pad_token_id})
    return _save(folder, config, tokenizer, seed, masked=True)


def tiny_decoder(folder: Path, kind: str = "llama", seed: int = 0) -> Path:
    """Save a tiny decoder with its tokenizer, neither with a pad token, and return the folder."""
    assert kind in DECODERS, kind
    tokenizer = _byte_bpe(_GPT)
    sizes: dict[str, Any] = {"max_position_embeddings": POSITIONS}
    if kind in ("llama", "qwen2", "gemma2"):
        sizes["num_key_value_heads"] = HEADS // 2
    if kind == "gemma2":
        sizes |= {"head_dim": HIDDEN // HEADS, "query_pre_attn_scalar": HIDDEN // HEADS, "sliding_window": 16}
    config = _config(kind, tokenizer, sizes)
    config.pad_token_id = None
    return _save(folder, config, tokenizer, seed, masked=False)


def _config(kind: str, tokenizer: PreTrainedTokenizerFast, sizes: dict[str, Any]) -> PreTrainedConfig:
    common: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "intermediate_size": FEED_FORWARD,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
    }
    if kind == "distilbert":
        for name in ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"):
            del common[name]
    return AutoConfig.for_model(kind, **common | sizes)


def _save(folder: Path, config: PreTrainedConfig, tokenizer: PreTrainedTokenizerFast, seed: int, masked: bool) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: PreTrainedModel = (AutoModelForMaskedLM if masked else AutoModel).from_config(config)
    folder.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _word_piece() -> PreTrainedTokenizerFast:
    """BERT's tokenizer."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    raw = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    raw.normalizer = normalizers.BertNormalizer(lowercase=True)
    raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    raw.decoder = decoders.WordPiece()
    raw = _trained(raw, trainers.WordPieceTrainer(vocab_size=VOCABULARY, special_tokens=special, show_progress=False))
    raw.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, special.index(token)) for token in ("[CLS]", "[SEP]")],
    )
    return _fast(raw, pad_token="[PAD]", unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]")


#: Trained tokenizers, by what they were before.
_TRAINED: dict[tuple[str, ...], str] = {}
_ROBERTA = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
_GPT = ("<|endoftext|>",)


def _byte_bpe(special: tuple[str, ...]) -> PreTrainedTokenizerFast:
    """RoBERTa's or GPT's tokenizer: every byte is in the alphabet, so nothing is unknown."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(special),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw = _trained(raw, trainer)
    if special is _GPT:
        return _fast(raw, bos_token="<|endoftext|>", eos_token="<|endoftext|>", padding_side="right")
    raw.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False)
    named = {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>"}
    return _fast(raw, pad_token="<pad>", unk_token="<unk>", mask_token="<mask>", **named)


def _trained(raw: Tokenizer, trainer: Any) -> Tokenizer:
    """Trained once a process and kind: the order of equally frequent pieces changes from time to time, and models with it."""
    key = raw.to_str(), *(token.content for token in trainer.special_tokens)
    if key not in _TRAINED:
        raw.train_from_iterator(SENTENCES, trainer)
        _TRAINED[key] = raw.to_str()
    return Tokenizer.from_str(_TRAINED[key])


def _fast(raw: Tokenizer, **named: Any) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=raw, model_max_length=POSITIONS, **named)


def edit_json(file: Path, **changes: Any) -> None:
    """Set keys of a JSON file, as a repository's author would."""
    document = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(document | changes, indent=2, ensure_ascii=False), encoding="utf-8")
