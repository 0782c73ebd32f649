"""The standard deviation over the members, and the members, on disk."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from attrs import evolve

from bids_sr.networks.card import read_card
from bids_sr.superres.engine import super_resolve
from bids_sr.superres.ensemble_sd import EnsembleSdFiles, open_members

VOLUMES = (0, 3, 5)


@pytest.fixture(params=["volumes", "series"])
def model(request, make_model, make_series_model, tmp_path):
    """A tiny network of each kind."""
    make = {"volumes": make_model, "series": make_series_model}[request.param]
    return make(tmp_path / request.param)


@pytest.fixture
def resolve(make_run, model, tmp_path):
    run = make_run(tmp_path)
    source = nib.load(run.files.dwi)
    source.header["pixdim"][4] = 7.5
    source.header.set_dim_info(slice=2)
    source.set_sform(source.affine, 2)
    source.to_filename(tmp_path / "told.nii.gz")
    run = evolve(run, files=evolve(run.files, dwi=tmp_path / "told.nii.gz"))

    def go(name, **options):
        folder = tmp_path / name
        folder.mkdir()
        return super_resolve(
            run, read_card(model), folder / "sr.nii.gz", device="cpu", ensemble=8, **options
        )

    return go


def files(folder, model):
    ending = "" if read_card(model).sees_series else ".nii"
    return EnsembleSdFiles(
        folder / "sd.nii.gz", tuple(folder / f"member{i}{ending}" for i in range(8)), VOLUMES
    )


def volumes(ensemble_sd, made):
    """All members, (members, x, y, z, volumes)."""
    with open_members(ensemble_sd, made.run, made.grid, made.scale, signed=made.signed) as members:
        assert all(member.shape[3] == len(VOLUMES) for member in members)
        return np.stack(
            [np.stack([member.volume(i) for i in range(len(VOLUMES))], -1) for member in members]
        )


@pytest.mark.parametrize("axis", [0, 2])
def test_the_series_stays_and_its_spread_lies_beside_it(resolve, model, tmp_path, axis):
    alone = resolve("alone", slice_axis=axis)
    ensemble_sd = files(tmp_path / "beside", model)
    made = resolve("beside", slice_axis=axis, ensemble_sd=ensemble_sd)
    assert made.dwi.read_bytes() == alone.dwi.read_bytes()
    assert made.ensemble_sd == ensemble_sd and alone.ensemble_sd is None
    image = nib.load(made.dwi)
    sd = nib.load(ensemble_sd.sd)
    assert sd.shape == image.shape
    np.testing.assert_array_equal(sd.affine, image.affine)
    for key in ("qform_code", "sform_code", "pixdim", "dim_info", "xyzt_units"):
        np.testing.assert_array_equal(sd.header[key], image.header[key])
    members = volumes(ensemble_sd, made)
    assert members.shape == (8, *image.shape[:3], len(VOLUMES))
    # inside the object no member was clipped at zero
    inside = (members > 0).all(axis=0)
    of_members = members.std(axis=0, ddof=1)
    assert of_members[inside].max() > 0.01 * made.scale
    here = list(VOLUMES)
    np.testing.assert_allclose(
        sd.get_fdata()[..., here][inside], of_members[inside], atol=5e-4 * made.scale
    )
    np.testing.assert_allclose(
        members.mean(axis=0)[inside], image.get_fdata()[..., here][inside], atol=5e-4 * made.scale
    )


def test_copies_of_an_earlier_attempt_are_replaced(resolve, model, tmp_path):
    """What a killed call left in the work folder is not taken for members, nor in the way."""
    ensemble_sd = files(tmp_path / "beside", model)
    made = resolve("beside", ensemble_sd=ensemble_sd)
    expected = volumes(ensemble_sd, made)
    for path in ensemble_sd.members:
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            file.write_bytes(b"half of it")
    again = super_resolve(
        made.run, made.card, made.dwi, device="cpu", ensemble=8, ensemble_sd=ensemble_sd
    )
    np.testing.assert_array_equal(volumes(ensemble_sd, again), expected)


def test_members_of_magnitudes_are_not_negative(resolve, model, tmp_path):
    """As the series itself: what interpolation and network leave below zero is cut off."""
    ensemble_sd = files(tmp_path / "beside", model)
    made = resolve("beside", ensemble_sd=ensemble_sd)
    cut = volumes(ensemble_sd, made)
    assert cut.min() == 0
    if read_card(model).sees_series:  # their members are put together when they are read
        kept = volumes(ensemble_sd, evolve(made, signed=True))
        assert kept.min() < 0
        np.testing.assert_array_equal(cut, np.maximum(kept, 0))


def test_the_sd_alone(resolve, tmp_path):
    made = resolve("beside", ensemble_sd=EnsembleSdFiles(tmp_path / "beside" / "sd.nii.gz"))
    assert {path.name for path in made.dwi.parent.iterdir()} == {"sr.nii.gz", "sd.nii.gz"}


def test_failure_in_the_middle_leaves_nothing(resolve, model, tmp_path):
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resolve("beside", ensemble_sd=files(tmp_path / "beside", model), progress=stop)
    assert list((tmp_path / "beside").iterdir()) == []
