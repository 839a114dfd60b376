import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.models.cgroups import cpu_quota
from service.models.hardware import usable_processors

V2_MOUNT = "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNT = "32 31 0:29 {group} /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup cgroup rw,cpu,cpuacct\n"
OTHERS = (
    "23 1 0:22 / / rw,relatime - overlay overlay rw\n"
    "33 31 0:30 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"
)


def machine(root: Path, groups: str, mounts: str, files: dict[str, str]) -> Path:
    for name, text in {"proc/self/cgroup": groups, "proc/self/mountinfo": mounts, **files}.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def v1(folder: str, quota: int, period: int = 100_000) -> dict[str, str]:
    return {f"{folder}/cpu.cfs_quota_us": f"{quota}\n", f"{folder}/cpu.cfs_period_us": f"{period}\n"}


def test_version_2_in_a_container(tmp_path: Path) -> None:
    files = {"sys/fs/cgroup/cpu.max": "250000 100000\n"}
    assert cpu_quota(machine(tmp_path, "0::/\n", OTHERS + V2_MOUNT, files)) == 2.5


def test_the_least_quota_of_nested_groups_holds(tmp_path: Path) -> None:
    files = {
        "sys/fs/cgroup/a/cpu.max": "150000 100000\n",
        "sys/fs/cgroup/a/b/cpu.max": "400000 100000\n",
        "sys/fs/cgroup/a/b/c/cpu.max": "max 100000\n",
        "sys/fs/cgroup/a/other/cpu.max": "1000 100000\n",
    }
    assert cpu_quota(machine(tmp_path, "0::/a/b/c\n", V2_MOUNT, files)) == 1.5


@pytest.mark.parametrize("text", ["max 100000\n", "max\n", "", "200000 0\n", "0 100000\n", "x y\n", "-1 100000\n"])
def test_no_quota(tmp_path: Path, text: str) -> None:
    assert cpu_quota(machine(tmp_path, "0::/\n", V2_MOUNT, {"sys/fs/cgroup/cpu.max": text})) is None


def test_version_1_with_the_hosts_path_in_a_container(tmp_path: Path) -> None:
    groups = "4:memory:/docker/abc\n3:cpuset:/docker/abc\n2:cpu,cpuacct:/docker/abc\n"
    files = v1("sys/fs/cgroup/cpu,cpuacct", 300_000)
    mounts = OTHERS + V1_MOUNT.format(group="/docker/abc")
    assert cpu_quota(machine(tmp_path, groups, mounts, files)) == 3.0


def test_version_1_nested(tmp_path: Path) -> None:
    files = v1("sys/fs/cgroup/cpu,cpuacct/a", 50_000, 20_000) | v1("sys/fs/cgroup/cpu,cpuacct/a/b", -1)
    mounts = OTHERS + V1_MOUNT.format(group="/")
    assert cpu_quota(machine(tmp_path, "2:cpu,cpuacct:/a/b\n", mounts, files)) == 2.5


@pytest.mark.parametrize("group", ["/kubepods/pod1/x", "/../../x", "/.."])
def test_a_group_that_is_not_seen_is_taken_for_the_mount(tmp_path: Path, group: str) -> None:
    files = v1("sys/fs/cgroup/cpu,cpuacct", 200_000)
    mounts = V1_MOUNT.format(group="/" if ".." in group else "/docker/abc")
    assert cpu_quota(machine(tmp_path, f"2:cpu,cpuacct:{group}\n", mounts, files)) == 2.0


def test_both_versions_at_once(tmp_path: Path) -> None:
    hybrid = V2_MOUNT.replace("/sys/fs/cgroup ", "/sys/fs/cgroup/unified ") + V1_MOUNT.format(group="/")
    files = v1("sys/fs/cgroup/cpu,cpuacct/a", 100_000) | {"sys/fs/cgroup/unified/cpu.max": "900000 100000"}
    assert cpu_quota(machine(tmp_path, "2:cpu,cpuacct:/a\n0::/\n", hybrid, files)) == 1.0


def test_a_mount_point_with_a_space(tmp_path: Path) -> None:
    mount = V2_MOUNT.replace("/sys/fs/cgroup ", "/my\\040groups ")
    assert cpu_quota(machine(tmp_path, "0::/\n", mount, {"my groups/cpu.max": "700000 100000"})) == 7.0


@pytest.mark.parametrize(
    "files", [{"sys/fs/cgroup/cpu.max": "200000 100000"}, v1("sys/fs/cgroup/cpu", 200_000)], ids=["v2", "v1"]
)
def test_without_a_table_of_mounts_the_usual_places_are_looked_at(tmp_path: Path, files: dict[str, str]) -> None:
    assert cpu_quota(machine(tmp_path, "", "", files)) == 2.0


def test_a_machine_without_control_groups(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) is None
    assert cpu_quota(machine(tmp_path, "\0\n:\nnonsense\n0::\n", "a - b\n - \n\n1 2 3 - cgroup2\n", {})) is None


def test_undecodable_files_set_no_quota(tmp_path: Path) -> None:
    machine(tmp_path, "0::/\n", V2_MOUNT, {"sys/fs/cgroup/cpu.max": ""})
    (tmp_path / "sys/fs/cgroup/cpu.max").write_bytes(b"\xff\xfe")
    assert cpu_quota(tmp_path) is None


@pytest.mark.parametrize(("quota", "processors"), [("10000", 1), ("100000", 1), ("199999", 1), ("max", None)])
def test_a_quotas_fraction_is_not_used(tmp_path: Path, quota: str, processors: int | None) -> None:
    root = machine(tmp_path, "0::/\n", V2_MOUNT, {"sys/fs/cgroup/cpu.max": f"{quota} 100000\n"})
    assert usable_processors(root) == (processors or usable_processors(tmp_path / "none"))


@given(st.integers(1, 10**7), st.integers(1, 10**6))
def test_processors_are_at_least_one_and_never_more_than_the_quota_or_the_machine(
    tmp_path_factory: pytest.TempPathFactory, quota: int, period: int
) -> None:
    root = tmp_path_factory.mktemp("root")
    machine(root, "0::/\n", V2_MOUNT, {"sys/fs/cgroup/cpu.max": f"{quota} {period}\n"})
    assert 1 <= usable_processors(root) <= max(1, quota // period)
    assert usable_processors(root) <= (os.cpu_count() or 1)
