"""Shared channels: planted tensors are predicted, missing parts fall back."""

from __future__ import annotations

import numpy as np
import pytest

from bids_sr.bids.gradients import GradientTable
from bids_sr.networks.channels import CHANNELS, FRAME, SeriesConditioning
from bids_sr.networks.slice_frame import slice_frame, turned_order

DIFFUSIVITIES = np.diag([1.7e-3, 0.4e-3, 0.3e-3])


def directions(count, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def table(bvals, seed=0):
    bvals = np.asarray(bvals, float)
    bvecs = np.zeros((len(bvals), 3))
    weighted = bvals > 50
    bvecs[weighted] = directions(int(weighted.sum()), seed)
    return GradientTable(bvals, bvecs)


def signal(gradients, s0=0.8):
    quadratic = np.einsum("vi,ij,vj->v", gradients.bvecs, DIFFUSIVITIES, gradients.bvecs)
    return s0 * np.exp(-gradients.bvals * quadratic)


def condition(gradients, values, volumes=None):
    conditioning = SeriesConditioning(gradients, volumes)
    for index, value in enumerate(values):
        conditioning.add(index, np.full((2, 3), value, np.float32))
    return conditioning


def channel(conditioning, index, value, name):
    (array,) = conditioning.channels(index, np.full((2, 3), value, np.float32), [name])
    assert array.shape == (2, 3)
    return float(array[0, 0])


def test_tensor_channel_is_the_noise_free_signal():
    gradients = table([0, *[1000] * 12, 0, *[2500] * 20])
    truth = signal(gradients)
    conditioning = condition(gradients, truth)
    for index in (1, 7, 14, 33):
        # a wrong own value must not matter much less than the fit says: 12 directions, 6 unknowns
        assert channel(conditioning, index, 0.0, "tensor") == pytest.approx(truth[index], rel=1e-3)


def test_tensor_channel_averages_noise_away():
    gradients = table([0, *[1000] * 60])
    truth = signal(gradients)
    noisy = truth + np.random.default_rng(1).normal(0, 0.02, truth.size)
    conditioning = condition(gradients, noisy)
    predicted = np.array([channel(conditioning, i, noisy[i], "tensor") for i in range(1, 61)])
    assert np.std(predicted - truth[1:]) < 0.6 * np.std(noisy[1:] - truth[1:])


def test_means_are_of_the_own_shell():
    gradients = table([0, *[1000] * 7, *[2000] * 9])
    values = [1.0, *[0.4] * 7, *[0.2] * 9]
    conditioning = condition(gradients, values)
    assert channel(conditioning, 3, 0.4, "mean_dwi") == pytest.approx(0.4)
    assert channel(conditioning, 12, 0.2, "mean_dwi") == pytest.approx(0.2)
    # a b0 sees itself averaged in place of a fit
    assert channel(conditioning, 0, 1.0, "tensor") == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("bvals", "index"),
    [([1000] * 3, 1), ([0, 0], 1), ([0, 1000], 1), ([1000] * 8, 2), ([0, 700, 1500, 2500], 2)],
)
def test_every_series_gives_every_channel(bvals, index):
    gradients = table(bvals)
    conditioning = condition(gradients, [0.5] * len(bvals))
    arrays = conditioning.channels(index, np.full((2, 3), 0.5, np.float32), CHANNELS)
    assert len(arrays) == len(CHANNELS)
    for array in arrays:
        np.testing.assert_allclose(array, 0.5, rtol=1e-3)


def test_other_contrasts_come_at_the_own_level():
    gradients = table([0, *[1000] * 8])
    b0 = np.array([[0.0, 0.0, 1.0, 3.0]], np.float32)
    dwi = np.array([[0.0, 0.0, 0.4, 0.4]], np.float32)
    conditioning = SeriesConditioning(gradients)
    for index in range(9):
        conditioning.add(index, dwi if index else b0)
    (shown,) = conditioning.channels(1, dwi, ["mean_b0"])
    np.testing.assert_allclose(shown, b0 * 0.4 / 3, rtol=1e-5)
    (shown,) = conditioning.channels(0, b0, ["mean_dwi"])
    np.testing.assert_allclose(shown, dwi * 2 / 0.4, rtol=1e-5)


def test_background_does_not_explode():
    gradients = table([0, *[1000] * 10])
    values = np.zeros(11)
    values[5] = 1.0
    conditioning = condition(gradients, values)
    predicted = [channel(conditioning, i, values[i], "tensor") for i in range(1, 11)]
    assert np.all(np.isfinite(predicted))
    assert max(predicted) <= 0.4 + 1e-6  # four times the mean


def test_chosen_volumes_only():
    gradients = table([0, *[1000] * 10])
    conditioning = condition(gradients, np.arange(11.0), volumes=[0, 2, 4])
    assert channel(conditioning, 2, 2.0, "mean_dwi") == pytest.approx(3.0)


