"""No space left: one clear sentence, nothing half written, and the next call completes."""

from __future__ import annotations

import errno
import os
import subprocess

import pytest

from bids_sr.images import writer


@pytest.fixture
def dataset(writers, tmp_path):
    return writers.write_dataset(tmp_path / "raw", ("01",))


@pytest.fixture
def small_disk(tmp_path):
    """A function that gives a folder on a disk of so many bytes, where that may be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = []

    def mount(size):
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        done = subprocess.run(command, capture_output=True, check=False)
        if done.returncode:
            pytest.skip("no file system may be mounted here")
        mounted.append(folder)
        return folder

    yield mount
    for each in mounted:
        subprocess.run(["umount", str(each)], check=True)


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to mount a small disk")
@pytest.mark.parametrize("size", [64 << 10, 256 << 10, 1 << 20])
def test_a_disk_that_is_too_small(process, same, dataset, small_disk, tmp_path, size):
    disk = small_disk(size)
    out = disk / "out"
    outcome = process(dataset, out, "--self-check", "off")
    assert outcome.status == 1
    assert "Traceback" not in outcome.told and "Logging error" not in outcome.told
    told = outcome.lines("error: sub-01: ", "cannot be written (No space left on device).")
    assert told and str(out) in told[0]
    assert same.half_written(out) == []
    # more space, and all is well
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
    assert process(dataset, out, "--self-check", "off").status == 0
    assert process(dataset, tmp_path / "reference", "--self-check", "off").status == 0
    assert same.differences(tmp_path / "reference", out) == []


class Full:
    """Stands in for a stream on a disk that fills up after some bytes."""

    def __init__(self, stream, left):
        self._stream, self._left = stream, left

    def write(self, data):
        self._left -= memoryview(data).nbytes
        if self._left < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self._stream.write(data)


@pytest.mark.parametrize("left", [0, 400, 300_000])
def test_a_disk_that_fills_up(process, same, dataset, tmp_path, monkeypatch, left):
    out, whole = tmp_path / "out", writer._open
    with monkeypatch.context() as patch:
        patch.setattr(writer, "_open", lambda *where: Full(whole(*where), left))
        outcome = process(dataset, out, "--self-check", "off")
    assert outcome.status == 1
    (line,) = outcome.lines("error: sub-01: ", "cannot be written (No space left on device).")
    assert str(out / "sub-01/dwi/sub-01_res-x2_desc-sr_dwi.nii.gz") in line
    assert same.half_written(out) == []
    assert not list(out.rglob("*_desc-sr_dwi.nii.gz"))
    assert process(dataset, out, "--self-check", "off").status == 0


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to mount a small disk")
def test_a_work_folder_that_is_too_small(process, dataset, small_disk, tmp_path):
    disk = small_disk(24 << 10)
    outcome = process(dataset, tmp_path / "out", "--self-check", "off", "-w", disk / "work")
    assert outcome.status == 1
    assert "Traceback" not in outcome.told
    assert outcome.lines("error: sub-01: ", "No space left on device")
    assert process(dataset, tmp_path / "out", "--self-check", "off").status == 0
