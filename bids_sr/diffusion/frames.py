"""Gradient directions in the frame of the scanner.

Tensors, eigenvectors and colours are in world coordinates: x to the patient's right, y to anterior,
z to superior (RAS+), the ``Reference`` ``xyz`` of BEP016. MRtrix3 does the same; colours follow
anatomy whatever the storage order. FSL's dtifit writes V1 along the axes of its bvecs instead:
``bvec`` in BEP016. ``ijk`` would be the voxel axes themselves, without FSL's flip.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import polar


def world_directions(
    bvecs: NDArray[np.float64], affine: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Convert FSL gradient directions to world directions.

    FSL's bvecs run along the voxel axes, with the sign of the first axis
    flipped when the image is stored right-handed (positive determinant).

    Parameters
    ----------
    bvecs : numpy.ndarray
        (V, 3), unit vectors or zero, FSL convention. Not changed.
    affine : numpy.ndarray
        (4, 4), voxel indices to world mm.

    Returns
    -------
    numpy.ndarray
        (V, 3), unit vectors or zero, RAS+.
    """
    rotation, signs = voxel_rotation(affine)
    return (bvecs * signs) @ rotation.T


def voxel_rotation(
    affine: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the transforms from FSL's directions to voxel axes, and from these to the world.

    Parameters
    ----------
    affine : numpy.ndarray
        (4, 4), voxel indices to world mm.

    Returns
    -------
    rotation : numpy.ndarray
        (3, 3), orthogonal, from normalized voxel axes to world axes; the nearest one if voxels are
        sheared.
    signs : numpy.ndarray
        (3,), factors from an FSL direction to one in voxel axes.
    """
    linear = affine[:3, :3]
    signs = np.array([-1.0 if np.linalg.det(linear) > 0 else 1.0, 1.0, 1.0])
    # the nearest rotation (or rotation and reflection) preserves lengths under shear, too
    rotation, _ = polar(linear / np.linalg.norm(linear, axis=0))
    return rotation, signs
