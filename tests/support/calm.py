"""Tests that compute in their own process: on one thread, so that they share the cores, and without the libraries' talk."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from tuneoff.backbone import quiet_transformers


@contextmanager
def calm() -> Iterator[None]:
    """One thread and quiet libraries while inside."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with quiet_transformers():
            yield
    finally:
        torch.set_num_threads(threads)
