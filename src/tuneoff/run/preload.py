"""Imported once by the fork server: everything a trial needs, and nothing that starts a thread or touches a device."""

import logging
import os

# Everything was downloaded when the study was planned: no trial reaches for the network.
os.environ["HF_HUB_OFFLINE"] = "1"
# oneDNN keeps a compiled kernel for every shape it met, and padded batches have many: by default that held hundreds of MB.
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
logging.getLogger("bitsandbytes").setLevel(logging.ERROR)

import accelerate  # noqa: E402, F401
import peft  # noqa: E402, F401
import pyarrow.parquet  # noqa: E402, F401
import torch  # noqa: E402, F401
import transformers  # noqa: E402, F401
from transformers import AutoModelForMaskedLM, AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402, F401
from transformers.models.bert import modeling_bert  # noqa: E402, F401

import tuneoff.run.trial  # noqa: E402, F401
from tuneoff.run.processes import ignore_what_the_parent_hears  # noqa: E402

ignore_what_the_parent_hears()
