"""The long versions of what shows that the service can be trusted, and a table of what they found.

python tests/trust.py                  everything, about an hour
python tests/trust.py -k "not hour"    with any of pytest's own options
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[1]
PLACES = ("tests/faults", "tests/security")
CHOICE = ("-m", "slow", "-n", "0", "-o", "junit_family=xunit1")  # the family with a place for what tests record


def rows(report: Path) -> list[tuple[str, str, str, str]]:
    """Of each test its name, how it ended, what it recorded, and how long it took."""
    found = []
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        outcome = next((kind for kind in ("failure", "error", "skipped") if case.find(kind) is not None), "passed")
        recorded = [f"{entry.get('name')}: {entry.get('value')}" for entry in case.iter("property")]
        name = case.get("name", "").removeprefix("test_").replace("_", " ")
        found.append((name, outcome, "\n".join(recorded), f"{float(case.get('time', 0)):.0f} s"))
    return found


def main(options: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", *PLACES, *CHOICE, f"--junitxml={report}", *options]
        code = subprocess.run(command, cwd=ROOT, check=False).returncode
        table = Table("what", "outcome", "figures", "took", show_lines=True)
        for row in rows(report) if report.exists() else []:
            table.add_row(*row)
    Console(width=140).print(table)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
