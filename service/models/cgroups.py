"""The CPU quota that a container's control groups leave to this process (Linux, cgroup versions 1 and 2)."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import NamedTuple

USUAL_MOUNTS = ("sys/fs/cgroup", "sys/fs/cgroup/cpu", "sys/fs/cgroup/cpu,cpuacct")


class _Mount(NamedTuple):
    """Where a hierarchy is seen, and which of its groups is seen there."""

    folder: Path
    group: PurePosixPath
    version: int


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Processors' worth of time that the process may use: the least of its own group's quota and those above it.

    root: the folder that stands for `/`. None where no quota is set or the files cannot be read.
    """
    groups = _own_groups(_text(root / "proc/self/cgroup"))
    mounts = list(_mounts(_text(root / "proc/self/mountinfo"), root))
    places = [place for mount in mounts for place in _upwards(mount, groups.get(mount.version))]
    quotas = [_quota(place) for place in places or [root / usual for usual in USUAL_MOUNTS]]
    return min((quota for quota in quotas if quota is not None), default=None)


def _own_groups(text: str) -> dict[int, PurePosixPath]:
    """The process's group in the hierarchy of version 2, and in the one of version 1 that counts processor time."""
    groups = {}
    for line in text.splitlines():
        number, controllers, path = (*line.split(":", 2), "", "")[:3]
        if number == "0" and not controllers:
            groups[2] = PurePosixPath(path)
        elif "cpu" in controllers.split(","):
            groups[1] = PurePosixPath(path)
    return groups


def _mounts(text: str, root: Path) -> Iterator[_Mount]:
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        fields, kinds = left.split(), right.split()
        if len(fields) < 5 or len(kinds) < 3:
            continue
        version = {"cgroup": 1, "cgroup2": 2}.get(kinds[0])
        if version is None or (version == 1 and "cpu" not in kinds[-1].split(",")):
            continue
        group, folder = (re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), path) for path in fields[3:5])
        yield _Mount(root / folder.lstrip("/"), PurePosixPath(group), version)


def _upwards(mount: _Mount, group: PurePosixPath | None) -> Iterator[Path]:
    """The folders of the process's group and of those above it as far as they are seen; the mount alone where the
    group is not below it, as in a container that is told its path on the host."""
    below = PurePosixPath()
    if group is not None and group.is_relative_to(mount.group) and ".." not in group.parts:
        below = group.relative_to(mount.group)
    yield from (mount.folder / folder for folder in (below, *below.parents))


def _quota(folder: Path) -> float | None:
    quota, period = (*_text(folder / "cpu.max").split(), "", "")[:2]
    if not quota:
        quota, period = _text(folder / "cpu.cfs_quota_us").strip(), _text(folder / "cpu.cfs_period_us").strip()
    if not (quota.isdecimal() and period.isdecimal() and int(quota) and int(period)):
        return None  # "max" and -1 stand for no limit
    return int(quota) / int(period)


def _text(file: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return file.read_text()
    return ""
