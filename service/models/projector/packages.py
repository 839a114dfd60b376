"""The packages of drawings and names: which, by whom, under what licence, and how they are fetched.

Packages are fetched by name and pinned version through the user's own clients (`npm`, `apt-get`), so that a mirror
and certificates configured there are honoured; they are unpacked as data and none of their code runs.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path


class DrawingsError(RuntimeError):
    """A drawing package could not be fetched or unpacked; the message says what to install or check."""


@dataclass(frozen=True)
class Package:
    """One pinned package of drawings or names. `style` labels its pictures; empty for a package of names alone."""

    client: str
    name: str
    version: str
    style: str
    licence: str
    attribution: str


PACKAGES = (
    Package("npm", "emojibase-data", "17.0.0", "", "MIT", "Miles Johnson, emojibase; names from Unicode CLDR"),
    Package("npm", "@lobehub/fluent-emoji-3d", "1.1.0", "fluent-3d", "MIT", "Microsoft, Fluent Emoji"),
    Package("npm", "@iconify-json/noto", "1.2.9", "noto", "Apache-2.0", "Google, Noto Emoji"),
    Package("apt", "openclipart-svg", "1:0.18+dfsg-19", "openclipart", "public domain", "Open Clip Art Library"),
    Package("npm", "@twemoji/svg", "15.0.0", "twemoji", "CC-BY-4.0", "Twitter, Inc and other contributors, Twemoji"),
)


def fetch(package: Package, cache_dir: Path) -> Path:
    """Download and unpack one package below `cache_dir`; return its folder. Done once: a full folder is kept.

    Raises `DrawingsError` if the client (`npm` or `apt-get` with `dpkg-deb`) is missing or the download fails.
    """
    folder = cache_dir / "packages" / re.sub(r"[^\w.-]+", "_", f"{package.name}-{package.version}")
    if folder.is_dir():
        return folder
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if package.client == "npm":
        _run(["npm", "pack", "--silent", f"{package.name}@{package.version}"], partial)
        with tarfile.open(next(partial.glob("*.tgz"))) as archive:
            archive.extractall(partial / "data", filter="data")
    else:
        _run(["apt-get", "download", f"{package.name}={package.version}"], partial)
        _run(["dpkg-deb", "-x", next(partial.glob("*.deb")).name, "data"], partial)
    partial.rename(folder)
    return folder


def _run(command: list[str], folder: Path) -> None:
    client = command[0]
    if shutil.which(client) is None:
        raise DrawingsError(f"`{client}` is needed to fetch the drawings and is not installed: {' '.join(command)}")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603  fixed words
    if done.returncode != 0:
        reason = done.stderr.strip()[-500:]
        raise DrawingsError(f"`{' '.join(command)}` failed with status {done.returncode}: {reason}")
