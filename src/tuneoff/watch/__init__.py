"""A study's report in the browser while the study runs: served on this machine only, read only, refreshed."""

from tuneoff.watch.server import Watcher

__all__ = ["Watcher"]
