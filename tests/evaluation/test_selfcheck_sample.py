"""The noise that coarsening took away is put back."""

from __future__ import annotations

import numpy as np
import pytest
from attrs import evolve

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.evaluation.degraded_scan import DegradedScan, coarse_grid
from bids_sr.evaluation.selfcheck_sample import Sample, with_noise
from bids_sr.images.grid import SliceGrid
from bids_sr.images.kspace import crop_matrix
from bids_sr.images.nifti import DwiReader, write_image

SIGMA = 20.0


@pytest.fixture
def sample(make_run, tmp_path):
    """Function: ten slices of a flat object with noise, coarsened along one axis or another."""

    def make(factor, axis):
        run = make_run(tmp_path)
        shape = [13 * factor] * 3
        shape[axis] = 10
        affine = np.array([[-2, 0.1, 0, 31], [0.1, 2.1, 0, -28], [0, -0.2, 2.5, -35], [0, 0, 0, 1]])
        grid = SliceGrid(*coarse_grid(tuple(shape), affine, axis, factor), axis, factor)
        generator = np.random.default_rng(0)
        truth = 1000 + SIGMA * generator.normal(size=(*shape, 17)).astype(np.float32)
        crop = crop_matrix(13, factor)
        coarse = np.moveaxis(
            crop @ np.moveaxis(truth, (axis, 3), (0, 1)) @ crop.T, (0, 1), (axis, 3)
        )
        for name, image, where in (("truth", truth, affine), ("series", coarse, grid.affine)):
            write_image(tmp_path / f"{name}.nii", image.astype(np.float32), where)
        size = (*grid.shape, 17)
        whole = DwiRun(evolve(run.files, dwi=tmp_path / "series.nii"), run.gradients, size)
        degraded = DegradedScan(tmp_path / "truth.nii", whole, grid, np.ones(shape, bool))
        return Sample(whole, list(range(17)), degraded)

    return make


def read(path):
    with DwiReader(path) as reader:
        return np.stack([reader.volume(i) for i in range(reader.shape[3])], axis=-1), reader.affine


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("factor", [2, 3])
def test_it_is_as_noisy_as_the_scan(sample, tmp_path, factor, axis):
    before = sample(factor, axis)
    after = with_noise(before, SIGMA, tmp_path, gapless=True)
    assert np.std(read(before.series.files.dwi)[0]) == pytest.approx(SIGMA / factor, rel=0.05)
    assert np.std(read(after.series.files.dwi)[0]) == pytest.approx(SIGMA, rel=0.05)
    # 10 slices: two of each side lie outside the middle
    assert after.degraded.grid.shape[axis] == 6
    assert after.volumes == [0, *after.volumes[1:]] and len(after.volumes) == 13
    few, affine = read(after.degraded.lr.files.dwi)
    assert np.array_equal(few, read(after.series.files.dwi)[0][..., after.volumes])
    assert np.allclose(affine, after.degraded.grid.affine)
    fine, fine_affine = read(after.degraded.truth)
    across = (*[slice(None)] * axis, slice(2, 8))
    assert np.array_equal(fine, read(before.degraded.truth)[0][across][..., after.volumes])
    assert np.allclose(fine_affine, after.degraded.grid.high_resolution[1])
    assert after.degraded.mask.shape == fine.shape[:3]


def test_it_is_the_same_each_time_and_another_for_each_run(sample, tmp_path):
    before = sample(2, 2)
    first, again = (
        read(with_noise(before, SIGMA, tmp_path, gapless=True).series.files.dwi)[0]
        for _ in range(2)
    )
    assert np.array_equal(first, again)
    files = evolve(before.series.files, name="sub-02")
    other = evolve(before, series=evolve(before.series, files=files))
    assert not np.array_equal(
        first, read(with_noise(other, SIGMA, tmp_path, gapless=True).series.files.dwi)[0]
    )
