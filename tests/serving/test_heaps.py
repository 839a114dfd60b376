"""Heaps of the C library."""

import os
import platform
import subprocess
import sys

import pytest

COUNTED = """
import ctypes, sys, threading
from service.serving.heaps import share_heaps
if sys.argv[1] == "shared":
    share_heaps()
malloc = ctypes.CDLL(None).malloc
malloc.restype = ctypes.c_void_p
all_here = threading.Barrier(12)
def take():
    all_here.wait()
    for _ in range(1000):
        malloc(64)
    all_here.wait()
threads = [threading.Thread(target=take) for _ in range(12)]
for thread in threads: thread.start()
for thread in threads: thread.join()
ctypes.CDLL(None).malloc_stats()
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries share out memory in other ways")
@pytest.mark.parametrize(("how", "few"), [("shared", True), ("as it comes", False)])
def test_threads_share_heaps(how: str, few: bool) -> None:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    done = subprocess.run(
        [sys.executable, "-c", COUNTED, how], env=bare, capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stderr.count("Arena ") <= 2) is few, done.stderr