@pytest.mark.parametrize("handed", [1.0, -1.0])
def test_frame_follows_fibres_in_the_slice(handed):
    # fibres from low row and low column to high ones: along the diagonal of the slice
    affine = np.diag([2.0 * handed, 2, 2, 1])
    fibre = np.array([-1.0 if handed > 0 else 1.0, 1, 0]) / np.sqrt(2)  # FSL flips x
    tensor = 0.3e-3 * np.eye(3) + 1.4e-3 * np.outer(fibre, fibre)
    gradients = table([0, *[1000] * 12])
    quadratic = np.einsum("vi,ij,vj->v", gradients.bvecs, tensor, gradients.bvecs)
    conditioning = SeriesConditioning(gradients, frame=slice_frame(affine, 2))
    for index, value in enumerate(np.exp(-gradients.bvals * quadratic)):
        conditioning.add(index, np.full((4, 3, 2), value, np.float32))
    shown = conditioning.channels(3, np.full((4, 3, 2), 0.5, np.float32), FRAME)
    values = dict(zip(FRAME, (float(image[0, 0, 0]) for image in shown), strict=True))
    assert values["tensor_diagonal"] == pytest.approx(np.exp(-1.7), rel=1e-3)
    assert values["tensor_antidiagonal"] == pytest.approx(np.exp(-0.3), rel=1e-3)
    assert values["tensor_rows"] == pytest.approx(np.exp(-1.0), rel=1e-3)
    assert values["tensor_columns"] == pytest.approx(np.exp(-1.0), rel=1e-3)
    assert values["tensor_across"] == pytest.approx(np.exp(-0.3), rel=1e-3)


@pytest.mark.parametrize("quarter", range(4))
@pytest.mark.parametrize("flip", [False, True])
def test_turned_slices_have_turned_frames(quarter, flip):
    # a line of fibres in an image shows along which of the four directions they run
    lines = {
        "tensor_rows": np.array([[0, 1, 0]] * 3),
        "tensor_columns": np.array([[0, 1, 0]] * 3).T,
        "tensor_diagonal": np.eye(3),
        "tensor_antidiagonal": np.eye(3)[::-1],
    }
    order = turned_order(FRAME, quarter, flip=flip)
    assert order[FRAME.index("tensor_across")] == FRAME.index("tensor_across")
    for name, line in lines.items():
        turned = np.rot90(line, quarter)
        turned = turned[:, ::-1] if flip else turned
        (now,) = (other for other, image in lines.items() if np.array_equal(image, turned))
        assert FRAME[order[FRAME.index(now)]] == name


def test_a_table_with_x_reversed_exchanges_the_diagonals_and_nothing_else():
    """What the model cards say of the training data's wrong gradients."""
    gradients = table([0, *[1000] * 30])
    reversed_x = GradientTable(gradients.bvals, gradients.bvecs * [-1, 1, 1])
    values = np.random.default_rng(0).random((31, 4, 3, 2), dtype=np.float32) + 0.1
    shown = []
    for each in (gradients, reversed_x):
        conditioning = SeriesConditioning(each, frame=slice_frame(np.eye(4), 2))
        for index, volume in enumerate(values):
            conditioning.add(index, volume)
        shown.append(
            dict(zip(CHANNELS, conditioning.channels(3, values[3], CHANNELS), strict=True))
        )
    pair = {"tensor_diagonal": "tensor_antidiagonal", "tensor_antidiagonal": "tensor_diagonal"}
    for name in CHANNELS:
        other = shown[1][pair.get(name, name)]
        np.testing.assert_allclose(shown[0][name], other, rtol=1e-3, err_msg=name)
    assert np.abs(shown[0]["tensor_diagonal"] - shown[1]["tensor_diagonal"]).max() > 0.01


@pytest.mark.parametrize("counts", [(6, 20), (20, 6)])
def test_a_b0_sees_the_mean_of_the_shell_with_most_directions(counts):
    """Wherever that shell is: its image, at the level of the b0."""
    random = np.random.default_rng(0)
    vectors = random.normal(size=(sum(counts), 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    bvals = [0, *[1000] * counts[0], *[2000] * counts[1]]
    gradients = GradientTable(bvals, np.vstack([np.zeros(3), vectors]))
    conditioning = SeriesConditioning(gradients)
    images = {0: random.uniform(1, 2, (6, 5)), 1000: random.uniform(0.2, 0.6, (6, 5)),
              2000: random.uniform(0.1, 0.3, (6, 5))}  # fmt: skip
    for index, bval in enumerate(bvals):
        conditioning.add(index, images[bval].astype(np.float32))
    largest = images[1000 if counts[0] > counts[1] else 2000]
    np.testing.assert_allclose(conditioning.mean_dwi, largest, rtol=1e-5)
    (seen,) = conditioning.channels(0, images[0], ["mean_dwi"])
    ratio = seen / largest
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-5)
