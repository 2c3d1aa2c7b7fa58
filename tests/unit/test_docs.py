"""The documentation says what the code does: keys and defaults, methods, commands, JSON, exit codes, links; its examples run."""

import ast
import inspect
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
import yaml
from cogapp import Cog
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from transformers import AutoConfig, AutoModelForSequenceClassification

import tuneoff.spec.study
from tests.support.tiny import tiny_encoder
from tuneoff import errors
from tuneoff.backbone import read_facts
from tuneoff.forecast import count_parameters
from tuneoff.forecast.parameters import declared_parameters
from tuneoff.methods import Method, MethodConfig, choose, choose_all, method_class, method_names, parameter_meaning
from tuneoff.spec import HubDataset, MethodEntry, Source, StudyFile, StudySpec, validate
from tuneoff.spec.describe import keys_of
from tuneoff.spec.lines import parse
from tuneoff.spec.study import Frozen
from tuneoff.strings import LANGUAGES, table

ROOT = Path(__file__).parents[2]
#: Not ours, or made by tools.
SKIPPED = {"venv", "build", "dist", "node_modules", "results"}
#: Drawn from the demo and put there before a release.
MAY_BE_MISSING = {f"docs/assets/{picture}.{lang}.png" for picture in ("learning_curve", "report") for lang in ("en", "ko")}
READMES = ("README.md", "README.ko.md")

DOCUMENTS = sorted(
    file.relative_to(ROOT).as_posix()
    for file in ROOT.rglob("*.md")
    if not any(part.startswith((".", "demo-study")) or part in SKIPPED for part in file.relative_to(ROOT).parts[:-1])
)


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks(document: str, language: str) -> list[str]:
    """Fenced code blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text_of(document), re.MULTILINE | re.DOTALL)


def tables(document: str) -> list[tuple[str, list[dict[str, str]]]]:
    """Tables as (heading above, rows by column name)."""
    found: list[tuple[str, list[dict[str, str]]]] = []
    heading, columns = "", None
    for line in text_of(document).splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        if not line.startswith("|"):
            columns = None
            continue
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if columns is None:
            columns = [cell.strip() for cell in line.strip("|").split("|")]
            found.append((heading, []))
        elif not set(line) <= set("|-: "):
            assert len(cells) == len(columns), f"{document}: {line}"
            found[-1][1].append(dict(zip(columns, cells, strict=True)))
    return found


def rows(document: str, first_column: str, heading: str | None = None) -> list[dict[str, str]]:
    """Rows of all tables that begin with this column."""
    return [row for above, table in tables(document) for row in table if first_column in row and heading in (None, above)]


def name_in(cell: str) -> str:
    found = re.search(r"`([^`]+)`", cell)
    assert found, cell
    return found[1]


# The study file


def models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in get_args(annotation) for model in models_in(argument)]


def leaves(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted path and default of every key that holds no keys of its own; sources and methods have tables of their own."""
    for name, field in model.model_fields.items():
        below = [kind for kind in models_in(field.annotation) if kind is not Source]
        if below and name != "methods":
            yield from leaves(below[0], f"{prefix}{name}.")
        else:
            yield prefix + name, field.default


#: Models of a study file, and what goes before their keys in the string table.
DESCRIBED = ((StudySpec, ""), (Source, "source."), (HubDataset, "hub."), (MethodEntry, "entry."))
MODELS = [kind for kind in vars(tuneoff.spec.study).values() if inspect.isclass(kind) and issubclass(kind, Frozen) and kind is not Frozen]


def test_every_field_of_a_study_is_mentioned() -> None:
    mentioned = set(re.findall(r"`(?:[a-z_]+\.)*([a-z_]+)`", text_of("docs/study_file.md")))
    assert len(MODELS) >= 10
    for model in MODELS:
        new = sorted(set(model.model_fields) - mentioned)
        assert not new, f"{model.__name__}: {new}: say what they mean in strings/field.toml, then `make docs-update`"


