"""Records: written once, read by all. Everything else can be made again from them."""

from tuneoff.store.claims import Claim
from tuneoff.store.files import SCHEMA, canonical, publish_record, read_record, replace_file, sealed, storage, trouble
from tuneoff.store.store import RESULTS, RETRIED, Attempt, State, Store, cache_folder

__all__ = [
    "RESULTS",
    "RETRIED",
    "SCHEMA",
    "Attempt",
    "Claim",
    "State",
    "Store",
    "cache_folder",
    "canonical",
    "publish_record",
    "read_record",
    "replace_file",
    "sealed",
    "storage",
    "trouble",
]
