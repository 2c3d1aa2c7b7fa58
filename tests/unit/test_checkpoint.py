"""A run that was stopped and goes on ends as the one that was not; a checkpoint of something else is refused."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForMaskedLM, AutoTokenizer, PreTrainedModel

from tests.support.calm import calm
from tests.support.tiny import SENTENCES, tiny_encoder
from tuneoff.data import tokenise
from tuneoff.errors import StorageError
from tuneoff.measure import Clock
from tuneoff.train import (
    Checkpoint,
    Group,
    LanguageModelling,
    Outcome,
    Progress,
    Schedule,
    TokenRows,
    Trapezoid,
    Weights,
    fit,
)
from tuneoff.train.attention import use_fast_dropout

EPOCHS = 4


@dataclass
class Run:
    """One sitting: everything made anew, as a new process would."""

    model: PreTrainedModel
    objective: LanguageModelling
    weights: Weights
    checkpoint: Checkpoint

    def train(self, schedule: Schedule | Trapezoid, stop_after: int | None = None, select: str | None = "accuracy") -> Outcome:
        def after_epoch(progress: Progress) -> bool:
            self.checkpoint.save(progress)
            return progress.epochs != stop_after

        return fit(
            self.model,
            self.weights,
            self.objective,
            schedule,
            self.checkpoint.clock,
            select,
            progress=self.checkpoint.load(),
            after_epoch=after_epoch,
        )

    def values(self) -> list[torch.Tensor]:
        return [master.detach().clone() for master in self.weights.masters]


def sitting(folder: Path, file: Path, precision: str = "fp32", leg: int | None = None, learning_rate: float = 1e-3) -> Run:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForMaskedLM.from_pretrained(folder, dtype=torch.float32)
    source = use_fast_dropout(model, 7)
    tokens = tokenise([(text,) for text in SENTENCES * 3], tokenizer, "tiny", 32, file.parent, split_long=True)
    rows = TokenRows(tokens, None, tokenizer.pad_token_id, torch.device("cpu"))
    objective = LanguageModelling(model, rows, tokenizer, "encoder", 8, 0.2, 0, leg=leg)
    weights = Weights(model, [Group(list(model.parameters()), learning_rate)], precision, 0.01)  # type: ignore[arg-type]
    return Run(model, objective, weights, Checkpoint(file, {"learning_rate": learning_rate}, weights, Clock(), [source.generator]))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with calm():
        return tiny_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("leg", [None, 3])
def test_a_stopped_run_ends_bit_for_bit_as_one_that_was_not(encoder: Path, tmp_path: Path, precision: str, leg: int | None) -> None:
    with calm():
        schedule = Schedule(EPOCHS, 0.1, 1.0)
        whole = sitting(encoder, tmp_path / "whole.ckpt", precision, leg)
        expected = whole.train(schedule)
        torch.manual_seed(99)  # Whatever else the next process has drawn before it loads.
        for stop in (1, 3, None):
            run = sitting(encoder, tmp_path / "parts.ckpt", precision, leg)
            found = run.train(schedule, stop)
    assert len(expected.curve) > EPOCHS
    assert [(p.step, p.loss, p.validation_loss) for p in found.curve] == [(p.step, p.loss, p.validation_loss) for p in expected.curve]
    assert (found.best_epoch, found.best) == (expected.best_epoch, expected.best)
    assert all(map(torch.equal, run.values(), whole.values()))
    assert run.checkpoint.clock.seconds["train"] > 0


def test_a_setting_that_the_older_version_did_not_know_is_no_other_run(encoder: Path, tmp_path: Path) -> None:
    with calm():
        sitting(encoder, tmp_path / "a.ckpt").train(Trapezoid(2, 1.0, 1), stop_after=1)
        later = sitting(encoder, tmp_path / "a.ckpt")
        later.checkpoint.run["new"] = None
        progress = later.checkpoint.load()
        assert progress is not None
        assert progress.epochs == 1
        later.checkpoint.run["new"] = "set"
        with pytest.raises(StorageError, match="new differ"):
            later.checkpoint.load()


def test_the_best_weights_survive_a_stop(encoder: Path, tmp_path: Path) -> None:
    """Where the best epoch is behind a stop, its weights come back at the end."""
    with calm():
        first = sitting(encoder, tmp_path / "a.ckpt")
        first.train(Trapezoid(1, 1.0, 1))
        kept, progress = first.values(), first.checkpoint.load()
        assert progress is not None
        # From here on a rate that only does harm.
        for group in first.weights.optimiser.param_groups:
            group["lr"] = 10.0
        first.weights.peaks = [10.0 for _ in first.weights.peaks]
        first.train(Trapezoid(3, 10.0, 1), stop_after=2)
        again = sitting(encoder, tmp_path / "a.ckpt")
        outcome = again.train(Trapezoid(3, 1.0, 1))
    assert outcome.best_epoch == 1
    assert all(map(torch.equal, again.values(), kept))


def test_cooling_down_leaves_the_run_at_the_full_rate_as_it_was(encoder: Path, tmp_path: Path) -> None:
    with calm():
        whole = sitting(encoder, tmp_path / "whole.ckpt", leg=3)
        whole.train(Trapezoid(EPOCHS, 1.0, 2), select=None)
        part = sitting(encoder, tmp_path / "steady.ckpt", leg=3)
        part.train(Trapezoid(EPOCHS, 1.0, 2), stop_after=2, select=None)
        before = (tmp_path / "steady.ckpt").read_bytes()

        cooling = sitting(encoder, tmp_path / "steady.ckpt", leg=3)
        outcome = fit(
            cooling.model, cooling.weights, cooling.objective, Trapezoid(3, 1.0, 2, 3), Clock(), None, progress=cooling.checkpoint.load()
        )
        assert outcome.steps == 9
        rates = [Trapezoid(3, 1.0, 2, 3).factor(step, 9) for step in range(9)]
        assert rates == pytest.approx([0.5, 1, 1, 1, 1, 1, 1, 2 / 3, 1 / 3])

        assert (tmp_path / "steady.ckpt").read_bytes() == before
        rest = sitting(encoder, tmp_path / "steady.ckpt", leg=3)
        rest.train(Trapezoid(EPOCHS, 1.0, 2), select=None)
    assert all(map(torch.equal, rest.values(), whole.values()))


def test_a_checkpoint_of_other_settings_is_refused_by_name(encoder: Path, tmp_path: Path) -> None:
    with calm():
        sitting(encoder, tmp_path / "a.ckpt").train(Schedule(1, 0.1, 1.0))
        with pytest.raises(StorageError, match="learning_rate") as caught:
            sitting(encoder, tmp_path / "a.ckpt", learning_rate=2e-3).train(Schedule(1, 0.1, 1.0))
    assert "a.ckpt" in str(caught.value)


def test_a_cut_checkpoint_is_refused_with_a_way_out(encoder: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.ckpt"
    with calm():
        sitting(encoder, file).train(Schedule(1, 0.1, 1.0))
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        with pytest.raises(StorageError) as caught:
            sitting(encoder, file).train(Schedule(1, 0.1, 1.0))
    assert caught.value.key == "run.bad_checkpoint"


def test_an_epoch_of_the_objective_follows_from_its_number_alone(encoder: Path, tmp_path: Path) -> None:
    """Nothing of the data's order or of the hidden words needs to be stored."""
    with calm():
        one, other = (sitting(encoder, tmp_path / "a.ckpt", leg=3).objective for _ in range(2))
        for number in range(2):
            list(one.epoch(number))
        ids = [[batch.inputs["input_ids"].tolist() for batch in parts] for parts in one.epoch(2)]
        assert ids == [[batch.inputs["input_ids"].tolist() for batch in parts] for parts in other.epoch(2)]
        assert json.dumps(ids) != json.dumps([[b.inputs["input_ids"].tolist() for b in parts] for parts in other.epoch(1)])


def test_legs_cover_the_corpus_once_a_pass(encoder: Path, tmp_path: Path) -> None:
    with calm():
        objective = sitting(encoder, tmp_path / "a.ckpt", leg=1).objective
    seen = [row for leg in range(objective.batches_of_a_pass) for parts in objective.epoch(leg) for batch in parts for row in batch.rows]
    assert sorted(seen) == sorted(objective.chosen)
