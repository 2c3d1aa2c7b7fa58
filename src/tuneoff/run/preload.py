"""Imported once by the fork server: everything a trial needs, and nothing that starts a thread or touches a device."""

import os

# Everything was downloaded when the study was planned: no trial reaches for the network.
os.environ["HF_HUB_OFFLINE"] = "1"
# oneDNN keeps a compiled kernel for every shape it met, and padded batches have many: by default that held hundreds of MB.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import accelerate  # noqa: F401
import pyarrow.parquet  # noqa: F401
import torch  # noqa: F401
import transformers  # noqa: F401
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer  # noqa: F401
from transformers.models.bert import modeling_bert  # noqa: F401

import tuneoff.run.trial  # noqa: F401
from tuneoff.methods._peft import load_peft
from tuneoff.run.processes import ignore_what_the_parent_hears

load_peft()
ignore_what_the_parent_hears()
