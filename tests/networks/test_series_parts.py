"""How a series is split into parts, and put together again."""

from __future__ import annotations

import numpy as np
import pytest
from attrs import evolve

from bids_sr.bids.gradients import GradientTable
from bids_sr.networks.angular_parts import harmonics
from bids_sr.networks.series_parts import (
    PARTS,
    between_frames,
    series_parts,
    turned_parts,
)
from bids_sr.networks.slice_frame import SliceFrame
from bids_sr.superres.self_ensemble import TRANSFORMS

UPRIGHT = SliceFrame(np.eye(3), 2)
TILTED = SliceFrame(
    np.linalg.qr(np.array([[1.0, 0.3, -0.2], [0.1, 1.2, 0.5], [0.4, -0.3, 0.9]]))[0], 2
)
_GOLDEN = (1 + 5**0.5) / 2
SIX = np.array([[0, 1, _GOLDEN], [0, 1, -_GOLDEN], [1, _GOLDEN, 0], [1, -_GOLDEN, 0],
                [_GOLDEN, 0, 1], [-_GOLDEN, 0, 1]]) / np.hypot(1, _GOLDEN)  # fmt: skip
"""Corners of an icosahedron, no two of them opposite."""


def spread(count, turn=0.0):
    steps = np.arange(count) + 0.5
    z, angle = 1 - 2 * steps / count, steps * np.pi * (3 - np.sqrt(5)) + turn
    radius = np.sqrt(1 - z**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=1)


def table(*shells, b0s=2):
    """A table of shells (b, vectors)."""
    bvals = np.concatenate([np.zeros(b0s), *(np.full(len(v), b) for b, v in shells)])
    return GradientTable(bvals, np.vstack([np.zeros((b0s, 3)), *(v for _, v in shells)]))


def signal(vectors, seed=0):
    """A mean and a quadratic form of direction, (V, 3) and its parameters."""
    random = np.random.default_rng(seed)
    forms = random.normal(size=(3, 3, 3))
    return 10 + np.einsum("vi,kij,vj->vk", vectors, forms, vectors)


@pytest.mark.parametrize("count", [6, 12, 30])
@pytest.mark.parametrize("frame", [UPRIGHT, TILTED])
def test_a_signal_of_mean_and_l2_is_split_and_rebuilt(count, frame):
    vectors = SIX if count == 6 else spread(count)
    (shell,) = series_parts(table((1000, vectors)), frame).shells
    assert shell.has_l2 and shell.indices.tolist() == list(range(2, 2 + count))
    values = signal(vectors)
    coefficients = shell.weights @ values
    np.testing.assert_allclose(shell.functions @ coefficients, values, atol=1e-8)
    assert coefficients.shape[0] == PARTS - 1


def test_coefficients_are_in_the_frame_of_the_slices():
    """The same signal, given in the slice's own axes, has the same coefficients."""
    vectors = spread(20)
    values = signal(vectors)
    tilted, upright = (
        series_parts(table((1000, v)), frame).shells[0].weights @ values
        for v, frame in ((vectors, TILTED), (vectors @ TILTED.axes.T, UPRIGHT))
    )
    np.testing.assert_allclose(tilted, upright, atol=1e-8)
    bare = series_parts(table((1000, vectors)), UPRIGHT).shells[0].weights @ values
    np.testing.assert_allclose(between_frames(TILTED) @ bare[1:], tilted[1:], atol=1e-8)
    assert np.abs(bare[1:] - tilted[1:]).max() > 0.1
    matrix = between_frames(TILTED)
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(5), atol=1e-8)


def test_shells_are_split_each_on_its_own():
    """From 28 directions on l = 4 is fitted as well, which leaves mean and l = 2 alone."""
    many, few = spread(40), spread(12, 1.0)
    parts = series_parts(table((1000, many), (2000, few)), TILTED)
    assert [shell.bval for shell in parts.shells] == [1000, 2000]
    values = signal(many)
    fourth = harmonics(many, 4)[0][:, 6:]
    shell = parts.shells[0]
    plain, rich = (shell.weights @ v for v in (values, values + fourth[:, :3]))
    np.testing.assert_allclose(rich, plain, atol=1e-8)
    assert parts.b0s.tolist() == [0, 1]
    assert parts.place(1) == (None, 1) and parts.place(2) == (0, 0) and parts.place(43) == (1, 1)


@pytest.mark.parametrize(
    "vectors", [spread(5), spread(12) * [0.05, 0.05, 1] + [0, 0, 2], np.tile([[1.0, 0, 0]], (8, 1))]
)
def test_too_few_directions_or_badly_spread_ones_have_but_a_mean(vectors):
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    (shell,) = series_parts(table((1000, vectors)), UPRIGHT).shells
    assert not shell.has_l2
    np.testing.assert_allclose(shell.weights[0], 1 / len(vectors))
    assert not shell.weights[1:].any() and not shell.functions[:, 1:].any()
    np.testing.assert_array_equal(shell.functions[:, 0], 1)


