"""The training of the Korean sample backbone: no test text in its corpus, no text that its tokenizer loses."""

import json
import unicodedata
from pathlib import Path

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from tests.support.calm import calm
from training.ko_mini import corpus, model, tokenizer, train
from tuneoff.backbone import Resolved, load_classifier, load_tokenizer, read_config, read_facts, resolve
from tuneoff.errors import StorageError

SHARED = Path(__file__).parents[3] / "shared" / "data"
LONG = "금융위원회는 금융회사가 그 업무를 건전하게 영위하지 아니한다고 인정하는 경우에는 그 시정을 명할 수 있다."
ARTICLE = ["제1조 (목적)", "① 이 법은 시험에 쓰는 글을 학습에 쓰지 아니하게 함을 목적으로 한다. <개정 2023.8.8>", "② 제1항의 글은 지운다."]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder in which every way of meeting a test text occurs once."""

    def write(file: str, texts: list[str]) -> None:
        place = tmp_path / file
        place.parent.mkdir(exist_ok=True)
        place.write_text("".join(json.dumps({"text": text, "label": "1"}, ensure_ascii=False) + "\n" for text in texts), encoding="utf-8")

    write("nsmc/test.jsonl", ["정말 재미있다", "또 보고 싶다"])
    write(
        "nsmc/train.jsonl",
        ["정말 재미있다", "정말  재미있다", unicodedata.normalize("NFD", "또 보고 싶다"), "지루하다", "지루 하다", "괜찮다"],
    )
    write(
        "kr_statutes/ministry_test.jsonl",
        [
            " ".join(ARTICLE[1:]).replace("2023.8.8", "2026.1.1"),  # Another edition, other white space.
            LONG + " 그 밖의 사항은 따로 정한다.",  # Begins as an article of the corpus does.
            "삭제",
        ],
    )
    statutes = [
        "어떤 법률",
        *ARTICLE,
        "제2조 (시정명령)",
        LONG,
        "제3조 (남는 것)",
        "이 조는 어디에도 나오지 아니하는 글이다.",
        "제4조 (빈 것)",
        "삭제",
    ]
    (tmp_path / "kr_statutes" / "acts_plain.txt").write_text("\n".join(statutes), encoding="utf-8")
    return tmp_path


def test_no_test_text_is_in_the_corpus(data: Path) -> None:
    texts, counts = corpus.build(data)
    assert sorted(texts) == sorted(["어떤 법률", "제3조 (남는 것) 이 조는 어디에도 나오지 아니하는 글이다.", "지루하다", "괜찮다"])
    found = {name: count for name, count in counts.as_dict().items() if "removed" in name or "repeated" in name}
    assert found == {
        "reviews_removed_exact": 1,
        "reviews_removed_normalised": 2,
        "reviews_repeated": 1,
        "articles_removed_exact": 1,  # The empty article.
        "articles_removed_normalised": 1,
        "articles_removed_same_start": 1,
    }


def test_chunks_lose_nothing_and_stay_near_their_length() -> None:
    import random

    lines = [f"{number}. {'가' * (number % 70)}" for number in range(200)]
    chunks = list(corpus.chunks(lines, random.Random(0)))
    assert " ".join(chunks) == " ".join(lines)
    assert len(chunks) > 10
    assert max(map(len, chunks)) < max(corpus.CHUNKS) + 80


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="no data folder beside the checkout")
def test_the_real_corpus_has_none_of_the_judging_texts() -> None:
    texts, counts = corpus.build(SHARED)
    assert counts.reviews_removed_exact > 1000, "real leakage, which was found"
    assert counts.articles_removed_normalised > 100
    kept = {corpus.normalised(text) for text in texts}
    for file in ("nsmc/test.jsonl", "kr_statutes/ministry_test.jsonl"):
        tests = [json.loads(line)["text"] for line in (SHARED / file).read_text(encoding="utf-8").splitlines()]
        assert len(tests) >= 3000
        # A statute's sentence may be as short as "삭제", and stand in any article.
        assert not [text for text in map(corpus.normalised, tests) if text in kept and len(text) >= 10]


@pytest.fixture(scope="module")
def small() -> object:
    with calm():
        return tokenizer.wrap(
            tokenizer.train(["영업이익이 3.1% 늘었다.", "매출이 줄었다 ㅋㅋㅋ", "Net profit rose 12%", "0123456789년"] * 20)
        )


@settings(max_examples=150, deadline=None)
@given(
    text=st.text(
        st.characters(codec="utf-8", exclude_categories=["Cs"]) | st.sampled_from("가각힣ㅋㅠ漢字龘😀▁ \n\t019%①「」"), max_size=40
    )
)
def test_what_goes_in_comes_out(small: object, text: str) -> None:
    text = unicodedata.normalize("NFC", text).replace("▁", "_").strip()
    assume(not any(token in text for token in small.all_special_tokens))  # type: ignore[attr-defined]
    ids = small(text)["input_ids"]  # type: ignore[operator]
    assert small.decode(ids, skip_special_tokens=True) == text  # type: ignore[attr-defined]
    assert small.unk_token_id not in ids  # type: ignore[attr-defined]


def test_digits_stand_alone(small: object) -> None:
    pieces = small.convert_ids_to_tokens(small("2024년 12.5%")["input_ids"])  # type: ignore[operator, attr-defined]
    assert [piece.strip("▁") for piece in pieces if any(c.isdigit() for c in piece)] == list("2024125")


def test_the_same_texts_give_the_same_tokenizer() -> None:
    texts = ["가나다 라마바 가나 다라", "바사아 자차카 가나다"] * 30
    assert tokenizer.train(texts).to_str() == tokenizer.train(texts).to_str()


def test_a_run_stops_goes_on_and_cools_down_into_a_model_that_loads(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole command at a few steps: what it leaves is a backbone in half precision, and the run at the full rate is not touched."""
    for name, value in {"LEG": 2, "ROWS": 2, "WARMUP": 2, "HELD_OUT": 0.3}.items():
        monkeypatch.setattr(train, name, value)
    out = tmp_path / "run"
    with calm():
        train.Run(data, out).go_on(legs=3, deadline=0.0)
        lines = [json.loads(line) for line in (out / "curve.jsonl").read_text(encoding="utf-8").splitlines()]
        assert [line["step"] for line in lines] == [2], "the time had come after the first leg"
        train.Run(data, out).go_on(legs=2, deadline=float("inf"))
        steady = (out / "steady.ckpt").read_bytes()
        train.Run(data, out).cool_down(2)
        assert (out / "steady.ckpt").read_bytes() == steady
        lines = [json.loads(line) for line in (out / "curve.jsonl").read_text(encoding="utf-8").splitlines()]
        assert [(line["run"], line["step"]) for line in lines] == [("steady", 2), ("steady", 4), ("cooling", 6), ("cooling", 8)]
        made = json.loads((out / "made.json").read_text(encoding="utf-8"))
        assert made["held_out_loss"] == lines[-1]["validation_loss"]
        assert not (out / "cooling.ckpt").exists()

        found = Resolved("ko", out / "model", "sha256:0", "folder")
        config = read_config(found)
        config.num_labels = 2
        pad = load_tokenizer(found).pad_token_id
        load_classifier(found, read_facts(found.name, found.revision, config), pad, 0)
        with safe_open(found.folder / "model.safetensors", "pt") as weights:
            assert {weights.get_tensor(name).dtype for name in weights.keys()} == {torch.float16}  # noqa: SIM118 (not a dict)

        again = model.load(out / "model")
        assert again.config.hidden_dropout_prob == 0.0
        train.Run(data, tmp_path / "another", out / "model").go_on(legs=1, deadline=0.0)
        with safe_open(found.folder / "model.safetensors", "pt") as weights:
            word = "bert.embeddings.word_embeddings.weight"
            assert torch.equal(again.get_input_embeddings().weight, weights.get_tensor(word).float())
        with pytest.raises(StorageError, match="start"):
            train.Run(data, out, out / "model").go_on(legs=3, deadline=0.0)

        monkeypatch.setattr(train, "ROWS", 3)
        with pytest.raises(StorageError, match="recipe"):
            train.Run(data, out).go_on(legs=3, deadline=0.0)


def test_the_sample_that_is_shipped_is_small_whole_and_korean() -> None:
    found = resolve("sample:ko", Path())
    assert sum(file.stat().st_size for file in found.folder.iterdir()) <= 16e6
    assert {file.name for file in found.folder.iterdir()} >= {"README.md", "config.json", "model.safetensors", "tokenizer.json"}
    with safe_open(found.folder / "model.safetensors", "pt") as weights:
        assert {weights.get_tensor(name).dtype for name in weights.keys()} == {torch.float16}  # noqa: SIM118 (not a dict)
    pieces = load_tokenizer(found)
    text = "영업이익이 전년보다 12.5% 늘었다 漢字 😀"
    assert pieces.decode(pieces(text)["input_ids"], skip_special_tokens=True) == text  # type: ignore[arg-type]
    facts = read_facts(found.name, found.revision, read_config(found))
    assert (facts.model_type, facts.layers, facts.hidden) == ("bert", model.LAYERS, model.HIDDEN)
