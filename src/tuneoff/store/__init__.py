"""Records: written once, read by all. Everything else can be made again from them."""

from tuneoff.store.changed import data_before
from tuneoff.store.claims import Claim
from tuneoff.store.files import SCHEMA, canonical, publish_record, read_record, replace_file, sealed, storage, trouble, whole
from tuneoff.store.names import ARTEFACT, CURVE, JOB, LOG, PREDICTIONS, RESULT, VERIFY
from tuneoff.store.store import RESULTS, RETRIED, Attempt, State, Store, cache_folder

__all__ = [
    "ARTEFACT",
    "CURVE",
    "JOB",
    "LOG",
    "PREDICTIONS",
    "RESULT",
    "RESULTS",
    "RETRIED",
    "SCHEMA",
    "VERIFY",
    "Attempt",
    "Claim",
    "State",
    "Store",
    "cache_folder",
    "canonical",
    "data_before",
    "publish_record",
    "read_record",
    "replace_file",
    "sealed",
    "storage",
    "trouble",
    "whole",
]
