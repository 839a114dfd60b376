"""Which device, number format and how many threads the models get."""

import math
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from threadpoolctl import threadpool_limits

from service.errors import SettingsError
from service.models.cgroups import cpu_quota

Compile = Literal["auto", "off", "on"]

_calling, _setting = threading.local(), threading.Lock()


@dataclass(frozen=True)
class Hardware:
    device: Literal["cpu", "cuda"]
    bfloat16: bool
    threads: int
    compile: Compile = "auto"

    @property
    def number_format(self) -> str:
        return "bfloat16" if self.bfloat16 else "float32"

    def __str__(self) -> str:
        return f"{self.device}, {self.number_format}, {self.threads} threads"


def choose_hardware(device: str, dtype: str, threads: int | None, compiling: Compile = "auto") -> Hardware:
    """Settings against what the machine has: a GPU if there is one, bfloat16 where it is computed natively.

    Raises:
        SettingsError: a GPU was asked for and there is none.
    """
    import torch

    has_gpu = torch.cuda.is_available()
    if device == "cuda" and not has_gpu:
        raise SettingsError(
            "L2R2_DEVICE is cuda, but no GPU is visible; set it to auto or cpu, or fix the GPU's driver"
        )
    on_gpu = has_gpu and device != "cpu"
    native = torch.cuda.is_bf16_supported(including_emulation=False) if on_gpu else _cpu_computes_bfloat16()
    bfloat16 = native if dtype == "auto" else dtype == "bfloat16"
    return Hardware("cuda" if on_gpu else "cpu", bfloat16, threads or usable_processors(), compiling)


def visible_gpu() -> str | None:
    """The GPU that torch sees, in words."""
    import torch

    if not torch.cuda.is_available():
        return None
    properties = torch.cuda.get_device_properties(0)
    return f"{properties.name}, {properties.total_memory / 1e9:.0f} GB, CUDA {torch.version.cuda}"


def torch_is_built_for() -> str:
    import torch

    return f"CUDA {torch.version.cuda}" if torch.version.cuda else "processors alone"


def usable_processors(root: Path = Path("/")) -> int:
    """Processors that this process may run on, by its affinity and its container's quota; at least one.

    A quota's fraction is not used: a thread too many makes the whole process stand still at the end of every period,
    while what is left over serves the threads that only wait and hand on. root: see `cpu_quota`.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota(root)
    return max(1, usable if quota is None else min(usable, math.floor(quota)))


def one_blas_thread() -> None:
    """Numpy's products here are small. BLAS threads that wait for each other by spinning cost, on a busy machine, a
    hundred times what they save."""
    import numpy  # noqa: F401  only a library that is loaded can be limited

    threadpool_limits(1, user_api="blas")


def set_torch_threads(count: int) -> None:
    """How many threads torch computes with, in the calling thread and in those to come."""
    import torch

    torch.set_num_threads(count)


def use_torch_threads(count: int) -> None:
    """How many threads torch computes with, when it is asked by the calling thread; other threads keep what they have.

    Threads that wait for each other by spinning cost more than they bring, where several callers compute at once.
    """
    import torch

    if getattr(_calling, "torch_threads", None) == count:
        return
    with _setting, ThreadPoolExecutor(1) as new_thread:
        usual = new_thread.submit(torch.get_num_threads).result()
        torch.get_num_threads()  # a thread's first question sets the usual number
        torch.set_num_threads(count)  # of this thread, and of those to come,
        new_thread.submit(torch.set_num_threads, usual).result()  # which shall have as many as before
    _calling.torch_threads = count


def _cpu_computes_bfloat16() -> bool:
    import torch

    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
