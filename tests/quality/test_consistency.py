from __future__ import annotations

import numpy as np
import pytest
import torch

from bids_sr.images.kspace import data_consistency, sinc_upsample
from bids_sr.quality.consistency import ResidualSums, consistency_residual


@pytest.fixture
def lr():
    return np.random.default_rng(0).random((3, 14, 11)).astype(np.float32) + 1


@pytest.mark.parametrize("factor", [2, 3])
def test_interpolation_leaves_no_residual(lr, factor):
    sr = sinc_upsample(torch.from_numpy(lr), factor).numpy()
    assert np.abs(consistency_residual(sr, lr, factor)).max() < 1e-5


@pytest.mark.parametrize("factor", [2, 3])
def test_detail_above_the_band_leaves_none_and_detail_within_does(lr, factor):
    noise = np.random.default_rng(1).normal(size=(3, 14 * factor, 11 * factor))
    sr = sinc_upsample(torch.from_numpy(lr), factor) + torch.from_numpy(noise).float()
    assert np.abs(consistency_residual(sr.numpy(), lr, factor)).max() > 0.1
    kept = data_consistency(sr, torch.from_numpy(lr), factor).numpy()
    assert np.abs(consistency_residual(kept, lr, factor)).max() < 1e-5


def test_planted_offset_and_noise(lr):
    sums = ResidualSums()
    for _ in range(2):
        residual = np.where(np.arange(lr.size) % 2, 0.3, -0.1).astype(np.float32)
        sums.add(residual, np.full(lr.size, 2, np.float32))
    assert sums.bias == pytest.approx(0.05)
    assert sums.nrmse == pytest.approx(np.sqrt((0.09 + 0.01) / 2) / 2)


def test_nothing_measured():
    assert np.isnan(ResidualSums().nrmse)
    assert np.isnan(ResidualSums().bias)
