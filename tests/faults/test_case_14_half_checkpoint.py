"""Case 14: the newest checkpoint is damaged. Training goes on from the last whole one, says so, and ends as if nothing had been."""

import logging
from pathlib import Path

import pytest

from tests.support.calm import calm
from tests.unit.test_checkpoint import EPOCHS, encoder, sitting
from tuneoff.errors import StorageError
from tuneoff.train import Schedule

__all__ = ["encoder"]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_falls_back_and_says_so(share: float, encoder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    schedule, file = Schedule(EPOCHS, 0.1, 1.0), tmp_path / "run.ckpt"
    with calm():
        whole = sitting(encoder, tmp_path / "whole.ckpt")
        expected = whole.train(schedule)
        sitting(encoder, file).train(schedule, 3)
        file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
        run = sitting(encoder, file)
        with caplog.at_level(logging.WARNING, "tuneoff"):
            found = run.train(schedule)
    assert len(caplog.messages) == 1
    assert "run.ckpt" in caplog.messages[0]
    assert "run.ckpt.previous, 2 epochs done" in caplog.messages[0]
    assert [(point.step, point.loss) for point in found.curve] == [(point.step, point.loss) for point in expected.curve]
    assert all((a == b).all() for a, b in zip(run.values(), whole.values(), strict=True))


def test_both_damaged(encoder: Path, tmp_path: Path) -> None:
    file = tmp_path / "run.ckpt"
    with calm():
        sitting(encoder, file).train(Schedule(2, 0.1, 1.0))
        for damaged in (file, file.with_name("run.ckpt.previous")):
            damaged.write_bytes(damaged.read_bytes()[:100])
        with pytest.raises(StorageError) as caught:
            sitting(encoder, file).train(Schedule(2, 0.1, 1.0))
    assert "delete it to begin anew" in caught.value.text("en")


def test_a_run_that_has_ended_leaves_none(encoder: Path, tmp_path: Path) -> None:
    file = tmp_path / "run.ckpt"
    with calm():
        run = sitting(encoder, file)
        run.train(Schedule(2, 0.1, 1.0))
    assert len(list(tmp_path.glob("run.ckpt*"))) == 2
    run.checkpoint.forget()
    assert not list(tmp_path.glob("run.ckpt*"))
