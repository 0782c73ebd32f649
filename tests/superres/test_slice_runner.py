"""Batches: order kept, memory back-off, data consistency."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch

from bids_sr.errors import DeviceError
from bids_sr.images.kspace import kspace_crop, sinc_upsample
from bids_sr.networks.unet import SubPixelUNet
from bids_sr.superres.batches import Batches
from bids_sr.superres.ensemble_sd import standard_deviation
from bids_sr.superres.self_ensemble import TRANSFORMS
from bids_sr.superres.slice_runner import SliceRunner
from bids_sr.superres.slice_stack import SliceStack

CPU = torch.device("cpu")


class Hungry(torch.nn.Module):
    """Repeats pixels; runs out of memory above so many slices at once."""

    factor = 2

    def __init__(self, limit, error=None):
        super().__init__()
        self.limit, self.sizes = limit, []
        self.error = error or torch.OutOfMemoryError("CUDA out of memory")

    def forward(self, channels, interpolated):
        self.sizes.append(len(channels))
        if len(channels) > self.limit:
            raise self.error
        return channels[:, :1].repeat_interleave(2, -1).repeat_interleave(2, -2)


def stack(count=10):
    return np.random.default_rng(0).random((count, 4, 6, 5), dtype=np.float32)


@pytest.mark.parametrize("batch", [1, 3, 10, 64])
def test_any_batch_gives_the_same(batch):
    torch.manual_seed(0)
    net = SubPixelUNet(4, 2, width=8, depth=1).eval()
    torch.nn.init.normal_(net.head.weight, std=0.1)
    channels = stack()
    expected = SliceRunner(net, Batches(CPU, 1), consistent=True)(channels)
    output = SliceRunner(net, Batches(CPU, batch), consistent=True)(channels)
    np.testing.assert_allclose(output, expected, atol=1e-5)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_batch_halves_when_memory_is_short_and_says_so(error, caplog):
    net = Hungry(3, error)
    channels = stack()
    runner = SliceRunner(net, Batches(CPU, 8), consistent=False)
    with caplog.at_level(logging.WARNING, "bids_sr"):
        output = runner(channels)
    np.testing.assert_array_equal(output[:, ::2, ::2], channels[:, 0])
    assert net.sizes == [8, 4, 2, 2, 2, 2, 2]
    assert runner.batches.size == 2
    assert "--batch-size 2" in caplog.text
    assert len(runner.batches.notes) == 2
    runner(channels)
    assert max(net.sizes[7:]) == 2


def test_one_slice_too_many():
    with pytest.raises(DeviceError, match="Not even one slice"):
        SliceRunner(Hungry(0), Batches(CPU, 4), consistent=False)(stack())


def test_other_errors_are_not_swallowed():
    with pytest.raises(RuntimeError, match="boom"):
        SliceRunner(Hungry(0, RuntimeError("boom")), Batches(CPU, 4), consistent=False)(stack())


@pytest.mark.parametrize("consistent", [True, False])
def test_consistency_keeps_the_measured_band(consistent):
    channels = stack()
    output = SliceRunner(Hungry(99), Batches(CPU, 4), consistent=consistent)(channels)
    left = kspace_crop(torch.from_numpy(output), 2).numpy() - channels[:, 0]
    assert bool(np.abs(left).max() < 1e-5) is consistent


def interpolated(channels):
    """Sinc interpolation of the first channel."""
    return sinc_upsample(torch.from_numpy(channels[:, 0].copy()), 2).numpy()


class Sloping(torch.nn.Module):
    """Adds a slope along the rows of whatever it is shown: wrong in a turned frame."""

    factor = 2

    def forward(self, channels, interpolated):
        return interpolated + torch.arange(interpolated.shape[-1], dtype=torch.float32)


@pytest.mark.parametrize("ensemble", [1, 2, 4, 8])
def test_copies_are_turned_back_before_they_are_averaged(ensemble):
    channels = stack()
    output = SliceRunner(Sloping(), Batches(CPU, 4), consistent=False, ensemble=ensemble)(channels)
    added = output - interpolated(channels)
    rows, columns = added.shape[1:]
    across, down = np.arange(columns), np.arange(rows)[:, None]
    expected = {
        1: across + 0 * down,
        2: (across + rows - 1 - down) / 2,
        4: np.full((rows, columns), (rows + columns - 2) / 4),
        8: np.full((rows, columns), (rows + columns - 2) / 4),
    }[ensemble]
    np.testing.assert_allclose(added, np.broadcast_to(expected, added.shape), atol=1e-4)


def test_turns_are_all_different():
    image = torch.arange(6.0).reshape(1, 1, 2, 3)
    for count, turns in TRANSFORMS.items():
        seen = {tuple(torch.rot90(image, q, (-2, -1)).flip(-1 if f else ()).flatten().tolist())
                for q, f in turns}  # fmt: skip
        assert len(seen) == len(turns) == count


class Along(torch.nn.Module):
    """Shows one channel, whatever the slice."""

    factor = 2

    def forward(self, channels, interpolated):
        return channels[:, 1:2].repeat_interleave(2, -1).repeat_interleave(2, -2)


def test_channels_of_a_direction_change_places_when_a_slice_is_turned():
    names = ["dwi", "tensor_rows", "tensor_columns"]
    channels = stack()[:, :3]
    runner = SliceRunner(Along(), Batches(CPU, 4), consistent=False, ensemble=4, channels=names)
    shown = runner(channels)[:, ::2, ::2]
    # upright and half turned it is the rows' channel, in between the columns'
    np.testing.assert_allclose(shown, (channels[:, 1] + channels[:, 2]) / 2, atol=1e-5)


def test_copies_of_a_network_that_knows_up_from_down():
    """Each copy has the slope along another side of the slice; so the sd is known."""
    channels = stack()
    runner = SliceRunner(Sloping(), Batches(CPU, 4), consistent=False, ensemble=8)
    mean, members = runner.with_members(channels)
    np.testing.assert_array_equal(mean, runner(channels))
    np.testing.assert_allclose(members.mean(axis=0), mean, atol=1e-4)
    rows, columns = mean.shape[1:]
    across, down = np.meshgrid(np.arange(columns), np.arange(rows))
    slopes = np.stack([across, down, columns - 1 - across, rows - 1 - down] * 2)
    spread = np.broadcast_to(slopes.std(axis=0, ddof=1), mean.shape)
    np.testing.assert_allclose(standard_deviation(list(members)), spread, atol=1e-4)


def test_copies_of_a_network_that_does_not_are_alike():
    _, members = SliceRunner(Hungry(99), Batches(CPU, 4), consistent=True, ensemble=8).with_members(
        stack()
    )
    assert len(members) == 8
    assert standard_deviation(list(members)).max() < 1e-6


@pytest.mark.parametrize("consistent", [True, False])
def test_every_copy_keeps_the_measured_band(consistent):
    channels = stack()
    runner = SliceRunner(Sloping(), Batches(CPU, 4), consistent=consistent, ensemble=8)
    mean, members = runner.with_members(channels)
    left = kspace_crop(torch.from_numpy(members), 2).numpy() - channels[:, 0]
    assert bool(np.abs(left).max() < 1e-4) is consistent
    np.testing.assert_allclose(members.mean(axis=0), mean, atol=1e-4)


@pytest.mark.parametrize("consistent", [False, True])
def test_what_is_measured_may_differ_from_what_is_shown(consistent):
    """The network adds what it adds to what it is shown; the rest is of what was measured."""
    torch.manual_seed(0)
    net = SubPixelUNet(4, 2, width=8, depth=1, taps=3).eval()
    torch.nn.init.normal_(net.kernels.weight, std=0.1)
    shown = stack()
    measured = shown[:, 0].copy()
    measured[1, 3, 4] = 50
    runner = SliceRunner(net, Batches(CPU, 4), consistent=consistent)
    planes = [shown[:, i] for i in range(shown.shape[1])]
    output = runner(SliceStack(planes, measured))
    interpolated = [
        sinc_upsample(torch.from_numpy(np.ascontiguousarray(a)), 2).numpy()
        for a in (measured, shown[:, 0])
    ]
    expected = runner(shown) - interpolated[1] + interpolated[0]
    np.testing.assert_allclose(output, expected, atol=1e-4)
    if consistent:
        np.testing.assert_allclose(kspace_crop(torch.from_numpy(output), 2), measured, atol=1e-3)
