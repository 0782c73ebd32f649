"""Folders that may not be written, no home and a dataset that may only be read."""

from __future__ import annotations

import os
import subprocess

import pytest

OPTIONS = ("--self-check", "off", "--ensemble", "1")
DENIED = "(Read-only file system)", "(Permission denied)"


@pytest.fixture
def read_only():
    """A function that makes a folder read-only: mounted so for root, who may write anywhere."""
    mounted = []

    def make(folder):
        if os.getuid() != 0:
            for path in [folder, *folder.rglob("*")]:
                path.chmod(0o555 if path.is_dir() else 0o444)
            return
        for options in (("--bind", folder), ("-o", "remount,ro,bind", folder)):
            source = (str(folder),) if options[0] == "--bind" else ()
            command = ["mount", options[0], *map(str, options[1:]), *source]
            if subprocess.run(command, capture_output=True, check=False).returncode:
                pytest.skip("nothing may be mounted here")
            mounted.append(folder)

    yield make
    for folder in mounted[::2]:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture
def dataset(writers, tmp_path):
    return writers.write_dataset(tmp_path / "raw", ("01", "02"))


def test_an_output_folder_that_may_not_be_written(process, dataset, read_only, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    read_only(out)
    outcome = process(dataset, out, *OPTIONS)
    assert outcome.status == 1
    (line,) = outcome.told.splitlines()
    assert line.startswith(f"bids-sr: error: {out}: cannot be written (")
    assert any(word in line for word in DENIED)


@pytest.mark.parametrize("nprocs", ["1", "2"])
def test_one_run_folder_that_may_not_be_written(process, dataset, read_only, tmp_path, nprocs):
    out = tmp_path / "out"
    (out / "sub-01/dwi").mkdir(parents=True)
    read_only(out / "sub-01/dwi")
    outcome = process(dataset, out, *OPTIONS, "--nprocs", nprocs, "--omp-nthreads", "1")
    assert outcome.status == 1
    (line,) = outcome.lines("error: sub-01: ", "_desc-sr_dwi.nii.gz: cannot be written (")
    assert any(word in line for word in DENIED)
    assert outcome.lines("1 of 2 runs done") and "Traceback" not in outcome.told


def test_a_dataset_that_may_only_be_read(process, dataset, read_only, tmp_path):
    read_only(dataset)
    assert process(dataset, tmp_path / "out", *OPTIONS).status == 0


@pytest.mark.skipif(os.getuid() == 0, reason="root may read anything")
def test_an_input_that_may_not_be_read(process, dataset, tmp_path):
    (dataset / "sub-01/dwi/sub-01_dwi.nii.gz").chmod(0)
    outcome = process(dataset, tmp_path / "out", *OPTIONS)
    assert outcome.status == 1
    assert outcome.lines("error: sub-01: ", "sub-01_dwi.nii.gz", "Permission denied")
    assert outcome.lines("1 of 2 runs done") and "Traceback" not in outcome.told


def test_a_work_folder_that_may_not_be_written(process, dataset, read_only, tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    read_only(work)
    outcome = process(dataset, tmp_path / "out", *OPTIONS, "-w", work)
    assert outcome.status in (1, 2)
    assert outcome.told.splitlines()[-1].startswith(f"bids-sr: error: {work}")


def test_a_file_in_place_of_the_output_folder(process, writers, tmp_path):
    dataset = writers.write_dataset(tmp_path / "raw", ("01",))
    out = tmp_path / "out"
    out.write_text("in the way")
    outcome = process(dataset, out)
    assert outcome.status in (1, 2)
    assert outcome.told.splitlines()[-1].startswith(f"bids-sr: error: {out}: ")
