"""Eigenvalues and main direction, against LAPACK, also where eigenvalues meet."""

import numpy as np
import pytest
from dipy.reconst.dti import from_lower_triangular

from bids_sr.diffusion.eigen import main_direction

N = 3000
_RANDOM = np.random.default_rng(5)
_ANY = _RANDOM.normal(size=(N, 3))
_GAPS = 10.0 ** _RANDOM.uniform(-12, -3, N)
CASES = {
    "any": 1e-3 * _ANY,
    "positive": 1e-3 * np.abs(_ANY),
    "a stick": np.tile([4e-4, 4e-4, 1.7e-3], (N, 1)),
    "nearly a stick": np.stack([np.full(N, 4e-4), 4e-4 + 1e-3 * _GAPS, np.full(N, 1.7e-3)], 1),
    "a disc": np.tile([4e-4, 1.7e-3, 1.7e-3], (N, 1)),
    "nearly a disc": np.stack([np.full(N, 4e-4), np.full(N, 1.7e-3), 1.7e-3 + 1e-3 * _GAPS], 1),
    "a ball": np.full((N, 3), 1e-3),
    "nothing": np.zeros((N, 3)),
    "huge": 1e60 * _ANY,
    "tiny": 1e-60 * _ANY,
    "beyond the formula's range": 1e140 * _ANY,
}


def _lower_triangles(evals: np.ndarray) -> np.ndarray:
    turn, _ = np.linalg.qr(np.random.default_rng(6).normal(size=(len(evals), 3, 3)))
    full = turn @ (evals[:, :, None] * np.eye(3)) @ turn.swapaxes(1, 2)
    return np.stack([full[:, i, j] for i, j in ((0, 0), (0, 1), (1, 1), (0, 2), (1, 2), (2, 2))], 1)


@pytest.mark.parametrize("case", CASES)
def test_as_lapack(case):
    lower = _lower_triangles(CASES[case])
    values, direction = main_direction(lower)
    expected, vectors = np.linalg.eigh(from_lower_triangular(lower))
    size = np.abs(expected).max() or 1.0
    assert np.abs(values - expected).max() < 2e-8 * size
    assert np.allclose(np.linalg.norm(direction, axis=1), 1, atol=1e-12)
    # an eigenvector it is even where LAPACK has another one of the same eigenvalue
    full = from_lower_triangular(lower) / size
    image = np.einsum("nij,nj->ni", full, direction)
    assert np.abs(image - expected[:, 2:] / size * direction).max() < 1e-12
    apart = expected[:, 2] - expected[:, 1] > 1e-3 * size
    likeness = np.abs(np.einsum("ni,ni->n", direction, vectors[:, :, 2]))
    assert np.all(likeness[apart] > 1 - 1e-12)


def test_each_matrix_stands_for_itself():
    """However many come together, the last bit is the same."""
    lower = _lower_triangles(CASES["positive"])
    values, direction = main_direction(lower)
    for part in (slice(0, 1), slice(7, 1500)):
        some_values, some_direction = main_direction(lower[part])
        assert np.array_equal(some_values, values[part])
        assert np.array_equal(some_direction, direction[part])


def test_none():
    values, direction = main_direction(np.empty((0, 6)))
    assert values.shape == direction.shape == (0, 3)
