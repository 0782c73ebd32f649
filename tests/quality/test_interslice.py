from __future__ import annotations

import numpy as np
import pytest

from bids_sr.quality.interslice import interslice_discontinuity

SHAPE = (12, 16, 14)


def ramp():
    """Slices whose brightness rises evenly: no jumps."""
    return np.ones(SHAPE) * np.linspace(100, 122, 12)[:, None, None]


def test_an_even_rise_is_no_jump():
    assert interslice_discontinuity(ramp(), np.ones(SHAPE, bool)) == pytest.approx(0, abs=1e-12)


def test_alternating_slices_are_measured():
    slices = np.full(SHAPE, 100.0)
    slices[::2] *= 1.1
    jump = interslice_discontinuity(slices, np.ones(SHAPE, bool))
    assert jump == pytest.approx(np.mean([0.1, 0.1 / 1.1]), rel=0.05)


def test_one_bad_slice_hardly_counts():
    slices = ramp()
    slices[5] = 0
    assert interslice_discontinuity(slices, np.ones(SHAPE, bool)) < 0.01


def test_too_little_brain():
    mask = np.zeros(SHAPE, bool)
    mask[:, :3, :3] = True
    assert np.isnan(interslice_discontinuity(ramp(), mask))
    assert np.isnan(interslice_discontinuity(ramp()[:2], np.ones((2, 16, 14), bool)))
