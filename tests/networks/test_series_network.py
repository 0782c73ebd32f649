"""The network for the series: sizes, homogeneity, kernels."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from bids_sr.networks.series_network import LIFT, DetailTrunk, SeriesNetwork
from bids_sr.networks.unet import neighbourhoods

SMALL = {"width": 6, "depth": 2, "widest": 10, "l2_width": 5, "l2_depth": 1, "l2_widest": 8}


def make(factor=2, **more):
    torch.manual_seed(0)
    network = SeriesNetwork(factor, **{**SMALL, **more})
    for trunk in (network.means, network.l2):
        torch.nn.init.normal_(trunk.head.weight, std=0.1)
        if trunk.taps:
            torch.nn.init.normal_(trunk.kernels.weight, std=0.1)
    return network.eval()


def images(rows=12, columns=10, seed=0):
    torch.manual_seed(seed)
    return torch.rand(2, 21, rows, columns)


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("size", [(12, 10), (7, 13), (2, 2), (3, 9)])
def test_any_size(factor, size):
    with torch.inference_mode():
        detail = make(factor)(images(*size))
    assert detail.shape == (2, 7, factor * size[0], factor * size[1])
    assert detail.isfinite().all() and detail.std() > 0


@pytest.mark.parametrize("factor", [2, 3])
def test_a_fresh_network_adds_nothing(factor):
    assert not SeriesNetwork(factor, **SMALL)(images()).any()


@pytest.mark.parametrize("gain", [0.25, 7.0, 1e3])
def test_homogeneous(gain):
    network = make()
    with torch.inference_mode():
        torch.testing.assert_close(
            network(gain * images()), gain * network(images()), rtol=2e-3, atol=2e-3 * gain
        )


def test_nothing_gives_nothing():
    with torch.inference_mode():
        assert not make()(torch.zeros(1, 21, 8, 8)).any()


def test_what_directions_differ_by_is_read_lifted():
    network, shown = make(), images()
    lifted = shown.clone().unflatten(1, (3, 7))
    lifted[:, :, 2:] *= LIFT
    lifted = lifted.flatten(1, 2)
    with torch.inference_mode():
        torch.testing.assert_close(network(shown)[:, :2], network.means(lifted))
        torch.testing.assert_close(network(shown)[:, 2:], network.l2(lifted) / LIFT)
    assert "lift" not in network.state_dict()


def test_each_trunk_reads_everything():
    network, shown = make(), images()
    with torch.inference_mode():
        before = network(shown)
        for part in (0, 1, 4, 8, 20):
            changed = shown.clone()
            changed[:, part] += torch.rand(12, 10)
            off = (network(changed) - before).abs().amax((0, 2, 3))
            assert (off > 0).all(), part


def kernels_only(shared, taps=3, factor=2):
    torch.manual_seed(0)
    trunk = DetailTrunk(
        4, slice(1, 3), factor, width=5, depth=1, blocks=1, widest=None, taps=taps, shared=shared
    )
    torch.nn.init.normal_(trunk.kernels.weight, std=0.3)
    return trunk.eval()


def test_one_kernel_serves_all_images_or_each_output_has_its_own():
    shown = torch.rand(1, 4, 8, 8)
    for shared, rows in ((True, 4 * 9), (False, 2 * 2 * 4 * 9)):
        trunk = kernels_only(shared)
        assert trunk.kernels.weight.shape[0] == rows
        maps = trunk.maps(shown)
        with torch.inference_mode():
            one, other, both = (
                trunk._filter(filtered, maps)
                for filtered in (
                    torch.stack([shown[:, 1], 0 * shown[:, 1]], 1),
                    torch.stack([0 * shown[:, 2], shown[:, 2]], 1),
                    shown[:, 1:3],
                )
            )
            torch.testing.assert_close(one + other, both)
            exchanged = trunk._filter(shown[:, [2, 1]], maps)
        if shared:  # each output is of its own image, by the same kernels
            assert not one[:, 4:].any() and not other[:, :4].any()
            torch.testing.assert_close(exchanged, both[:, [4, 5, 6, 7, 0, 1, 2, 3]])
        else:
            assert one[:, 4:].any()


def test_kernels_are_those_of_each_sub_pixel():
    """A kernel of one at the middle copies the image to its sub-pixel."""
    trunk = kernels_only(shared=True)
    shown = torch.rand(1, 4, 8, 8)
    with torch.no_grad():
        trunk.kernels.weight.zero_()
        trunk.stem.weight.zero_()
        trunk.stem.weight[:, 0, 1, 1] = 1  # maps of one size: what they are divided by
        middle = trunk.kernels.weight.view(4, 9, 5, 3, 3)
        middle[2, 4, 0, 1, 1] = 1
        maps = trunk.maps(shown)
        size = maps.square().mean(1).sqrt()
        expected = shown[:, 1] * maps[:, 0] / size
        found = trunk(shown)
    torch.testing.assert_close(found[0, 0, 1::2, 0::2], expected[0], rtol=1e-3, atol=1e-3)
    assert not found[0, 0, 0::2].any() and not found[0, 0, :, 1::2].any()


def test_without_kernels():
    network = make(taps=0, l2_taps=0)
    assert not [name for name in network.state_dict() if "kernels" in name]
    assert network(images()).std() > 0


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("size", [(12, 10), (7, 13)])
def test_in_bfloat16_kernels_do_what_they_do_in_float32(factor, size):
    network, shown = make(factor, l2_taps=5), images(*size)
    with torch.inference_mode():
        whole = network(shown)
        with torch.autocast("cpu", torch.bfloat16):
            less = network(shown)
    assert less.shape == whole.shape and less.dtype is torch.float32
    error = (less - whole).square().mean((0, 2, 3)) / whole.square().mean((0, 2, 3))
    assert error.sqrt().max() < 0.05, "each of the images"


def test_neighbours_are_in_reading_order_and_lie_side_by_side():
    shown = torch.rand(2, 3, 6, 5)
    found = neighbourhoods(shown, 3)
    padded = functional.pad(shown, (1, 1, 1, 1), mode="replicate")
    assert torch.equal(found, functional.unfold(padded, 3).view(2, 3, 9, 6, 5))
    assert found.stride()[1:3] == (9, 1)
