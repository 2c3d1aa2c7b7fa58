"""The study file as typed, frozen values: what a person may write, and nothing else."""

from pathlib import PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Final, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from tuneoff.spec.units import WRITTEN, Bytes, Price, Seconds
from tuneoff.spec.wrong import wrong

Precision = Literal["auto", "fp32", "bf16", "fp16"]
#: Of train, where a study names neither.
DEFAULT_SHARES: Final = {"test": 0.2, "validation": 0.1}
MINUTES_A_DAY: Final = 24 * 60


class Frozen(BaseModel):
    """Base of everything in a study file: immutable, unknown keys refused, ``true`` is no number."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, bool):
            annotation = cls.model_fields[info.field_name or ""].annotation
            if not {bool, Any} & {annotation, *get_args(annotation)}:
                raise wrong("study.no_truth", value)
        return value


def _text(value: object) -> object:
    return str(value) if isinstance(value, int | float) else value


#: A name, which may be written as a number.
Name = Annotated[str, BeforeValidator(_text), Field(min_length=1)]


class HubDataset(Frozen):
    """A data set of the Hugging Face hub, loaded with ``datasets``."""

    path: Name
    name: str | None = None
    split: Name = "train"
    revision: str | None = None


class Source(Frozen):
    """Where rows come from: exactly one of a file, a bundled sample, a hub data set, or a share of the training rows."""

    file: str | None = Field(default=None, min_length=1)
    sample: str | None = None
    hub: HubDataset | None = None
    share: float | None = Field(default=None, gt=0, lt=1)

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(value is not None for value in (self.file, self.sample, self.hub, self.share)) != 1:
            raise wrong("study.one_source", self.model_dump())
        return self


def _as_source(value: object) -> object:
    match value:
        case bool() | list():
            raise wrong("study.one_source", value)
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


def _as_columns(value: object) -> object:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names) or len(names) not in (1, 2):
        raise wrong("study.text_columns", value)
    if len(set(names)) < len(names):
        raise wrong("study.same_column", names[0])
    return names[0] if len(names) == 1 else tuple(names)


class DataSpec(Frozen):
    """The rows to learn from and to judge by."""

    train: AnySource
    validation: AnySource | None = None
    test: AnySource | None = None
    text: Annotated[str | tuple[str, str], BeforeValidator(_as_columns)] = "text"
    label: str = "label"
    unlabelled: AnySource | None = None
    limit: Annotated[Limits, BeforeValidator(_as_limits)] = Limits()
    encoding: Name = "utf-8"
    unseen_labels: Literal["error", "drop"] = "error"
    split_seed: int = Field(default=0, ge=0)
    name: str | None = None
    source: str | None = None
    task: str | None = None

    @property
    def text_columns(self) -> tuple[str, ...]:
        """One column, or two for pairs."""
        return (self.text,) if isinstance(self.text, str) else self.text

    @property
    def held_out(self) -> dict[str, Source]:
        """Where test and validation rows come from: as written, else a bundled sample's own splits, else a share of train."""
        written = {"test": self.test, "validation": self.validation}
        if self.train.sample:
            return {name: source or self.train for name, source in written.items()}
        return {name: source or Source(share=DEFAULT_SHARES[name]) for name, source in written.items()}

    @field_validator("train", "unlabelled", mode="after")
    @classmethod
    def _whole(cls, source: Source | None) -> Source | None:
        if source is not None and source.share is not None:
            raise wrong("study.no_share", source.share)
        return source

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.label in self.text_columns:
            raise wrong("study.same_column", self.label)
        shares = [source.share for source in self.held_out.values() if source.share is not None]
        if sum(shares) >= 1:
            raise wrong("study.nothing_left", sum(shares))
        return self


class MethodEntry(Frozen):
    """One method of the study with the parameters set for it, under the name it has in the report."""

    method: str
    label: Name
    parameters: dict[str, Any] = Field(default_factory=dict)


def _as_entry(value: object) -> object:
    """``lora`` or ``{lora: {r: 16}, as: lora-r16}`` as the fields of a :class:`MethodEntry`."""
    if isinstance(value, MethodEntry):
        return value
    if isinstance(value, str):
        return {"method": value, "label": value}
    if not isinstance(value, dict):
        raise wrong("study.method_form", value)
    if value.keys() == MethodEntry.model_fields.keys():
        return value
    names = [key for key in value if key != "as"]
    if len(names) != 1:
        raise wrong("study.method_form", value)
    parameters = value[names[0]] or {}
    if not isinstance(parameters, dict):
        raise wrong("study.method_parameters", parameters, method=names[0])
    label = value.get("as", names[0])
    if isinstance(label, list | dict) or label is None:
        raise wrong("study.method_label", label, method=names[0])
    return {"method": names[0], "label": label, "parameters": parameters}


class TrainSpec(Frozen):
    """How every method trains, unless the method says otherwise."""

    epochs: int = Field(default=3, ge=1)
    batch_size: int = Field(default=16, ge=1)
    micro_batch: int | None = Field(default=None, ge=1)
    max_length: int = Field(default=128, ge=4)
    warmup: float = Field(default=0.06, ge=0, lt=1)
    weight_decay: float = Field(default=0.0, ge=0)
    clip: float = Field(default=1.0, gt=0)
    precision: Precision = "auto"
    select: Literal["accuracy", "macro_f1"] = "accuracy"
    gradient_checkpointing: bool = False
    devices: int = Field(default=1, ge=1, le=64)
    strategy: Literal["ddp", "fsdp"] = "ddp"


