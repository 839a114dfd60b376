"""What processes took: CPU seconds, memory, and how busy everybody else kept the machine."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

MB = 1e6


@dataclass(frozen=True)
class Usage:
    """cpu_s: of the watched processes. foreign_cpu: processors that others kept busy on average; steal likewise."""

    seconds: float
    cpu_s: float
    rss_mb: float
    peak_rss_mb: float | None
    foreign_cpu: float


class Watch:
    """Counts from its making on. `pids`: the processes whose memory and CPU time are wanted, with their children;
    `own_pids`: others of ours, which are no noise either."""

    def __init__(self, pids: Sequence[int], own_pids: Sequence[int] = ()) -> None:
        self._processes = _families(pids)
        self._own = _families([*own_pids, os.getpid()], children=False)
        for process in self._processes:
            _forget_peak(process.pid)
        self._begin_s = time.perf_counter()
        self._busy_s = busy_s()
        self._cpu_s, self._own_s = _cpu_s(self._processes), _cpu_s(self._own)

    def read(self) -> Usage:
        seconds = time.perf_counter() - self._begin_s
        cpu_s = _cpu_s(self._processes) - self._cpu_s
        foreign_s = busy_s() - self._busy_s - cpu_s - (_cpu_s(self._own) - self._own_s)
        peaks = [_peak_mb(process.pid) for process in self._processes]
        return Usage(
            seconds=seconds,
            cpu_s=cpu_s,
            rss_mb=rss_mb([process.pid for process in self._processes]),
            peak_rss_mb=None if None in peaks else sum(peak for peak in peaks if peak is not None),
            foreign_cpu=max(0.0, foreign_s / seconds) if seconds else 0.0,
        )


def rss_mb(pids: Sequence[int]) -> float:
    """Resident memory of processes in MB."""
    return sum(_rss(psutil.Process(pid)) for pid in pids if psutil.pid_exists(pid)) / MB


def _rss(process: psutil.Process) -> int:
    try:
        resident: int = process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0
    return resident


def busy_s() -> float:
    """Seconds that the machine's processors worked since it started, for anybody."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0.0) - _counted_twice(times))


def stolen_s() -> float | None:
    """Seconds that a hypervisor gave to others; None where the system does not tell."""
    return getattr(psutil.cpu_times(), "steal", None)


def _counted_twice(times: object) -> float:
    """Linux counts guests in `user` and `nice` too."""
    return float(getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0))


def _families(pids: Sequence[int], children: bool = True) -> list[psutil.Process]:
    found: list[psutil.Process] = []
    for pid in pids:
        process = psutil.Process(pid)
        found += [process, *(process.children(recursive=True) if children else ())]
    return found


def _cpu_s(processes: Sequence[psutil.Process]) -> float:
    total = 0.0
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def _forget_peak(pid: int) -> None:
    try:
        Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return  # then the peak is not known, see _peak_mb


def _peak_mb(pid: int) -> float | None:
    """The most resident memory since it was last forgotten; None where the system cannot tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    known = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(known[0]) * 1024 / MB if known else None
