"""A study file → the trials to run. Everything that can be refused is refused here, before anything trains."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuneoff.backbone import BackboneFacts, Resolved, load_tokenizer, read_config, read_facts, resolve
from tuneoff.data import DataReport, Splits, describe, load_splits
from tuneoff.errors import MethodError, RefusedError
from tuneoff.forecast import Parameters, count_parameters
from tuneoff.measure import METRIC_VERSION
from tuneoff.methods import Chosen, Method, choose_all
from tuneoff.spec import StudyFile, TrialSpec


@dataclass(frozen=True)
class PlannedMethod:
    """One row of the report: a method, its trials, and why there are none if it is unsupported."""

    chosen: Chosen
    title: dict[str, str]
    trials: list[TrialSpec]
    parameters: Parameters | None
    unsupported: str | None = None

    @property
    def label(self) -> str:
        """Its name in the report."""
        return self.chosen.label


@dataclass(frozen=True)
class Plan:
    """All that a run needs to know."""

    study: StudyFile
    splits: Splits
    report: DataReport
    resolved: Resolved | None
    facts: BackboneFacts | None
    methods: list[PlannedMethod]
    stages: list[TrialSpec] = field(default_factory=list)

    @property
    def trials(self) -> list[TrialSpec]:
        """Stages and trials in the order they run: seed by seed, cheap methods of the list first as written; each once."""
        by_seed = sorted((trial for method in self.methods for trial in method.trials), key=lambda trial: trial.seed)
        ordered: dict[str, TrialSpec] = {}
        stages = {stage.name: stage for stage in self.stages}
        for trial in by_seed:
            if trial.needs:
                ordered.setdefault(trial.needs, stages[trial.needs])
            ordered.setdefault(trial.name, trial)
        return list(ordered.values())


def make_plan(study: StudyFile) -> Plan:
    """Check data, backbone and methods, and list the trials.

    Raises:
        UsageError: a method or parameter that does not exist.
        RefusedError: data or backbone cannot be used.
    """
    spec = study.spec
    chosen = choose_all(study)
    splits = load_splits(spec.data, study.folder)
    needs_backbone = any(issubclass(type(method.build()), Method) for method in chosen)
    resolved = resolve(spec.backbone, study.folder, spec.trust_remote_code) if needs_backbone else None
    facts = None
    if resolved:
        config = read_config(resolved, spec.trust_remote_code)
        config.num_labels = len(splits.labels)
        facts = read_facts(spec.backbone, resolved.revision, config, spec.trust_remote_code)
        load_tokenizer(resolved, spec.trust_remote_code)
        _check_length(study, facts, chosen)
    stages: dict[str, TrialSpec] = {}
    methods = [_plan_method(one, study, splits, facts, stages) for one in chosen]
    return Plan(study, splits, describe(splits), resolved, facts, methods, list(stages.values()))


def _check_length(study: StudyFile, facts: BackboneFacts, chosen: list[Chosen]) -> None:
    for one in chosen:
        method = one.build()
        if not isinstance(method, Method) or method.unsupported(facts):
            continue
        virtual = method.num_virtual_tokens()
        longest = facts.longest(virtual)
        if longest is not None and study.spec.train.max_length > longest:
            where = study.document.where(("train", "max_length"))
            raise RefusedError(
                "method.too_long",
                where=where,
                method=one.label,
                length=study.spec.train.max_length,
                virtual=virtual,
                positions=facts.positions,
            )


def _plan_method(one: Chosen, study: StudyFile, splits: Splits, facts: BackboneFacts | None, stages: dict[str, TrialSpec]) -> PlannedMethod:
    spec, method = study.spec, one.build()
    title = dict(method.facts.title)
    if one.pretrain:
        title = {"en": f"Continued pretraining + {title['en']}", "ko": f"추가 사전학습 + {title['ko']}"}
    common: dict[str, Any] = {"data": splits.content_hash, "train": spec.train, "metric_version": METRIC_VERSION}
    if not isinstance(method, Method):
        config = one.config.model_dump(mode="json")
        trials = [TrialSpec(method=one.full_name, config=config, seed=seed, backbone="", **common) for seed in range(spec.seeds)]
        return PlannedMethod(one, title, trials, None)
    assert facts is not None
    common |= {"trust_remote_code": spec.trust_remote_code, "backbone": facts.revision}
    reason = method.unsupported(facts)
    if reason is None and spec.train.gradient_checkpointing and not method.facts.gradient_checkpointing:
        reason = "method.no_checkpointing"
    try:
        parameters = None if reason else count_parameters(method, facts, spec.trust_remote_code)
    except ValueError as error:
        raise MethodError("method.cannot_attach", where=one.label, reason=str(error)) from error
    resolved_config = one.config.model_dump(mode="json") | {
        "learning_rate": one.config.learning_rate or method.learning_rates.default(facts.hidden),
        "head_learning_rate": one.config.head_learning_rate or method.head_learning_rates.default(facts.hidden),
        "epochs": one.config.epochs or spec.train.epochs,
    }
    trials = []
    for seed in range(spec.seeds):
        more: dict[str, Any] = {}
        if one.pretrain:
            stage = _stage(study, splits, facts, seed, common)
            stages[stage.name] = stage
            more = {"needs": stage.name, "pretrain": stage.pretrain, "corpus": splits.corpus_hash}
        trials.append(TrialSpec(method=one.full_name, config=resolved_config, seed=seed, **common, **more))
    return PlannedMethod(one, title, trials, parameters, reason)


def _stage(study: StudyFile, splits: Splits, facts: BackboneFacts, seed: int, common: dict[str, Any]) -> TrialSpec:
    """Continued pretraining of one seed; shared by every method that builds on it."""
    from tuneoff.methods import LearningRates

    rates = LearningRates(1e-5, 1e-3, {384: 2e-4, 768: 1e-4, 1024: 5e-5, 4096: 1e-5})
    pretrain = study.spec.pretrain.model_copy(update={"learning_rate": study.spec.pretrain.learning_rate or rates.default(facts.hidden)})
    return TrialSpec(method="pretrain", config={}, seed=seed, pretrain=pretrain, corpus=splits.corpus_hash, **(common | {"data": ""}))


def tokens_cache(folder: Path) -> Path:
    """Where a study keeps what can be made again: tokens, features, prepared splits."""
    return folder / "results" / "cache"
