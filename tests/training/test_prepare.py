"""Prepared runs: units, views, cache."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch

from bids_sr.bids.gradients import GradientTable
from bids_sr.errors import InputError
from bids_sr.images.kspace import kspace_downsample
from bids_sr.training.prepare import Recipe, prepare_run
from bids_sr.training.views import subsets


def test_shapes_and_units(prepared):
    assert prepared.hr.shape == (17, 4, 24, 22)
    assert prepared.lr.shape == (17, 4, 12, 11)
    assert prepared.lr_zooms == (4.0, 4.0, 3.0)
    assert prepared.b_values == (1000,)
    assert 0.8 < np.percentile(prepared.hr[0][prepared.hr[0] > 0.1], 99) < 1.2


def test_low_resolution_is_the_degraded_high_resolution(prepared):
    expected = kspace_downsample(torch.from_numpy(prepared.hr[3].astype(np.float32)), 2)
    np.testing.assert_allclose(prepared.lr[3], expected, atol=2e-3)


def test_views_share_channels_of_their_own_volumes(prepared):
    assert len(prepared.views) == 3
    small = prepared.views[1]
    dwi = prepared.lr[small.volumes[~small.is_b0]].astype(np.float32).mean(axis=0)
    np.testing.assert_allclose(small.shared[1, 1], dwi, atol=2e-3)
    # the b0 is the view's own, brought to the level of the weighted volumes by one factor
    b0, shown = (a.astype(np.float32) for a in (prepared.lr[0], small.shared[1, 0]))
    factor = (shown * b0).sum() / (b0 * b0).sum()
    assert factor < 0.9
    np.testing.assert_allclose(shown, factor * b0, atol=2e-3)
    assert small.level[0] == 1
    assert 0.2 < small.level[1] < 0.9


def test_subsets_deal_out_every_direction_once():
    bvals = np.array([0, *[1000] * 32, 0, *[2000] * 30, *[3000] * 5])
    vectors = np.random.default_rng(0).normal(size=(bvals.size, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[bvals == 0] = 0
    views = subsets(GradientTable(bvals, vectors), 15, seed=1)
    assert len(views) == 4
    dealt = [i for view in views for i in view if bvals[i]]
    assert sorted(dealt) == np.flatnonzero((bvals > 0) & (bvals < 3000)).tolist()
    for view in views:
        assert {0, 33} <= set(view)
    assert subsets(GradientTable(bvals, vectors), 0, seed=1) == []


def test_second_preparation_reads_the_cache(tmp_path, make_run):
    run = make_run(tmp_path)
    first = prepare_run(run, tmp_path / "cache", Recipe())
    stamp = next((tmp_path / "cache").glob("*/hr.npy")).stat().st_mtime_ns
    prepare_run(run, tmp_path / "cache", Recipe())
    assert next((tmp_path / "cache").glob("*/hr.npy")).stat().st_mtime_ns == stamp
    # another degradation is another preparation
    other = prepare_run(run, tmp_path / "cache", Recipe(degradation="box"))
    assert not np.array_equal(first.lr, other.lr)


def test_three_fold_cuts_to_whole_multiples(tmp_path, make_run):
    prepared = prepare_run(make_run(tmp_path), tmp_path / "cache", Recipe(factor=3))
    assert prepared.hr.shape[2:] == (24, 21)
    assert prepared.lr.shape[2:] == (8, 7)
    assert prepared.lr_zooms == pytest.approx((6, 6, 3))


def test_noise_is_added_before_the_degradation(tmp_path, make_run):
    run = make_run(tmp_path)
    clean = prepare_run(run, tmp_path / "cache", Recipe(subset=0))
    noisy = prepare_run(run, tmp_path / "cache", Recipe(subset=0, scan_noise=0.05))
    empty = np.asarray(clean.hr, np.float32) < 0.01
    # Rayleigh where there is no signal
    assert noisy.hr[empty].astype(np.float32).mean() == pytest.approx(
        0.05 * np.sqrt(np.pi / 2), rel=0.05
    )
    assert not np.array_equal(noisy.lr, clean.lr)
    again = prepare_run(run, tmp_path / "other", Recipe(subset=0, scan_noise=0.05))
    assert np.array_equal(again.hr, noisy.hr)


def test_a_hot_voxel_is_nothing_to_be_learned(tmp_path, make_run):
    clean = prepare_run(make_run(tmp_path), tmp_path / "cache", Recipe(subset=0))
    (tmp_path / "hot").mkdir()
    run = make_run(tmp_path / "hot")
    image = nib.load(run.files.dwi)
    data = np.asarray(image.dataobj).copy()
    data[9, 12, 1, 4] = 30000
    nib.Nifti1Image(data, image.affine).to_filename(run.files.dwi)
    mended = prepare_run(run, tmp_path / "cache2", Recipe(subset=0))
    for name in ("hr", "lr"):
        first, second = (getattr(each, name).astype(np.float32) for each in (clean, mended))
        assert np.abs(first - second).max() < 0.2, name
    shared = [each.views[0].shared.astype(np.float32) for each in (clean, mended)]
    assert np.abs(shared[0] - shared[1]).max() < 0.1


def test_signed_signal_is_refused(tmp_path, make_run):
    run = make_run(tmp_path)
    image = nib.load(run.files.dwi)
    noise = np.random.default_rng(0).normal(0, 300, image.shape)
    signed = image.get_fdata() + noise
    nib.Nifti1Image(signed.astype(np.float32), image.affine).to_filename(run.files.dwi)
    with pytest.raises(InputError, match=r"is signed .* trained on magnitudes"):
        prepare_run(run, tmp_path / "cache", Recipe(subset=0))


@pytest.mark.slow
def test_a_zero_filled_scan_is_learned_from_at_its_acquired_matrix(make_filled_run, tmp_path):
    runs = [make_filled_run(tmp_path / str(side), (side, side)) for side in (128, 256)]
    own, filled = (prepare_run(run, tmp_path / "cache", Recipe(subset=0)) for run in runs)
    assert filled.hr.shape == own.hr.shape == (17, 4, 128, 128)
    assert filled.lr_zooms == own.lr_zooms
    assert np.abs(filled.hr.astype(np.float32) - own.hr).max() < 0.01
    stamp = next((tmp_path / "cache").glob("*-acquired.nii")).stat().st_mtime_ns
    prepare_run(runs[1], tmp_path / "cache", Recipe(subset=0, factor=3))
    assert next((tmp_path / "cache").glob("*-acquired.nii")).stat().st_mtime_ns == stamp
