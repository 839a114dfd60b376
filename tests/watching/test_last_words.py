"""What is said before the end of a process that cannot go on."""

import json
import subprocess
import sys

import pytest

from service.cli.serve import BEYOND_HELP

SOON_S = 30
ENDS = """
import sys
from service.cli.serve import _end
from service.telemetry import configure_logging
configure_logging("info", "json")
_end("it hangs" * int(sys.argv[1]))
"""


@pytest.mark.parametrize("times", [1, 100_000])
def test_they_are_logged_and_waited_for_only_as_long_as_somebody_reads(times: int) -> None:
    with subprocess.Popen([sys.executable, "-c", ENDS, str(times)], stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        if times == 1:
            last = json.loads(process.stderr.read())
            assert (last["level"], last["message"]) == ("critical", "the service cannot go on")
            assert last["reason"] == "it hangs"
        assert process.wait(SOON_S) == BEYOND_HELP  # also where more is said than is read
