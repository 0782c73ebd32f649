"""The feature loss: which layers, relative to their rms, no gradient into the target."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from bids_sr.errors import UsageError
from bids_sr.training.losses import NETWORKS, FeatureLoss

pytest.importorskip("torchvision")
pytestmark = pytest.mark.slow
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


def test_rolled_images_are_shifted_together(weights):
    """A shift that both share leaves equal images equal, and nearly the same distance else."""
    a, b = torch.rand(2, 1, 32, 32), torch.rand(2, 1, 32, 32)
    still = float(FeatureLoss({"relu1_2": 1.0}, weights)(a, b))
    rolled = FeatureLoss({"relu1_2": 1.0}, weights, roll=15, generator=np.random.default_rng(1))
    assert float(rolled(a, a)) == 0
    found = [float(rolled(a, b)) for _ in range(4)]
    assert len(set(found)) > 1
    assert found == pytest.approx([still] * 4, rel=0.05)


def test_shifts_follow_the_generator_that_was_given(weights):
    a, b = torch.rand(2, 1, 32, 32), torch.rand(2, 1, 32, 32)
    generator = np.random.default_rng(1)
    loss = FeatureLoss({"relu1_2": 1.0}, weights, roll=15, generator=generator)
    state = generator.bit_generator.state
    first = [float(loss(a, b)) for _ in range(3)]
    generator.bit_generator.state = state
    assert [float(loss(a, b)) for _ in range(3)] == first


def test_plain_l1_of_raw_input_as_in_the_article(weights):
    loss = FeatureLoss({"relu1_2": 3.0}, weights, relative=False, normalise=False)
    a, b = torch.rand(2, 1, 16, 16), torch.rand(2, 1, 16, 16)
    maps = [loss.features(image.expand(-1, 3, -1, -1)) for image in (a, b)]
    assert float(loss(a, b)) == pytest.approx(3 * float((maps[0] - maps[1]).abs().mean()))


def test_averages_in_place_of_the_max_pools(tmp_path):
    save_file(network_weights("vgg16"), tmp_path / "vgg.safetensors")
    layers = {"relu2_2": 1.0}
    most, average = (
        FeatureLoss(layers, tmp_path / "vgg.safetensors", pool=pool) for pool in ("max", "average")
    )
    kinds = [type(module).__name__ for module in average.features]
    assert kinds.count("AvgPool2d") == 1
    assert "MaxPool2d" not in kinds
    image = torch.rand(1, 1, 16, 16)
    one, other = (loss.activations(image)["relu2_2"] for loss in (most, average))
    assert one.shape == other.shape == (1, 128, 8, 8)
    assert not torch.equal(one, other)


def network_weights(network, last=13):
    """Random weights of a feature network up to `last`, without what only training needs."""
    from torchvision.models import get_model

    torch.manual_seed(0)
    state = get_model(network, weights=None).features[:last].state_dict()
    return {f"features.{k}": v for k, v in state.items() if "num_batches" not in k}


def test_batch_normalised_network_from_a_file(tmp_path):
    tensors = network_weights("vgg16_bn")
    tensors["features.1.running_mean"] += 0.3
    save_file(tensors, tmp_path / "bn.safetensors")
    layers = {"relu1_2": 1.0, "relu2_2": 1.0}
    loss = FeatureLoss(layers, tmp_path / "bn.safetensors", network="vgg16_bn")
    assert torch.equal(loss.features[1].running_mean, tensors["features.1.running_mean"])
    image = torch.rand(2, 1, 16, 16)
    found = loss.activations(image)
    assert {name: tuple(maps.shape[1:]) for name, maps in found.items()} == {
        "relu1_2": (64, 16, 16),
        "relu2_2": (128, 8, 8),
    }
    assert all(float(maps.min()) == 0 for maps in found.values())  # after the ReLU
    # statistics are those of the file, not of the batch
    assert torch.allclose(found["relu2_2"][:1], loss.activations(image[:1])["relu2_2"], atol=1e-6)


@pytest.mark.parametrize("network", NETWORKS)
def test_each_tap_is_the_last_activation_before_a_max_pool(network):
    from torchvision.models import get_model

    kinds = [type(module).__name__ for module in get_model(network, weights=None).features]
    pools = [index for index, kind in enumerate(kinds) if kind == "MaxPool2d"]
    assert [index - 1 for index in pools] == list(NETWORKS[network].values())
    assert all(kinds[index] == "ReLU" for index in NETWORKS[network].values())


def test_a_file_of_the_other_network(weights):
    with pytest.raises(UsageError, match=r"lacks .*running_mean.*vgg16_bn"):
        FeatureLoss({"relu1_2": 1.0}, weights, network="vgg16_bn")


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ({"network": "resnet"}, "no feature network resnet"),
        ({"pool": "median"}, "no pooling median"),
        ({"roll": 16}, "0 to 15"),
    ],
)
def test_unknown_choices(weights, choice, words):
    with pytest.raises(UsageError, match=words):
        FeatureLoss({"relu1_2": 1.0}, weights, **choice)


def test_a_file_that_is_none(tmp_path):
    (tmp_path / "x.safetensors").write_text("nonsense")
    for name in ("x.safetensors", "nowhere"):
        with pytest.raises(UsageError, match="cannot be read"):
            FeatureLoss({"relu1_2": 1.0}, tmp_path / name)
