"""Patches: registered between resolutions, deterministic, sometimes without channels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bids_sr.errors import UsageError
from bids_sr.networks.channels import BASIC, CHANNELS
from bids_sr.training.network_input import read_slice
from bids_sr.training.patches import PatchSampler, draw_band


def sampler(prepared, seed=0, patch=8):
    return PatchSampler([prepared], 2, BASIC, patch=patch, seed=seed)


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


def test_every_channel_can_be_drawn(prepared):
    source = PatchSampler([prepared], 2, CHANNELS, patch=8, seed=1)
    assert source.draw(6).channels.shape == (6, len(CHANNELS), 8, 8)
    view = prepared.views[0]
    images = read_slice(prepared, view, 3, 1, CHANNELS)
    np.testing.assert_array_equal(images["mean_dwi"], view.shared[3, 1, 1])
    np.testing.assert_array_equal(images["tensor_columns"], view.frame[view.shell[3], 1, 1])
    b0 = int(np.flatnonzero(view.is_b0)[0])
    images = read_slice(prepared, view, b0, 1, CHANNELS)
    np.testing.assert_array_equal(images["tensor_across"], images["mean_b0"])


def test_noise_is_added_to_the_slice_alone(prepared):
    plain, noisy = (
        PatchSampler([prepared], 2, BASIC, patch=8, noise=level) for level in (0.0, 0.2)
    )
    images = plain._slices(prepared, prepared.views[0], 2, 1, None)
    grainy = noisy._slices(prepared, prepared.views[0], 2, 1, None)
    assert np.array_equal(images[0], prepared.lr[2, 1].astype(np.float32))
    assert 0.001 < np.abs(grainy[0] - images[0]).mean() < 0.3
    for name, image in images[1].items():
        np.testing.assert_array_equal(image, grainy[1][name])


def test_zero_filled_patches_lack_the_outer_band(prepared):
    def band(share):
        return draw_band(np.random.default_rng(0), share)

    assert band(0.0) is None
    assert band(1e-9) is None
    assert min(band(1.0)) < 1
    source = PatchSampler([prepared], 2, BASIC, patch=8)
    plain, _ = source._slices(prepared, prepared.views[0], 2, 1, None)
    filled, others = source._slices(prepared, prepared.views[0], 2, 1, (0.6, 1.0))
    assert others["mean_dwi"].shape == filled.shape == plain.shape
    # what was taken away is high frequencies; the mean stays (the magnitude moves it a little)
    assert np.abs(np.fft.fft2(plain - filled)).max() > 0.3
    assert abs((plain - filled).mean()) < 0.02


def test_without_augmentation_patches_are_cut_as_they_are(prepared):
    plain = PatchSampler([prepared], 2, ("dwi",), patch=8, seed=3, augment=False)
    batch = plain.draw(8)
    assert batch.channels.shape == (8, 1, 8, 8)
    hr = np.asarray(prepared.hr, np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(hr, (16, 16), axis=(2, 3))[:, :, ::2, ::2]
    for target in batch.target[:, 0].numpy():
        assert (windows == target).all(axis=(-2, -1)).any()


def test_so_many_patches_are_of_b0s(prepared):
    view = prepared.views[0]

    def share(**how):
        source = PatchSampler([prepared], 2, BASIC, patch=8, **how)
        return np.mean([view.is_b0[source._draw_volume(view)] for _ in range(800)])

    assert 0.08 < share() < 0.22
    assert share(b0_share=0.0) == 0
    assert 0.4 < share(b0_share=0.5) < 0.6
