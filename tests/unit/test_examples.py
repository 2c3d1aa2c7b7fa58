"""What the documentation shows can be done: study files load, commands exist with their options, code runs, the quick start works."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser
from typer.main import get_command

from tests.support import tiny
from tests.support.hub_server import serve
from tests.support.studies import environment
from tuneoff.methods import choose_all
from tuneoff.spec import StudyFile, validate
from tuneoff.spec.lines import parse

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    file.relative_to(ROOT).as_posix()
    for file in [*ROOT.glob("README*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "src").rglob("samples/*/README.md")]
)
#: Blocks that are no example of ours: what a command prints, a table of data.
SHOWN = {"text", "csv", "console"}
#: What typer raises at a wrong command line; it brings click along under a private name.
MISUSE: Any = typer.BadParameter.__base__
#: Programs of others, whose options are theirs to check.
OTHERS = {"ray", "export", "hf"}
GUIDE = "docs/add_a_method.md"
QUICK_STARTS = {"en": "docs/quickstart.md", "ko": "docs/ko/quickstart.md"}

# Study files


def load_yaml(text: str, where: str) -> None:
    """A study is loaded as a study, with its methods; a part of one takes the place of that part in a small study."""
    parsed = parse(text, where)
    if "study" not in parsed.values:
        small = {"study": "small", "backbone": "sample:en", "data": {"train": "sample:finance-en"}, "methods": ["lora"]}
        parsed = parse(yaml.safe_dump(small | parsed.values, allow_unicode=True), where)
    study = StudyFile(ROOT, validate(parsed), parsed)
    if where != GUIDE:  # Its method is one that readers write; test_docs installs it.
        assert len(choose_all(study)) == len(study.spec.methods)


# Commands


@cache
def application() -> Any:
    from tuneoff.cli.app import build

    return get_command(build())


def commands_in(text: str) -> Iterator[list[str]]:
    """Each command of a shell block as words; comments, pipes and redirections end one."""
    for line in text.replace("\\\n", " ").splitlines():
        command: list[str] = []
        for word in [*shlex.split(line, comments=True), ";"]:
            if word in ("|", "&&", "||", ";", ">", ">>", "<"):
                if command:
                    yield command
                command = []
            elif command or "=" not in word:  # A setting in front of a command is none of its words.
                command.append(word)


def check_command(words: list[str]) -> None:
    """The program is there and takes what is written behind it."""
    program, *rest = words
    if program == "srun":
        return check_command(rest)
    if program == "tuneoff":
        assert rest[0] in application().commands, f"no command {rest[0]}"
        # Parsed as it would be, and not run.
        application().commands[rest[0]].make_context(rest[0], rest[1:])
    elif program == "make":
        assert all(re.search(rf"^{goal}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE) for goal in rest)
    elif program == "pip":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        wanted = [extra for word in rest for extra in re.findall(r"\[(.*)\]", word)]
        assert {name for extra in wanted for name in extra.split(",")} <= set(project["optional-dependencies"])
    elif program == "python" and rest[0] == "-m":
        assert find_spec(rest[1]), rest[1]
        assert all((ROOT / word).exists() for word in rest[2:] if "/" in word)
    elif program == "python":
        assert (ROOT / rest[0]).is_file(), rest[0]
    else:
        assert program in OTHERS, f"no test knows what `{program}` is"
    return None


# All of them


def evaluators() -> dict[str, Callable[[str, str], None]]:
    def shell(text: str, where: str) -> None:
        for words in commands_in(text):
            check_command(words)

    def python(text: str, where: str) -> None:
        compile(text, where, "exec")

    return {
        "sh": shell,
        "bash": shell,
        "python": python,
        "yaml": load_yaml,
        "toml": lambda text, where: tomllib.loads(text) and None,
        "json": lambda text, where: json.loads(text) and None,
    }


def examples(page: str, *languages: str) -> list[Example]:
    """Code blocks of some languages, in their order."""
    parsers = [CodeBlockParser(language=language, evaluator=_evaluate) for language in languages]
    return list(Sybil(parsers=parsers).parse(ROOT / page).examples())


def _evaluate(example: Example) -> None:
    language = example.document.text[example.region.start :].partition("\n")[0].strip("`")
    evaluators()[language](str(example.parsed), Path(example.path).relative_to(ROOT).as_posix())


@pytest.mark.parametrize("page", PAGES)
def test_examples_of_a_page_hold(page: str) -> None:
    languages = set(re.findall(r"^```(\w+)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE))
    unknown = languages - SHOWN - set(evaluators())
    assert not unknown, f"{page}: no test knows what to do with {sorted(unknown)}"
    for example in examples(page, *evaluators()):
        try:
            example.evaluate()
        except MISUSE as error:
            pytest.fail(f"{page}:{example.line}: {error}")


def test_there_are_examples_of_every_kind() -> None:
    counted = Counter({kind: sum(len(examples(page, kind)) for page in PAGES) for kind in evaluators()})
    assert counted["sh"] > 15
    assert counted["yaml"] > 8
    assert counted["python"] >= 5


def test_a_command_with_an_option_that_is_not_there_is_found() -> None:
    with pytest.raises(MISUSE, match="--gpus"):
        check_command(["tuneoff", "plan", "my-study", "--gpus", "T4"])
    with pytest.raises(MISUSE, match=r"(?i)missing"):
        check_command(["tuneoff", "export", "my-study"])
    with pytest.raises(AssertionError):
        check_command(["pip", "install", ".[smaple]"])
    assert list(commands_in("A=1 tuneoff plan 'a b' | head -1  # so\n\n")) == [["tuneoff", "plan", "a b"], ["head", "-1"]]


def test_options_in_running_text_are_there() -> None:
    seen = 0
    for page in PAGES:
        for line in re.findall(r"`(tuneoff [^`\n]+)`", (ROOT / page).read_text(encoding="utf-8")):
            verb, *rest = line.split()[1:]
            if verb not in application().commands:
                continue  # A package, such as tuneoff[track]; test_docs looks at the others.
            known = {option for parameter in application().commands[verb].params for option in parameter.opts}
            for option in re.findall(r"(?<!\S)(--[a-z-]+)", " ".join(rest)):
                assert option in known, f"{page}: {line}"
                seen += 1
    assert seen > 5


# The quick start, as it is written


def start(folder: Path, lang: str) -> Path:
    shutil.copyfile(ROOT / "docs" / "assets" / f"headlines.{lang}.csv", folder / "headlines.csv")
    return folder


def run_line(line: str, folder: Path, lang: str, **extra: str) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env=environment(TUNEOFF_LANG=lang, PATH=path, **extra),
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, f"{line}\n{done.stderr}"
    return done.stdout


def lines_of(page: str) -> list[str]:
    """Commands of a quick start without its installation."""
    blocks = [str(example.parsed) for example in examples(page, "sh")]
    return [line for block in blocks for line in block.splitlines() if line.startswith("tuneoff ")]


def test_both_quick_starts_have_the_same_steps() -> None:
    english, korean = ([line.split()[1] for line in lines_of(page)] for page in QUICK_STARTS.values())
    assert english == korean == ["init", "check", "plan", "plan", "run", "status", "report", "predict", "export"]


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_quick_start_shows_the_file_and_the_study_that_there_are(tmp_path: Path, lang: str) -> None:
    page, folder = QUICK_STARTS[lang], start(tmp_path, lang)
    (shown,) = (str(example.parsed) for example in examples(page, "csv"))
    rows = (folder / "headlines.csv").read_text(encoding="utf-8").splitlines()
    assert len(rows) == 61
    assert set(shown.splitlines()) <= set(rows)
    run_line(lines_of(page)[0], folder, lang)
    (study,) = (str(example.parsed) for example in examples(page, "yaml"))
    assert yaml.safe_load((folder / "my-study" / "study.yaml").read_text(encoding="utf-8")) == yaml.safe_load(study)


def test_the_first_steps_of_the_quick_start_work(tmp_path: Path) -> None:
    folder = start(tmp_path, "en")
    init, check, *_ = lines_of(QUICK_STARTS["en"])
    run_line(init, folder, "en")
    assert "train 42 rows, validation 6, test 12" in run_line(check, folder, "en")


@pytest.mark.slow
def test_the_whole_quick_start_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of the Korean page in its order, against a hub that has tiny models under the names of the page."""
    monkeypatch.setattr(tiny, "POSITIONS", 512)
    model, folder = tiny.tiny_encoder(tmp_path / "model", "roberta"), tmp_path / "user"
    folder.mkdir()
    start(folder, "ko")
    with serve() as hub:
        for size in ("base", "large"):
            hub.add(f"models/klue/roberta-{size}", model)
        reach = {"HF_ENDPOINT": hub.url, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
        said = {line.split()[1]: run_line(line, folder, "ko", **reach) for line in lines_of(QUICK_STARTS["ko"])}
    assert said["predict"].split()[0] in ("경제", "스포츠", "생활")
    assert (folder / "my-model" / "config.json").is_file()
    assert all((folder / "my-study" / name).is_file() for name in ("README.md", "README.en.md", "results/results.csv"))
