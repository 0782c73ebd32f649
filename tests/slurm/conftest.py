"""A Slurm cluster of one node, set up for these tests alone and taken down after them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import attrs
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol")
CONFIGURATION = """
ClusterName=bids-sr-test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=1,sched_interval=5
ReturnToService=2
KillWait=5
MaxArraySize={largest}
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 RealMemory={memory} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def _reason():
    if os.environ.get("BIDS_SR_SLURM_TEST") != "1":
        return "runs by 'make slurm-test' only: it sets up a cluster"
    missing = [name for name in PROGRAMS if _program(name) is None]
    if missing:
        return (
            f"{', '.join(missing)} missing: apt-get install --no-install-recommends slurm-wlm munge"
        )
    if os.geteuid() != 0:
        return "needs root, to start the daemons of Slurm"
    return None


def pytest_collection_modifyitems(items):
    """Skip what needs Slurm where it cannot be had."""
    reason = _reason()
    for item in items:
        if reason and Path(item.fspath).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.skip(reason=reason))


@attrs.frozen
class Slurm:
    """The cluster, as its users see it."""

    environment: dict[str, str]
    """What its programs need."""

    def run(self, *command, **environment):
        """Run a command to its end; returns standard output."""
        done = subprocess.run(
            [str(word) for word in command],
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    @staticmethod
    def wait_until(condition, what, seconds=7200):
        """Ask again and again; so long because the machine may be slow."""
        end = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < end, f"waited in vain until {what}"
            time.sleep(0.5)  # noqa: TID251 - Slurm is asked by commands; nothing tells
        return found

    def wait_until_idle(self):
        """Wait until no job waits or runs."""
        self.wait_until(lambda: not self.busy(), "the queue is empty")

    def busy(self):
        """Lines of the queue."""
        return self.run("squeue", "--noheader", "--array", "--format=%i %T %j %r").splitlines()


def _program(name):
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")


def _free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="session")
def slurm(tmp_path_factory):
    """The running cluster: two cores; arrays up to index 3, to see larger ones split."""
    folder = tmp_path_factory.mktemp("slurm")
    for name in ("state", "spool"):
        (folder / name).mkdir()
    host = socket.gethostname().split(".")[0]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") >> 20
    configuration = folder / "slurm.conf"
    configuration.write_text(
        CONFIGURATION.format(
            folder=folder, host=host, ports=_free_ports(2), memory=memory, largest=4
        )
    )
    # nipype's plugin wants LOGNAME
    environment = {**os.environ, "SLURM_CONF": str(configuration), "LOGNAME": "tester"}
    key = folder / "munge.key"
    key.write_bytes(os.urandom(128))
    key.chmod(0o600)
    munged = [
        *(_program("munged"), "--foreground", "--force", f"--key-file={key}"),
        *(f"--socket={folder}/munge.socket", f"--pid-file={folder}/munged.pid"),
        *(f"--seed-file={folder}/munged.seed", f"--log-file={folder}/munged.log"),
    ]
    commands = [
        munged,
        [_program("slurmctld"), "-D", "-i", "-f", str(configuration)],
        [_program("slurmd"), "-D", "-f", str(configuration), "-N", host],
    ]
    daemons = []
    cluster = Slurm(environment)
    try:
        for command in commands:
            daemons.append(_start(command, environment, folder))
            cluster.wait_until(
                lambda c=command[0]: _is_up(c, cluster, folder), f"{command[0]} is up"
            )
        cluster.wait_until(lambda: "idle" in _nodes(cluster), f"the node is up; see {folder}")
        yield cluster
        subprocess.run(["scancel", "--user=root", "--full"], env=environment, check=False)
    finally:
        for daemon in reversed(daemons):
            daemon.terminate()
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()


def _start(command, environment, folder):
    with (folder / f"{Path(command[0]).name}.out").open("w") as out:
        return subprocess.Popen(command, env=environment, stdout=out, stderr=out)


def _is_up(program, cluster, folder):
    """Whether those that come after may be started."""
    name = Path(program).name
    if name == "munged":
        return (folder / "munge.socket").exists()
    return name != "slurmctld" or "UP" in _said(cluster, "scontrol", "ping")


def _nodes(cluster):
    return _said(cluster, "sinfo", "--noheader", "--format=%T")


def _said(cluster, *command):
    try:
        return cluster.run(*command)
    except AssertionError:  # the controller is not listening yet
        return ""


@pytest.fixture(scope="session")
def app():
    """The program, as a job calls it: by this very Python."""
    return f"{sys.executable} {REPOSITORY / 'run.py'}"