def test_every_key_stands_in_a_table_with_its_default() -> None:
    described = {name_in(row["Key"]): row["Default"] for row in rows("docs/study_file.md", "Key")}
    expected = dict(leaves(StudySpec)) | {name: field.default for name, field in tuneoff.spec.study.HubDataset.model_fields.items()}
    expected["name"] = None
    assert len(expected) > 40
    for path, default in expected.items():
        assert path in described, f"{path} is in no table"
        if default is PydanticUndefined:
            assert described[path] == "required", path
        elif default is None:
            assert described[path] == "–", path
        else:
            assert yaml.safe_load(name_in(described[path])) == default, path
    known = set(expected) | set(Source.model_fields) | set(StudySpec.model_fields) | set(MethodEntry.model_fields)
    known |= {path[:place] for path in expected for place in range(len(path)) if path[place] == "."}  # Blocks in blocks.
    assert set(described) <= known, f"described and not there: {sorted(set(described) - known)}"


@pytest.mark.parametrize(
    ("page", "columns"), [("docs/methods.md", ("Parameter", "Default")), ("docs/ko/methods.md", ("파라미터", "기본값"))]
)
def test_every_parameter_of_a_method_stands_in_the_table_with_its_default(page: str, columns: tuple[str, str]) -> None:
    name, default = columns
    described = {
        (above.strip("`"), name_in(row[name])): row[default]
        for above, table in tables(page)
        for row in table
        if name in row and default in row
    }
    common = MethodConfig.model_fields
    expected = {
        (method, key): field.default
        for method in method_names()
        for key, field in method_class(method).Config.model_fields.items()
        if key not in common or field.default != common[key].default
    }
    assert set(described) == set(expected)
    for key, value in expected.items():
        assert described[key] == "–" if value is None else yaml.safe_load(name_in(described[key])) == value, key
    shared = {name_in(row["Parameter"]) for row in rows("docs/study_file.md", "Parameter")}
    assert shared == set(common)


def test_every_description_is_of_something_and_everything_has_one() -> None:
    keys = {f"{prefix}{key.path}" for model, prefix in DESCRIBED for key in keys_of(model)}
    said = {entry for entry in table("field") if not entry.startswith("kind_") and entry != "required"}
    assert said == keys
    parameters = {(method, name) for method in method_names() for name in method_class(method).Config.model_fields}
    known = {name for _, name in parameters} | {f"{method}.{name}" for method, name in parameters}
    assert set(table("parameter")) <= known
    assert all(parameter_meaning(method, name, lang) for method, name in parameters for lang in LANGUAGES)


def test_what_is_generated_is_what_the_code_gives() -> None:
    pages = [document for document in DOCUMENTS if "[[[cog " in text_of(document)]
    assert {"docs/study_file.md", "docs/methods.md", "docs/ko/study_file.md", "docs/ko/methods.md"} <= set(pages)
    for page in pages:
        again = Cog().process_string(text_of(page), page)
        assert again == text_of(page), f"{page} is not what the code says: run `make docs-update`"


# Methods


def method_table(document: str) -> list[dict[str, str]]:
    """The README's table, its columns by place: their names differ by language."""
    table = next(table for _, table in tables(document) if any("`majority`" in next(iter(row.values())) for row in table))
    return [dict(zip(("name", "trains", "paper", "when"), row.values(), strict=True)) for row in table]


@pytest.mark.parametrize("readme", READMES)
def test_every_method_stands_in_the_readme_with_its_paper(readme: str) -> None:
    table = {name_in(row["name"]): row for row in method_table(readme)}
    assert set(table) == {*method_names(), "pretrain+X"}
    for name in method_names():
        assert all(table[name].values()), name
        cited = re.search(r"(?:arxiv\.org/abs/|doi\.org/)([^\s]+)\)", table[name]["paper"])
        reference = method_class(name).facts.reference
        assert cited is not None if reference else table[name]["paper"] == "–", name
        if cited:
            assert cited[1] in reference, f"{name}: {cited[1]} is not in “{reference}”"


