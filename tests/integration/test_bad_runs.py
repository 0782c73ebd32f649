"""Runs that cannot be used: one clear line each, and the others are finished."""

from __future__ import annotations

import gzip
import json

import nibabel as nib
import numpy as np
import pytest

GOOD = "good"


def image(folder):
    (path,) = folder.glob("*.nii.gz")
    return path


def rewrite(folder, change):
    path = image(folder)
    old = nib.load(path)
    data = np.asanyarray(old.dataobj)
    nib.Nifti1Image(change(data), old.affine).to_filename(path)


def truncate(folder):
    path = image(folder)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def shorten(folder):
    # a whole gzip file, but fewer voxels than the header says
    path = image(folder)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:20000]))


def remove_bvec(folder):
    next(folder.glob("*.bvec")).unlink()


def drop_a_b_value(folder):
    path = next(folder.glob("*.bval"))
    path.write_text(" ".join(path.read_text().split()[:-1]))


def first_volume(folder):
    rewrite(folder, lambda data: data[..., 0])


def add_nan(folder):
    def change(data):
        data = data.astype(np.float32)
        data[..., 3] = np.nan
        return data

    rewrite(folder, change)


def no_image(folder):
    image(folder).write_bytes(b"this is no image")


def zeros(folder):
    rewrite(folder, np.zeros_like)


def break_sidecar(folder):
    next(folder.glob("*.json")).write_text("{")


BAD = {
    "truncated": (truncate, ["_dwi.nii.gz"]),
    "shortened": (shorten, ["_dwi.nii.gz"]),
    "nobvec": (remove_bvec, ["there is no .bvec"]),
    "count": (drop_a_b_value, ["_dwi.bval", "_dwi.bvec", "16", "17"]),
    "flat": (first_volume, ["3D image"]),
    "nan": (add_nan, ["volume 3", "NaN"]),
    "noimage": (no_image, ["cannot be read as an image"]),
    "zeros": (zeros, ["_dwi.nii.gz", "holds no positive value in any b = 0 volume"]),
    "json": (break_sidecar, ["_dwi.json"]),
}


@pytest.fixture(scope="module", params=["1", "2"], ids=["one process", "pool"])
def outcome(request, process, writers, tmp_path_factory):
    """One call on one good participant and all the bad ones."""
    folder = tmp_path_factory.mktemp("bad")
    dataset = writers.write_dataset(folder / "raw", (*BAD, GOOD))
    for label, (spoil, _) in BAD.items():
        spoil(dataset / f"sub-{label}" / "dwi")
    return process(dataset, folder / "out", "--nprocs", request.param, "--omp-nthreads", "1")


def test_status_says_that_runs_failed(outcome):
    assert outcome.status == 1
    assert outcome.lines(f"1 of {len(BAD) + 1} runs done")


def test_the_good_one_is_finished(outcome):
    assert (outcome.out / f"sub-{GOOD}/dwi/sub-{GOOD}_res-x2_desc-sr_quality.json").is_file()
    assert (outcome.out / f"sub-{GOOD}.html").is_file()


def test_no_traceback_and_no_library_talk(outcome):
    assert "Traceback" not in outcome.told
    assert "nipype" not in outcome.told


@pytest.mark.parametrize("label", BAD)
def test_one_line_names_file_problem_and_crash_file(outcome, label):
    (line,) = outcome.lines(f"error: sub-{label}: ")
    for words in BAD[label][1]:
        assert words in line
    assert str(outcome.out.parent / "raw" / f"sub-{label}") in line
    record = json.loads((outcome.out / "logs" / f"sub-{label}_error.json").read_text())
    assert record["run"] == f"sub-{label}" and record["message"] in line
    assert record["crash_file"] in line
    assert "Traceback" in (outcome.out / record["crash_file"]).read_text()


@pytest.mark.parametrize("label", BAD)
def test_page_tells_of_the_failure(outcome, label):
    assert "crash-" in (outcome.out / f"sub-{label}.html").read_text()


@pytest.mark.parametrize("label", BAD)
def test_nothing_half_done_is_left(outcome, label):
    folder = outcome.out / f"sub-{label}" / "dwi"
    names = [path.name for path in folder.glob("*")] if folder.exists() else []
    assert not [name for name in names if name.startswith(".tmp")]
    assert not [name for name in names if name.endswith("_quality.json")]
    assert not [name for name in names if name.endswith("_dwi.nii.gz")]


def test_the_group_counts_the_failures(outcome, call_here):
    assert call_here(outcome.out, outcome.out, "group").status == 0
    page = (outcome.out / "group_dwi.html").read_text()
    for label in BAD:
        assert f"sub-{label}" in page


def test_a_mended_run_loses_its_record(process, writers, tmp_path):
    dataset = writers.write_dataset(tmp_path / "raw", ("01",))
    bvec = dataset / "sub-01/dwi/sub-01_dwi.bvec"
    content = bvec.read_text()
    bvec.unlink()
    assert process(dataset, tmp_path / "out").status == 1
    record = tmp_path / "out/logs/sub-01_error.json"
    assert record.is_file()
    bvec.write_text(content)
    assert process(dataset, tmp_path / "out").status == 0
    assert not record.exists()
    assert "crash-" not in (tmp_path / "out/sub-01.html").read_text()


def test_stop_on_first_crash(process, writers, tmp_path):
    dataset = writers.write_dataset(tmp_path / "raw", ("1", "2"))
    remove_bvec(dataset / "sub-1/dwi")
    outcome = process(dataset, tmp_path / "out", "--stop-on-first-crash")
    assert outcome.status == 1
    assert outcome.lines("sub-2", "not processed")
    assert not (tmp_path / "out/sub-2/dwi").exists()
