"""Coherence of a tensor field along its own fibres, for many gradient tables at once.

Fibres continue in their own direction, so tensors change least along V1 (fibre continuity:
Aganj 2018, Sci Rep 8:16541; fibre coherence: Schilling et al. 2019, Magn Reson Imaging 58:82).
A wrong axis or sign rotates V1 but not the image, and tensors then change along V1 as much as
elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from scipy import ndimage

from bids_sr.diffusion.eigen import main_direction
from bids_sr.diffusion.tensor import fractional_anisotropy

Floats = NDArray[np.floating[Any]]

FA_LEAST = 0.15
"""FA from which a voxel's direction is used."""
_SMOOTHING = 0.5
"""Standard deviation of the smoothing, in units of the longest voxel side."""
_BLOCKS = 8
"""Blocks along each axis of the brain's bounding box, for the jackknife."""
_FEWEST = 64
"""Minimum number of voxels with a direction."""
_FLAT = 0.1
"""Change of the tensor, relative to its median, below which a voxel is not used."""
_PAIRS = ((0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2))
"""Lower triangle in dipy's order."""


@frozen(eq=False)
class Coherence:
    """Coherence of the fibres for each of several tables."""

    values: Floats
    """(n,): 1 minus the change of the tensor along V1 relative to chance: 0 at chance, 1 if it does
    not change."""
    without: Floats
    """(blocks, n): the same with one block left out."""
    voxels: int
    """Number of voxels used."""

    def margins(self, one: int) -> Floats:
        """Return by how many standard errors one table is more coherent than each.

        Parameters
        ----------
        one : int
            Index of the table.

        Returns
        -------
        numpy.ndarray
            (n,): difference of the two values in units of its standard error, from the jackknife
            over blocks; 0 for itself.
        """
        gain = self.values[one] - self.values
        left = self.without[:, [one]] - self.without
        blocks = len(left)
        error = np.sqrt((blocks - 1) / blocks * ((left - left.mean(axis=0)) ** 2).sum(axis=0))
        return np.divide(gain, error, out=np.zeros_like(gain), where=error > 0)


@frozen(eq=False)
class Fibres:
    """Sums over the voxels of each block, from which the coherence of any table follows.

    V is V1 V1^T, G as in `follow_fibres`; both as lower triangles, weighted by FA squared.
    """

    weight: Floats
    """(blocks,): sum of the weights."""
    along: Floats
    """(blocks, 6): sum of V."""
    change: Floats
    """(blocks, 6): sum of G."""
    both: Floats
    """(blocks, 6, 6): sum of the products of G and V."""
    voxels: int
    """Number of voxels."""

    def coherence(self, turns: Floats) -> Coherence:
        """Return the coherence if V1 is rotated in every voxel.

        Parameters
        ----------
        turns : numpy.ndarray
            (n, 3, 3), orthogonal, applied to V1 in voxel axes.

        Returns
        -------
        Coherence
        """
        sums = (self.weight, self.along, self.change, self.both)
        whole = [part.sum(axis=0, keepdims=True) for part in sums]
        left = [total - part for total, part in zip(whole, sums, strict=True)]
        return Coherence(_coherence(whole, turns)[0], _coherence(left, turns), self.voxels)


def follow_fibres(tensor: Floats, mask: NDArray[np.bool_], zooms: Floats) -> Fibres | None:
    """Sum up how a tensor field changes along its principal directions and across them.

    With T the tensor over its mean diffusivity, and G = sum over its components of
    grad(T) grad(T)^T over its trace, the change along V1 is V1^T G V1. Its value at chance, if V1
    and G were independent, is subtracted: the product of the two mean matrices <V1 V1^T> and <G>.
    So neither anisotropic voxels, nor noise or blurring along one axis, nor a preferred direction
    of fibres favour a table. Means are weighted by FA squared.

    Parameters
    ----------
    tensor : numpy.ndarray
        (x, y, z, 6): dipy's lower triangle (xx, xy, yy, xz, yz, zz) along the voxel axes.
        Ignored outside the mask.
    mask : numpy.ndarray
        (x, y, z), bool.
    zooms : numpy.ndarray
        (3,), voxel sides, mm.

    Returns
    -------
    Fibres or None
        None if there are too few voxels with a direction.
    """
    smooth = _smooth(tensor, mask, _SMOOTHING * max(zooms) / np.asarray(zooms))
    evals, v1 = main_direction(smooth[mask])
    fa = np.zeros(mask.shape, np.float32)
    fa[mask] = fractional_anisotropy(evals.clip(min=0))
    # with neighbours on both sides, since fibres do not end at the rim of the mask
    used = ndimage.binary_erosion(mask) & (fa > FA_LEAST)
    if np.count_nonzero(used) < _FEWEST:
        return None
    change = _change(smooth, mask, zooms, used)
    return _sum_up(v1[used[mask]], change, fa[used].astype(float), _blocks(used))


