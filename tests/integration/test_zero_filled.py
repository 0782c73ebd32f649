"""A scan that is stored finer than it was acquired gives what the scan itself gives."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_sr.images.matrix_resampling import acquired_affine, zero_fill

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLE = REPOSITORY / "examples" / "dwi-small" / "sub-philips02" / "dwi"
SNR = 25


@pytest.fixture(scope="module")
def slices():
    """Four slices of the example, (17, 4, 128, 128), complex, and their noise."""
    path = REPOSITORY / "benchmarks" / "zero_filled.py"
    spec = importlib.util.spec_from_file_location("zero_filled", path)
    planting = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(planting)
    image = nib.load(next(EXAMPLE.glob("*.nii.gz")))
    data = np.asarray(image.dataobj, np.float32)[:, :, 8:12]
    volumes = np.moveaxis(data, (3, 2), (0, 1))
    made = planting.complex_slices(volumes, snr=SNR)
    return made, planting.noise_sigma(volumes, SNR), image.affine


@pytest.fixture(scope="module")
def dataset(slices, tmp_path_factory):
    """The scan as acquired (sub-plain), and filled along both axes and along one."""
    root = tmp_path_factory.mktemp("raw")
    for label, sides in (("plain", (128, 128)), ("both", (256, 256)), ("one", (128, 300))):
        folder = root / f"sub-{label}" / "dwi"
        folder.mkdir(parents=True)
        filled = np.abs(slices[0] if label == "plain" else zero_fill(slices[0], sides))
        data = np.moveaxis(filled, (0, 1), (3, 2)).astype(np.float32)
        affine = acquired_affine(slices[2], (128, 128, 4), data.shape[:3])
        stem = folder / f"sub-{label}_dwi"
        nib.Nifti1Image(data, affine).to_filename(stem.with_suffix(".nii.gz"))
        for kind in ("bval", "bvec"):
            shutil.copy(next(EXAMPLE.glob(f"*.{kind}")), stem.with_suffix(f".{kind}"))
        stem.with_suffix(".json").write_text(json.dumps({"PhaseEncodingDirection": "j"}))
    description = {"Name": "filled", "BIDSVersion": "1.10.0", "License": "CC0"}
    (root / "dataset_description.json").write_text(json.dumps(description))
    return root


COMMON = ("--nprocs", "1", "--ensemble", "1", "--skip-bids-validation")


@pytest.fixture(scope="module")
def processed(call_here, dataset, model, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    outcome = call_here(dataset, out, "participant", "--model", model, *COMMON)
    assert outcome.status == 0, outcome.told
    return outcome


def output(out, label, desc="desc-sr_dwi.nii.gz"):
    (path,) = (out / f"sub-{label}" / "dwi").glob(f"*{desc}")
    return nib.load(path) if path.name.endswith(".nii.gz") else json.loads(path.read_text())


@pytest.fixture(scope="module")
def out(processed):
    return processed.out


@pytest.mark.parametrize("label", ["both", "one"])
def test_the_output_is_that_of_the_scan_itself(out, slices, label):
    truth, made = output(out, "plain"), output(out, label)
    assert made.shape == truth.shape == (256, 256, 4, 17)
    assert np.allclose(made.affine, truth.affine, atol=1e-4)
    difference = np.asarray(made.dataobj) - np.asarray(truth.dataobj)
    assert np.sqrt(np.mean(difference**2)) < 0.2 * slices[1]
    assert np.abs(difference).max() < slices[1]


@pytest.mark.parametrize(("label", "stored"), [("both", (1, 1)), ("one", (2, 256 / 300))])
def test_all_speak_of_the_acquired_resolution(out, label, stored):
    sidecar = output(out, label, "desc-sr_dwi.json")
    assert sidecar["AcquiredVoxelSize"] == pytest.approx([2, 2, 2], rel=1e-4)
    assert sidecar["StoredVoxelSize"] == pytest.approx([*stored, 2], rel=1e-4)
    assert sidecar["SuperResolution"]["OutputVoxelSize"] == pytest.approx([1, 1, 2], rel=1e-4)
    assert sidecar["Sources"][0] == f"bids:raw:sub-{label}/dwi/sub-{label}_dwi.nii.gz"
    record, plain = (output(out, each, "quality.json") for each in (label, "plain"))
    assert record["acquired_matrix"] == plain["acquired_matrix"] == plain["stored_matrix"]
    assert record["stored_matrix"] == {"both": "256x256", "one": "128x300"}[label]
    for key in ("input_shape", "input_zooms_mm", "input_band", "brain_volume_ml"):
        assert record[key] == plain[key], key
    for key in ("snr_b0", "selfcheck_psnr_b0_network", "selfcheck_psnr_b0_sinc"):
        if plain.get(key) is not None:
            assert record[key] == pytest.approx(plain[key], rel=1e-3), key
    assert "128x128" in record["notes"] and "resampled to its acquired matrix" in record["notes"]
    page = (out / f"sub-{label}.html").read_text()
    assert "zero-filled from 128" in page and "that was undone" in page


def test_maps_of_the_input_are_on_the_acquired_grid(out):
    fa = output(out, "both", "param-fa_desc-input_dwimap.nii.gz")
    assert fa.shape == (128, 128, 4)
    sidecar = output(out, "both", "param-fa_desc-input_dwimap.json")
    assert "stored with 1.00x1.00x2.00 mm" in sidecar["Resolution"]
    assert "Resolution" not in output(out, "plain", "param-fa_desc-input_dwimap.json")


def test_nothing_is_done_twice(call_here, dataset, model, out):
    again = call_here(dataset, out, "participant", "--model", model, *COMMON)
    assert again.status == 0
    assert again.lines("complete already") and "3 before" in again.told


def test_a_dry_run_tells_the_acquired_size(call_here, dataset, model, tmp_path, capsys):
    call_here(dataset, tmp_path, "participant", "--model", model, "--dry-run", *COMMON)
    rows = {line.split()[0]: line.split()[1] for line in capsys.readouterr().out.splitlines()
            if line.startswith("sub-")}  # fmt: skip
    assert set(rows.values()) == {"128x128x4x17"}


def test_full_keeps_the_stored_matrix(call_here, dataset, model, tmp_path):
    call_here(
        dataset, tmp_path, "participant", "--participant-label", "both", "--model", model,
        "--input-band", "full", "--self-check", "off", *COMMON,
    )  # fmt: skip
    assert output(tmp_path, "both").shape == (512, 512, 4, 17)
    sidecar = output(tmp_path, "both", "desc-sr_dwi.json")
    assert sidecar["AcquiredVoxelSize"] == sidecar["StoredVoxelSize"]


def test_a_given_matrix_is_taken_and_refused_where_it_does_not_fit(
    call_here, dataset, model, tmp_path
):
    told = call_here(
        dataset, tmp_path, "participant", "--participant-label", "plain", "both", "--model", model,
        "--input-matrix", "128x140", "--self-check", "off", *COMMON,
    )  # fmt: skip
    assert told.status == 1
    assert told.lines("sub-plain_dwi.nii.gz", "is stored with 128x128", "--input-matrix 128x140")
    assert output(tmp_path, "both").shape == (256, 280, 4, 17)


def test_a_matrix_and_the_whole_band_contradict_each_other(call_here, dataset, tmp_path):
    told = call_here(
        dataset, tmp_path, "participant", "--input-matrix", "64x64", "--input-band", "full"
    )
    assert told.status == 2
    assert "Leave one of them out" in told.told
