"""Wheels of a few bytes that a real pip accepts."""

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path

from service.models.catalog import WheelFile


def write_wheel(folder: Path, package: str, members: Mapping[str, bytes]) -> Path:
    info = f"{package}-1.0.dist-info"
    path = folder / f"{package}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        # a dependency that does not exist: pip must not look for it
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\nRequires-Dist: void\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{info}/RECORD", "")
    return path


def wheel_file(package: str, member: str, content: bytes, save_as: str) -> WheelFile:
    return WheelFile(package, "1.0", member, hashlib.sha256(content).hexdigest(), len(content), save_as)
