"""The feature loss: which layers, relative to their rms, no gradient into the target."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from bids_sr.errors import UsageError
from bids_sr.training.losses import FeatureLoss, directional_loss

pytest.importorskip("torchvision")
SHARED = Path(__file__).resolve().parents[3] / "shared" / "vgg16"


@pytest.fixture
def weights(tmp_path):
    """The first block of VGG16 with random weights."""
    torch.manual_seed(0)
    tensors = {
        "0.weight": torch.randn(64, 3, 3, 3),
        "0.bias": torch.randn(64),
        "2.weight": torch.randn(64, 64, 3, 3),
        "2.bias": torch.randn(64),
    }
    save_file(tensors, tmp_path / "vgg.safetensors")
    return tmp_path / "vgg.safetensors"


def test_zero_for_equal_images_positive_else(weights):
    loss = FeatureLoss({"relu1_2": 1.0}, weights)
    images = torch.rand(2, 1, 24, 24)
    assert float(loss(images, images)) == 0
    assert float(loss(images, images.flip(-1))) > 0


def test_weight_multiplies(weights):
    a, b = torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16)
    once = FeatureLoss({"relu1_2": 1.0}, weights)(a, b)
    assert float(FeatureLoss({"relu1_2": 2.5}, weights)(a, b)) == pytest.approx(2.5 * float(once))


def test_relative_to_the_rms(weights, tmp_path):
    """Scaling all activations of the layer must not change the loss."""
    from safetensors.torch import load_file

    tensors = load_file(weights)
    for key in ("2.weight", "2.bias"):
        tensors[key] *= 1000
    save_file(tensors, tmp_path / "loud.safetensors")
    a, b = torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16)
    quiet = FeatureLoss({"relu1_2": 1.0}, weights)(a, b)
    loud = FeatureLoss({"relu1_2": 1.0}, tmp_path / "loud.safetensors")(a, b)
    assert float(loud) == pytest.approx(float(quiet), rel=1e-4)


def test_gradient_reaches_the_output_only(weights):
    output = torch.rand(1, 1, 16, 16, requires_grad=True)
    target = torch.rand(1, 1, 16, 16, requires_grad=True)
    FeatureLoss({"relu1_2": 1.0}, weights)(output, target).backward()
    assert output.grad is not None
    assert float(output.grad.abs().sum()) > 0
    assert target.grad is None


def test_unknown_layer(weights):
    with pytest.raises(UsageError, match="relu9_9"):
        FeatureLoss({"relu9_9": 1.0}, weights)


def test_file_without_the_deep_layers(weights):
    with pytest.raises(UsageError, match=r"lacks .*5\.weight"):
        FeatureLoss({"relu2_2": 1.0}, weights)


@pytest.mark.skipif(not SHARED.is_dir(), reason="VGG16 weights are not at hand")
def test_five_layers_of_the_real_network():
    layers = dict.fromkeys(["relu5_3", "relu1_2", "relu2_2", "relu3_3", "relu4_3"], 1.0)
    loss = FeatureLoss(layers, SHARED / "vgg16_features_fp16.safetensors")
    maps = loss.activations(torch.rand(1, 1, 64, 64))
    assert {name: tuple(value.shape[1:]) for name, value in maps.items()} == {
        "relu1_2": (64, 64, 64),
        "relu2_2": (128, 32, 32),
        "relu3_3": (256, 16, 16),
        "relu4_3": (512, 8, 8),
        "relu5_3": (512, 4, 4),
    }


def test_directional_loss_forgives_what_directions_share():
    generator = torch.Generator().manual_seed(0)
    target = torch.rand(9, 1, 6, 6, generator=generator)
    weighted = torch.ones(9, dtype=torch.bool)
    shared = torch.rand(1, 1, 6, 6, generator=generator)
    # eight patches of two places; the ninth is left over
    assert float(directional_loss(target + shared, target, weighted, 4)) < 1e-6
    apart = target.clone()
    apart[0] += 1
    # one of four is off by 1: it is 3/4 from the mean, the others 1/4
    expected = (0.75 + 3 * 0.25) / 8
    assert float(directional_loss(apart, target, weighted, 4)) == pytest.approx(expected, rel=1e-5)
    weighted[0] = False
    assert float(directional_loss(apart, target, weighted, 4)) < 1e-6