def test_both_readmes_have_the_same_methods_papers_pictures_commands_and_code() -> None:
    english, korean = ([(name_in(row["name"]), row["paper"]) for row in method_table(readme)] for readme in READMES)
    assert english == korean

    def commands(readme: str) -> list[str]:
        return [line.partition("#")[0].strip() for block in blocks(readme, "sh") for line in block.splitlines()]

    def pictures(readme: str) -> list[str]:
        return [re.sub(r"\.(en|ko)\.", ".", link) for link in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text_of(readme))]

    assert commands(READMES[0]) == commands(READMES[1])
    assert pictures(READMES[0]) == pictures(READMES[1]) == ["docs/assets/learning_curve.png"]
    one, other = (ast.dump(ast.parse("".join(blocks(readme, "python")))) for readme in READMES)
    assert one == other


# Links, commands, examples


def targets(document: str) -> list[str]:
    """Links outside code."""
    prose = re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text_of(document), flags=re.MULTILINE | re.DOTALL))
    return re.findall(r"\]\(([^()\s]*(?:\([^()\s]*\)[^()\s]*)*)\)", prose)


def anchors(file: Path) -> set[str]:
    """Headings as GitHub makes anchors of them."""
    headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_relative_links_lead_somewhere() -> None:
    assert {*READMES, "CHANGELOG.md", "src/tuneoff/samples/finance/README.md"} < set(DOCUMENTS)
    broken, followed = [], 0
    for document in DOCUMENTS:
        for target in targets(document):
            if re.match(r"[a-z]+:", target):
                assert target.startswith("https://"), f"{document}: {target}"
                continue
            followed += 1
            path, _, anchor = target.partition("#")
            file = (ROOT / document).parent / path if path else ROOT / document
            relative = os.path.relpath(file, ROOT).replace(os.sep, "/")
            if not file.exists():
                if relative not in MAY_BE_MISSING:
                    broken.append(f"{document}: {target}")
            elif anchor and anchor not in anchors(file):
                broken.append(f"{document}: {target} (no such heading)")
    assert not broken
    assert followed > 20


def test_commands_in_examples_exist() -> None:
    from tuneoff.cli.commands import ORDER

    goals = set(re.findall(r"^([a-z-]+):.*##", text_of("Makefile"), re.MULTILINE))
    seen: set[str] = set()
    for document in DOCUMENTS:
        code = [*(line for block in blocks(document, "sh") for line in block.splitlines()), *re.findall(r"`([^`\n]+)`", text_of(document))]
        for line in code:
            if found := re.match(r"(tuneoff|make) ([a-z]\S*)", line):
                assert found[2] in (ORDER if found[1] == "tuneoff" else goals), f"{document}: {line}"
                seen.add(found[2])
    assert {"init", "check", "plan", "run", "demo", "test", "predict"} <= seen


def example_distribution(folder: Path) -> None:
    """The method and the entry point of the guide, as a distribution that is installed in ``folder``."""
    (code,) = blocks("docs/add_a_method.md", "python")
    (declared,) = blocks("docs/add_a_method.md", "toml")
    ((name, place),) = tomllib.loads(declared)["project"]["entry-points"]["tuneoff.methods"].items()
    module = folder / (place.partition(":")[0].replace(".", "/") + ".py")
    module.parent.mkdir()
    module.write_text(code, encoding="utf-8")
    told = folder / "my_methods-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: my-methods\nVersion: 1.0\n", encoding="utf-8")
    (told / "entry_points.txt").write_text(f"[tuneoff.methods]\n{name} = {place}\n", encoding="utf-8")


