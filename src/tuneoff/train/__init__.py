"""Model and tokens → trained model and curve. Knows no method by name."""

from tuneoff.train.attention import use_fast_dropout
from tuneoff.train.batches import AnyRows, FeatureRows, TokenRows
from tuneoff.train.classify import Classification, forward, predict
from tuneoff.train.collapse import DIVERGED, collapse
from tuneoff.train.features import FeatureCost, extract, load_features, save_features
from tuneoff.train.loop import Outcome, Point, Schedule, fit
from tuneoff.train.pretrain import LanguageModelling, load_language_model, trained_backbone
from tuneoff.train.rows import used_rows_only
from tuneoff.train.weights import Group, Weights, cast_for_compute

__all__ = [
    "DIVERGED",
    "AnyRows",
    "Classification",
    "FeatureCost",
    "FeatureRows",
    "Group",
    "LanguageModelling",
    "Outcome",
    "Point",
    "Schedule",
    "TokenRows",
    "Weights",
    "cast_for_compute",
    "collapse",
    "extract",
    "fit",
    "forward",
    "load_features",
    "load_language_model",
    "predict",
    "save_features",
    "trained_backbone",
    "use_fast_dropout",
    "used_rows_only",
]
