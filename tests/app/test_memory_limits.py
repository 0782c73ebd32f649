"""Memory limits of containers and jobs, from made-up files of the kernel."""

from __future__ import annotations

import psutil
import pytest

from bids_sr.app.memory_limits import memory_gb

GIB = 2**30


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A function that lays out ``/proc`` and ``/sys`` of a machine of 64 GiB; gives its root."""
    total = psutil.virtual_memory()._replace(total=64 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: total)

    def build(groups, **files):
        (tmp_path / "proc/self").mkdir(parents=True)
        (tmp_path / "proc/self/cgroup").write_text(groups)
        for name, text in files.items():
            path = tmp_path / "sys/fs/cgroup" / name.replace("__", "/").replace("DOT", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return tmp_path

    return build


def test_no_limit_is_the_machine(machine):
    root = machine("0::/user.slice\n", **{"user.slice__memoryDOTmax": "max\n"})
    assert memory_gb(root) == pytest.approx(64 * GIB / 1e9)


def test_no_files_at_all_is_the_machine(machine, tmp_path):
    machine("")
    assert memory_gb(tmp_path / "nowhere") == pytest.approx(64 * GIB / 1e9)


def test_version_2_in_a_container(machine):
    root = machine("0::/\n", memoryDOTmax=f"{4 * GIB}\n")
    assert memory_gb(root) == pytest.approx(4 * GIB / 1e9)


def test_version_2_the_lowest_of_all_groups_above_counts(machine):
    job = "system.slice__slurmstepd.scope__job_7"
    root = machine(
        "0::/system.slice/slurmstepd.scope/job_7/step_0/user/task_0\n",
        **{
            f"{job}__memoryDOTmax": f"{8 * GIB}\n",
            f"{job}__step_0__memoryDOTmax": f"{6 * GIB}\n",
            f"{job}__step_0__memoryDOThigh": f"{5 * GIB}\n",
            f"{job}__step_0__user__task_0__memoryDOTmax": "max\n",
        },
    )
    assert memory_gb(root) == pytest.approx(5 * GIB / 1e9)


def test_version_1_of_a_job(machine):
    root = machine(
        "12:cpu,cpuacct:/x\n5:memory:/slurm/uid_1/job_7\n0::/init.scope\n",
        **{
            "memory__slurm__uid_1__job_7__memoryDOTlimit_in_bytes": f"{3 * GIB}\n",
            "memory__memoryDOTlimit_in_bytes": "9223372036854771712\n",
            "cpu,cpuacct__x__memoryDOTlimit_in_bytes": "1\n",
        },
    )
    assert memory_gb(root) == pytest.approx(3 * GIB / 1e9)


def test_version_1_in_a_container_that_sees_only_its_own_top(machine):
    root = machine(
        "5:memory:/docker/0123abc\n", **{"memory__memoryDOTlimit_in_bytes": f"{2 * GIB}\n"}
    )
    assert memory_gb(root) == pytest.approx(2 * GIB / 1e9)


def test_a_limit_above_the_machine_is_none(machine):
    root = machine("0::/\n", memoryDOTmax=f"{640 * GIB}\n")
    assert memory_gb(root) == pytest.approx(64 * GIB / 1e9)