@pytest.fixture
def outside_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    example_distribution(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    method_class.cache_clear()
    for name in [name for name in sys.modules if name.startswith("my_methods")]:
        del sys.modules[name]


@pytest.mark.usefixtures("outside_method")
def test_the_guide_s_study_takes_its_method() -> None:
    (block,) = blocks("docs/add_a_method.md", "ya?ml")
    parsed = parse(block, "docs/add_a_method.md")
    study = StudyFile(ROOT, validate(parsed), parsed)
    assert [chosen.full_name for chosen in choose_all(study)] == ["full", "all_norms", "all_norms", "pretrain+all_norms"]


@pytest.mark.usefixtures("outside_method")
def test_the_example_method_trains_what_it_says_and_comes_back(tmp_path: Path) -> None:
    config = AutoConfig.for_model(
        "bert", vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, num_labels=3
    )
    facts = read_facts("tiny", "none", config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pretrained = AutoModelForSequenceClassification.from_config(config).state_dict()
        ids = torch.randint(1, 50, (8, 6))

    def fresh() -> Any:
        model = AutoModelForSequenceClassification.from_config(config)
        model.load_state_dict(pretrained)
        return model.eval()

    places = ["embeddings.LayerNorm"] + [f"encoder.layer.{i}.{part}.LayerNorm" for i in (0, 1) for part in ("attention.output", "output")]
    for biases in (True, False):
        method = choose(MethodEntry(method="all_norms", label="norms", parameters={"biases": biases})).build()
        assert isinstance(method, Method)
        adapted = method.attach(fresh(), facts, torch.Generator())
        norms = {f"bert.{place}.{part}" for place in places for part in (("weight", "bias") if biases else ("weight",))}
        assert set(adapted.base) == norms
        assert set(adapted.trainable) == norms | {"classifier.weight", "classifier.bias"}
        known = dict(adapted.model.named_parameters())
        assert {name for name, parameter in known.items() if parameter.requires_grad} == set(adapted.trainable)
        counted = count_parameters(method, facts)
        assert counted == declared_parameters(adapted, facts)
        assert counted.base == len(places) * 16 * (2 if biases else 1)

        before = {name: parameter.detach().clone() for name, parameter in known.items()}
        optimiser = torch.optim.AdamW(adapted.parameters(adapted.trainable), lr=1e-2)
        loss: Any = torch.nn.functional.cross_entropy(adapted.model(ids).logits, torch.arange(8) % 3)
        loss.backward()
        optimiser.step()
        assert {name for name in known if not torch.equal(before[name], known[name])} == set(adapted.trainable)

        folder = tmp_path / f"saved-{biases}"
        folder.mkdir()
        method.save(adapted, folder)
        again = method.load(fresh(), facts, folder)
        with torch.no_grad():
            # The same numbers through the same kernels in the same process.
            assert torch.equal(again.model(ids).logits, adapted.model(ids).logits)


# What commands print


@pytest.fixture(scope="module")
def my_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study called ``my-study`` of two baselines and a method that its backbone refuses, run by the README's code."""
    folder = tmp_path_factory.mktemp("readme")
    study = folder / "my-study"
    tiny_encoder(study / "tiny", "distilbert")
    lines = ["text,label", *(f"sentence number {i} goes {way},{way}" for i in range(40) for way in [("down", "up")[i % 2]])]
    (study / "rows.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    spec = "study: small\nbackbone: tiny\ndata: {train: rows.csv}\nmethods: [majority, tfidf, prefix]\nseeds: 1\ntrain: {max_length: 32}\n"
    (study / "study.yaml").write_text(spec, encoding="utf-8")
    (code,) = blocks("README.md", "python")
    # As a notebook runs it, without a script that its trials would import.
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "'train': 28" in done.stdout  # 40 rows less 8 for test and 4 for validation.
    assert "majority" in done.stdout
    assert "complete" in done.stdout
    assert "unsupported" in done.stdout
    return study


def test_code_of_the_pages_runs(my_study: Path) -> None:
    """As a reader would, in the folder that holds ``my-study``; the guide's code is tested above, the README's made that study."""
    pages = [page for page in DOCUMENTS if page.startswith("docs/") and page != "docs/add_a_method.md"]
    code = {page: block for page in pages for block in blocks(page, "python")}
    assert {"docs/quickstart.md", "docs/ko/quickstart.md"} <= set(code)
    script = "import json, sys\nfor page, block in json.loads(sys.argv[1]).items():\n    exec(compile(block, page, 'exec'), {})\n"
    done = subprocess.run(
        [sys.executable, "-c", script, json.dumps(code)], cwd=my_study.parent, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert "majority" in done.stdout


def run_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    from tuneoff.cli import main

    monkeypatch.setenv("TUNEOFF_LANG", "en")
    monkeypatch.setattr(sys, "argv", ["tuneoff", *arguments])
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        main()
    out, err = capsys.readouterr()
    assert not left.value.code, err
    return out


def paths_in(value: Any, path: str = "") -> set[str]:
    """Every path of a JSON value: lists as ``[]``."""
    if isinstance(value, dict):
        return {path} | {found for key, below in value.items() for found in paths_in(below, f"{path}.{key}" if path else key)}
    if isinstance(value, list):
        return {path} | {found for below in value for found in paths_in(below, f"{path}[]")}
    return {path}


#: Objects whose keys are documented elsewhere, or by "as above".
OPAQUE = re.compile(
    r"(study|environment|data|rows\[\]\.(title|config|macro_f1|gap|gap_to_best|f1_gap|error\.facts)|methods\[\]\.config|\[\]\.(title|summary))\."
    r"|data\.findings"
)
SOMETIMES_MISSING = {"rows[].error.where", "rows[].error.text"}


def pattern(field: str) -> re.Pattern[str]:
    """A documented field as a pattern of paths: ``<…>`` is any key; a list of plain values needs no row for its elements."""
    return re.compile("[^.]+".join(map(re.escape, re.split(r"<[a-z_]+>", field))) + r"(\[\])?")


def check_documented(command: str, value: Any) -> None:
    """What is printed is documented; what is documented is printed, wherever the object that holds it is there."""
    documented = [name_in(row["Field"]) for row in rows("docs/json.md", "Field", f"`tuneoff {command} --json`")]
    assert documented, command
    patterns = [pattern(field) for field in documented]
    printed = {path for path in paths_in(value) if path not in ("", "[]")}
    unknown = [path for path in printed if not OPAQUE.match(path) and not any(p.fullmatch(path) for p in patterns)]
    assert not unknown, f"{command}: not in docs/json.md: {sorted(unknown)}"
    filled = {path.rpartition(".")[0] for path in printed} | {""}
    for field in documented:
        parent, _, key = field.rpartition(".")
        if parent in filled and not key.startswith("<") and field not in SOMETIMES_MISSING:
            assert field in printed, f"{command}: {field} is documented and not printed"


@pytest.mark.parametrize("command", ["status", "plan", "check", "report"])
def test_json_of_a_study_is_documented(
    my_study: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--set", "methods=[majority, bitfit, prefix]"] if command in ("plan", "check") else []
    value = json.loads(run_command(monkeypatch, capsys, command, str(my_study), *more, "--json"))
    check_documented(command, value)
    if command == "report":
        assert [row["state"] for row in value["rows"]] == ["complete", "complete", "unsupported"]
        assert value["rows"][0]["reload"] == "same"
        flat = (my_study / "results" / "results.csv").read_text(encoding="utf-8-sig").splitlines()[0].split(",")
        said = next(line for line in text_of("docs/json.md").splitlines() if line.startswith("`results/results.csv`"))
        names = set(re.findall(r"`([a-z_0-9]+)`", said)) | {
            f"{n}{end}" for n in ("accuracy", "macro_f1", "gap_to_full") for end in ("_low", "_high")
        }
        assert names - {"_low", "_high"} == set(flat)
        assert set(value["environment"]) == {
            name_in(row["Field"]) for row in rows("docs/json.md", "Field", "`tuneoff doctor --json`")[:10]
        } - {"packages.<package>"}


def test_json_of_other_commands_is_documented(
    my_study: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in ("methods", "doctor"):
        check_documented(command, json.loads(run_command(monkeypatch, capsys, command, "--json")))
    made = run_command(monkeypatch, capsys, "init", str(tmp_path / "new"), "--data", str(my_study / "rows.csv"), "--json")
    check_documented("init", json.loads(made))
    assert Path(json.loads(made)["study"]).is_file()
    artefact = next((my_study / "results").glob("majority-*"))
    lines = run_command(monkeypatch, capsys, "predict", str(artefact), "one text", "another", "--json").splitlines()
    assert len(lines) == 2
    for line in lines:
        check_documented("predict", json.loads(line))


def test_every_exit_code_is_documented() -> None:
    from tuneoff.cli.options import EXIT_INCOMPLETE
    from tuneoff.run import StoppedError

    kinds = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.TuneoffError)]
    codes = {0, EXIT_INCOMPLETE, *(kind.exit_code for kind in kinds)}
    codes |= {StoppedError(number).exit_code for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    assert {int(row["Code"]) for row in rows("docs/exit_codes.md", "Code")} == codes


def test_the_korean_pages_keep_in_step() -> None:
    """Same codes, states, answers and sections; words are the translator's."""
    english, korean = "docs/exit_codes.md", "docs/ko/exit_codes.md"
    assert [row["Code"] for row in rows(english, "Code")] == [row["코드"] for row in rows(korean, "코드")]
    again = {"yes": "예", "no": "아니요", "–": "–"}
    states = [(row["State"], again[row["Does the same command try again?"]]) for row in rows(english, "State")]
    assert states == [(row["상태"], row["같은 명령으로 다시 시도하나요?"]) for row in rows(korean, "상태")]
    # The Korean report.md leaves out what only those read who change the page.
    for page in ("quickstart.md", "study_file.md", "methods.md", "exit_codes.md"):
        one, other = (re.findall(r"^(#+) ", text_of(f"docs/{folder}{page}"), re.MULTILINE) for folder in ("", "ko/"))
        assert one == other, f"docs/ko/{page} has other sections than the English page"
        code = [[yaml.safe_load(block) for block in blocks(f"docs/{folder}{page}", "yaml")] for folder in ("", "ko/")]
        assert page == "quickstart.md" or code[0] == code[1], page


def test_every_state_that_is_no_success_is_explained() -> None:
    from tuneoff.store.store import RETRIED, State

    said = {state: row for row in rows("docs/exit_codes.md", "State") for state in re.findall(r"`([a-z]+)`", row["State"])}
    # Nothing gives this state yet.
    assert set(said) == set(get_args(State)) - {"complete", "timeout"}
    for state, row in said.items():
        if state not in ("pending", "running"):
            assert row["Does the same command try again?"] == ("yes" if state in RETRIED else "no"), state


def test_places_in_the_code_are_there() -> None:
    found = 0
    for row in rows("docs/measuring.md", "Column"):
        for path, names in re.findall(r"`([a-z_]+/[a-z_]+\.py)`((?:\s+`[A-Za-z_]+`)*)", row["In the code"]):
            source = (ROOT / "src" / "tuneoff" / path).read_text(encoding="utf-8")
            for name in re.findall(r"`([A-Za-z_]+)`", names):
                assert re.search(rf"^\s*(?:def|class) {name}\b|^{name}\b", source, re.MULTILINE), f"{path}: {name}"
                found += 1
    assert found >= 10


# The data card


def test_the_data_card_counts_what_is_there() -> None:
    folder = ROOT / "src" / "tuneoff" / "samples" / "finance"
    labelled, unlabelled = (
        [json.loads(line) for line in (folder / name).read_text(encoding="utf-8").splitlines()]
        for name in ("labelled.jsonl", "unlabelled.jsonl")
    )
    card = (folder / "README.md").relative_to(ROOT).as_posix()
    for row in rows(card, "Label"):
        chosen = [line for line in labelled if row["Label"] in ("all", line["label"])]
        splits = Counter(line["split"] for line in chosen)
        assert [int(row[name]) for name in ("Train", "Validation", "Test", "All")] == [
            *(splits[name] for name in ("train", "validation", "test")),
            len(chosen),
        ]
    assert {row["Kind"]: int(row["All"]) for row in rows(card, "Kind")} == Counter(line["kind"] for line in labelled)
    words, letters = ([measure(line[lang]) for line in labelled] for lang, measure in (("en", lambda t: len(t.split())), ("ko", len)))
    text = text_of(card)
    for number in (
        f"{len(labelled):,}",
        str(len(unlabelled)),
        f"{min(words)} to {max(words)} words",
        f"{min(letters)} to {max(letters)} char",
    ):
        assert number in text, number
    assert f"one of {len({line['sector'] for line in [*labelled, *unlabelled]})} lines of business" in text
    assert f"scores {100 * max(Counter(r['label'] for r in labelled if r['split'] == 'test').values()) / 400:.2f} %" in text
