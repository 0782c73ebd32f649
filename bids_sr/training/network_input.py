"""Network input from a prepared run, by channel and slice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bids_sr.networks.channels import FRAME, PER_VOLUME
from bids_sr.training.prepare import PreparedRun
from bids_sr.training.views import SeriesView


def read_slice(
    run: PreparedRun, view: SeriesView, k: int, z: int, names: Sequence[str]
) -> dict[str, np.ndarray]:
    """Return a low-resolution slice and its further channels.

    Parameters
    ----------
    run : PreparedRun
        Prepared run.
    view : SeriesView
        One of the run's views.
    k : int
        Index of the volume in the view.
    z : int
        Slice index.
    names : sequence of str
        Requested channels, from `bids_sr.networks.channels.CHANNELS`.

    Returns
    -------
    dict of str to numpy.ndarray
        (a, b) float16 arrays, at least those requested; `dwi` comes first.
    """
    images = {"dwi": run.lr[int(view.volumes[k]), z]}
    images.update(zip(PER_VOLUME, view.shared[k, :, z], strict=True))
    if not set(FRAME).isdisjoint(names):
        # b0s have no shell: their mean is used instead, as in the app
        own = [images["mean_b0"]] * len(FRAME)
        along = view.frame[view.shell[k], :, z] if view.shell[k] >= 0 else own
        images.update(zip(FRAME, along, strict=True))
    return images


def read_stack(
    run: PreparedRun, view: SeriesView, k: int, slices: Sequence[int], names: Sequence[str]
) -> np.ndarray:
    """Return the network input for several slices of a volume.

    Parameters
    ----------
    run, view, k, names
        See `read_slice`.
    slices : sequence of int
        Slice indices.

    Returns
    -------
    numpy.ndarray
        (slices, channels, a, b), float32.
    """
    read = [read_slice(run, view, k, z, names) for z in slices]
    return np.stack([np.stack([images[name] for name in names]) for images in read]).astype(
        np.float32
    )
