"""Fresh weights and smaller widths of the paper's network."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from bids_sr.networks.paper_blocks import pixel_shuffle, start_convolutions
from bids_sr.networks.paper_unet import PaperSuperResolver, PaperUNet, start_paper_network


def test_a_narrow_network_has_the_same_names():
    wide, narrow = PaperUNet().state_dict(), PaperUNet(width=16).state_dict()
    assert list(narrow) == list(wide)
    assert narrow["layers.0.0.weight"].shape == (16, 3, 7, 7)
    count = [sum(v.numel() for v in each.values()) for each in (wide, narrow)]
    assert 14 < count[0] / count[1] < 17


def test_pixel_shuffle_starts_without_a_checkerboard():
    torch.manual_seed(0)
    doubling = pixel_shuffle(8, 4, blur=False)
    start_convolutions(doubling)
    maps = torch.rand(1, 8, 5, 6)
    fine = doubling(maps)
    same = functional.interpolate(fine[..., ::2, ::2], scale_factor=2, mode="nearest")
    torch.testing.assert_close(fine, same)
    assert fine.std() > 0


@pytest.mark.parametrize("factor", [2, 3])
def test_start_from_the_interpolation(factor):
    torch.manual_seed(0)
    network = PaperSuperResolver(factor, width=16)
    start_paper_network(network, from_interpolation=True)
    image = torch.rand(2, 1, 16, 16)
    expected = functional.interpolate(image, scale_factor=factor, mode="bilinear")
    output = network(image)
    # the sigmoid bends a little
    torch.testing.assert_close(output, expected, atol=0.04, rtol=0)
    output.square().mean().backward()
    merge = network.network.layers[11].convpath[1][0]
    assert merge.weight_g.grad.abs().sum() > 0


def test_other_networks_are_left_alone():
    from bids_sr.networks.unet import SubPixelUNet

    network = SubPixelUNet(in_channels=1, factor=2, width=4, depth=1)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    start_paper_network(network, from_interpolation=True)
    assert all(torch.equal(before[k], v) for k, v in network.state_dict().items())
