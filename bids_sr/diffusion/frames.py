"""Gradient directions in the frame of the scanner.

Tensors, eigenvectors and colours are made in world coordinates: x to the patient's
right, y to anterior, z to superior (RAS+). MRtrix3 does the same, so its programs
read our tensors; colours follow anatomy however the image is stored. FSL's dtifit
writes V1 along the voxel axes instead. BEP016 calls the two ``ReferenceAxes``
``xyz`` and ``ijk``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import polar


def world_directions(
    bvecs: NDArray[np.float64], affine: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Turn FSL gradient directions into world directions.

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
    """Return how FSL's directions lie in the voxel axes, and those in the world.

    Parameters
    ----------
    affine : numpy.ndarray
        (4, 4), voxel indices to world mm.

    Returns
    -------
    rotation : numpy.ndarray
        (3, 3), orthogonal, from voxel axes of equal length to world axes; the nearest one
        where voxels are sheared.
    signs : numpy.ndarray
        (3,), what turns an FSL direction into one along the voxel axes.
    """
    linear = affine[:3, :3]
    signs = np.array([-1.0 if np.linalg.det(linear) > 0 else 1.0, 1.0, 1.0])
    # the nearest rotation (or rotation and mirror) keeps lengths under shear, too
    rotation, _ = polar(linear / np.linalg.norm(linear, axis=0))
    return rotation, signs
