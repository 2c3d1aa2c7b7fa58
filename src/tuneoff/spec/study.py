"""The study file as typed, frozen values: what a person may write, and nothing else."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from tuneoff.spec.units import Bytes, Seconds

Precision = Literal["auto", "fp32", "bf16", "fp16"]


class Frozen(BaseModel):
    """Base of everything in a study file: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class HubDataset(Frozen):
    """A data set of the Hugging Face hub, loaded with ``datasets``."""

    path: str
    name: str | None = None
    split: str = "train"
    revision: str | None = None


class Source(Frozen):
    """Where rows come from: exactly one of a file, a bundled sample, a hub data set, or a share of the training rows."""

    file: str | None = None
    sample: str | None = None
    hub: HubDataset | None = None
    share: float | None = Field(default=None, gt=0, lt=1)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(value is not None for value in (self.file, self.sample, self.hub, self.share)) != 1:
            raise ValueError("give a file, a sample, a hub data set, or a share between 0 and 1")
        return self


def _as_source(value: object) -> object:
    match value:
        case bool():
            return value
        case int() | float():
            return {"share": value}
        case str() if value.startswith("sample:"):
            return {"sample": value.removeprefix("sample:")}
        case str():
            return {"file": value}
    return value


AnySource = Annotated[Source, BeforeValidator(_as_source)]


class Limits(Frozen):
    """At most so many rows of each split, stratified by label; ``None`` is all of them."""

    train: int | None = Field(default=None, ge=1)
    validation: int | None = Field(default=None, ge=1)
    test: int | None = Field(default=None, ge=1)
    unlabelled: int | None = Field(default=None, ge=1)


def _as_limits(value: object) -> object:
    return {"train": value} if isinstance(value, int) and not isinstance(value, bool) else value


class DataSpec(Frozen):
    """The rows to learn from and to judge by."""

    train: AnySource
    validation: AnySource | None = None
    test: AnySource | None = None
    text: str | tuple[str, str] = "text"
    label: str = "label"
    unlabelled: AnySource | None = None
    limit: Annotated[Limits, BeforeValidator(_as_limits)] = Limits()
    encoding: str = "utf-8"
    unseen_labels: Literal["error", "drop"] = "error"
    split_seed: int = Field(default=0, ge=0)
    name: str | None = None
    source: str | None = None
    task: str | None = None

    @property
    def text_columns(self) -> tuple[str, ...]:
        """One column, or two for pairs."""
        return (self.text,) if isinstance(self.text, str) else self.text

    @model_validator(mode="after")
    def _shares(self) -> Self:
        if self.train.share is not None:
            raise ValueError("train needs a file, a sample or a hub data set")
        share = sum(s.share for s in (self.validation, self.test) if s is not None and s.share is not None)
        if share >= 1:
            raise ValueError("validation and test leave no training rows")
        return self


class MethodEntry(Frozen):
    """One method of the study with the parameters set for it, under the name it has in the report."""

    method: str
    label: str
    parameters: dict[str, Any] = Field(default_factory=dict)


def _as_entry(value: object) -> object:
    """``lora`` or ``{lora: {r: 16}, as: lora-r16}`` as the fields of a :class:`MethodEntry`."""
    if isinstance(value, str):
        return {"method": value, "label": value}
    if not isinstance(value, dict) or "method" in value:
        return value
    names = [key for key in value if key != "as"]
    if len(names) != 1:
        raise ValueError("write a method's name, or {name: {parameter: value}, as: label}")
    parameters = value[names[0]] or {}
    if not isinstance(parameters, dict):
        raise ValueError(f"the parameters of {names[0]} must be a mapping")
    return {"method": names[0], "label": str(value.get("as", names[0])), "parameters": parameters}


class TrainSpec(Frozen):
    """How every method trains, unless the method says otherwise."""

    epochs: int = Field(default=3, ge=1)
    batch_size: int = Field(default=32, ge=1)
    micro_batch: int | None = Field(default=None, ge=1)
    max_length: int = Field(default=128, ge=4)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    clip: float = Field(default=1.0, gt=0)
    precision: Precision = "auto"
    select: Literal["accuracy", "macro_f1"] = "accuracy"
    gradient_checkpointing: bool = False


class PretrainSpec(Frozen):
    """Continued pretraining on the unlabelled and the training texts."""

    epochs: int = Field(default=3, ge=1)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float | None = Field(default=None, gt=0)
    mask: float = Field(default=0.15, gt=0, lt=1)
    max_length: int = Field(default=128, ge=4)


class TuningSpec(Frozen):
    """The learning-rate search; one trial means the method's own default."""

    trials: Literal[1] = 1


class BudgetSpec(Frozen):
    """What a chosen method may cost. The report marks what exceeds it."""

    memory: Bytes | None = Field(default=None, gt=0)
    time: Seconds | None = Field(default=None, gt=0)
    artefact: Bytes | None = Field(default=None, gt=0)
    within: float = Field(default=1.0, ge=0)


class StudySpec(Frozen):
    """A whole study: data, backbone, methods, seeds."""

    study: str = Field(min_length=1)
    domain: str | None = None
    lang: Literal["en", "ko"] | None = None
    backbone: str = Field(min_length=1)
    trust_remote_code: bool = False
    data: DataSpec
    methods: tuple[Annotated[MethodEntry, BeforeValidator(_as_entry)], ...] = Field(min_length=1)
    seeds: int = Field(default=3, ge=1, le=1000)
    train: TrainSpec = TrainSpec()
    pretrain: PretrainSpec = PretrainSpec()
    tuning: TuningSpec = TuningSpec()
    budget: BudgetSpec = BudgetSpec()

    @field_validator("methods", mode="after")
    @classmethod
    def _labels_differ(cls, entries: tuple[MethodEntry, ...]) -> tuple[MethodEntry, ...]:
        labels = [entry.label for entry in entries]
        if twice := sorted({label for label in labels if labels.count(label) > 1}):
            raise ValueError(f"two methods are called {twice[0]!r}; tell them apart with as: …")
        return entries
