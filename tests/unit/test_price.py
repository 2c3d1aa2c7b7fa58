"""``price_per_hour``: an amount with its currency, or one clear error."""

from pathlib import Path

import pytest

from tests.support.studies import write_study
from tuneoff import Study
from tuneoff.errors import UsageError
from tuneoff.report import format as f
from tuneoff.spec.units import Money


def priced(tmp_path: Path, price: str) -> Money | None:
    return Study.load(write_study(tmp_path, ["majority"], seeds=1), [f"price_per_hour={price}"]).file.spec.price_per_hour


@pytest.mark.parametrize(
    ("text", "amount", "currency"), [("0.35 USD", 0.35, "USD"), ("1500 krw", 1500, "KRW"), ("1,500 KRW", 1500, "KRW"), ("2EUR", 2, "EUR")]
)
def test_an_amount_and_three_letters(tmp_path: Path, text: str, amount: float, currency: str) -> None:
    assert priced(tmp_path, text) == Money(amount, currency)


@pytest.mark.parametrize("text", ["0.35", "USD", "0 USD", "-1 USD", "1,50 EUR", "1 dollar"])
def test_anything_else_is_refused_with_an_example(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError, match=r"0\.35 USD"):
        priced(tmp_path, text)


def test_it_is_written_as_it_is_read(tmp_path: Path) -> None:
    spec = Study.load(write_study(tmp_path, ["majority"], seeds=1), ["price_per_hour=0.35 USD"]).file.spec
    dumped = spec.model_dump(mode="json")
    assert dumped["price_per_hour"] == {"amount": 0.35, "currency": "USD"}
    assert type(spec).model_validate(dumped).price_per_hour == spec.price_per_hour


def test_a_price_makes_no_new_trial(tmp_path: Path) -> None:
    folder = write_study(tmp_path, ["majority"], seeds=1)
    keys = [[trial.key for trial in Study.load(folder, extra).plan().trials] for extra in ([], ["price_per_hour=1 USD"])]
    assert keys[0] == keys[1]


@pytest.mark.parametrize(
    ("amount", "text"),
    [(None, "–"), (0.0, "0 USD"), (0.00001, "< 0.0001 USD"), (0.01234, "0.0123 USD"), (1.5, "1.50 USD"), (1234.5, "1,234 USD")],
)
def test_money_has_the_digits_that_matter(amount: float | None, text: str) -> None:
    assert f.money(amount, "USD") == text


@pytest.mark.parametrize(("joules", "text"), [(None, "–"), (3.0, "3 J"), (999.7, "1 kJ"), (45_600.0, "45.6 kJ"), (2.5e6, "2.5 MJ")])
def test_energy_has_three_digits(joules: float | None, text: str) -> None:
    assert f.energy(joules) == text
