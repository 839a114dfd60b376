"""How full the memory is that the models live in."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from service.models.hardware import Hardware


def device_bytes(hardware: Hardware) -> Mapping[str, int]:
    """Bytes `used` and `total`: of a GPU by all its users, with what torch holds there (`reserved`) and has given out
    (`allocated`); of processors by this process, of the machine. Waits for no work; empty where it cannot be told."""
    if hardware.device == "cuda":
        import torch

        free, total = torch.cuda.mem_get_info()
        held = {"reserved": torch.cuda.memory_reserved(), "allocated": torch.cuda.memory_allocated()}
        return {"used": total - free, "total": total, **held}
    with suppress(OSError, ValueError, AttributeError):
        page = os.sysconf("SC_PAGE_SIZE")
        used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * page
        return {"used": used, "total": os.sysconf("SC_PHYS_PAGES") * page}
    return {}
