"""The coverage-guided fuzzer (atheris): ``python -m tests.fuzz.run TARGET SECONDS [FOLDER]``; ``all`` takes them one by one.

Starts from ``tests/fuzz/corpus/TARGET``; new inputs go to FOLDER/corpus/TARGET, a find to FOLDER/finds, its traceback to the screen.
"""

import subprocess
import sys
from pathlib import Path

CORPUS = Path(__file__).with_name("corpus")
#: Of a target, in the order in which they run; the same as in ``targets.py``, which must be imported by the fuzzer itself.
NAMES = ("study", "override", "csv", "tsv", "jsonl", "gz", "xlsx", "parquet", "record")
OPTIONS = ("-timeout=30", "-rss_limit_mb=4096", "-max_len=65536", "-print_final_stats=1", "-verbosity=1")


def fuzz(target: str, seconds: str, folder: str) -> None:
    """Fuzz one target; the process ends with 0 when nothing was found."""
    import atheris

    with atheris.instrument_imports(include=["tuneoff", "yaml", "csv", "openpyxl", "encodings"]):
        from tests.fuzz import targets
    work, finds = Path(folder) / "corpus" / target, Path(folder) / "finds"
    for made in (work, finds):
        made.mkdir(parents=True, exist_ok=True)
    options = [*OPTIONS, f"-max_total_time={seconds}", f"-artifact_prefix={finds}/{target}-"]
    atheris.Setup([sys.argv[0], *options, str(work), str(CORPUS / target)], lambda data: targets.run(target, data))
    atheris.Fuzz()


def main(target: str, seconds: str, folder: str = "build/fuzz") -> int:
    """One target in this process, or all of them in processes of their own; 0 when nothing was found."""
    if target != "all":
        fuzz(target, seconds, folder)
    command = [sys.executable, "-m", "tests.fuzz.run"]
    codes = {name: subprocess.run([*command, name, seconds, folder], check=False).returncode for name in NAMES}
    found = [name for name, code in codes.items() if code]
    sys.stderr.write(f"fuzz: {len(codes)} readers, {seconds} s each; finds in: {', '.join(found) or 'none'}\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
