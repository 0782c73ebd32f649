"""``--uncertainty`` from end to end: what is written, and what a second call does."""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess

import nibabel as nib
import numpy as np
import pytest

from bids_sr.app.validation import _find_program

SERIES = {f"sub-01_res-x2_desc-srsd_dwi.{kind}" for kind in ("nii.gz", "json", "bval", "bvec")}
SPREAD = SERIES | {
    f"sub-01_model-tensor_param-fa_res-x2_desc-srsd_dwimap.{kind}" for kind in ("nii.gz", "json")
}


@pytest.fixture(scope="module")
def dataset(writers, tmp_path_factory):
    return writers.write_dataset(tmp_path_factory.mktemp("uncertainty") / "raw", ("01",))


@pytest.fixture(scope="module")
def first(process, dataset, tmp_path_factory):
    """The first call, with a work folder."""
    folder = tmp_path_factory.mktemp("first")
    return process(dataset, folder / "out", "--uncertainty", "-w", folder / "work")


@pytest.fixture
def copy(first, tmp_path):
    """A copy of what the first call left, to be tampered with."""
    shutil.copytree(first.out.parent, tmp_path / "copy")
    return tmp_path / "copy" / "out"


def found(out):
    return {path.name for path in out.glob("sub-01/dwi/*desc-srsd*")}


def image(out, stem):
    return out / "sub-01" / "dwi" / f"sub-01_{stem}.nii.gz"


def test_the_spread_is_there_and_nothing_is_left_over(first):
    assert first.status == 0, first.told
    assert found(first.out) == SPREAD
    assert not list(first.out.parent.rglob("member*.nii")), "the members are removed"
    sd = nib.load(image(first.out, "res-x2_desc-srsd_dwi"))
    assert sd.shape == (48, 44, 4, 17) and np.median(sd.get_fdata()) > 0
    sidecar = image(first.out, "res-x2_desc-srsd_dwi").with_name("sub-01_res-x2_desc-srsd_dwi.json")
    assert "not a confidence interval" in json.loads(sidecar.read_text())["Description"]


def test_the_record_and_the_page_tell_of_it(first):
    record = json.loads((first.out / "sub-01/dwi/sub-01_res-x2_desc-sr_quality.json").read_text())
    assert record["uncertainty"] is True and record["ensemble"] == 8
    assert record["sd_dwi_median"] > 0 and record["sd_fa_median"] > 0
    page = (first.out / "sub-01.html").read_text()
    assert "How much the output depends on orientation" in page


@pytest.mark.skipif(_find_program() is None, reason="no BIDS validator is installed")
def test_the_validator_finds_no_error(first):
    done = subprocess.run(
        [_find_program(), str(first.out), "--json"], capture_output=True, text=True, check=False
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert not [issue for issue in issues if issue["severity"] == "error"]


def test_a_second_call_touches_nothing(process, dataset, first):
    assert process(dataset, first.out, "--uncertainty").lines("complete already")


def test_the_series_is_that_of_eight_members_and_an_old_spread_goes(process, dataset, copy):
    series = image(copy, "res-x2_desc-sr_dwi")
    before = series.read_bytes()
    assert process(dataset, copy, "--ensemble", "8").status == 0
    assert series.read_bytes() == before
    assert not found(copy), "it was not asked for any more"


def test_what_is_missing_is_made_again(process, dataset, first):
    """The members are gone by then; the series stays."""
    fa, series = (
        image(first.out, name)
        for name in ("model-tensor_param-fa_res-x2_desc-srsd_dwimap", "res-x2_desc-sr_dwi")
    )
    content, time = gzip.decompress(fa.read_bytes()), series.stat().st_mtime_ns
    fa.unlink()
    work = first.out.parent / "work"
    assert process(dataset, first.out, "--uncertainty", "-w", work).status == 0
    # unpacked, for the compressor may pack the same image in other bytes: tests/faults/same.py
    assert gzip.decompress(fa.read_bytes()) == content
    assert series.stat().st_mtime_ns == time
    assert not list(first.out.parent.rglob("member*.nii"))
    assert not list(work.rglob("again*"))


def test_copies_that_are_left_are_used(process, dataset, tmp_path, monkeypatch):
    """Interrupted between the network and the fits."""
    from bids_sr.diffusion import ensemble_sd
    from bids_sr.superres import engine

    options = ("--uncertainty", "-w", tmp_path / "work")

    def stop(*arguments, **keywords):
        raise RuntimeError("stop here")

    with monkeypatch.context() as patch:
        patch.setattr(ensemble_sd, "fa_ensemble_sd", stop)
        assert process(dataset, tmp_path / "out", *options).status == 1
    assert len(list((tmp_path / "work").rglob("member*.nii"))) == 8
    monkeypatch.setattr(engine, "super_resolve", stop)
    assert process(dataset, tmp_path / "out", *options).status == 0
    assert found(tmp_path / "out") == SPREAD
    assert not list(tmp_path.rglob("member*.nii"))


def test_few_directions_have_a_spread_of_the_series_alone(process, writers, tmp_path):
    dataset = writers.write_dataset(tmp_path / "raw", ("01",), directions=4)
    outcome = process(dataset, tmp_path / "out", "--uncertainty")
    assert outcome.status == 0, outcome.told
    assert found(outcome.out) == SERIES


def test_fewer_copies_are_a_usage_error(process, dataset, tmp_path):
    outcome = process(dataset, tmp_path / "out", "--uncertainty", "--ensemble", "4")
    assert outcome.status == 2 and outcome.lines("requires a self-ensemble of 8")


def test_a_copied_work_folder_leaves_the_first_one_alone(process, dataset, tmp_path):
    """Its pickles name the ensemble members by their old paths."""
    work, again = tmp_path / "work", tmp_path / "again"
    options = ("--uncertainty", "--self-check", "off")
    out = tmp_path / "out"
    assert process(dataset, out, *options, "-w", work).status == 0
    folder = next(work.rglob("super_resolve"))
    for number in range(8):
        (folder / f"member{number}.nii").write_text("of the first")
    shutil.copytree(work, again)
    for path in again.rglob("*ensemble_sd"):
        shutil.rmtree(path)
    for path in out.rglob("*_quality.json"):
        path.unlink()
    assert process(dataset, out, *options, "-w", again).status == 0
    assert len(list(folder.glob("member*.nii"))) == 8
