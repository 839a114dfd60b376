"""What was measured on: processors, GPU, versions, settings."""

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

import service
from service.models.hardware import usable_processors
from service.settings import Settings

PACKAGES = (
    "numpy", "pillow", "onnxruntime", "openvino", "torch", "transformers", "open_clip_torch", "fastapi", "uvicorn",
    "litserve",
)  # fmt: skip
SECRET = ("database_url",)


def machine(settings: Settings) -> dict[str, Any]:
    return {
        "service": service.__version__,
        "system": platform.platform(),
        "python": sys.version.split()[0],
        "cpu": _cpu_model(),
        "processors": os.cpu_count(),
        "usable_processors": usable_processors(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "gpu": _gpu(),
        "packages": {name: known for name in PACKAGES if (known := _version(name)) is not None},
        "settings": {name: value for name, value in settings.model_dump(mode="json").items() if name not in SECRET},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _gpu() -> str | None:
    """The driver's own words: to ask torch would start it in this process."""
    names = []
    for card in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        lines = card.read_text(encoding="utf-8").splitlines()
        names += [line.partition(":")[2].strip() for line in lines if line.startswith("Model")]
    return ", ".join(names) or None
