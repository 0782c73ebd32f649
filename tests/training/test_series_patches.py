"""Patches of series: registered, turned with their signs, varied as scans vary."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attrs import evolve

from bids_sr.images.band import keep_band
from bids_sr.images.kspace import kspace_crop, sinc_upsample
from bids_sr.networks.series_parts import turned_parts
from bids_sr.superres.self_ensemble import TRANSFORMS
from bids_sr.training import series_patches
from bids_sr.training.patches import rotate_flip
from bids_sr.training.series_patches import SeriesSampler, _shares


def sampler(*runs, patch=8, seed=0, zero_filled=0.0, noise=0.0):
    return SeriesSampler(runs, 2, patch, seed, zero_filled, noise)


@pytest.fixture
def plain(monkeypatch):
    """Nothing is left out, and contrast stays."""
    monkeypatch.setattr(series_patches, "_MISSING", dict.fromkeys(series_patches._MISSING, 0.0))
    monkeypatch.setattr(series_patches, "_CONTRAST", 0.0)


def test_shapes(make_series):
    batch = sampler(make_series(), noise=0.03, zero_filled=0.5).draw(5)
    assert batch.images.shape == (5, 21, 8, 8) and batch.images.dtype == torch.float32
    assert batch.target.shape == batch.interpolated.shape == (5, 7, 16, 16)
    assert batch.known.shape == batch.mix.shape == (5, 7)
    assert set(batch.known.unique().tolist()) <= {0.0, 1.0}


def test_state_makes_the_draw_repeat(make_series):
    run = make_series()
    source = sampler(run, noise=0.05, zero_filled=0.5)
    source.draw(3)
    state, expected = source.state, source.draw(4)
    again = sampler(run, seed=99, noise=0.05, zero_filled=0.5)
    assert not torch.equal(again.draw(4).images, expected.images)
    again.state = state
    for one, other in zip(vars_of(again.draw(4)), vars_of(expected), strict=True):
        assert torch.equal(one, other)


def vars_of(batch):
    return [getattr(batch, name) for name in ("images", "target", "known", "interpolated", "mix")]


@pytest.mark.parametrize("zero_filled", [0.0, 1.0])
def test_patches_are_those_of_turned_slices(make_series, plain, zero_filled):
    """Each patch is found in one of the eight turns of the run, in both orders of slices.

    What it lacks of the band is part of the target, too.
    """
    run = make_series(subsets=0)
    source = sampler(run, zero_filled=zero_filled)
    whole = {}
    lr, detail = (np.asarray(a[0], np.float32) for a in (run.lr, run.detail))
    fine = sinc_upsample(torch.from_numpy(lr), 2).numpy() + detail
    for quarter, flip in TRANSFORMS[8]:
        for back in (False, True):
            matrix = turned_parts(quarter, flip=flip, back=back)
            images = rotate_flip(fine, quarter, flip).copy()
            images[2:] = np.tensordot(matrix, images[2:], axes=1)
            whole[quarter, flip, back] = images
    batch, seen = source.draw(24), set()
    for target, interpolated in zip(batch.target.numpy(), batch.interpolated.numpy(), strict=True):
        rebuilt = target + interpolated
        found = [key for key, images in whole.items() if _holds(images, rebuilt, 0.02)]
        assert found
        seen.update(found)
    assert len(seen) >= 10


def _holds(images, patch, tolerance):
    windows = np.lib.stride_tricks.sliding_window_view(images, (16, 16), axis=(2, 3))
    windows = windows[:, :, ::2, ::2]
    off = np.abs(windows - patch[:, None, None, None]).max(axis=(0, 4, 5))
    return bool((off < tolerance).any())


def test_zero_filled_patches_lack_a_part_of_the_band(make_series, plain):
    run = make_series(subsets=0)
    whole, cut = (sampler(run, zero_filled=share).draw(40) for share in (0.0, 1.0))
    power = [float(batch.target[:, 0].square().mean()) for batch in (whole, cut)]
    assert power[1] > 1.3 * power[0]


def test_neighbours_are_the_slices_before_and_after_or_exchanged(make_series, plain):
    run = make_series(subsets=0)
    lr = np.asarray(run.lr[0, 0], np.float32)  # b0, any turn
    flat = [np.sort(image.ravel()) for image in lr]
    source = SeriesSampler([run], 2, 64, 0, 0.0, 0.0)  # patches larger than slices: all of them
    ordered = set()
    for images in source.draw(30).images.numpy():
        own, before, after = (
            next(z for z, f in enumerate(flat) if np.isin(f, images[p]).all()) for p in (0, 7, 14)
        )
        assert {before, after} == {max(own - 1, 0), min(own + 1, 4)}
        ordered.add(np.sign(after - before))
    assert ordered == {-1, 1}


def test_small_slices_are_padded_with_nothing(make_series, plain):
    run = make_series()  # 13 x 10 pixels at low resolution
    batch = sampler(run, patch=24, noise=0.05).draw(6)
    assert batch.images.shape == (6, 21, 24, 24) and batch.target.shape == (6, 7, 48, 48)
    outside = batch.interpolated[:, 0] == 0
    assert (outside.float().mean((1, 2)) > 0.5).all()
    assert not batch.target[:, 0][outside].any()
    assert not batch.mix[0].isnan().any()


def test_noise_is_where_there_are_images(make_series, plain, monkeypatch):
    monkeypatch.setattr(series_patches, "_NOISY", 1.0)
    run = make_series(((1000, 5),), b0s=1)  # no l = 2
    quiet, noisy = (sampler(run, noise=level).draw(8) for level in (0.0, 0.2))
    assert not noisy.images[:, 2:7].any() and not noisy.images[:, 16:].any()
    assert noisy.images[:, 1].std() > 0
    rough = [b.images[:, 1].diff(dim=-1).abs().mean() for b in (quiet, noisy)]
    assert rough[1] > 1.1 * rough[0]


def test_what_is_missing_is_neither_shown_nor_asked_for(make_series, monkeypatch):
    run = make_series()
    for name, parts in (("b0", [0]), ("l2", [2, 3, 4, 5, 6]), ("shell", [1, 2, 3, 4, 5, 6])):
        shares = dict.fromkeys(series_patches._MISSING, 0.0) | {name: 1.0}
        monkeypatch.setattr(series_patches, "_MISSING", shares)
        batch, rest = sampler(run).draw(6), [p for p in range(7) if p not in parts]
        images = batch.images.unflatten(1, (3, 7))
        assert not images[:, :, parts].any() and images[:, 0, rest].any()
        assert not batch.known[:, parts].any() and batch.known[:, rest].all()
        assert not batch.interpolated[:, parts].any() and not batch.mix[:, parts].any()
        assert batch.mix.any(1).all()
    # something is always left
    monkeypatch.setattr(series_patches, "_MISSING", dict.fromkeys(series_patches._MISSING, 1.0))
    assert sampler(run).draw(6).known.any(1).all()


def test_the_mix_is_a_b0_or_one_direction(make_series, plain):
    batch = sampler(make_series()).draw(300)
    b0 = batch.mix[:, 0] == 1
    assert 0.15 < float(b0.float().mean()) < 0.35
    assert not batch.mix[b0, 1:].any() and not batch.mix[~b0, 0].any()
    rest = batch.mix[~b0, 1:].numpy()
    assert np.allclose(rest[:, 0], 1)
    # functions of rms 1: their squares add up to five at any direction
    np.testing.assert_allclose(np.square(rest[:, 1:]).sum(1), 5, rtol=1e-4)
    assert np.abs(rest[:, 1:].mean(0)).max() < 0.3


def test_runs_of_b0s_and_runs_without(make_series):
    b0s, none = make_series((), b0s=3, label="b0s"), make_series(b0s=0, label="none")
    batch = sampler(b0s).draw(8)
    assert batch.images[:, 0].any() and not batch.images[:, 1:7].any()
    assert torch.equal(batch.mix, torch.eye(7)[0].expand(8, 7))
    batch = sampler(none).draw(20)
    assert not batch.images[:, 0].any() and not batch.mix[:, 0].any()
    assert not batch.known[:, 0].any() and batch.mix[:, 1].all()


def test_a_shell_that_teaches_nothing_is_never_drawn(make_series):
    run = make_series(((1000, 12), (2000, 4)), b0s=0)
    assert run.known[1] == (False, False, False)
    assert sampler(run).draw(40).known.any(1).all()


def test_people_are_drawn_alike_and_those_without_directions_less(make_series):
    one, b0s = make_series(), make_series((), b0s=3, label="b0s")
    named = [evolve(one, label=n) for n in ("sub-a_run-1", "sub-a_run-2", "sub-b")]
    named.append(evolve(b0s, label="sub-c"))
    np.testing.assert_allclose(
        _shares(named, [100, 100, 200, 200]), np.array([0.5, 0.5, 1, 1 / 3]) / (2 + 1 / 3)
    )


def test_images_are_made_of_all_directions_half_the_time(make_series):
    run = make_series(subsets=3)
    source = sampler(run)
    drawn = np.array([source._draw_view(run) for _ in range(400)])
    assert 0.4 < (drawn == 0).mean() < 0.6
    assert set(drawn) == {0, 1, 2, 3}


def test_the_band_is_cut_as_the_scanner_would(make_series):
    """A cut image and the target made for it give the whole one again."""
    run = make_series(subsets=0)
    lr = torch.from_numpy(np.asarray(run.lr[0], np.float32))
    kept = keep_band(lr, (0.7, 1.0))
    lost = sinc_upsample(lr - kept, 2)
    torch.testing.assert_close(kspace_crop(lost, 2), lr - kept, atol=1e-4, rtol=0)
