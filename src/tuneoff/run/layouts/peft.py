"""An adapter of PEFT."""

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import torch

from tuneoff.methods import CONFIG_FILE, WEIGHTS_FILE
from tuneoff.methods._soft_prompt import Prompted
from tuneoff.run.artefact import BACKBONE
from tuneoff.run.layouts._layout import InPython, OnBackbone, quoted

#: What the name of every parameter of PEFT's trained copy of a head has in it.
HEAD_COPY = ".modules_to_save.default"


class PeftAdapter(InPython, OnBackbone):
    """What a method of PEFT learnt, with the head; the artefact's own files."""

    name = "peft"
    library = "peft"

    def write(self, folder: Path) -> None:
        """Adapter, configuration with the classes, tokenizer, and where the backbone is."""
        self.write_adapter(folder)
        place = {"base_model_name_or_path": BACKBONE, "revision": None}
        if not self.brings_backbone:
            place = {"base_model_name_or_path": self.repository, "revision": self.predictor.resolved.revision}
        told = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8")) | place
        (folder / CONFIG_FILE).write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        config = copy.deepcopy(self.predictor.facts.config)
        config.pad_token_id = self.predictor.tokenizer.pad_token_id
        self.with_labels(config).save_pretrained(folder)
        self.save_tokenizer(folder)
        self.write_backbone(folder)

    def write_adapter(self, folder: Path) -> None:
        """Weights and configuration of the adapter."""
        for name in (WEIGHTS_FILE, CONFIG_FILE):
            shutil.copy2(self.predictor.folder / name, folder / name)

    def code(self, names: str, given: str) -> str:
        """Load the backbone, then the adapter."""
        where = f'f"{{folder}}/{BACKBONE}"' if self.brings_backbone else quoted(self.repository)
        pinned = "" if self.brings_backbone else f", revision={quoted(self.predictor.resolved.revision)}"
        quantised = self._quantisation()
        return f"""\
import torch
from peft import PeftModel
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer{", BitsAndBytesConfig" if quantised else ""}

{names}config = AutoConfig.from_pretrained(folder{self.trust})
tokenizer = AutoTokenizer.from_pretrained(folder{self.trust})
options = dict(config=config, dtype=torch.float32{quantised}{self.trust})
backbone = AutoModelForSequenceClassification.from_pretrained({where}{pinned}, **options)
model = PeftModel.from_pretrained(backbone, folder).eval()
inputs = tokenizer({given}, padding=True, truncation=True, return_tensors="pt").to(model.device)
with torch.no_grad():
    logits = model(**inputs).logits.cpu()
"""

    def _quantisation(self) -> str:
        """The backbone's quantisation, without which it is another backbone."""
        chosen = self.method.load_options(self.predictor.facts).get("quantization_config")
        if chosen is None:
            return ""
        told = {name: value for name, value in chosen.to_diff_dict().items() if not name.startswith("_") and name != "quant_method"}
        return f", quantization_config=BitsAndBytesConfig({', '.join(f'{name}={value!r}' for name, value in told.items())})"


class PeftPrompt(PeftAdapter):
    """A prompt that we trained, however it was made, as PEFT's prompt tuning: virtual tokens in front of the text."""

    def write_adapter(self, folder: Path) -> None:
        """Set tokens and head into PEFT's own model, and let it save them."""
        from peft import PromptTuningConfig, get_peft_model

        prompted, facts = self.predictor.adapted.model, self.predictor.facts
        assert isinstance(prompted, Prompted)
        trained = dict(prompted.classifier.named_parameters())
        with torch.no_grad():
            tokens_VD = prompted.prompt()
            count, width = tokens_VD.shape
            # PEFT finds these sizes in most configurations only, and needs the width alone.
            sizes = {"token_dim": width, "num_layers": facts.layers, "num_attention_heads": facts.config.num_attention_heads}
            chosen = PromptTuningConfig(task_type="SEQ_CLS", num_virtual_tokens=count, modules_to_save=list(facts.head), **sizes)
            model: Any = get_peft_model(self.fresh_classifier().float(), chosen)
            model.prompt_encoder.default.embedding.weight.copy_(tokens_VD)
            for name, parameter in model.named_parameters():
                if HEAD_COPY in name:
                    parameter.copy_(trained[name.replace(HEAD_COPY, "").removeprefix("base_model.")])
        model.save_pretrained(folder, save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)
