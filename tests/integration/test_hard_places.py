"""Killed half-way; without a home folder; without a network."""

from __future__ import annotations

import os
import subprocess
import sys

# stands in for a network that is not there, and tells if anybody asks for it
NO_NETWORK = """
import socket
def _refuse(self, address, *more):
    if self.family == socket.AF_UNIX:
        return _connect(self, address, *more)
    with open({log!r}, "a") as log:
        log.write(repr(address) + "\\n")
    raise OSError("there is no network")
_connect, socket.socket.connect = socket.socket.connect, _refuse
def _unknown(host, *more, **keywords):
    with open({log!r}, "a") as log:
        log.write(repr(host) + "\\n")
    raise socket.gaierror("there is no network")
socket.getaddrinfo = _unknown
"""


def visible(out):
    return [path for path in out.rglob("sub-*/dwi/*") if not path.name.startswith(".")]


def test_killed_and_called_again(command, run_command, halting, writers, tmp_path):
    dataset = writers.write_dataset(tmp_path / "raw", ("01",), directions=200)
    out, work = tmp_path / "out", tmp_path / "work"
    line = command(dataset, out, "-w", work)
    with halting.Halting(out) as halts, halts.start(line) as call:
        assert halts.until(call, lambda: list(out.rglob(".tmp-*_desc-sr_dwi.nii.gz")))
        call.kill()
    assert not list(out.rglob("*_quality.json"))
    assert not [path for path in visible(out) if path.name.endswith("_dwi.nii.gz")]
    again = run_command(line)
    assert again.status == 0, again.told
    assert list(out.rglob("*_quality.json")) and (out / "sub-01.html").is_file()
    assert not list(out.rglob(".tmp-*")), "what the killed process left is gone"


def test_no_home_and_no_network(command, run_command, writers, tmp_path):
    dataset = writers.write_dataset(tmp_path / "raw", ("01",))
    site = tmp_path / "site"
    site.mkdir()
    log = tmp_path / "asked.txt"
    (site / "sitecustomize.py").write_text(NO_NETWORK.format(log=str(log)))
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(site), "HOME": "/nonexistent"}
    probe = [sys.executable, "-c", "import socket; socket.create_connection(('192.0.2.1', 9))"]
    assert subprocess.run(probe, env=environment, capture_output=True, check=False).returncode
    assert log.read_text(), "the stand-in works"
    log.unlink()
    outcome = run_command(command(dataset, tmp_path / "out"), env=environment, cwd="/")
    assert outcome.status == 0, outcome.told
    assert not log.exists(), "nobody asked for the network"