def test_not_linear_encoding_has_but_a_mean():
    gradients = evolve(table((1000, spread(20))), not_linear="b-tensor")
    (shell,) = series_parts(gradients, UPRIGHT).shells
    assert not shell.has_l2
    np.testing.assert_allclose(shell.weights[0], 1 / 20)


def test_without_b0s_and_without_shells():
    assert series_parts(table((1000, spread(8)), b0s=0), UPRIGHT).b0s.size == 0
    parts = series_parts(table(b0s=3), UPRIGHT)
    assert parts.b0s.tolist() == [0, 1, 2] and parts.shells == ()


def test_a_grid_of_q_space():
    """DSI: many b-values with few directions each; every volume has one place."""
    points = np.array([p for p in np.ndindex(5, 5, 5) if p != (2, 2, 2)]) - 2
    points = points[np.square(points).sum(1) <= 4]
    length = np.linalg.norm(points, axis=1)
    bvals = np.r_[0, 1000 * length**2]
    vectors = np.vstack([np.zeros(3), points / length[:, None]])
    parts = series_parts(GradientTable(bvals, vectors), UPRIGHT)
    places = [parts.place(index) for index in range(len(bvals))]
    assert len(set(places)) == len(bvals) and places[0] == (None, 0)
    for number, shell in enumerate(parts.shells):
        assert np.isfinite(shell.weights).all() and np.isfinite(shell.functions).all()
        assert [places[i] for i in shell.indices] == [
            (number, r) for r in range(len(shell.indices))
        ]
        # a signal without direction comes back as it was
        rebuilt = shell.functions @ (shell.weights @ np.ones(len(shell.indices)))
        np.testing.assert_allclose(rebuilt, 1, atol=1e-8)


def named():
    """Which of the five functions is which, by its formula, and with which sign."""
    vectors = spread(200)
    x, y, z = vectors.T
    forms = {"xy": x * y, "yz": y * z, "zz": 3 * z**2 - 1, "xz": x * z, "xx-yy": x**2 - y**2}
    functions = harmonics(vectors, 2)[0][:, 1:]
    return {
        name: next(j for j in range(5) if abs(np.corrcoef(form, functions[:, j])[0, 1]) > 0.99)
        for name, form in forms.items()
    }


@pytest.mark.parametrize(
    ("turn", "negative"),
    [
        ({"quarter": 2, "flip": True}, {"xy", "xz"}),  # rows reversed
        ({"quarter": 0, "flip": True}, {"xy", "yz"}),  # columns reversed
        ({"quarter": 0, "flip": False, "back": True}, {"xz", "yz"}),  # slices exchanged
        ({"quarter": 2, "flip": False}, {"xz", "yz"}),  # half a turn
        ({"quarter": 0, "flip": False}, set()),
    ],
)
def test_signs_of_reversals(turn, negative):
    matrix, place = turned_parts(**turn), named()
    assert np.array_equal(np.abs(matrix), np.eye(5))
    assert {name for name, j in place.items() if matrix[j, j] < 0} == negative


def test_transposing_exchanges_xz_and_yz():
    matrix, place = turned_parts(3, flip=True), named()
    image = np.arange(6).reshape(2, 3)
    assert np.array_equal(np.rot90(image, 3)[:, ::-1], image.T)
    assert matrix[place["xx-yy"], place["xx-yy"]] == -1
    assert matrix[place["xy"], place["xy"]] == matrix[place["zz"], place["zz"]] == 1
    functions = harmonics(spread(50)[:, [1, 0, 2]], 2)[0][:, 1:]
    np.testing.assert_allclose(harmonics(spread(50), 2)[0][:, 1:] @ matrix.T, functions, atol=1e-8)
    assert abs(matrix[place["xz"], place["yz"]]) == abs(matrix[place["yz"], place["xz"]]) == 1


def test_turns_are_signed_exchanges_and_undo_each_other():
    for quarter, flip in TRANSFORMS[8]:
        for back in (False, True):
            matrix = turned_parts(quarter, flip=flip, back=back)
            assert set(np.unique(matrix)) <= {-1, 0, 1}
            np.testing.assert_array_equal(matrix @ matrix.T, np.eye(5))
            assert np.array_equal(
                np.linalg.matrix_power(turned_parts(1, flip=False), quarter),
                turned_parts(quarter, flip=False),
            )
    assert len({turned_parts(*t[:1], flip=t[1]).tobytes() for t in TRANSFORMS[8]}) == 8
