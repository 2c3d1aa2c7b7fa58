"""Our own split keeps near twins on one side, each label in its share, and the same every time."""

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from tests.unit.test_data_near import all_pairs, sentences
from tuneoff.data import SPLITS, Rows, load_splits
from tuneoff.data.groups import LARGEST, MANY, rows_together
from tuneoff.data.splits import stratified_pick
from tuneoff.spec import DataSpec


def rows(texts: list[str], labels: list[str]) -> Rows:
    return Rows([(text,) for text in texts], labels, [f"t.csv:{i}" for i in range(2, len(texts) + 2)])


@pytest.fixture(scope="module")
def doubled() -> Rows:
    """Each of 200 sentences with a twin that a reader would call the same, in shuffled order."""
    texts = sentences("ko")[:200]
    labelled = [(text, "abc"[i % 3]) for i, text in enumerate(texts)] + [(text + " 종합", "abc"[i % 3]) for i, text in enumerate(texts)]
    order = np.random.default_rng(0).permutation(len(labelled))
    return rows([labelled[i][0] for i in order], [labelled[i][1] for i in order])


def write(folder: Path, content: Rows) -> None:
    lines = [json.dumps({"text": text, "label": label}) for (text,), label in zip(content.texts, content.labels, strict=True)]
    (folder / "t.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_no_near_twin_stands_on_two_sides(doubled: Rows, tmp_path: Path) -> None:
    write(tmp_path, doubled)
    splits = load_splits(DataSpec.model_validate({"train": "t.jsonl", "validation": 0.2, "test": 0.2}), tmp_path)
    sides = {text: name for name in SPLITS for (text,) in splits[name].texts}
    near = [sorted(pair) for pair in all_pairs([text for (text,) in doubled.texts])]
    assert len(near) >= 100, "the twins are there to be kept together"
    texts = [text for (text,) in doubled.texts]
    torn = [(texts[one], texts[other]) for one, other in near if sides[texts[one]] != sides[texts[other]]]
    assert torn == []
    for name, expected in (("test", 80), ("validation", 80)):
        # Pairs go as a whole, so that a label may be a row away from its share of a third.
        assert abs(len(splits[name]) - expected) <= 1
        assert all(abs(count - expected / 3) <= 2 for count in Counter(splits[name].labels).values())
    again = load_splits(DataSpec.model_validate({"train": "t.jsonl", "validation": 0.2, "test": 0.2}), tmp_path)
    assert again.content_hash == splits.content_hash


def test_a_split_that_tears_twins_apart_is_another_study() -> None:
    """What a trial is known by follows the split: results of a split by texts alone are never mixed with those of this one."""
    content = rows([f"{'long sentence about matters ' * 3}{i}{mark}" for i in range(20) for mark in ("", "!")], ["a", "b"] * 20)
    by_text, by_group = (stratified_pick(content, 10, 0, together) for together in (None, rows_together(content).tolist()))
    assert by_text != by_group


def test_texts_of_one_template_are_no_single_group() -> None:
    texts = [f"the report of the company number {i % 1000} says that its profit rose in the quarter" for i in range(1000)]
    sizes = Counter(rows_together(rows(texts, ["a", "b"] * 500)).tolist())
    assert max(sizes.values()) <= LARGEST * 500
    assert sum(count > 1 for count in sizes.values()) > 10
    chosen, left = stratified_pick(rows(texts, ["a", "b"] * 500), 100, 0, rows_together(rows(texts, ["a", "b"] * 500)).tolist())
    assert (len(chosen), len(left)) == (100, 900)


def test_rows_of_the_same_text_stay_together_however_many() -> None:
    together = rows_together(rows(["굿"] * 50 + ["다른 글"] * 2, ["a"] * 50 + ["b"] * 2)).tolist()
    assert len(set(together[:50])) == 1
    assert together[50] == together[51] != together[0]


def test_groups_of_many_rows_are_found_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"{np.base_repr(i * 7919 + 10**9, 36)} {np.base_repr(i * 104729 + 10**9, 36)}" for i in range(MANY - 100)]
    many = rows([*texts, *(text + "!" for text in texts[:100])], ["a", "b"] * (MANY // 2))
    first = rows_together(many, tmp_path)
    assert len(set(first.tolist())) <= MANY - 100
    monkeypatch.setattr("tuneoff.data.groups.Twins", None)  # Looked for again, they would not be found.
    assert np.array_equal(rows_together(many, tmp_path), first)
    (file,) = tmp_path.iterdir()
    monkeypatch.undo()
    file.write_bytes(file.read_bytes()[:-8])
    assert np.array_equal(rows_together(many, tmp_path), first), "a cut file is made again"
    assert np.array_equal(rows_together(many, Path("/proc/no-such-folder")), first), "a folder that cannot be written is done without"
