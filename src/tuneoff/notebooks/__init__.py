"""Notebooks: those that a study gets, and what their cells call. Cells are thin; everything they do is here."""

from tuneoff.notebooks.device import Device, device
from tuneoff.notebooks.live import live
from tuneoff.notebooks.place import study_folder
from tuneoff.notebooks.template import EXPERIMENTS, notebook_names, write_notebooks

__all__ = ["EXPERIMENTS", "Device", "device", "live", "notebook_names", "study_folder", "write_notebooks"]
