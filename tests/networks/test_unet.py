"""The sub-pixel UNet: geometry, homogeneity, any size."""

from __future__ import annotations

import pytest
import torch

from bids_sr.images.kspace import sinc_upsample
from bids_sr.networks.unet import SubPixelUNet


def random_net(factor=2):
    torch.manual_seed(1)
    net = SubPixelUNet(4, factor, width=8, depth=2).eval()
    torch.nn.init.normal_(net.head.weight, std=0.1)
    return net


@pytest.mark.parametrize("factor", [2, 3])
def test_fresh_network_is_sinc(factor):
    channels = torch.rand(2, 4, 12, 13)
    with torch.inference_mode():
        output = SubPixelUNet(4, factor, width=8)(channels)
    torch.testing.assert_close(output, sinc_upsample(channels[:, :1], factor))


@pytest.mark.parametrize("shape", [(7, 9), (16, 16), (33, 20)])
@pytest.mark.parametrize("factor", [2, 3])
def test_any_size(shape, factor):
    with torch.inference_mode():
        output = random_net(factor)(torch.rand(1, 4, *shape))
    assert output.shape == (1, 1, shape[0] * factor, shape[1] * factor)


def test_output_scales_with_input():
    net, channels = random_net(), torch.rand(1, 4, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(net(channels * 256), net(channels) * 256)


@pytest.mark.parametrize("factor", [2, 3])
def test_subpixels_land_where_the_geometry_says(factor):
    # a head that copies pixel values into sub-pixel (p, q) must place them at (f i + p, f j + q)
    net = SubPixelUNet(1, factor, width=8, depth=0)
    for p in range(factor):
        for q in range(factor):
            net.head.weight.data.zero_()
            net.head.weight.data[p * factor + q, :, 1, 1] = 1
            with torch.inference_mode():
                detail = net.detail(torch.rand(1, 1, 6, 6))[0, 0]
            others = detail.clone()
            others[p::factor, q::factor] = 0
            assert detail[p::factor, q::factor].abs().sum() > 0
            assert others.abs().sum() == 0


def test_patch_with_given_interpolation():
    channels, interpolated = torch.rand(1, 4, 8, 8), torch.rand(1, 1, 16, 16)
    with torch.inference_mode():
        output = SubPixelUNet(4, 2, width=8)(channels, interpolated)
    torch.testing.assert_close(output, interpolated)


def test_kernels_of_the_first_channels_only():
    net = SubPixelUNet(6, 2, width=8, depth=1, taps=3, filtered=2)
    torch.nn.init.normal_(net.kernels.weight)
    assert net.kernels.weight.shape[0] == 2 * 2 * 2 * 9
    with torch.inference_mode():
        assert net(torch.rand(1, 6, 8, 8)).shape == (1, 1, 16, 16)


def test_an_empty_slice_stays_empty():
    net = SubPixelUNet(4, 2, width=8, depth=1, taps=3).eval()
    torch.nn.init.normal_(net.kernels.weight)
    assert net(torch.zeros(1, 4, 8, 8)).count_nonzero() == 0
