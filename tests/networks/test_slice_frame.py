"""Along which directions of the gradient table rows, columns and slices follow each other."""

from __future__ import annotations

import numpy as np
import pytest

from bids_sr.networks.slice_frame import SliceFrame, slice_frame

X, Y, Z = np.eye(3)


@pytest.mark.parametrize("right_handed", [True, False])
@pytest.mark.parametrize(
    ("slice_axis", "expected"), [(2, (X, Y, Z)), (1, (X, Z, Y)), (0, (Y, Z, X))]
)
def test_axes_of_slices(slice_axis, expected, right_handed):
    """FSL's x is against the first voxel axis where the image is stored right-handed."""
    affine = np.diag([2.0 if right_handed else -2.0, 2, 3, 1])
    frame = slice_frame(affine, slice_axis)
    flip = np.array([-1 if right_handed else 1, 1, 1])
    np.testing.assert_array_equal(frame.axes, np.stack(expected) * flip)
    assert frame.across == slice_axis
    assert slice_frame(affine, slice_axis, across=0).across == 0


def test_directions_of_the_channels():
    """Rows, columns, both diagonals of the slice, across: unit vectors."""
    frame = SliceFrame(np.stack([3 * Y, Z, -X]), 0)
    half = np.sqrt(0.5)
    expected = [Y, Z, half * (Y + Z), half * (Y - Z), -X]
    np.testing.assert_allclose(frame.directions, expected, atol=1e-12)
