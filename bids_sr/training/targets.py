"""What a network is to give, with less noise than the scan."""

from __future__ import annotations

import numpy as np
import torch

from bids_sr.bids.gradients import GradientTable
from bids_sr.images.kspace import data_consistency
from bids_sr.networks.channels import SeriesConditioning


def predicted(series: np.ndarray, gradients: GradientTable) -> np.ndarray:
    """Replace weighted volumes by what the tensor fit of their shell predicts.

    Parameters
    ----------
    series : numpy.ndarray
        (V, slices, A, B), high resolution.
    gradients : GradientTable
        Of the series.

    Returns
    -------
    numpy.ndarray
        The same shape; b0s, and shells of too few directions, as `networks.channels` has it.
    """
    conditioning = SeriesConditioning(gradients)
    for index, volume in enumerate(series):
        conditioning.add(index, volume)
    return np.stack(
        [
            volume
            if gradients.is_b0[index]
            else conditioning.channels(index, volume, ["tensor"])[0]
            for index, volume in enumerate(series)
        ]
    )


def mean_volumes(series: np.ndarray, gradients: GradientTable) -> np.ndarray:
    """Return the mean b0, if there is one, and the mean of each shell.

    Parameters
    ----------
    series : numpy.ndarray
        (V, slices, A, B).
    gradients : GradientTable
        Of the series.

    Returns
    -------
    numpy.ndarray
        (means, slices, A, B), in the order of `mean_table`.
    """
    return np.stack([series[members].mean(axis=0) for members in _members(gradients)])


def mean_table(gradients: GradientTable) -> GradientTable:
    """Return the gradients of `mean_volumes`; a shell's mean takes its first direction."""
    return gradients.subset([int(members[0]) for members in _members(gradients)])


def _members(gradients: GradientTable) -> list[np.ndarray]:
    groups = [np.flatnonzero(gradients.is_b0), *(shell.indices for shell in gradients.shells)]
    return [members for members in groups if len(members)]


def with_band(clean: np.ndarray, lr: np.ndarray, factor: int) -> np.ndarray:
    """Put the input's band into a target without noise.

    The app keeps what was measured; a network that is shown a denoised band learns to
    denoise it, for nothing.

    Parameters
    ----------
    clean : numpy.ndarray
        (..., f a, f b).
    lr : numpy.ndarray
        (..., a, b), what the network will read.
    factor : int
        In-plane factor f.

    Returns
    -------
    numpy.ndarray
        (..., f a, f b).
    """
    kept = data_consistency(torch.from_numpy(clean), torch.from_numpy(lr), factor)
    return np.asarray(kept.numpy())