def _smooth(tensor: Floats, mask: NDArray[np.bool_], sigma: Floats) -> Floats:
    """Return the tensor smoothed within the mask, zero outside."""
    weight = ndimage.gaussian_filter(mask.astype(np.float32), sigma, mode="constant")
    smooth = np.zeros((*mask.shape, 6), np.float32)
    for i in range(6):
        inside = np.where(mask, tensor[..., i], 0).astype(np.float32)
        filtered = ndimage.gaussian_filter(inside, sigma, mode="constant")
        smooth[..., i][mask] = filtered[mask] / weight[mask]
    return smooth


def _change(
    smooth: Floats, mask: NDArray[np.bool_], zooms: Floats, used: NDArray[np.bool_]
) -> Floats:
    """Return G of each used voxel, (n, 6), its trace at most 1."""
    trace = smooth[..., [0, 2, 5]].sum(axis=-1)
    typical = float(np.median(trace[mask]))
    size = np.maximum(trace / 3, _FLAT * max(typical, 0) / 3 + np.finfo(np.float32).tiny)
    change = np.zeros((int(np.count_nonzero(used)), 6))
    for i, (row, column) in enumerate(_PAIRS):
        relative = smooth[..., i] / size
        slopes = [
            ndimage.correlate1d(relative, [-0.5, 0, 0.5], axis=axis)[used].astype(float) / side
            for axis, side in enumerate(zooms)
        ]
        twice = 1 if row == column else 2  # off-diagonal elements count twice
        for j, (one, other) in enumerate(_PAIRS):
            change[:, j] += twice * slopes[one] * slopes[other]
    total = change[:, [0, 2, 5]].sum(axis=1)
    return change / np.maximum(total, _FLAT * np.median(total) + np.finfo(float).tiny)[:, None]


def _blocks(used: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the block number of each voxel used."""
    places = np.argwhere(used)
    places -= places.min(axis=0)
    parts = places * _BLOCKS // (places.max(axis=0) + 1)
    return np.asarray(np.ravel_multi_index(tuple(parts.T), (_BLOCKS,) * 3))


def _sum_up(v1: Floats, change: Floats, fa: Floats, blocks: NDArray[np.intp]) -> Fibres:
    weight = (fa**2)[:, None]
    along = np.stack([v1[:, i] * v1[:, j] for i, j in _PAIRS], axis=1) * weight
    there = np.unique(blocks)

    def total(values: Floats) -> Floats:
        """Sum (n, k) over the voxels of each block."""
        columns = [np.bincount(blocks, column, _BLOCKS**3) for column in values.T]
        return np.asarray(np.stack(columns, axis=1)[there], dtype=np.float64)

    both = np.stack([total(along * change[:, [i]]) for i in range(6)], axis=1)
    sums = (total(weight)[:, 0], total(along), total(change * weight))
    return Fibres(*sums, both, len(weight))


def _coherence(sums: Sequence[Floats], turns: Floats) -> Floats:
    """Return the coherence (m, n) for m sums, in the order of `Fibres`, and n rotations."""
    weight, along, change, both = sums
    fibres, slopes, products = _full(along), _full(change), _full(both)  # (m, 6, 3, 3) the last
    products = _full(np.moveaxis(products, 1, -1))  # (m, a, b, i, j): V_ab, G_ij
    found = np.einsum("ria,rjb,mabij->mr", turns, turns, products, optimize=True)
    chance = np.einsum("ria,rjb,mab,mij->mr", turns, turns, fibres, slopes, optimize=True)
    of = np.trace(slopes, axis1=1, axis2=2)[:, None]
    return np.asarray(3 * (chance / weight[:, None] - found) / of, dtype=np.float64)


def _full(triangle: Floats) -> Floats:
    """Expand (..., 6) to symmetric (..., 3, 3)."""
    full = np.empty((*triangle.shape[:-1], 3, 3))
    for k, (i, j) in enumerate(_PAIRS):
        full[..., i, j] = full[..., j, i] = triangle[..., k]
    return full
