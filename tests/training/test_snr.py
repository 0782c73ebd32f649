"""The noise that a model card tells of is that of the scans it was trained on."""

from __future__ import annotations

import numpy as np
import pytest
from attrs import evolve

from bids_sr.training.snr import snr_range


@pytest.mark.parametrize("sigma", [0.02, 0.05])
def test_planted_noise_is_found(prepared, sigma):
    shape = (17, 8, 40, 40)
    noise = np.random.default_rng(0).normal(0, sigma, shape)
    lr = (1 + noise).astype(np.float16)
    run = evolve(prepared, lr=lr, foreground=np.ones(shape[1:], bool))
    low, high = snr_range([run, run])
    assert low == high == pytest.approx(1 / sigma, rel=0.15)


def test_nothing_is_told_without_b0s_or_runs(prepared):
    weighted = evolve(prepared.gradients, bvals=np.full(17, 1000.0))
    assert snr_range([evolve(prepared, gradients=weighted)]) is None
    assert snr_range([]) is None
