"""The tiny run, prepared for training."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


@pytest.fixture
def prepared(make_run, tmp_path):
    """The tiny run at factor 2, with views of about 8 directions."""
    from bids_sr.training.prepare import Recipe, prepare_run

    return prepare_run(make_run(tmp_path), tmp_path / "prepared", Recipe(subset=8))


@pytest.fixture(scope="session")
def bent():
    """The module that makes series of known parts."""
    path = Path(__file__).with_name("bent_series.py")
    spec = importlib.util.spec_from_file_location("bent_series", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def make_series(tmp_path, bent):
    """A function that prepares a made-up series: shells of (b, directions), b0s, recipe."""
    import numpy as np

    from bids_sr.training.series_data import SeriesRecipe, prepare_series

    def make(shells=((1000, 16),), b0s=2, seed=0, label="one", run_only=False, **how):
        bvals = np.concatenate([np.zeros(b0s), *(np.full(n, b) for b, n in shells)])
        spread = [bent.spread(n, number) for number, (_, n) in enumerate(shells)]
        vectors = np.vstack([np.zeros((b0s, 3)), *spread])
        data = bent.signal(bent.SIZE, bvals, vectors, seed)
        run = bent.write_series(tmp_path / label, data, bvals, vectors)
        return run if run_only else prepare_series(run, tmp_path / "cache", SeriesRecipe(**how))

    return make


@pytest.fixture
def vgg16(tmp_path):
    """Random weights of the first block of VGG16."""
    import torch
    from safetensors.torch import save_file

    torch.manual_seed(0)
    shapes = {"0.weight": (64, 3, 3, 3), "0.bias": (64,)}
    shapes |= {"2.weight": (64, 64, 3, 3), "2.bias": (64,)}
    tensors = {name: 0.1 * torch.randn(shape) for name, shape in shapes.items()}
    save_file(tensors, tmp_path / "vgg.safetensors")
    return tmp_path / "vgg.safetensors"
