"""Small NIfTI files for the image tests."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_sr.images.grid import to_slices
from bids_sr.images.nifti import DwiReader

EXAMPLE = Path(__file__).parents[2] / "examples" / "dwi-small" / "sub-philips02" / "dwi"

TURN = np.array([[-1, 0, 0], [0, 0.96, -0.28], [0, 0.28, 0.96]])
AFFINE = np.vstack([np.column_stack([TURN * (2, 2, 2.5), (60, -70, -30)]), [0, 0, 0, 1]])


@pytest.fixture
def series():
    """(13, 11, 7, 5) int16 noise: it hardly compresses, as real scans."""
    return np.random.default_rng(0).integers(0, 4000, (13, 11, 7, 5)).astype(np.int16)


@pytest.fixture
def write_nifti(tmp_path):
    """A function that saves an array with nibabel and returns the path."""

    def write(data, name="sub-01_dwi.nii.gz", affine=AFFINE, image=nib.Nifti1Image, edit=None):
        made = image(data, affine)
        made.header.set_xyzt_units("mm", "sec")
        if edit is not None:
            edit(made.header)
        path = tmp_path / name
        made.to_filename(path)
        return path

    return write


@pytest.fixture(scope="session")
def example():
    """The first volumes of the example, (6, slices, a, b): measured in full."""
    with DwiReader(next(EXAMPLE.glob("*_dwi.nii.gz"))) as reader:
        return np.stack([to_slices(reader.volume(index), 2) for index in range(6)])


def smooth_phase(shape, generator, strength=1.0):
    """Phase as of a scan, rad: polynomials across each slice, other ones in each volume."""
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape[2:]), indexing="ij")
    terms = [rows**0, rows, columns, rows**2, columns**2, rows * columns, rows**3, columns**3]
    sizes = strength * np.array([3, 2, 2, 1.5, 1.5, 1.5, 0.7, 0.7])
    weights = generator.normal(size=(*shape[:2], len(terms))) * sizes
    return np.einsum("vsk,kab->vsab", weights, np.stack(terms))


def complex_slices(volumes, *, snr=None, strength=1.0, seed=0):
    """Magnitude volumes with phase and, of a bright voxel's SNR, complex noise."""
    generator = np.random.default_rng(seed)
    made = volumes * np.exp(1j * smooth_phase(volumes.shape, generator, strength))
    if snr is None:
        return made
    bright = volumes[0] > np.percentile(volumes[0], 75)
    sigma = np.median(volumes[0][bright]) / snr
    real, imaginary = generator.normal(size=(2, *made.shape))
    return made + sigma * (real + 1j * imaginary)


@pytest.fixture(scope="session")
def plant():
    """A function that leaves part of the band of magnitude volumes, as a scanner does.

    Phase and noise come before the band is cut, the magnitude after it; the matrix stays.
    `partial` is the share of the phase lines (the second axis) that partial Fourier
    measures, `ellipse` leaves out the corners, `fermi` rolls the band off at its end.
    """

    def plant(volumes, shares, *, partial=1.0, ellipse=False, fermi=False, **scan):
        made = complex_slices(volumes, **scan)
        axes = [np.arange(n) - n // 2 for n in made.shape[2:]]
        sides = [round(n * share) for n, share in zip(made.shape[2:], shares, strict=True)]
        kept = [(k >= -(m // 2)) & (k < m - m // 2) for k, m in zip(axes, sides, strict=True)]
        kept[1] &= axes[1] >= sides[1] - sides[1] // 2 - round(partial * sides[1])
        window = np.outer(*kept).astype(float)
        radius = np.hypot(2 * axes[0][:, None] / sides[0], 2 * axes[1] / sides[1])
        if ellipse:
            window *= radius <= 1
        if fermi:
            window /= 1 + np.exp((radius - 1) / 0.06)
        spectrum = np.fft.fft2(made) * np.fft.ifftshift(window)
        return np.abs(np.fft.ifft2(spectrum)).astype(np.float32)

    return plant
