"""What super-resolution does to diffusion maps in white matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_sr.diffusion.tensor import TensorMaps
from bids_sr.images.grid import SliceGrid
from bids_sr.images.nifti import DwiReader, load_volume
from bids_sr.quality.fidelity import erode
from bids_sr.quality.tensor_errors import v1_angles, white_matter

_MD_UNIT = 1e-3
"""mm2/s; diffusivities are reported in thousandths."""
_CHUNK = 1 << 18
"""Voxels whose directions are compared at once."""
Mask = NDArray[np.bool_]


def white_matter_shift(
    before: TensorMaps,
    after: TensorMaps,
    output_mask: NDArray[np.bool_],
    grid: SliceGrid,
    *,
    qa: tuple[Path, Path] | None = None,
) -> dict[str, float]:
    """Compare tensor maps of the input and of the output, voxel by voxel of the output.

    Each output voxel is compared with the input voxel that encloses it. White
    matter is found on the mean of both maps, so that the noise of neither
    decides which voxels are compared.

    Parameters
    ----------
    before, after : TensorMaps
        With ``fa``, ``md`` and ``v1``, of the input and of the output; ``ad`` and
        ``rd`` are compared if both have them.
    output_mask : numpy.ndarray
        (x, y, z), bool, brain on the output grid; its rim, one input voxel wide, is
        left out.
    grid : SliceGrid
        Input grid and factor.
    qa : tuple of pathlib.Path, optional
        Maps of quantitative anisotropy of the input and of the output.

    Returns
    -------
    dict of str to float
        ``wm_voxels``; ``wm_fa_median_input``, ``wm_fa_median_sr``,
        ``wm_fa_wasserstein`` and the same for MD, AD and RD in 1e-3 mm2/s and for QA
        (Wasserstein-1 distance of the two distributions); ``v1_angle_median_deg``. NaN where
        there is no white matter.
    """
    inside = erode(output_mask, grid.factor, grid.slice_axis)
    fa, md = (_pair(before.paths[name], after.paths[name], inside, grid) for name in ("fa", "md"))
    white = white_matter(fa.mean(axis=0), md.mean(axis=0), np.ones(fa.shape[1], bool))
    metrics = {"wm_voxels": float(white.sum())}
    metrics |= _compare("fa", fa[:, white]) | _compare("md", md[:, white] / _MD_UNIT)
    del fa, md
    inside[inside] = white  # white matter alone from here on
    for name in ("ad", "rd"):
        if name in before.paths and name in after.paths:
            values = _pair(before.paths[name], after.paths[name], inside, grid)
            metrics |= _compare(name, values / _MD_UNIT)
    if qa is not None:
        metrics |= _compare("qa", _pair(*qa, inside, grid))
    angles = _angles(before.paths["v1"], after.paths["v1"], inside, grid)
    metrics["v1_angle_median_deg"] = _median(angles[np.isfinite(angles)])
    return metrics


def _enclosing(coarse: NDArray[np.float32], inside: Mask, grid: SliceGrid) -> NDArray[np.float32]:
    """Return, for each voxel of the fine mask, the value of the coarse voxel around it."""
    for axis in grid.in_plane:
        coarse = coarse.repeat(grid.factor, axis)
    return coarse[inside]


def _pair(before: Path, after: Path, inside: Mask, grid: SliceGrid) -> NDArray[np.float32]:
    values = np.empty((2, np.count_nonzero(inside)), np.float32)
    values[0] = _enclosing(load_volume(before)[0], inside, grid)
    values[1] = load_volume(after)[0][inside]
    return values


def _angles(before: Path, after: Path, inside: Mask, grid: SliceGrid) -> NDArray[np.float64]:
    count = np.count_nonzero(inside)
    coarse, fine = np.empty((count, 3), np.float32), np.empty((count, 3), np.float32)
    with DwiReader(before) as reader, DwiReader(after) as fine_reader:
        for i in range(3):
            coarse[:, i] = _enclosing(reader.volume(i), inside, grid)
            fine[:, i] = fine_reader.volume(i)[inside]
    angles = np.empty(count)
    for low in range(0, count, _CHUNK):
        part = slice(low, low + _CHUNK)
        angles[part] = v1_angles(coarse[part], fine[part])
    return angles


def _compare(name: str, values: NDArray[np.floating]) -> dict[str, float]:
    before, after = values
    # of two samples of one size it is this, and takes a tenth of scipy's memory
    gaps = np.abs(np.sort(before) - np.sort(after))
    distance = gaps.mean(dtype=np.float64) if gaps.size else float("nan")
    return {
        f"wm_{name}_median_input": _median(before),
        f"wm_{name}_median_sr": _median(after),
        f"wm_{name}_wasserstein": float(distance),
    }


def _median(values: NDArray[np.floating]) -> float:
    return float(np.median(values)) if values.size else float("nan")
