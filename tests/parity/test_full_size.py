"""The standard profile at its real size, in processes of their own so that the peak of memory is the service's."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("full_size.py")
MOST_GB = 12  # the models are 5.3 GB of float32 weights, and while an encoder loads its file is there beside it


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_standard_profile_answers_within_its_memory() -> None:
    with tempfile.TemporaryDirectory() as root:  # pytest would keep the gigabytes of its own folders for three runs
        run([sys.executable, str(SCRIPT), "save", root])
        figures = json.loads(run([sys.executable, str(SCRIPT), "measure", root]))
    print(json.dumps(figures, indent=2))  # noqa: T201  (shown with -s or -rP)
    assert figures["answer"]["label"] in ("cat", "dog", "bird")
    assert figures["answer"]["fallback"] is None
    assert figures["detections"] > 0
    assert figures["encoder"]["dimensions"] == 1152
    assert figures["same_twice"]
    assert figures["peak_rss_gb"] <= MOST_GB


def run(command: list[str]) -> str:
    root = Path(__file__).parents[2]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(root)}, cwd=root)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout
