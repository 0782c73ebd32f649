"""How noisy the scans are that a network has learned from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bids_sr.quality.noise import mppca_sigma
from bids_sr.quality.noise_sample import central_box
from bids_sr.training.prepare import PreparedRun


def snr_range(runs: Sequence[PreparedRun]) -> tuple[float, float] | None:
    """Return the least and largest signal-to-noise ratio of the b0s that were shown.

    As the app measures an input (``snr_b0`` of a run's record): median signal of a b0 over
    the noise that MP-PCA finds in a box in the middle. Here the signal is that of all
    tissue, not of the brain alone.

    Parameters
    ----------
    runs : sequence of PreparedRun
        What was trained on.

    Returns
    -------
    tuple of float or None
        None where no run has b0s and enough volumes to tell.
    """
    found = [snr for run in runs if (snr := _snr(run)) is not None]
    return (round(min(found), 1), round(max(found), 1)) if found else None


def _snr(run: PreparedRun) -> float | None:
    b0s = np.flatnonzero(run.gradients.is_b0)
    box = central_box(run.foreground)
    values = np.asarray(run.lr[(slice(None), *box)], np.float32)
    sigma, _ = mppca_sigma(np.moveaxis(values, 0, -1), run.foreground[box])
    if sigma is None or not b0s.size:
        return None
    levels = [float(np.median(run.lr[int(i)][run.foreground])) for i in b0s]
    return float(np.mean(levels)) / sigma
