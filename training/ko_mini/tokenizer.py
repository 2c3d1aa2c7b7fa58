"""The tokenizer: byte-pair encoding inside words, single digits, and bytes for what the alphabet lacks.

What comes out of ``decode`` is the text that went in, up to Unicode's composition (NFC) and white space at its ends: a Hanja
or an emoji outside the alphabet becomes its UTF-8 bytes and not an unknown token.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

VOCABULARY = 10_240
#: Characters with a piece of their own, the most frequent ones of the corpus.
ALPHABET = 2_500
POSITIONS = 256
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
#: Runs of one kind: Hangul syllables, single letters of Hangul (ㅋㅋㅋ), Latin, Hanja, the rest. Digits stand alone.
RUNS = Regex(r"▁?[가-힣]+|▁?[ㄱ-ㅎㅏ-ㅣ]+|▁?\p{Latin}+|▁?\p{Han}+|▁?[0-9]|▁|[^가-힣ㄱ-ㅎㅏ-ㅣ\p{Latin}\p{Han}0-9▁]+")


def train(texts: Iterable[str]) -> Tokenizer:
    """Learn the pieces. Byte-pair merges are counted, so the same texts give the same tokenizer."""
    tokenizer = _assemble(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY, limit_alphabet=ALPHABET, special_tokens=[*SPECIAL, *BYTES], show_progress=False, max_token_length=16
    )
    tokenizer.train_from_iterator(texts, trainer)
    # The trainer keeps its reserved pieces as tokens that are matched in the text itself; a byte must stand for itself only
    # where the alphabet has no piece.
    described = json.loads(tokenizer.to_str())["model"]
    merges = [tuple(merge) for merge in described["merges"]]
    return _assemble(models.BPE(described["vocab"], merges, byte_fallback=True, unk_token="[UNK]", fuse_unk=True))


def _assemble(model: models.BPE) -> Tokenizer:
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Metaspace(prepend_scheme="always", split=False), pre_tokenizers.Split(RUNS, "isolated")]
    )
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    return tokenizer


def wrap(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """As transformers knows it: ``[CLS] text [SEP]``, pairs with segments."""
    ids = {token: tokenizer.token_to_id(token) for token in SPECIAL}
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", ids["[CLS]"]), ("[SEP]", ids["[SEP]"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=POSITIONS,
        clean_up_tokenization_spaces=False,
    )


def load_or_train(folder: Path, texts: list[str]) -> PreTrainedTokenizerFast:
    """The tokenizer of a run: what an earlier sitting trained, else a new one."""
    if not (folder / "tokenizer.json").exists():
        wrap(train(texts)).save_pretrained(folder)
    found: PreTrainedTokenizerFast = PreTrainedTokenizerFast.from_pretrained(folder)
    return found
