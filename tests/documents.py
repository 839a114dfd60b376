"""What stands in the documentation's pages: their blocks of code, and how those that can be are run."""

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = tuple(sorted(path for path in DOCS.rglob("*.md") if "making" not in path.parts))
_BLOCK = re.compile(
    r"^(?P<indent>[ ]*)(?:<!--[ ](?P<mark>[^\n]*?)[ ]-->\n[ ]*)?```(?P<language>\w+)\n(?P<text>.*?)^[ ]*```$",
    re.MULTILINE | re.DOTALL,
)
HERE = "localhost:8000"
# Commands whose service has an address of its own; they are asked for the running one's instead.
_ASKING = re.compile(r"\bl2r2 datasets (?:list|show|add|calibrate|versions|use|delete)\b")
PRELUDE = 'set -euo pipefail\ncurl() { command curl --fail-with-body --no-progress-meter "$@"; }\n'


@dataclass(frozen=True)
class Block:
    page: Path
    line: int
    mark: str
    language: str
    text: str

    @property
    def place(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"

    @property
    def is_run(self) -> bool:
        return self.mark in ("runs", "runs: slow")

    @property
    def is_slow(self) -> bool:
        return self.mark == "runs: slow"


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text(encoding="utf-8")
    for found in _BLOCK.finditer(text):
        code = textwrap.dedent(found["text"])
        yield Block(page, text.count("\n", 0, found.start()) + 1, found["mark"] or "", found["language"], code)


def all_blocks(*languages: str) -> list[Block]:
    return [block for page in PAGES for block in blocks_of(page) if not languages or block.language in languages]


def scripts_of(blocks: list[Block]) -> Iterator[str]:
    """For a shell: programs that follow each other in one interpreter, each as if it were alone."""
    for language, some in groupby(blocks, lambda block: block.language):
        texts = [block.text for block in some]
        if language == "python":
            yield f"python - <<'PROGRAMS'\nfor text in {texts!r}:\n    exec(text, {{'__name__': '__main__'}})\nPROGRAMS"
        else:
            yield from texts


def run_blocks(blocks: list[Block], url: str, folder: Path) -> str:
    """In one shell, in their order, with the service at `url` in place of the one that they name: what they print."""
    script = PRELUDE + "\n".join(scripts_of(blocks))
    script = script.replace(f"http://{HERE}", url).replace(HERE, url.removeprefix("http://"))
    script = _ASKING.sub(lambda found: f"{found[0]} --url {url}", script)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("L2R2_")}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "L2R2_OFFLINE": "true",
        "L2R2_THREADS": "1",  # tests run side by side
        "L2R2_MODELS_CACHE": str(ROOT / "models_cache"),
        "COLUMNS": "200",
    }
    command = ["bash", "-c", script]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stderr[-3000:]}\n{done.stdout[-2000:]}"
    return done.stdout
