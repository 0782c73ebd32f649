"""The measured band of a slice: found where the scanner filled in, full where it did not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from bids_sr.images.band import effective_band, keep_band, low_pass_matrix
from bids_sr.images.grid import to_slices
from bids_sr.images.kspace import data_consistency, kspace_crop
from bids_sr.images.nifti import DwiReader

DATA = Path(__file__).parents[3] / "shared" / "data" / "dwi-open"


def head(shape=(6, 96, 120), seed=0):
    """Slices with anatomy-like edges at all scales, and noise."""
    generator = np.random.default_rng(seed)
    edges = gaussian_filter(generator.standard_normal(shape), (0, 3, 3)) > 0.02
    detail = generator.standard_normal(shape)
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape[1:]), indexing="ij")
    inside = rows**2 + columns**2 < 0.7
    return ((edges + 0.5) * inside + 0.03 * np.abs(detail)).astype(np.float32)


@pytest.mark.parametrize("band", [(0.6, 1.0), (1.0, 0.75), (0.86, 0.8), (0.7, 0.7)])
@pytest.mark.parametrize("noisy", [False, True])
def test_a_planted_band_is_found_within_three_frequencies(band, noisy):
    whole = torch.from_numpy(head())
    if noisy:
        whole = whole + 0.05 * torch.randn(whole.shape, generator=torch.Generator().manual_seed(1))
    filled = keep_band(whole, band).abs().numpy()
    found = effective_band([filled])
    for share, planted, n in zip(found, band, filled.shape[1:], strict=True):
        assert abs(share - planted) * n / 2 <= (3.001 if planted < 1 else 0)


def test_a_full_band_raises_no_alarm():
    assert effective_band([head(seed=seed) for seed in range(3)]) == (1.0, 1.0)


@pytest.mark.parametrize("image", [np.zeros((3, 64, 64)), np.ones((3, 64, 64)), head()[:, :9, :9]])
def test_images_without_a_spectrum_count_as_full(image):
    assert effective_band([image.astype(np.float32)]) == (1.0, 1.0)


@pytest.mark.parametrize("n", [11, 12])
def test_the_low_pass_is_a_projection_and_a_full_band_the_identity(n):
    matrix = low_pass_matrix(n, 0.6)
    assert np.allclose(matrix @ matrix, matrix)
    assert np.linalg.matrix_rank(matrix) == 7
    assert np.array_equal(low_pass_matrix(n, 1.0), np.eye(n))


def test_consistency_replaces_the_measured_band_and_nothing_else():
    generator = torch.Generator().manual_seed(0)
    sr = torch.rand(1, 24, 24, dtype=torch.float64, generator=generator)
    band = (0.6, 1.0)
    lr = keep_band(torch.rand(1, 12, 12, dtype=torch.float64, generator=generator), band)
    result = data_consistency(sr, lr, 2, band)
    back = kspace_crop(result, 2)
    assert torch.allclose(keep_band(back, band), lr)
    beyond = kspace_crop(sr, 2) - keep_band(kspace_crop(sr, 2), band)
    assert torch.allclose(back - keep_band(back, band), beyond)


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared")
@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("sub-philips01_dwi", (0.85, 0.81)),
        ("sub-canon01_acq-ax_run-1_dwi", (0.78, 1.0)),
        ("sub-philips02_dwi", (1.0, 1.0)),
        ("sub-sherbrooke01_acq-1p8mm_dwi", (1.0, 1.0)),
        ("sub-sherbrooke01_acq-1p2mm_dwi", (1.0, 1.0)),
        ("sub-prisma02_acq-AP_dwi", (1.0, 1.0)),
        ("sub-uih01_acq-AP_dwi", (1.0, 1.0)),
        ("sub-philips03_dwi", (1.0, 1.0)),
    ],
)
def test_real_scans(name, wanted):
    with DwiReader(DATA / name.split("_")[0] / "dwi" / f"{name}.nii.gz") as reader:
        found = effective_band(to_slices(reader.volume(i), 2) for i in range(4))
    assert found == pytest.approx(wanted, abs=0.03)
