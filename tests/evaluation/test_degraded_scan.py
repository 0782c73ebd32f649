from __future__ import annotations

import numpy as np
import pytest
from attrs import evolve

from bids_sr.evaluation.degraded_scan import coarse_grid, make_degraded_scan
from bids_sr.images.grid import SliceGrid
from bids_sr.images.nifti import DwiReader, write_image


@pytest.mark.parametrize(("axis", "factor"), [(2, 2), (2, 3), (0, 2)])
def test_the_coarse_grid_refines_to_the_original(axis, factor):
    shape = tuple(7 if a == axis else 6 * n for a, n in enumerate((3, 4, 5)))
    affine = np.array([[-2, 0.1, 0, 31], [0.1, 2.1, 0.2, -28], [0, -0.2, 2.5, -35], [0, 0, 0, 1]])
    coarse = SliceGrid(*coarse_grid(shape, affine, axis, factor), axis, factor)
    found_shape, found_affine = coarse.high_resolution
    assert found_shape == shape
    assert np.abs(found_affine - affine).max() < 1e-12


def test_the_mask_that_belongs_to_the_run_is_taken(make_run, tmp_path):
    run = make_run(tmp_path)
    given = np.zeros(run.shape[:3], np.uint8)
    given[4:14, 4:12] = 1
    write_image(tmp_path / "mask.nii.gz", given, np.diag([2.0, 2, 3, 1]))
    run = evolve(run, files=evolve(run.files, mask=tmp_path / "mask.nii.gz"))
    degraded = make_degraded_scan(run, 2, 1, tmp_path, rim=1)
    assert np.array_equal(np.argwhere(degraded.mask).min(0), [5, 5, 0])
    assert np.array_equal(np.argwhere(degraded.mask).max(0), [12, 10, 3])


def test_a_zero_filled_scan_is_scored_at_its_acquired_matrix(make_filled_run, tmp_path):
    given = np.zeros((256, 256, 4), np.uint8)
    given[80:180, 80:180] = 1
    run = make_filled_run(tmp_path / "raw")
    with DwiReader(run.files.dwi) as reader:
        write_image(tmp_path / "mask.nii.gz", given, reader.affine)
    run = evolve(run, files=evolve(run.files, mask=tmp_path / "mask.nii.gz"))
    degraded = make_degraded_scan(run, 2, 1, tmp_path, rim=1)
    assert degraded.grid.shape == (64, 64, 4)
    assert degraded.grid.zooms == pytest.approx((4, 4, 2), rel=1e-4)
    assert np.array_equal(np.argwhere(degraded.mask).min(0)[:2], [41, 41])
    assert np.array_equal(np.argwhere(degraded.mask).max(0)[:2], [88, 88])
    assert degraded.lr.files.label == "sub-01"
