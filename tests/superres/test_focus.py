"""The head is found, with room around it; what lies outside is interpolated, without an edge."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bids_sr.images.kspace import kspace_crop, sinc_upsample
from bids_sr.networks.unet import SubPixelUNet
from bids_sr.superres.focus import find_head, whole
from bids_sr.superres.runner import SliceRunner

CPU = torch.device("cpu")
SHAPE = (20, 128, 112)


def head(shape=SHAPE, noise=0.02):
    """An ellipsoid, dim at its rim, in noisy air."""
    grids = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    inside = grids[0] ** 2 / 0.7 + grids[1] ** 2 / 0.2 + grids[2] ** 2 / 0.25 < 1
    air = np.abs(np.random.default_rng(0).normal(0, noise, shape))
    return (inside * 0.8 + air).astype(np.float32), inside


def seen(boxes, shape):
    mask = np.zeros(shape, bool)
    for box in boxes:
        mask[box.slices, box.rows, box.columns] = True
    return mask


@pytest.mark.parametrize("factor", [2, 3])
def test_the_head_is_within_the_boxes_at_full_weight(factor):
    image, inside = head()
    boxes = find_head([image], factor)
    weight = np.zeros((SHAPE[0], SHAPE[1] * factor, SHAPE[2] * factor), np.float32)
    for box in boxes:
        weight[(box.slices, *box.fine(factor))] = box.weight
    fine = inside.repeat(factor, 1).repeat(factor, 2)
    assert weight[fine].min() == 1
    assert seen(boxes, SHAPE).mean() < 0.6, "most of the air is left out"
    assert not weight[~inside.any(axis=(1, 2))].any(), "so are slices without a head"


def test_what_is_bright_in_any_mean_is_seen():
    image, inside = head()
    other = np.roll(image, 12, axis=1)
    both = seen(find_head([image, other], 2), SHAPE)
    assert both[inside].all() and both[np.roll(inside, 12, axis=1)].all()


def test_boxes_fit_a_network_that_halves_three_times():
    for box in find_head([head()[0]], 2):
        assert (box.rows.stop - box.rows.start) % 8 == 0
        assert (box.columns.stop - box.columns.start) % 8 == 0


def test_the_weight_fades_but_for_the_slices_own_sides():
    image, inside = head()
    image = np.where(np.roll(inside, -30, axis=1), 0.8, 0.02).astype(np.float32)
    starts = set()
    for box in find_head([image], 2):
        rows = box.weight.max(axis=1)
        assert np.abs(np.diff(rows)).max() < 0.2
        starts.add(box.rows.start)
        assert (rows[0] == 1) == (box.rows.start == 0)
        assert box.rows.stop < SHAPE[1] and rows[-1] < 0.1
    assert 0 in starts


@pytest.mark.parametrize(
    "image",
    [np.zeros(SHAPE, np.float32), np.ones(SHAPE, np.float32), np.full(SHAPE, np.nan, np.float32)],
)
def test_where_there_is_no_head_everything_is_seen(image):
    assert find_head([image], 2) == whole(SHAPE)


def test_a_head_that_fills_the_slices_is_seen_whole():
    image = np.full(SHAPE, 0.8, np.float32)
    image[:, :2] = 0.01
    assert find_head([image], 2) == whole(SHAPE)


def network(taps=3):
    torch.manual_seed(0)
    net = SubPixelUNet(1, 2, width=8, depth=1, taps=taps).eval()
    torch.nn.init.normal_(net.head.weight, std=0.02)
    if taps:
        torch.nn.init.normal_(net.kernels.weight, std=0.02)
    return net


@pytest.mark.parametrize("ensemble", [1, 4])
def test_inside_the_head_nothing_changes_and_outside_is_interpolation(ensemble):
    image, inside = head()
    net, channels = network(), image[:, None]
    boxes = find_head([image], 2)
    options = {"consistent": False, "ensemble": ensemble, "channels": ("dwi",)}
    all_of_it = SliceRunner(net, CPU, 4, **options)(channels)
    focused = SliceRunner(net, CPU, 4, boxes=boxes, **options)(channels)
    fine = inside.repeat(2, 1).repeat(2, 2)
    np.testing.assert_allclose(focused[fine], all_of_it[fine], atol=2e-6)
    air = ~seen(boxes, SHAPE).repeat(2, 1).repeat(2, 2)
    interpolated = sinc_upsample(torch.from_numpy(image), 2).numpy()
    np.testing.assert_array_equal(focused[air], interpolated[air])
    assert np.abs(all_of_it - interpolated)[air].max() > 1e-4, "which the network would change"


def test_the_measured_band_is_kept_and_copies_average_to_the_mean():
    image, _ = head()
    options = {"consistent": True, "ensemble": 8, "channels": ("dwi",)}
    runner = SliceRunner(network(), CPU, 3, boxes=find_head([image], 2), **options)
    mean, copies = runner.with_copies(image[:, None])
    np.testing.assert_array_equal(mean, runner(image[:, None]))
    np.testing.assert_allclose(copies.mean(axis=0), mean, atol=1e-5)
    left = kspace_crop(torch.from_numpy(mean), 2).numpy() - image
    assert np.abs(left).max() < 1e-5
