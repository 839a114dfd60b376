"""Python and its packages, processors, memory, the GPU."""

import os
import platform
import sys
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import service
from service.cli.checks.findings import Check
from service.settings import Settings

NEEDED = (
    "torch",
    "openvino",
    "transformers",
    "open_clip_torch",
    "fastapi",
    "uvicorn",
    "pydantic",
    "sqlalchemy",
    "pillow",
)
LEAST_FREE_BYTES = 2.5e9  # the embedded profile takes 1.9 under load
GPU_DEVICES = (Path("/dev/nvidia0"), Path("/dev/nvidiactl"), Path("/dev/dxg"))


def packages() -> Iterator[Check]:
    found = f"l2r2 {service.__version__}, Python {platform.python_version()}, {platform.platform(terse=True)}"
    yield Check("version", "ok", found)
    there, missing = [], []
    for name in NEEDED:
        try:
            there.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            missing.append(name)
    if missing:
        yield Check("packages", "bad", f"not installed: {', '.join(missing)}", f"{sys.executable} -m pip install l2r2")
    else:
        yield Check("packages", "ok", ", ".join(there))


def processors(settings: Settings) -> Iterator[Check]:
    from service.models.cgroups import cpu_quota
    from service.models.hardware import usable_processors

    usable, quota = usable_processors(), cpu_quota()
    found = f"{usable} of {os.cpu_count()} usable, quota {'none' if quota is None else f'{quota:g}'}"
    if settings.threads is not None and settings.threads > usable:
        advice = f"set L2R2_THREADS to {usable}, or leave it out: more threads than processors wait for each other"
        yield Check("processors", "note", f"{found}, but L2R2_THREADS is {settings.threads}", advice)
    else:
        yield Check("processors", "ok", found)


def memory(_settings: Settings) -> Iterator[Check]:
    free = _available_bytes()
    if free is None:
        yield Check("memory", "note", "cannot be told on this system")
    elif free < LEAST_FREE_BYTES:
        advice = "the smallest profile takes about 2 GB under load: free some, or give the container more"
        yield Check("memory", "note", f"{free / 1e9:.1f} GB free", advice)
    else:
        yield Check("memory", "ok", f"{free / 1e9:.1f} GB free")


def gpu(settings: Settings) -> Iterator[Check]:
    """Where models would run. Raises SettingsError where a GPU is asked for and none is there."""
    from service.models.hardware import choose_hardware, torch_is_built_for, visible_gpu

    chosen = choose_hardware(settings.device, settings.dtype, settings.threads, settings.compile)
    seen = visible_gpu()
    if seen is not None:
        yield Check("gpu", "ok", f"{seen}; models run on {chosen}")
    elif any(device.exists() for device in GPU_DEVICES):
        advice = f"torch is built for {torch_is_built_for()}: install a build for the GPU's driver"
        yield Check("gpu", "note", f"there is one that torch does not see; models run on {chosen}", advice)
    else:
        yield Check("gpu", "ok", f"none; models run on {chosen}")


def _available_bytes() -> float | None:
    """What the system has left, or the container, if that is less."""
    limits = [_kilobytes("MemAvailable")]
    with suppress(OSError, ValueError):
        folder = Path("/sys/fs/cgroup")
        most, used = (int((folder / name).read_text()) for name in ("memory.max", "memory.current"))
        limits.append(max(0.0, float(most - used)))
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def _kilobytes(name: str) -> float | None:
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith(f"{name}:"):
                return 1024.0 * int(line.split()[1])
    return None
