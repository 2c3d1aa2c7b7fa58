"""Forecasts for settings whose memory others have published, as docs/forecast.md sets them side by side.

Nothing is downloaded and nothing trains: the networks are built from their published sizes on the meta device, the data is the
sample's with every row as long as the setting says.

    python bench/published.py [--only NAME]
"""

import argparse
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

LLAMA = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "pad_token_id": 0}
LLAMA_2_7B = LLAMA | {
    "hidden_size": 4096,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
    "intermediate_size": 11008,
    "vocab_size": 32000,
    "max_position_embeddings": 4096,
}
LLAMA_65B = LLAMA | {
    "hidden_size": 8192,
    "num_hidden_layers": 80,
    "num_attention_heads": 64,
    "intermediate_size": 22016,
    "vocab_size": 32000,
    "max_position_embeddings": 2048,
}
BLOOMZ_7B1 = {
    "model_type": "bloom",
    "architectures": ["BloomForCausalLM"],
    "hidden_size": 4096,
    "n_layer": 30,
    "n_head": 32,
    "vocab_size": 250880,
    "pad_token_id": 3,
}

R32 = {"r": 32, "targets": "query-value"}


@dataclass(frozen=True)
class Setting:
    """What was published, as far as it was printed.

    Attributes:
        name: of the figure.
        backbone: sizes of the network, or a name that tuneoff knows.
        methods: entries of a study.
        rows: of a batch.
        length: tokens of each row.
        precision: of the forward pass.
        checkpointing: activations are computed again.
    """

    name: str
    backbone: dict[str, Any] | str
    methods: tuple[Any, ...]
    rows: int
    length: int
    precision: str = "bf16"
    checkpointing: bool = False


SETTINGS = (
    Setting("bloomz-7b1", BLOOMZ_7B1, ({"lora": {"r": 8, "targets": ["query_key_value"]}},), 8, 64, "fp32"),
    Setting("bloomz-7b1 in bf16", BLOOMZ_7B1, ({"lora": {"r": 8, "targets": ["query_key_value"]}},), 8, 64),
    Setting(
        "Llama-2-7B",
        LLAMA_2_7B,
        tuple({name: {"r": 8, "targets": "query-value"}} for name in ("lora", "qlora")),
        2,
        512,
        checkpointing=True,
    ),
    Setting("LLaMA-65B", LLAMA_65B, ("full", {"qlora": {"r": 64}}), 1, 512, checkpointing=True),
    Setting(
        "Llama-3.2-3B",
        "meta-llama/Llama-3.2-3B",
        ({"lora": R32}, "prefix", "ia3", {"dora": R32}, "prompt", "full"),
        4,
        512,
    ),
)


def forecast(setting: Setting) -> list[dict[str, Any]]:
    """A row a method: highest sum of live tensors in training, what the allocator holds for it, what stays from step to step."""
    from tuneoff import Study

    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        backbone = setting.backbone
        if isinstance(backbone, dict):
            (folder / "network").mkdir()
            (folder / "network" / "config.json").write_text(json.dumps(backbone), encoding="utf-8")
            backbone = "network"
        train = {"batch_size": setting.rows, "max_length": setting.length, "precision": setting.precision}
        study = {
            "study": "published",
            "backbone": backbone,
            "data": {"train": "sample:finance-en"},
            "methods": list(setting.methods),
            "seeds": 1,
            "train": train | {"gradient_checkpointing": setting.checkpointing},
        }
        (folder / "study.yaml").write_text(yaml.safe_dump(study), encoding="utf-8")
        outlook = Study.load(folder).forecast("A100-80GB")
        for method, reason in outlook.unforeseen.items():
            rows.append({"setting": setting.name, "method": method, "reason": reason})
        for method, row in outlook.rows.items():
            parts = row.forecast.train.parts
            lasting = sum(parts[part] for part in ("weights", "gradients", "optimiser", "best_epoch"))
            peak = row.forecast.train
            rows.append({"setting": setting.name, "method": method, "live": peak.bytes, "held": peak.held, "lasting": lasting})
    return rows


def main() -> None:
    """Print a table: GB are 10⁹ bytes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", help="a setting by its name")
    only = parser.parse_args().only
    write = sys.stdout.write
    write("| Setting | Method | Allocated, GB | Reserved, GB | Lasting, GB |\n| --- | --- | ---: | ---: | ---: |\n")
    for setting in SETTINGS:
        if only in (None, setting.name):
            for row in forecast(setting):
                sizes = [f"{row[name] / 1e9:.1f}" for name in ("live", "held", "lasting")] if "live" in row else [row["reason"], "", ""]
                write(f"| {row['setting']} | {row['method']} | {' | '.join(sizes)} |\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
