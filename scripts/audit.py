"""Hold pinned versions against published advisories with pip-audit: ``python -m scripts.audit constraints.txt``.

Ends with 0 when nothing is known against any of them, 1 when there is (each is listed), 3 when the advisory service could not be asked:
an audit that did not take place must not look like one that found nothing.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

FOUND, NOT_ASKED = 1, 3
#: Seconds; some 150 packages are asked about one by one.
LONGEST = 600


def audit(constraints: Path) -> int:
    """Ask about every pinned version; say what was found on stdout and what went wrong on stderr."""
    pins = [line for line in constraints.read_text(encoding="utf-8").splitlines() if "==" in line and not line.startswith("#")]
    sys.stderr.write(f"audit: {len(pins)} pinned versions of {constraints}\n")
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(constraints), "--no-deps", "--disable-pip", "--format", "json"]
    try:
        run = subprocess.run(
            [*command, "--progress-spinner", "off", "--timeout", "15"],
            capture_output=True,
            text=True,
            timeout=LONGEST,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        answers: list[dict[str, Any]] = json.loads(run.stdout)["dependencies"]
    except subprocess.TimeoutExpired:
        sys.stderr.write(f"audit: nothing was checked: no answer within {LONGEST} s\n")
        return NOT_ASKED
    except (ValueError, LookupError, TypeError):
        reason = next((line for line in reversed(run.stderr.splitlines()) if line.strip()), f"pip-audit ended with {run.returncode}")
        sys.stderr.write(f"audit: nothing was checked: the advisory service cannot be reached or did not answer ({reason.strip()[:300]})\n")
        return NOT_ASKED
    skipped = [f"{one['name']}: {one['skip_reason']}" for one in answers if "skip_reason" in one]
    known = [(one, advisory) for one in answers for advisory in one.get("vulns", ())]
    for one, advisory in known:
        fixed = ", ".join(advisory["fix_versions"]) or "none yet"
        sys.stdout.write(f"{one['name']} {one['version']}: {advisory['id']} (fixed in: {fixed})\n")
    for line in skipped:
        sys.stderr.write(f"audit: not checked: {line}\n")
    sys.stderr.write(f"audit: {len(answers) - len(skipped)} versions checked, {len(known)} advisories\n")
    if len(answers) - len(skipped) == 0:
        return NOT_ASKED
    return FOUND if known else 0


if __name__ == "__main__":
    sys.exit(audit(Path(sys.argv[1])))
