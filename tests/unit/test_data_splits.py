"""From rows to train, validation and test: shares, duplicates, labels, limits, the content hash."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneoff.data import SPLITS, Rows, Splits, load_splits
from tuneoff.data.splits import duplicate_key, label_order, limited, stratified_pick
from tuneoff.errors import DataError
from tuneoff.spec import DataSpec

#: The same examples every time, and nothing written beside the tests.
FIXED = settings(derandomize=True, database=None, deadline=None, max_examples=150)

LABELS = st.sampled_from(["a", "b", "c", "rare"])
#: Few texts, so that many rows share one; some differ only in blanks.
REPEATED = st.lists(st.tuples(st.sampled_from(["x", "y", " x", "x\t", "z", "", "w", "v", "u"]), LABELS), min_size=1, max_size=60)


def rows_of(pairs: list[tuple[str, str]], file: str = "t.csv") -> Rows:
    return Rows([(text,) for text, _ in pairs], [label for _, label in pairs], [f"{file}:{i}" for i in range(2, len(pairs) + 2)])


def distinct(labels: list[str]) -> Rows:
    return rows_of([(f"text {i}", label) for i, label in enumerate(labels)])


def split_off(rows: Rows, count: int, seed: int) -> tuple[Rows, Rows]:
    chosen, left = stratified_pick(rows, count, seed)
    return rows.take(chosen), rows.take(left)


# Splitting.


@FIXED
@given(REPEATED, st.integers(1, 60), st.integers(0, 3))
def test_a_split_is_a_partition_with_every_text_on_one_side(pairs: list[tuple[str, str]], count: int, seed: int) -> None:
    rows = rows_of(pairs)
    out, left = split_off(rows, count, seed)
    assert sorted(out.places + left.places) == sorted(rows.places)
    assert not {duplicate_key(text) for text in out.texts} & {duplicate_key(text) for text in left.texts}
    assert len(out) <= count
    assert set(left.labels) == set(rows.labels)  # No label loses its last row.
    assert out.places == [place for place in rows.places if place in set(out.places)]  # In file order.
    again, _ = split_off(rows, count, seed)
    assert again == out


@FIXED
@given(st.lists(LABELS, min_size=1, max_size=80), st.integers(1, 80), st.integers(0, 3))
def test_a_split_of_distinct_texts_has_the_size_asked_for_and_the_shares_of_the_whole(labels: list[str], count: int, seed: int) -> None:
    rows = distinct(labels)
    out, _ = split_off(rows, count, seed)
    sizes, taken = Counter(labels), Counter(out.labels)
    # Every label keeps one row in train; all others may go.
    assert len(out) == min(count, len(rows) - len(sizes))
    if all(size * count / len(rows) + 1 <= size - 1 for size in sizes.values()):
        # Largest remainders: no label is a whole row away from its exact share.
        assert all(abs(taken[label] - count * size / len(rows)) < 1 for label, size in sizes.items())


@FIXED
@given(REPEATED, st.integers(1, 60), st.integers(0, 3))
def test_a_limit_takes_whole_texts_and_never_more_rows(pairs: list[tuple[str, str]], limit: int, seed: int) -> None:
    rows = rows_of(pairs)
    kept = limited(rows, limit, seed)
    assert len(kept) <= limit
    assert set(kept.places) <= set(rows.places)
    for key, number in Counter(map(duplicate_key, kept.texts)).items():
        assert number == sum(duplicate_key(text) == key for text in rows.texts)
    assert limited(rows, limit, seed) == kept


@FIXED
@given(st.lists(LABELS, min_size=1, max_size=80), st.integers(1, 80), st.integers(0, 3))
def test_a_limit_keeps_every_label_and_the_shares(labels: list[str], limit: int, seed: int) -> None:
    kept = limited(distinct(labels), limit, seed)
    sizes, taken = Counter(labels), Counter(kept.labels)
    assert len(kept) == min(limit, len(labels))
    if limit >= len(sizes):
        assert set(taken) == set(sizes)
    if limit < len(labels) and all(limit * size / len(labels) >= 1 for size in sizes.values()):
        assert all(abs(taken[label] - limit * size / len(labels)) < 1 for label, size in sizes.items())


@pytest.mark.parametrize("count", [10, 11, 37, 99, 100])
def test_no_label_is_a_row_away_from_its_share(count: int) -> None:
    sizes = {"a": 97, "b": 53, "c": 50, "d": 33, "e": 19}
    rows = distinct([label for label, size in sizes.items() for _ in range(size)])
    for seed in range(5):
        for chosen in (split_off(rows, count, seed)[0], limited(rows, count, seed)):
            taken = Counter(chosen.labels)
            assert all(abs(taken[label] - count * size / len(rows)) < 1 for label, size in sizes.items())


def test_another_seed_splits_otherwise() -> None:
    rows = distinct(["a", "b"] * 50)
    assert split_off(rows, 20, 0)[0] != split_off(rows, 20, 1)[0]
    assert limited(rows, 20, 0) != limited(rows, 20, 1)


def test_no_limit_keeps_all_rows_in_order() -> None:
    rows = distinct(["b", "a", "b"])
    assert limited(rows, None, 0) is rows
    assert limited(rows, 3, 0) is rows


# The order of labels.


@pytest.mark.parametrize(
    ("labels", "order"),
    [
        (["10", "9", "-1", "0"], ["-1", "0", "9", "10"]),
        (["b", "a", "B"], ["B", "a", "b"]),
        (["1", "b", "10"], ["1", "10", "b"]),
        (["1.0", "0.0"], ["0.0", "1.0"]),
        (["1", "01"], ["01", "1"]),
        (["긍정", "부정", "긍정"], ["긍정", "부정"]),
        (["2", "9" * 6000], ["2", "9" * 6000]),
    ],
)
def test_labels_are_ordered_as_people_count(labels: list[str], order: list[str]) -> None:
    assert label_order(labels) == order
    assert label_order(list(reversed(labels))) == order


# From files.


def csv(folder: Path, name: str, pairs: list[tuple[str, str]], header: str = "text,label") -> str:
    (folder / name).write_text(header + "\n" + "".join(f"{text},{label}\n" for text, label in pairs), encoding="utf-8")
    return name


def splits(folder: Path, **data: Any) -> Splits:
    return load_splits(DataSpec.model_validate(data), folder)


def refused(folder: Path, **data: Any) -> str:
    with pytest.raises(DataError) as caught:
        splits(folder, **data)
    said = caught.value.text("en")
    assert said.isprintable()
    assert any("가" <= character <= "힣" for character in caught.value.text("ko"))
    return said


def two(one: str, other: str) -> list[tuple[str, str]]:
    """Ten rows with two labels."""
    return [(f"row {i}", (one, other)[i % 2]) for i in range(10)]


#: No two are nearly the same.
MANY = [(f"{i * 7919} text", "abc"[i % 3]) for i in range(300)]


def test_one_file_is_split_by_the_shares_asked_for(tmp_path: Path) -> None:
    found = splits(tmp_path, train=csv(tmp_path, "a.csv", MANY), validation=0.1, test=0.2)
    assert {name: len(found[name]) for name in SPLITS} == {"train": 210, "validation": 30, "test": 60}
    assert {name: set(Counter(found[name].labels).values()) for name in SPLITS} == {"train": {70}, "validation": {10}, "test": {20}}
    assert sorted(place for name in SPLITS for place in found[name].places) == sorted(f"a.csv:{i}" for i in range(2, 302))
    assert all(
        found[name].texts[i] == MANY[int(place.split(":")[1]) - 2][:1] for name in SPLITS for i, place in enumerate(found[name].places)
    )


def test_a_split_does_not_depend_on_the_files_name_or_on_when_it_is_made(tmp_path: Path) -> None:
    one = splits(tmp_path, train=csv(tmp_path, "a.csv", MANY))
    other = splits(tmp_path, train=csv(tmp_path, "b.csv", MANY))
    assert one.test.texts == other.test.texts
    assert one.content_hash == other.content_hash


def test_the_split_seed_changes_the_split(tmp_path: Path) -> None:
    file = csv(tmp_path, "a.csv", MANY)
    assert splits(tmp_path, train=file).test.texts != splits(tmp_path, train=file, split_seed=1).test.texts


def test_the_test_rows_do_not_depend_on_the_validation_share(tmp_path: Path) -> None:
    file = csv(tmp_path, "a.csv", MANY)
    assert splits(tmp_path, train=file, validation=0.1).test == splits(tmp_path, train=file, validation=0.3).test


def test_files_of_their_own_are_taken_as_they_are(tmp_path: Path) -> None:
    files = {name: csv(tmp_path, f"{name}.csv", [(f"{name} {i}", "ab"[i % 2]) for i in range(6)]) for name in SPLITS}
    found = splits(tmp_path, **files)
    for name in SPLITS:
        assert found[name].texts == [(f"{name} {i}",) for i in range(6)]
        assert found[name].places == [f"{name}.csv:{i}" for i in range(2, 8)]


def test_a_path_may_be_absolute_below_home_or_with_blanks_and_hangul(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "데이터 폴더"
    folder.mkdir()
    csv(folder, "학습 자료.csv", MANY)
    monkeypatch.setenv("HOME", str(tmp_path))
    for file in ("데이터 폴더/학습 자료.csv", str(folder / "학습 자료.csv"), "~/데이터 폴더/학습 자료.csv"):
        assert len(splits(tmp_path, train=file).train) == 210


def test_pairs_stay_pairs(tmp_path: Path) -> None:
    csv(tmp_path, "p.csv", [(f"q{i},a{i}", "xy"[i % 2]) for i in range(30)], header="q,a,label")
    found = splits(tmp_path, train="p.csv", text=["q", "a"])
    assert all(text[0][1:] == text[1][1:] and text[0][0] == "q" for name in SPLITS for text in found[name].texts)


def test_a_limit_is_stratified_and_leaves_the_other_splits_whole(tmp_path: Path) -> None:
    file = csv(tmp_path, "a.csv", MANY)
    found = splits(tmp_path, train=file, limit={"train": 30, "test": 9})
    assert Counter(found.train.labels) == {"a": 10, "b": 10, "c": 10}
    assert (len(found.validation), len(found.test)) == (30, 9)
    whole = splits(tmp_path, train=file)
    assert set(found.test.texts) <= set(whole.test.texts)
    assert set(found.train.texts) <= set(whole.train.texts)


def test_a_limit_below_the_number_of_classes_is_refused(tmp_path: Path) -> None:
    file = csv(tmp_path, "a.csv", MANY)
    assert refused(tmp_path, train=file, limit=2).startswith('data.limit: 2 training rows leave no row for label "')
    assert set(splits(tmp_path, train=file, limit=3).train.labels) == {"a", "b", "c"}


def test_a_class_of_one_row_stays_in_train(tmp_path: Path) -> None:
    found = splits(tmp_path, train=csv(tmp_path, "a.csv", [("only one", "rare"), *MANY]), limit=40)
    assert "rare" in found.train.labels
    assert "rare" not in found.validation.labels + found.test.labels
    assert found.labels == ["a", "b", "c", "rare"]


def test_unlabelled_text_comes_from_a_file_of_any_format_and_can_be_limited(tmp_path: Path) -> None:
    (tmp_path / "u.txt").write_text("".join(f"line {i}\n" for i in range(100)))
    csv(tmp_path, "u.csv", [(f"line {i}", "ignored") for i in range(100)])
    train = csv(tmp_path, "a.csv", MANY)
    expected = [f"line {i}" for i in range(100)]
    assert splits(tmp_path, train=train, unlabelled="u.txt").unlabelled == expected
    assert splits(tmp_path, train=train, unlabelled="u.csv").unlabelled == expected
    some = splits(tmp_path, train=train, unlabelled="u.txt", limit={"unlabelled": 10}).unlabelled
    assert len(some) == 10
    assert some == [text for text in expected if text in some]  # In file order,
    assert some != expected[:10]  # but not the head of the file.
    assert splits(tmp_path, train=train).unlabelled == []


# Labels.


def test_there_is_one_label_map_and_it_comes_from_train(tmp_path: Path) -> None:
    train = csv(tmp_path, "train.csv", [("a", "zebra"), ("b", "ant"), ("c", "ant")])
    test = csv(tmp_path, "test.csv", [("d", "ant")])
    valid = csv(tmp_path, "valid.csv", [("e", "zebra"), ("f", "ant")])
    found = splits(tmp_path, train=train, test=test, validation=valid)
    assert found.labels == ["ant", "zebra"]
    assert [found.targets(name).tolist() for name in SPLITS] == [[1, 0, 0], [1, 0], [0]]


def test_a_label_that_train_has_not_is_refused_with_its_line_and_the_first_five(tmp_path: Path) -> None:
    train = csv(tmp_path, "train.csv", two("neg", "pos"))
    test = csv(tmp_path, "test.csv", [("d", "pos"), *[(f"t{i}", "Neg") for i in range(7)]])
    said = refused(tmp_path, train=train, test=test, validation=0.2)
    assert said.startswith('test.csv:3: label "Neg" does not occur in train (→ `neg`?) (train has: neg, pos); rows with such labels: 7 (')
    assert said.count("test.csv:") == 6  # The place of the error and five lines.
    assert 'test.csv:7 "Neg")' in said
    assert "`unseen_labels: drop`" in said


@pytest.mark.parametrize(("trained", "tested"), [("1", "1.0"), ("1", "01"), ("true", "TRUE"), ("pos", "pos "), ("é", "e\u0301")])
def test_labels_that_only_look_alike_are_not_the_same(tmp_path: Path, trained: str, tested: str) -> None:
    train = csv(tmp_path, "train.csv", two(trained, "other"))
    test = csv(tmp_path, "test.csv", [("c", tested)])
    assert f"(→ `{trained}`?)" in refused(tmp_path, train=train, test=test, validation=0.2)


def test_the_number_1_and_the_text_1_are_one_label_in_json(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text('{"text": "a", "label": 1}\n{"text": "b", "label": 0}\n')
    (tmp_path / "test.jsonl").write_text('{"text": "c", "label": "1"}\n')
    found = splits(tmp_path, train="train.jsonl", test="test.jsonl", validation="test.jsonl")
    assert found.labels == ["0", "1"]
    assert found.targets("test").tolist() == [1]


def test_unseen_labels_can_be_dropped_and_are_listed(tmp_path: Path) -> None:
    train = csv(tmp_path, "train.csv", two("neg", "pos"))
    test = csv(tmp_path, "test.csv", [("c", "pos"), ("d", "mixed"), ("e", "neg"), ("f", "?")])
    found = splits(tmp_path, train=train, test=test, validation=0.2, unseen_labels="drop")
    assert found.test.texts == [("c",), ("e",)]
    assert found.dropped == ["test.csv:3", "test.csv:5"]


def test_a_test_file_of_unseen_labels_alone_is_refused_even_then(tmp_path: Path) -> None:
    train = csv(tmp_path, "train.csv", two("neg", "pos"))
    test = csv(tmp_path, "test.csv", [("d", "mixed")])
    said = refused(tmp_path, train=train, test=test, validation=0.2, unseen_labels="drop")
    assert said.startswith("test.csv: no row for test has a label that train knows")


def test_rows_without_a_label_are_named_by_line(tmp_path: Path) -> None:
    file = csv(tmp_path, "a.csv", [("a", "x"), ("b", ""), ("c", "y"), ("d", "  ")])
    assert refused(tmp_path, train=file).startswith('a.csv:3: rows without a label in "label": 2 (lines 3, 5) → ')


def test_one_class_is_nothing_to_classify(tmp_path: Path) -> None:
    file = csv(tmp_path, "a.csv", [(f"t{i}", "x") for i in range(10)])
    assert refused(tmp_path, train=file).startswith('a.csv: every row has the same label "x" in "label" (rows: 10)')
    assert "every row has the same label" in refused(tmp_path, train=csv(tmp_path, "one.csv", [("t", "x")]))


def test_labels_that_differ_only_in_blanks_are_refused(tmp_path: Path) -> None:
    file = csv(tmp_path, "a.csv", [("a", "x"), ("b", "y"), ("c", "x ")])
    assert refused(tmp_path, train=file).startswith(
        'a.csv: labels in "label" differ only in blanks around them: a.csv:2 "x" ≠ a.csv:4 "x "'
    )


def test_two_rows_cannot_be_split(tmp_path: Path) -> None:
    file = csv(tmp_path, "a.csv", [("a", "x"), ("b", "y")])
    assert refused(tmp_path, train=file).startswith("a.csv: 2 rows are too few to split off test")


def test_numbers_and_ids_are_no_classes_but_ratings_and_many_classes_are(tmp_path: Path) -> None:
    ids = csv(tmp_path, "ids.csv", [(f"t{i}", f"id{i}") for i in range(40)])
    assert 'ids.csv: "label" holds 40 different values in 40 rows ("id0", "id1", "id10", …)' in refused(tmp_path, train=ids)
    prices = csv(tmp_path, "prices.csv", [(f"t{i}", f"{i % 50 / 4}") for i in range(200)])
    assert "numbers or ids, not classes" in refused(tmp_path, train=prices)
    ratings = csv(tmp_path, "ratings.csv", [(f"t{i}", f"{i % 10 / 2}") for i in range(60)])
    assert len(splits(tmp_path, train=ratings).labels) == 10
    many = csv(tmp_path, "many.csv", [(f"t{i}", f"class {i % 2000}") for i in range(10_000)])
    found = splits(tmp_path, train=many)
    assert len(found.labels) == 2000
    assert len(set(found.train.labels)) == 2000


def test_a_sample_that_is_not_bundled_names_the_nearest(tmp_path: Path) -> None:
    assert refused(tmp_path, train="sample:finance-kr").startswith("sample:finance-kr: no such sample (→ `finance-ko`?)")


def test_five_wrong_data_files_give_one_clear_line_each(tmp_path: Path) -> None:
    (tmp_path / "cp949.csv").write_bytes("text,label\n매출 증가,긍정\n".encode("cp949"))
    (tmp_path / "cut.jsonl").write_text('{"text": "a", "label": "x"}\n{"text": "b", "la')
    said = [
        refused(tmp_path, train=csv(tmp_path, "column.csv", [("a", "b")], header="text,Label")),
        refused(tmp_path, train="cp949.csv"),
        refused(tmp_path, train="cut.jsonl"),
        refused(tmp_path, train=csv(tmp_path, "blank.csv", [("a", "x"), ("b", "")])),
        refused(tmp_path, train=csv(tmp_path, "ragged.csv", [("a", "x,y"), ("b", "z")])),
    ]
    names = ["column.csv", "cp949.csv", "cut.jsonl", "blank.csv", "ragged.csv"]
    assert all(line.startswith(name) and "\n" not in line and len(line) < 250 for line, name in zip(said, names, strict=True))
    assert len({line.split(": ", 1)[1] for line in said}) == 5


# The content hash.

PART = st.text(st.sampled_from("ab\x1d\x1e\x1f\"',[]\n가é"), max_size=4)
CONTENT = st.lists(st.tuples(PART, PART), min_size=1, max_size=4)


def of(pairs: list[tuple[str, str]], name: str = "train") -> Splits:
    empty = Rows([], [], [])
    return replace(Splits(empty, empty, empty, label_order([label for _, label in pairs])), **{name: rows_of(pairs)})


@settings(FIXED, max_examples=600)
@given(CONTENT, CONTENT)
def test_different_content_has_a_different_hash(one: list[tuple[str, str]], other: list[tuple[str, str]]) -> None:
    assert (of(one).content_hash == of(other).content_hash) == (one == other)
    assert of(one).content_hash != of(one, "test").content_hash


def test_any_change_of_text_or_label_changes_the_hash(tmp_path: Path) -> None:
    hashes = set()
    for number in range(len(MANY[:20])):
        for change in (lambda text, label: (text + " ", label), lambda text, label: (text, "a" if label == "b" else "b")):
            pairs = list(MANY[:20])
            pairs[number] = change(*pairs[number])
            hashes.add(of(pairs).content_hash)
    assert len(hashes | {of(MANY[:20]).content_hash}) == 41


def test_a_text_pair_is_not_the_text_joined() -> None:
    empty = Rows([], [], [])
    one = Splits(Rows([("a", "b")], ["x"], ["f:1"]), empty, empty, ["x"])
    other = Splits(Rows([("a\x1eb",)], ["x"], ["f:1"]), empty, empty, ["x"])
    assert one.content_hash != other.content_hash


def test_places_and_unlabelled_text_are_not_part_of_the_hash() -> None:
    one = of(MANY)
    assert replace(one, train=rows_of(MANY, "elsewhere.csv"), unlabelled=["x"]).content_hash == one.content_hash


# The corpus.


def test_the_corpus_is_unlabelled_and_training_text_without_anything_held_out() -> None:
    found = Splits(
        Rows([("train",), ("both",)], ["a", "b"], ["t:1", "t:2"]),
        Rows([("validation text",)], ["a"], ["v:1"]),
        Rows([("test text",), ("both",), ("e\u0301",)], ["a", "b", "a"], ["e:1", "e:2", "e:3"]),
        ["a", "b"],
        ["free", "free", "", "  ", "test text", " test\ttext ", "validation text", "é", "train"],
    )
    assert found.corpus == ["free", "train"]


def test_both_texts_of_a_held_out_pair_stay_out_of_the_corpus() -> None:
    empty = Rows([], [], [])
    held = Rows([("first", "second")], ["a"], ["e:1"])
    assert Splits(Rows([("p", "q")], ["a"], ["t:1"]), empty, held, ["a"], ["second", "free", "first"]).corpus == ["free", "p", "q"]


def test_the_corpus_hash_follows_the_corpus() -> None:
    base = of(MANY)
    assert replace(base, unlabelled=["x"]).corpus_hash != replace(base, unlabelled=["y"]).corpus_hash
    assert replace(base, unlabelled=["a\x1eb"]).corpus_hash != replace(base, unlabelled=["a", "b"]).corpus_hash
    assert replace(base, unlabelled=["x", "x"]).corpus_hash == replace(base, unlabelled=["x"]).corpus_hash
