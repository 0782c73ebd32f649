"""Patches: registered between resolutions, deterministic, sometimes without channels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bids_sr.errors import UsageError
from bids_sr.networks.channels import CHANNELS
from bids_sr.training.patches import PatchSampler


def sampler(prepared, seed=0, patch=8):
    return PatchSampler([prepared], 2, CHANNELS, patch=patch, seed=seed)


def test_shapes(prepared):
    batch = sampler(prepared).draw(5)
    assert batch.channels.shape == (5, 4, 8, 8)
    assert batch.interpolated.shape == batch.target.shape == (5, 1, 16, 16)
    assert batch.channels.dtype == torch.float32


def test_target_and_interpolation_show_the_same_place(prepared):
    batch = sampler(prepared).draw(64)
    for target, interpolated in zip(batch.target, batch.interpolated, strict=True):
        together = np.corrcoef(target.ravel(), interpolated.ravel())[0, 1]
        assert together > 0.7
        # and not its mirror image
        assert together > np.corrcoef(target.flip(-1).ravel(), interpolated.ravel())[0, 1]


def test_channels_and_interpolation_show_the_same_place(prepared):
    batch = sampler(prepared).draw(64)
    pooled = torch.nn.functional.avg_pool2d(batch.interpolated, 2)
    for low, fine in zip(batch.channels[:, 0], pooled[:, 0], strict=True):
        assert np.corrcoef(low.ravel(), fine.ravel())[0, 1] > 0.95


def test_state_makes_the_draw_repeat(prepared):
    source = sampler(prepared)
    source.draw(3)
    state = source.state
    expected = source.draw(4)
    again = sampler(prepared, seed=99)
    again.state = state
    torch.testing.assert_close(again.draw(4).channels, expected.channels)


def test_channels_are_dropped_now_and_then(prepared):
    batch = sampler(prepared).draw(400)
    alone = (batch.channels[:, 1:] == batch.channels[:, :1]).flatten(1).all(dim=1)
    without_tensor = (batch.channels[:, 3] == batch.channels[:, 2]).flatten(1).all(dim=1)
    assert 0.01 < float(alone.float().mean()) < 0.12
    assert 0.05 < float(without_tensor.float().mean()) < 0.3


def test_patch_larger_than_the_slices(prepared):
    with pytest.raises(UsageError, match="hold no patch of 40"):
        sampler(prepared, patch=40)


def test_zero_filled_patches_lack_the_outer_band(prepared):
    def sampler(share):
        return PatchSampler([prepared], 2, ["dwi", "mean_dwi"], patch=8, zero_filled=share)

    plain, never, always = (sampler(share)._fill_in for share in (0.0, 1e-9, 1.0))
    slices = np.random.default_rng(0).random((2, 24, 24)).astype(np.float32)
    assert plain(slices) is slices
    assert never(slices) is slices
    filled = always(slices)
    assert filled.shape == slices.shape
    high = np.abs(np.fft.fft2(slices - filled))
    # what was taken away is high frequencies; the mean stays (the magnitude moves it a little)
    assert high.max(axis=(1, 2)).min() > 1
    assert np.abs((slices - filled).mean(axis=(1, 2))).max() < 0.02


def test_without_augmentation_patches_are_cut_as_they_are(prepared):
    plain = PatchSampler([prepared], 2, ("dwi",), patch=8, seed=3, augment=False)
    batch = plain.draw(8)
    assert batch.channels.shape == (8, 1, 8, 8)
    hr = np.asarray(prepared.hr, np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(hr, (16, 16), axis=(2, 3))[:, :, ::2, ::2]
    for target in batch.target[:, 0].numpy():
        assert (windows == target).all(axis=(-2, -1)).any()
