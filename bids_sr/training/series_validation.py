"""Validation of a series network: unexplained detail of a held-out run."""

from __future__ import annotations

import numpy as np
import torch

from bids_sr.networks.angular_parts import B0, L2, MEAN
from bids_sr.networks.series_network import SLICES
from bids_sr.networks.series_parts import PARTS
from bids_sr.quality.high_band import HighBandFit, high_band, left_unexplained, pooled
from bids_sr.training.series_data import PreparedSeries

_EVERY = 6
"""Step between scored slices."""


def validate_series(
    run: PreparedSeries, network: torch.nn.Module, device: torch.device
) -> dict[str, float | None]:
    """Score a network on a held-out run.

    Parameters
    ----------
    run : PreparedSeries
        Held-out run, with its volumes.
    network : torch.nn.Module
        A `bids_sr.networks.series_network.SeriesNetwork`.
    device : torch.device
        Device of the network.

    Returns
    -------
    dict
        ``left_b0``, ``left_mean``, ``left_l2``: unexplained part of the high band
        (`bids_sr.quality.high_band`) over foreground pixels of every sixth slice and all shells;
        1 for sinc interpolation, None where noise masks it.
    """
    if run.volumes is None or run.parts is None:
        raise ValueError(f"{run.label} was prepared without its volumes")
    slices = np.arange(_EVERY // 2, run.lr.shape[2], _EVERY)
    factor = run.detail.shape[3] // run.lr.shape[3]
    inside = run.foreground[slices].repeat(factor, axis=1).repeat(factor, axis=2)
    reference = HighBandFit(run.gradients, inside, factor)
    for index in range(len(run.volumes)):
        reference.add(index, run.volumes[index, slices])
    found = HighBandFit(run.gradients, inside, factor)
    for number in range(len(run.known)):
        detail = _detail(run, number, network, device, slices)
        detail = np.stack([high_band(image, factor)[inside] for image in detail])
        _fill(found, run, number, detail)
    left = left_unexplained(reference, found)
    totals = {part: pooled(left, part) for part in (B0, MEAN, L2)}
    return {f"left_{part}": total.share if total else None for part, total in totals.items()}


def _detail(
    run: PreparedSeries,
    number: int,
    network: torch.nn.Module,
    device: torch.device,
    slices: np.ndarray,
) -> np.ndarray:
    """Return the detail of one shell, (7, slices, f a, f b)."""
    lr, last = run.lr[run.shell.index(number)], run.lr.shape[2] - 1
    found = []
    for z in slices:
        beside = [z, max(z - 1, 0), min(z + 1, last)]
        stack = np.moveaxis(lr[:, beside], 1, 0).reshape(1, SLICES * PARTS, *lr.shape[2:])
        with torch.inference_mode():
            images = torch.from_numpy(stack.astype(np.float32)).to(device)
            found.append(network(images)[0].cpu().numpy())
    return np.stack(found, axis=1)


def _fill(found: HighBandFit, run: PreparedSeries, number: int, detail: np.ndarray) -> None:
    """Add the detail of the volumes to a fit, converted to coefficients of the fit's functions."""
    parts = run.parts
    assert parts is not None
    for place, model in enumerate(found.models):
        if model.shell == B0:
            found.coefficients[place][:] = detail[0] * run.units[0]
        elif parts.shells and model.bval == parts.shells[number].bval:
            mixing = model.inverse @ parts.shells[number].functions * run.units[1 + number]
            found.coefficients[place][:] = mixing.astype(np.float32) @ detail[1:]
