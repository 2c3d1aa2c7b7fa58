"""Every module of the contract suite computes calmly."""

from collections.abc import Iterator

import pytest

from tests.support.calm import calm


@pytest.fixture(scope="module", autouse=True)
def _calm() -> Iterator[None]:
    with calm():
        yield
