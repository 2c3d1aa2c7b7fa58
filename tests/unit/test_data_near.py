"""Near twins: found where a count of all pairs finds them, in Korean and English, whatever order the texts come in."""

import itertools
import random
import re
import time
import unicodedata
from collections.abc import Sequence

import pytest

from tuneoff.data import load_splits
from tuneoff.data.near import THRESHOLD, Twins
from tuneoff.spec import DataSpec


def pairs(texts: Sequence[str]) -> dict[frozenset[int], float]:
    twins = Twins([(text,) for text in texts])
    return {frozenset((text, other)): similarity for text in twins.having() for other, similarity in twins.of(text)}


def pieces(text: str) -> set[str]:
    plain = re.sub(r"[\W_]", "", unicodedata.normalize("NFC", text)).casefold()
    return set(re.findall(r"(?=([가-힣].|[^가-힣]..))", f"^{plain}$"))


def all_pairs(texts: Sequence[str]) -> dict[frozenset[int], float]:
    """The definition of docs/measuring.md in its plainest form, counted for every pair."""
    sets = [pieces(text) for text in texts]
    values = {frozenset((i, j)): len(sets[i] & sets[j]) / len(sets[i] | sets[j]) for i, j in itertools.combinations(range(len(sets)), 2)}
    return {pair: value for pair, value in values.items() if value >= THRESHOLD}


def sentences(language: str) -> list[str]:
    splits = load_splits(DataSpec.model_validate({"train": f"sample:finance-{language}"}), None)  # type: ignore[arg-type]
    return [text for name in ("train", "validation", "test") for (text,) in splits[name].texts]


def edited(text: str, generator: random.Random) -> str:
    """A text with one to three words dropped, doubled or moved: some of these stay near, some do not."""
    words = text.split()
    for _ in range(generator.randint(1, 3)):
        at = generator.randrange(len(words))
        match generator.randrange(3):
            case 0 if len(words) > 1:
                del words[at]
            case 1:
                words.insert(at, words[at])
            case _:
                words.insert(generator.randrange(len(words)), words.pop(at))
    return " ".join(words)


@pytest.mark.parametrize("language", ["en", "ko"])
def test_the_pairs_found_are_those_of_a_count_of_all_pairs(language: str) -> None:
    generator = random.Random(0)
    texts = sentences(language)[:150]
    texts = list(dict.fromkeys([*texts, *(edited(text, generator) for text in texts for _ in range(2))]))
    expected = all_pairs(texts)
    found = pairs(texts)
    # Nothing is made up, and every similarity is exact.
    assert found.items() <= expected.items()
    # 21 bands of 6 miss a pair at the threshold once in 500 and closer ones less often; here there are over 100 pairs.
    assert len(expected) > 100
    assert len(found) >= len(expected) - 2
    assert sum(value < 1 for value in expected.values()) > 30


def test_texts_come_in_any_order_and_every_time_the_same() -> None:
    generator = random.Random(1)
    texts = sentences("ko")[:100]
    texts += [text + "!" for text in texts[:10]] + [edited(text, generator) for text in texts]
    texts = list(dict.fromkeys(texts))
    shuffled = generator.sample(texts, len(texts))
    found = {frozenset(texts[i] for i in pair): value for pair, value in pairs(texts).items()}
    assert len(found) > 20
    assert found == pairs_by_text(texts) == pairs_by_text(shuffled)


def pairs_by_text(texts: list[str]) -> dict[frozenset[str], float]:
    return {frozenset(texts[i] for i in pair): value for pair, value in pairs(texts).items()}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("재밌어요!!", "재밌어요."),
        ("너무 좋아요", "너무좋아요~~"),
        ("ㅋㅋㅋㅋ", "ㅋㅋㅋㅋㅋㅋㅋㅋ"),
        ("굿", "굿!"),
        ("Net sales were EUR 94 million.", "NET SALES were EUR 94 million"),
        ("카톡으로 주식 거래하는 시대 열린다 카카오 증권업 진출 선언", "카톡으로 주식 거래하는 시대 열린다 카카오 증권업 진출 선언종합"),
        (
            "The new policy was also aimed at making companies more competitive.",
            "Policy was also aimed at making companies more competitive.",
        ),
        ("...", "......"),
    ],
)
def test_near(one: str, other: str) -> None:
    assert len(pairs([one, "something else altogether", other])) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("최고", "최악"),
        ("굿", "굳"),
        ("재밌다", "재미없다"),
        ("이 영화 정말 재밌어요", "이 영화 정말 지루해요"),
        ("Profit rose in the third quarter", "Profit fell in the third quarter"),
        ("My card has not arrived yet", "My transfer has not arrived yet"),
        ("...", "!!!"),
        ("", "a"),
    ],
)
def test_not_near(one: str, other: str) -> None:
    assert pairs([one, other]) == {}


def test_both_texts_of_a_pair_must_be_near() -> None:
    """A long premise with another hypothesis is another row: natural-language inference is full of them."""
    premise = "A man in a blue shirt is standing on a ladder cleaning a window of the old town hall."
    texts = [(premise, "A man works."), (premise, "Nobody is there."), (premise + "!", "a man works"), ("A man works.", premise)]
    twins = Twins(texts)
    assert {text: list(twins.of(text)) for text in twins.having()} == {0: [(2, 1.0)], 2: [(0, 1.0)]}


def test_the_nearest_twin_comes_first_and_the_earliest_of_equals() -> None:
    base = "one two three four five six seven eight nine ten"
    twins = Twins([(base,), (base + " again",), (base + ".",), (base + " again!",), (base + " x",)])
    assert [other for other, _ in twins.of(0)] == [2, 4, 1, 3]
    values = [value for _, value in twins.of(0)]
    assert values == sorted(values, reverse=True)
    assert values[0] == 1.0


def test_no_texts_have_no_twins() -> None:
    assert list(Twins([]).having()) == []
    assert list(Twins([("",)]).having()) == []


def test_many_texts_of_one_template_are_found_without_comparing_all_of_them() -> None:
    """8,000 rows are 32 million pairs; every row has a twin, and few comparisons show it."""
    texts = [(f"The customer with the number {i:04d} asked why the transfer of last week has not arrived yet",) for i in range(8000)]
    start = time.process_time()
    found = list(Twins(texts).having())
    # All pairs would take minutes; measured 2 s of processor time on the development machine.
    assert time.process_time() - start < 20
    assert len(found) == 8000
