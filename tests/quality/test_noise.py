from __future__ import annotations

import numpy as np
import pytest

from bids_sr.quality.noise import Noise, estimate_noise, mppca_sigma, piesno_sigma

SIGMA = 10.0
BOX = (14, 14, 7)


def brain(volumes=30, sigma=SIGMA):
    """Two tissues whose signals decay differently, with Gaussian noise; all of it brain."""
    generator = np.random.default_rng(0)
    share = generator.random(BOX)[..., None]
    curves = np.exp(-np.linspace(0, 1, volumes)), np.exp(-np.linspace(0, 2, volumes))
    clean = 1000 * (share * curves[0] + (1 - share) * curves[1])
    return clean + generator.normal(0, sigma, clean.shape), np.ones(BOX, bool)


def air(channels=1, voxels=2000, volumes=30):
    parts = np.random.default_rng(1).normal(0, SIGMA, (2 * channels, voxels, volumes))
    return np.sqrt((parts**2).sum(axis=0))


def test_planted_noise_in_brain():
    sigma, note = mppca_sigma(*brain())
    assert sigma == pytest.approx(SIGMA, rel=0.1)
    assert note == ""


def test_planted_noise_in_air():
    sigma, note = piesno_sigma(air())
    assert sigma == pytest.approx(SIGMA, rel=0.05)
    assert note == ""


@pytest.mark.parametrize(
    ("background", "told"),
    [
        (air(voxels=100), "too little background"),
        (air(volumes=3), "volumes"),
        (np.zeros((2000, 30)), "masked"),
        (np.random.default_rng(0).normal(0, 10, (2000, 30)), "signed, its noise Gaussian"),
        (air(channels=8), "one channel|pure noise"),
    ],
)
def test_a_background_that_tells_nothing_is_refused(background, told):
    sigma, note = piesno_sigma(background)
    assert sigma is None
    assert any(part in note for part in told.split("|"))


def test_too_few_volumes_or_no_brain():
    assert mppca_sigma(*brain(volumes=4))[0] is None
    box, inside = brain()
    assert mppca_sigma(box, inside & False)[0] is None


def test_that_of_the_brain_goes_first():
    found = estimate_noise(*brain(), np.zeros((2000, 30)))
    assert found.sigma == found.mppca is not None
    assert found.piesno is None
    assert "masked" in found.note
    assert Noise(None, 3.0).sigma == 3
    assert Noise().sigma is None
