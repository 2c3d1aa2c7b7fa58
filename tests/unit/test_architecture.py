"""Imports go one way: each package imports only from those above it."""

import ast
from pathlib import Path

import tuneoff

ROOT = Path(tuneoff.__file__).parent
#: In the order of the data flow; a package may import from its own and from those before it.
LAYERS = (
    "strings",
    "errors",
    "seeds",
    "faults",
    "fork_server",
    "drawing",
    "spec",
    "hub",
    "data",
    "backbone",
    "methods",
    "measure",
    "train",
    "forecast",
    "store",
    "kept",
    "run",
    "track",
    "analyse",
    "records",
    "report",
    "notebooks",
    "create",
    "study",
    "comparison",
    "watch",
    "cli",
)
#: Packages that must answer without loading torch.
LIGHT = ("strings", "errors", "seeds", "faults", "fork_server", "drawing", "spec", "store", "kept", "analyse", "records", "report")


def layer_of(file: Path) -> str:
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(file: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "tuneoff" else [node.module]
            found += names
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return found


def test_every_module_has_a_layer() -> None:
    layers = {layer_of(file) for file in ROOT.rglob("*.py")} - {"__init__", "__main__"}
    assert layers == set(LAYERS)


def test_imports_go_one_way() -> None:
    wrong = []
    checked = 0
    for file in ROOT.rglob("*.py"):
        layer = layer_of(file)
        if layer in ("__init__", "__main__"):
            continue
        for name in imports(file):
            if name.startswith("tuneoff."):
                checked += 1
                if LAYERS.index(name.split(".")[1]) > LAYERS.index(layer):
                    wrong.append(f"{file.relative_to(ROOT)} imports {name}")
    assert not wrong
    assert checked > 100, "the walk found the project's imports"


def test_light_packages_import_no_torch() -> None:
    heavy = ("torch", "transformers", "peft", "accelerate", "datasets")
    wrong = [
        f"{file.relative_to(ROOT)}: {name}"
        for file in ROOT.rglob("*.py")
        if layer_of(file) in LIGHT
        for name in imports(file)
        if name.split(".")[0] in heavy
    ]
    assert not wrong


def test_public_names_are_there() -> None:
    assert sorted(tuneoff.__all__) == tuneoff.__all__
    for name in tuneoff.__all__:
        assert getattr(tuneoff, name).__name__ == name