class PretrainSpec(Frozen):
    """Continued pretraining on the unlabelled and the training texts."""

    epochs: int = Field(default=3, ge=1)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float | None = Field(default=None, gt=0)
    mask: float = Field(default=0.15, gt=0, lt=1)
    max_length: int = Field(default=128, ge=4)


class TuningSpec(Frozen):
    """The learning-rate search: so many candidates for every method. With one, each method's own default is taken."""

    trials: int = Field(default=1, ge=1, le=64)


class BudgetSpec(Frozen):
    """What a chosen method may cost. The report marks what exceeds it."""

    memory: Bytes | None = Field(default=None, gt=0)
    time: Seconds | None = Field(default=None, gt=0)
    artefact: Bytes | None = Field(default=None, gt=0)
    latency: Seconds | None = Field(default=None, gt=0)
    within: float = Field(default=1.0, ge=0)


class MlflowSpec(Frozen):
    """MLflow: a store inside the study's folder, or a server."""

    uri: str | None = None
    experiment: Name | None = None

    @field_validator("uri", mode="after")
    @classmethod
    def _address_without_secrets(cls, uri: str | None) -> str | None:
        parts = urlsplit(uri or "sqlite:")
        if parts.scheme not in ("http", "https", "sqlite") or "@" in parts.netloc:
            raise wrong("track.uri", None)  # What it says may be a secret: it is not repeated.
        return uri


class TensorboardSpec(Frozen):
    """TensorBoard: a folder of event files, inside the study's own."""

    folder: Name | None = None

    @field_validator("folder", mode="after")
    @classmethod
    def _inside(cls, folder: str | None) -> str | None:
        if folder is not None and (
            PurePosixPath(folder).is_absolute() or PureWindowsPath(folder).drive or ".." in PureWindowsPath(folder).parts
        ):
            raise wrong("study.path_out", folder)
        return folder


class TrackSpec(Frozen):
    """Where records are sent as well; ``None`` is nowhere."""

    mlflow: MlflowSpec | None = None
    tensorboard: TensorboardSpec | None = None


def _as_track(value: object, info: ValidationInfo) -> object:
    """A name, or a list of names, takes the defaults: ``[mlflow, {tensorboard: {folder: events}}]``.

    A name with nothing behind its colon is named too, where a person wrote it; in plain values ``None`` is no tracker.
    """
    on = (None, True) if (info.context or {}).get(WRITTEN) else (True,)
    if isinstance(value, TrackSpec):
        return value
    found: dict[Any, Any] = {}
    for part in value if isinstance(value, list | tuple) else [value or {}]:
        if isinstance(part, str):
            found[part] = {}
        elif isinstance(part, dict):
            found |= {name: {} if settings in on else settings for name, settings in part.items()}
        else:
            raise wrong("track.form", value)
    return found


class StudySpec(Frozen):
    """A whole study: data, backbone, methods, seeds."""

    study: Name
    domain: str | None = None
    lang: Literal["en", "ko"] | None = None
    backbone: Name
    trust_remote_code: bool = False
    data: DataSpec
    methods: tuple[Annotated[MethodEntry, BeforeValidator(_as_entry)], ...] = Field(min_length=1)
    most_trials: int = Field(default=10_000, ge=1)
    seeds: int = Field(default=3, ge=1, le=1000, validate_default=True)
    fit: Literal["auto", "refuse", "try"] = "auto"
    train: TrainSpec = TrainSpec()
    pretrain: PretrainSpec = PretrainSpec()
    tuning: TuningSpec = TuningSpec()
    budget: BudgetSpec = BudgetSpec()
    price_per_hour: Price | None = None
    artefacts: str | None = None
    track: Annotated[TrackSpec, BeforeValidator(_as_track)] = TrackSpec()

    @field_validator("artefacts", mode="after")
    @classmethod
    def _no_secret_in_the_address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        parts = urlsplit(url)
        if not parts.scheme or "::" in url or "@" in parts.netloc or parts.query or parts.fragment:
            raise wrong("cluster.artefacts_url", None)  # What it says may be a secret: it is not repeated.
        return url

    @field_validator("methods", mode="after")
    @classmethod
    def _labels_differ(cls, entries: tuple[MethodEntry, ...]) -> tuple[MethodEntry, ...]:
        labels = [entry.label for entry in entries]
        if twice := sorted({label for label in labels if labels.count(label) > 1}):
            raise wrong("study.label_twice", twice[0])
        return entries

    @field_validator("seeds", mode="after")
    @classmethod
    def _not_by_accident(cls, seeds: int, info: ValidationInfo) -> int:
        """A grid that would take for ever is more often a slip than a wish; who wishes it says so."""
        methods, most = len(info.data.get("methods", ())), info.data.get("most_trials")
        if most is not None and (trials := methods * seeds) > most:
            days = round(trials / MINUTES_A_DAY, 1)
            raise wrong("study.too_many_trials", seeds, trials=trials, allowed=trials, methods=methods, days=days)
        return seeds
