"""Model and tokens → trained model and curve. Knows no method by name."""

from tuneoff.train import ranks
from tuneoff.train.batches import AnyRows, FeatureRows, TokenRows
from tuneoff.train.checkpoint import Checkpoint
from tuneoff.train.classify import Classification, forward, predict
from tuneoff.train.collapse import DIVERGED, collapse
from tuneoff.train.features import FeatureCost, extract, load_features, save_features
from tuneoff.train.loop import Outcome, Point, Progress, fit
from tuneoff.train.on_cpu import train_on_cpu
from tuneoff.train.packed import packs
from tuneoff.train.pretrain import LanguageModelling, load_language_model, trained_backbone
from tuneoff.train.room import ROOM, give_back
from tuneoff.train.rows import set_aside, used_rows_only
from tuneoff.train.schedule import Schedule, Trapezoid
from tuneoff.train.sharding import gather, shard
from tuneoff.train.weights import Group, Weights, cast_for_compute

__all__ = [
    "DIVERGED",
    "ROOM",
    "AnyRows",
    "Checkpoint",
    "Classification",
    "FeatureCost",
    "FeatureRows",
    "Group",
    "LanguageModelling",
    "Outcome",
    "Point",
    "Progress",
    "Schedule",
    "TokenRows",
    "Trapezoid",
    "Weights",
    "cast_for_compute",
    "collapse",
    "extract",
    "fit",
    "forward",
    "gather",
    "give_back",
    "load_features",
    "load_language_model",
    "packs",
    "predict",
    "ranks",
    "save_features",
    "set_aside",
    "shard",
    "train_on_cpu",
    "trained_backbone",
    "used_rows_only",
]
