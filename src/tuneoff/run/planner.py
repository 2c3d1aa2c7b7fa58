"""A study file → the trials to run. Everything that can be refused is refused here, before anything trains."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from tuneoff.backbone import UNSEEN, BackboneFacts, Resolved, load_tokenizer, look_up, read_config, read_facts, resolve, tokenizer_hash
from tuneoff.data import DataReport, Reader, Splits, describe, load_splits
from tuneoff.errors import MethodError, RefusedError, UsageError
from tuneoff.forecast import Parameters, count_parameters
from tuneoff.kept import BackboneCard, MethodOutline, Outline, in_order
from tuneoff.measure import METRIC_VERSION
from tuneoff.methods import Chosen, Method, choose_all
from tuneoff.run.candidates import SEARCH_SEED, search_config, search_spec
from tuneoff.run.several import cannot_divide
from tuneoff.spec import StudyFile, TrialSpec, nearest
from tuneoff.store import cache_folder
from tuneoff.strings import say


@dataclass(frozen=True)
class PlannedMethod:
    """One row of the report: a method, its trials, the search they build on, and why there are none if it is unsupported."""

    chosen: Chosen
    title: dict[str, str]
    trials: list[TrialSpec]
    parameters: Parameters | None
    unsupported: str | None = None
    search: TrialSpec | None = None

    @property
    def label(self) -> str:
        """Its name in the report."""
        return self.chosen.label

    @property
    def outline(self) -> MethodOutline:
        """What the report needs to know of it."""
        facts = self.chosen.build().facts
        return MethodOutline(
            self.label,
            self.chosen.full_name,
            self.title,
            dict(facts.summary),
            2 if self.chosen.pretrain else facts.experiment,
            facts.reference,
            self.parameters.as_dict() if self.parameters else None,
            self.trials,
            self.search,
        )

    def __str__(self) -> str:
        counts = self.parameters
        if self.unsupported:
            words = say("notebook.plan_unsupported", reason=say(self.unsupported))
        elif counts:
            words = say("notebook.plan_parameters", count=f"{counts.trainable:,}", percent=f"{counts.percent:.3g} %")
        else:
            words = say("notebook.plan_no_count")
        return f"{self.label} ({len(self.trials)}): {words}"


@dataclass(frozen=True)
class Plan:
    """All that a run needs to know."""

    study: StudyFile
    splits: Splits
    reader: Reader | None
    resolved: Resolved | None
    facts: BackboneFacts | None
    methods: list[PlannedMethod]
    stages: list[TrialSpec] = field(default_factory=list)

    @cached_property
    def report(self) -> DataReport:
        """What the data check finds; worked out when it is first asked for."""
        return describe(self.splits, self.reader)

    @cached_property
    def trials(self) -> list[TrialSpec]:
        """Stages and trials in the order they run."""
        return in_order((trial for method in self.methods for trial in method.trials), self.stages)

    @property
    def revision(self) -> str | None:
        """Exact version of the backbone; ``None`` where no method has one."""
        return self.facts.revision if self.facts else None

    @cached_property
    def outline(self) -> Outline:
        """What the study's status and report need to know of it."""
        facts = self.facts
        card = BackboneCard(facts.name, facts.revision, facts.kind, facts.layers, facts.hidden, facts.total_parameters) if facts else None
        return Outline(card, self.report, [method.outline for method in self.methods], self.stages)

    def only(self, names: Iterable[str]) -> "Plan":
        """The plan of some methods alone, with the stages that they build on; trials keep their keys.

        Args:
            names: labels in the report, or names of methods, which stand for all their labels.

        Raises:
            UsageError: the study has no such method.
        """
        known = {method.label for method in self.methods} | {method.chosen.full_name for method in self.methods}
        wanted = set(names)
        if unknown := sorted(wanted - known):
            facts = {"name": unknown[0], "nearest": nearest(unknown[0], known), "known": ", ".join(m.label for m in self.methods)}
            raise UsageError("notebook.unknown_method", where=str(self.study.folder), **facts)
        methods = [method for method in self.methods if {method.label, method.chosen.full_name} & wanted]
        kept = replace(self, methods=methods)
        names = {trial.name for trial in kept.trials}
        return replace(kept, stages=[stage for stage in self.stages if stage.name in names])

    def __repr__(self) -> str:
        spec = self.study.spec
        lines = [say("notebook.plan", study=spec.study, methods=len(self.methods), backbone=spec.backbone, trials=len(self.trials))]
        return "\n".join([*lines, *(f"  {method}" for method in self.methods)])


