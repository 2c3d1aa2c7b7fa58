"""The command line in this process: what a user sees in either language, without seconds of imports for each message."""

import io
import json
import os
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

from tuneoff import strings
from tuneoff.cli import main


@dataclass(frozen=True)
class Answer:
    """What a command left behind: its exit code, its data and its talk."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line that an error is, without the program's name; before it only the talk of a command at work."""
        *talk, line = self.err.splitlines()
        assert "Traceback" not in self.err
        assert not any(before.startswith("tuneoff: ") for before in talk), "more than one line is no clear message"
        return line.removeprefix("tuneoff: ")


def answer(*arguments: str | Path, lang: str = "en", stdin: str = "", **environment: str) -> Answer:
    """Run the command line to its end."""
    out, err = io.StringIO(), io.StringIO()
    argv = ["tuneoff", *map(str, arguments), "--lang", lang]
    with (
        mock.patch.dict(os.environ, environment),
        mock.patch.object(sys, "argv", argv),
        mock.patch.object(sys, "stdin", io.StringIO(stdin)),
    ):
        try:
            with redirect_stdout(out), redirect_stderr(err):
                main()
        except SystemExit as end:
            code = end.code
        finally:
            strings.choose(None)
    assert isinstance(code, int)
    return Answer(code, out.getvalue(), err.getvalue())


def refusals(*arguments: str | Path, code: int) -> tuple[str, str]:
    """The one line of an error in English and in Korean, which must be Korean, with the exit code that it must have."""
    english, korean = (answer(*arguments, lang=lang) for lang in strings.LANGUAGES)
    assert (english.code, korean.code) == (code, code), (english, korean)
    assert english.out == korean.out == ""
    assert any("가" <= character <= "힣" for character in korean.line)
    return english.line, korean.line


def rows(count: int = 40, header: str = "text,label", line: Callable[[int], str] | None = None) -> str:
    """A csv file in which no two texts are nearly the same; ``line`` makes the rows."""
    made = line or (lambda i: f"{i * 7919} words,{'ab'[i % 2]}")
    return "\n".join([header, *map(made, range(count))]) + "\n"


def write_data_study(folder: Path, files: Mapping[str, str | bytes], data: Mapping[str, object] | None = None) -> Path:
    """A study of the majority alone, for which data is all that matters; returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    study = {"study": "data", "backbone": "sample:en", "data": data or {"train": "train.csv"}, "methods": ["majority"], "seeds": 1}
    (folder / "study.yaml").write_text(json.dumps(study, ensure_ascii=False), encoding="utf-8")
    return folder
