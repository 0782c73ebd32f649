"""Each degradation keeps a landmark where it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bids_sr.images.kspace import kspace_downsample
from bids_sr.training.degradation import DEGRADATIONS, add_rician_noise, coarsen


def blob(shape, centre, width):
    rows, columns = np.meshgrid(*(np.arange(n) for n in shape), indexing="ij")
    distance = (rows - centre[0]) ** 2 + (columns - centre[1]) ** 2
    return torch.from_numpy(np.exp(-distance / (2 * width**2)))


@pytest.mark.parametrize("name", DEGRADATIONS)
@pytest.mark.parametrize("factor", [2, 3])
def test_landmark_stays(name, factor):
    hr_centre = np.array([61.3, 53.9])
    low = DEGRADATIONS[name](blob((120, 114), hr_centre, 9.0)[None], factor)[0]
    assert low.shape == (120 // factor, 114 // factor)
    grids = torch.meshgrid(*(torch.arange(n) for n in low.shape), indexing="ij")
    found = [float((g * low).sum() / low.sum()) for g in grids]
    # high-resolution pixel X lies at (X - (f - 1) / 2) / f
    assert found == pytest.approx(list((hr_centre - (factor - 1) / 2) / factor), abs=2e-3)


@pytest.mark.parametrize("name", DEGRADATIONS)
def test_level_is_kept(name):
    low = DEGRADATIONS[name](torch.full((2, 12, 12), 5.0, dtype=torch.float64), 2)
    torch.testing.assert_close(low, torch.full((2, 6, 6), 5.0, dtype=torch.float64))


@pytest.mark.parametrize(
    ("name", "factor", "expected"),
    [
        ("kspace", 2, 0.5),
        ("kspace-tukey", 2, 0.344),
        ("box", 3, 1 / 3),
        ("resize-cubic", 2, 0.72),
        ("resize-cubic", 3, 1.0),
    ],
)
def test_noise_after_degradation(name, factor, expected):
    # a large constant keeps magnitudes and clipping out of the matter
    noise = 50 + torch.randn(20, 120, 120, dtype=torch.float64)
    assert float(DEGRADATIONS[name](noise, factor).std()) == pytest.approx(expected, rel=0.04)


def test_rician_noise_has_its_known_moments():
    generator = torch.Generator().manual_seed(3)
    flat = torch.zeros(200_000, dtype=torch.float64)
    assert float(add_rician_noise(flat, 2.0, generator).mean()) == pytest.approx(
        2.0 * np.sqrt(np.pi / 2), rel=0.01
    )
    bright = add_rician_noise(flat + 100, 2.0, generator)
    assert float(bright.std()) == pytest.approx(2.0, rel=0.01)


def test_coarsen_agrees_with_the_crop_at_a_whole_factor():
    hr = torch.rand(2, 24, 36, dtype=torch.float64)
    assert torch.allclose(coarsen(hr, (12, 18)), kspace_downsample(hr, 2))
    assert torch.allclose(coarsen(hr, (24, 36)), hr)


@pytest.mark.parametrize("size", [17, 20, 23])
def test_coarsen_keeps_the_place_and_level_of_a_smooth_blob(size):
    def blob(n):
        centres = (np.arange(n) + 0.5) / n - 0.4
        line = np.exp(-((centres / 0.15) ** 2))
        return torch.from_numpy(np.outer(line, line))

    assert torch.allclose(coarsen(blob(40), (size, size)), blob(size), atol=2e-3)
