"""How the C library shares out memory."""

import ctypes
from contextlib import suppress

M_ARENA_MAX = -8  # of mallopt(3), in glibc's malloc.h
HEAPS = 2


def share_heaps() -> None:
    """glibc gives threads heaps of their own, up to eight for each processor, and what is free in one is of no use in
    the others. With `HEAPS` for all, a service of some fifty threads keeps to less, and grows less. For the start,
    before there are threads. Elsewhere than with glibc it changes nothing."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, HEAPS)
