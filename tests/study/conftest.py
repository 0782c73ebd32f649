"""Random weights of the first two blocks of VGG16, and the tiny recipe."""

from __future__ import annotations

from pathlib import Path

import pytest

RECIPES = Path(__file__).resolve().parents[2] / "examples" / "study"


@pytest.fixture
def vgg16(tmp_path):
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    tensors = {}
    for index, inputs, outputs in ((0, 3, 64), (2, 64, 64), (5, 64, 128), (7, 128, 128)):
        tensors[f"{index}.weight"] = 0.05 * torch.randn(outputs, inputs, 3, 3)
        tensors[f"{index}.bias"] = torch.zeros(outputs)
    save_file(tensors, tmp_path / "vgg.safetensors")
    return tmp_path / "vgg.safetensors"


@pytest.fixture
def recipes():
    """Folder of the shipped recipes."""
    return RECIPES
