from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from numpy.typing import NDArray

from bids_sr.bids.gradients import GradientTable


def fibonacci(n: int) -> NDArray[np.float64]:
    """Spread n directions over a half sphere."""
    k = np.arange(n) + 0.5
    z = 1 - k / n
    angle = np.pi * (1 + 5**0.5) * k
    r = np.sqrt(1 - z**2)
    return np.stack([r * np.cos(angle), r * np.sin(angle), z], axis=1)


@pytest.fixture
def table() -> Callable[..., GradientTable]:
    def make(*shells: tuple[float, int]) -> GradientTable:
        bvals = np.concatenate([np.full(n, b) for b, n in shells])
        bvecs = np.concatenate([fibonacci(n) if b > 50 else np.zeros((n, 3)) for b, n in shells])
        return GradientTable(bvals, bvecs)

    return make


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def save(data: NDArray[np.float32], affine: NDArray[np.float64], name: str = "dwi") -> Path:
        path = tmp_path / f"{name}.nii.gz"
        nib.save(nib.Nifti1Image(data.astype(np.float32), affine), path)
        return path

    return save
