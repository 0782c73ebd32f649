"""Tell where the end of a planted band is found, and how near undoing zero-filling comes.

Takes a scan that is measured in full, gives it smooth phase and noise, leaves part of its
k-space, or pads it, as scanners do, and takes the magnitude. Prints two Markdown tables.

    python benchmarks/zero_filled.py DWI.nii.gz
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bids_sr.images.band import AxisSpectra
from bids_sr.images.grid import to_slices
from bids_sr.images.matrix_resampling import at_matrix, zero_fill
from bids_sr.images.nifti import DwiReader

SHARES = (0.375, 0.43, 0.5, 0.6, 0.75, 0.86, 0.9, 0.95, 1.0)
SNRS = (5, 10, 20, 50)
KINDS = {
    "phase": {},
    "no phase": {"strength": 0.0},
    "twice the phase": {"strength": 2.0},
    "partial Fourier": {"partial": 0.75},
    "ellipse": {"ellipse": True},
    "Fermi filter": {"fermi": True},
}
NEAR = 0.04
"""Largest error that counts as found."""

_TERMS = np.array([3, 2, 2, 1.5, 1.5, 1.5, 0.7, 0.7])
"""Standard deviation of constant, linear, quadratic and cubic phase at the edge, rad."""


def smooth_phase(
    shape: tuple[int, ...], generator: np.random.Generator, strength: float = 1.0
) -> NDArray[np.float64]:
    """Return phase as of a scan, rad: a polynomial across each slice, other ones in each volume."""
    rows, columns = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape[2:]), indexing="ij")
    terms = [rows**0, rows, columns, rows**2, columns**2, rows * columns, rows**3, columns**3]
    weights = generator.normal(size=(*shape[:2], len(terms))) * strength * _TERMS
    return np.einsum("vsk,kab->vsab", weights, np.stack(terms))


def noise_sigma(volumes: NDArray[np.float32], snr: float) -> float:
    """Return the noise of real and imaginary part at which bright voxels have this SNR."""
    bright = volumes[0] > np.percentile(volumes[0], 75)
    return float(np.median(volumes[0][bright]) / snr)


def complex_slices(
    volumes: NDArray[np.float32], *, snr: float | None = None, strength: float = 1.0, seed: int = 0
) -> NDArray[np.complex128]:
    """Return magnitude volumes, (volumes, slices, a, b), with phase and complex noise."""
    generator = np.random.default_rng(seed)
    made = volumes * np.exp(1j * smooth_phase(volumes.shape, generator, strength))
    if snr is None:
        return made
    real, imaginary = generator.normal(size=(2, *made.shape))
    return made + noise_sigma(volumes, snr) * (real + 1j * imaginary)


def plant(
    volumes: NDArray[np.float32],
    shares: tuple[float, float],
    *,
    partial: float = 1.0,
    ellipse: bool = False,
    fermi: bool = False,
    **scan: float,
) -> NDArray[np.float32]:
    """Leave part of the band of magnitude volumes, as a scanner does; the matrix stays.

    Phase and noise come before the band is cut, the magnitude after it. `partial` is the
    share of the phase lines (the second axis) that partial Fourier measures, `ellipse`
    leaves out the corners, `fermi` rolls the band off at its end.
    """
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
    return np.abs(np.fft.ifft2(np.fft.fft2(made) * np.fft.ifftshift(window))).astype(np.float32)


def found(volumes: NDArray[np.float32]) -> tuple[float, float]:
    """Return the share of the band at whose end a step is found, 1 without one, along a and b."""
    spectra = AxisSpectra()
    for volume in volumes:
        spectra.add(volume)
    rows, columns = (
        1.0 if edge is None else edge.pixels / side
        for edge, side in zip(spectra.edges, spectra.sides, strict=True)
    )
    return rows, columns


def finding(volumes: NDArray[np.float32]) -> list[str]:
    """Return how many axes of planted bands are found, as a table."""
    lines = ["| planted | " + " | ".join(KINDS) + " |", "|---|" + "---|" * len(KINDS)]
    for share in SHARES:
        cells = []
        for how in KINDS.values():
            errors = []
            for snr in SNRS:
                made = plant(volumes, (share, share), snr=snr, seed=snr, **how)
                errors += [abs(axis - share) for axis in found(made)]
            good = sum(error <= NEAR for error in errors)
            cells.append(f"{good}/{len(errors)}, {max(errors):.2f}")
        lines.append(f"| {share:g} | " + " | ".join(cells) + " |")
    return lines


def undoing(volumes: NDArray[np.float32]) -> list[str]:
    """Return how near the scan comes to the one at its own matrix, as a table."""
    lines = ["| acquired share | " + " | ".join(f"SNR {snr}" for snr in SNRS) + " |"]
    lines.append("|---|" + "---|" * len(SNRS))
    side = volumes.shape[-1]
    for share in SHARES[:-1]:
        cells = []
        for snr in SNRS:
            truth = complex_slices(volumes, snr=snr, seed=snr)
            large = round(side / share)
            filled = np.abs(zero_fill(truth, (large, large))).astype(np.float32)
            error = at_matrix(filled, volumes.shape[2:]) - np.abs(truth)
            bright = np.broadcast_to(volumes[0] > np.percentile(volumes[0], 75), error.shape)
            sigma = noise_sigma(volumes, snr)
            brain, everywhere = (
                np.sqrt(np.mean(part**2)) / sigma for part in (error[bright], error)
            )
            cells.append(f"{brain:.3f} ({everywhere:.2f})")
        lines.append(f"| {share:g} | " + " | ".join(cells) + " |")
    return lines


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("dwi", type=Path, help="a series that is measured in full, slices along k")
    with DwiReader(parser.parse_args().dwi) as reader:
        count = min(4, reader.shape[3])
        volumes = np.stack([to_slices(reader.volume(index), 2) for index in range(count)])
    print("\n".join([*finding(volumes), "", *undoing(volumes[:, ::4])]))


if __name__ == "__main__":
    main()
