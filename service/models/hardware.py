"""Which device, number format and how many threads the models get."""

import os
from dataclasses import dataclass
from typing import Literal

from service.errors import SettingsError


@dataclass(frozen=True)
class Hardware:
    device: Literal["cpu", "cuda"]
    bfloat16: bool
    threads: int

    def __str__(self) -> str:
        return f"{self.device}, {'bfloat16' if self.bfloat16 else 'float32'}, {self.threads} threads"


def choose_hardware(device: str, dtype: str, threads: int | None) -> Hardware:
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
    count = (
        threads or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else threads or os.cpu_count() or 1
    )
    return Hardware("cuda" if on_gpu else "cpu", bfloat16, count)


def _cpu_computes_bfloat16() -> bool:
    import torch

    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16"))