def make_plan(study: StudyFile, weights: bool = True, splits: Splits | None = None) -> Plan:
    """Check data, backbone and methods, and list the trials.

    Args:
        study: the study file.
        weights: have the backbone ready to train, downloaded if need be. Without, its configuration does, and of a backbone that
            is not here the plan has no tokenizer and no revision.
        splits: of the study's data, where they were read before.

    Raises:
        UsageError: a method or parameter that does not exist.
        RefusedError: data or backbone cannot be used.
    """
    spec = study.spec
    chosen = choose_all(study)
    splits = splits or load_splits(spec.data, study.folder, cache_folder(study.folder))
    facts, reader, resolved = None, None, None
    if any(issubclass(type(method.build()), Method) for method in chosen):
        if weights:
            resolved = resolve(spec.backbone, study.folder, spec.trust_remote_code)
            config = read_config(resolved, spec.trust_remote_code)
        else:
            config, resolved = look_up(spec.backbone, study.folder, spec.trust_remote_code)
        config.num_labels = len(splits.labels)
        revision = resolved.revision if resolved else UNSEEN
        facts = read_facts(spec.backbone, revision, config, spec.trust_remote_code)
        _check_length(study, facts, chosen)
    if resolved and facts:
        tokenizer = load_tokenizer(resolved, spec.trust_remote_code)
        room = facts.longest(max((virtual for _, virtual in _virtual_tokens(facts, chosen)), default=0))
        reader = Reader(tokenizer, tokenizer_hash(tokenizer), spec.train.max_length, room, cache_folder(study.folder))
    stages: dict[str, TrialSpec] = {}
    methods = [_plan_method(one, study, splits, facts, stages) for one in chosen]
    return Plan(study, splits, reader, resolved, facts, methods, list(stages.values()))


def _check_length(study: StudyFile, facts: BackboneFacts, chosen: list[Chosen]) -> None:
    for one, virtual in _virtual_tokens(facts, chosen):
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


def _virtual_tokens(facts: BackboneFacts, chosen: list[Chosen]) -> list[tuple[Chosen, int]]:
    """Methods that the backbone supports, with the positions that their virtual tokens take."""
    built = [(one, one.build()) for one in chosen]
    return [(one, method.num_virtual_tokens()) for one, method in built if isinstance(method, Method) and not method.unsupported(facts)]


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
    reason = reason or cannot_divide(method, spec.train, one.pretrain)
    try:
        parameters = None if reason or method.facts.needs_weights else count_parameters(method, facts, spec.trust_remote_code)
    except ValueError as error:
        raise MethodError("method.cannot_attach", where=one.label, reason=str(error)) from error
    common["config"] = one.config.model_dump(mode="json") | {
        "learning_rate": one.config.learning_rate or method.learning_rates.default(facts.hidden),
        "head_learning_rate": one.config.head_learning_rate or method.head_learning_rates.default(facts.hidden),
        "epochs": one.config.epochs or spec.train.epochs,
    }

    def needed(seed: int) -> dict[str, Any]:
        if not one.pretrain:
            return {}
        stage = _pretraining(study, splits, facts, seed, common)
        stages[stage.name] = stage
        return {"needs": (stage.name,), "pretrain": stage.pretrain, "corpus": splits.corpus_hash}

    search = None
    if reason is None and spec.tuning.trials > 1 and one.config.learning_rate is None:
        common["config"] = search_config(common["config"], one.config)
        what = search_spec(method, one.config, facts.hidden, spec.tuning.trials)
        search = TrialSpec(method=one.full_name, stage="search", seed=SEARCH_SEED, search=what, **common, **needed(0))
        stages[search.name] = search
    trials = []
    for seed in range(spec.seeds):
        more = needed(seed)
        more["needs"] = (*more.get("needs", ()), *([search.name] if search else []))
        trials.append(TrialSpec(method=one.full_name, seed=seed, **common, **more))
    return PlannedMethod(one, title, trials, parameters, reason, search)


def _pretraining(study: StudyFile, splits: Splits, facts: BackboneFacts, seed: int, common: dict[str, Any]) -> TrialSpec:
    """Continued pretraining of one seed; shared by every method that builds on it."""
    from tuneoff.methods import LearningRates

    rates = LearningRates(1e-5, 1e-3, {384: 2e-4, 768: 1e-4, 1024: 5e-5, 4096: 1e-5})
    pretrain = study.spec.pretrain.model_copy(update={"learning_rate": study.spec.pretrain.learning_rate or rates.default(facts.hidden)})
    mine = common | {"config": {}, "data": ""}
    return TrialSpec(method="pretrain", stage="pretrain", seed=seed, pretrain=pretrain, corpus=splits.corpus_hash, **mine)
