"""What the user chose, and what earlier steps found, reaches the work and the files."""

from __future__ import annotations

import json
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest
from attrs import evolve

from bids_sr.bids.names import sidecar_of
from bids_sr.workflow import steps


def checked(run, verdict=None):
    """The run as the gradient check hands it on."""
    return SimpleNamespace(
        run=run, fixed=verdict is not None, check=SimpleNamespace(verdict=verdict)
    )


@pytest.fixture
def resolved(make_plans, tmp_path):
    """A function that super-resolves the tiny run with these options."""

    def go(**options):
        (plan,) = make_plans("01", device="cpu", **options)
        return plan, steps.super_resolve(plan, checked(steps.read(plan)), tmp_path)

    return go


def test_options_reach_the_engine(resolved):
    plan, sr = resolved(
        ensemble=2, data_consistency=False, slice_axis=0, output_dtype="int16", batch_size=3,
        detect_band=False, sloppy=True,
    )  # fmt: skip
    assert (sr.ensemble, sr.data_consistency, sr.batch_size) == (2, False, 3)
    assert sr.grid.slice_axis == 0
    image = nib.load(plan.names.dwi)
    assert image.shape == (24, 44, 8, 17) and image.get_data_dtype() == np.int16
    assert sr.notes[0] == steps.SLOPPY_NOTE


def test_what_goes_beside_the_series_speaks_of_it(resolved, tmp_path):
    plan, sr = resolved(ensemble=1)
    steps.describe(plan, sr, checked(sr.run, "x flipped"))
    sidecar = json.loads(plan.names.dwi_json.read_text())
    assert sidecar["SuperResolution"]["OutputVoxelSize"] == [1, 1, 3]
    assert sidecar["SuperResolution"]["GradientsCorrected"] == "x flipped"
    assert sidecar["AcquiredVoxelSize"] == sidecar["StoredVoxelSize"] == [2, 2, 3]
    masks = steps.mask(plan, sr, tmp_path)
    maps = steps.fit_tensor(plan, sr, masks, tmp_path)
    for path in maps.paths.values():
        said = json.loads(sidecar_of(path).read_text())
        assert said["Volumes"] == list(range(17)) and "1.00x1.00x3.00 mm" in said["Resolution"]
        assert plan.names.dwi.name in said["Sources"][0]
    steps.describe(plan, sr, checked(sr.run))
    assert (
        "GradientsCorrected" not in json.loads(plan.names.dwi_json.read_text())["SuperResolution"]
    )


@pytest.mark.parametrize("step", [steps.fit_input, steps.fit_tensor])
def test_signals_that_have_a_sign_are_fitted_as_they_are(resolved, tmp_path, step):
    """A logarithm's floor would raise the negative ones."""
    plan, sr = resolved(ensemble=1)
    masks = steps.mask(plan, sr, tmp_path)
    for name, path in (("input", sr.run.files.dwi), ("output", sr.dwi)):
        image = nib.load(path)
        data = image.get_fdata(dtype=np.float32)
        data[..., 3] *= -1
        signed = tmp_path / f"{name}.nii.gz"
        nib.Nifti1Image(data, image.affine).to_filename(signed)
        if name == "input":
            sr = evolve(sr, run=evolve(sr.run, files=evolve(sr.run.files, dwi=signed)))
        else:
            sr = evolve(sr, dwi=signed)
    floored = [
        step(plan, evolve(sr, signed=sign), masks, tmp_path).summary["floored_fraction"]
        for sign in (False, True)
    ]
    assert floored == [pytest.approx(1 / 17, abs=0.01), 0]
