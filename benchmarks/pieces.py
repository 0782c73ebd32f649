"""The pieces of the app, one by one, by pytest-benchmark.

    make benchmark-pieces                            all of them
    make benchmark-pieces PYTEST_ARGS='-k network'   some

Sizes are those of sub-philips02 at x2: slices of 128 x 128, volumes of 82 slices, 17 of them.
Keep a run with ``--benchmark-save=before`` and compare a later one with
``--benchmark-compare=0001``.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # before numpy is imported

import nibabel as nib
import numpy as np
import pytest
import torch

from bids_sr.bids.gradients import GradientTable
from bids_sr.diffusion.eigen import main_direction
from bids_sr.diffusion.gqi import gqi_kernel, odf_scalars
from bids_sr.diffusion.tensor import _design
from bids_sr.diffusion.wls import fit_wls
from bids_sr.images.band import effective_band
from bids_sr.images.kspace import data_consistency, sinc_upsample
from bids_sr.images.nifti import DwiReader, VolumeWriter
from bids_sr.networks.series_network import SLICES as STACKED
from bids_sr.networks.series_network import SeriesNetwork
from bids_sr.networks.series_parts import PARTS
from bids_sr.networks.slice_frame import slice_frame
from bids_sr.quality.lattice import normalised_residual
from bids_sr.superres.allocator import kept_memory
from bids_sr.superres.series_detail import SeriesDetail
from bids_sr.superres.series_images import SeriesImages

ROWS, SLICES, VOLUMES, FACTOR = 128, 82, 17, 2
VOXELS = 100_000
SERIES_CHANNELS = STACKED * PARTS
FRAME = slice_frame(np.eye(4), 2)
_RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def gradients() -> GradientTable:
    """Return a b0 and 16 directions at b = 1000."""
    bvecs = _RANDOM.normal(size=(VOLUMES, 3))
    bvecs /= np.linalg.norm(bvecs, axis=1, keepdims=True)
    bvecs[0] = 0
    return GradientTable(np.array([0.0, *[1000.0] * (VOLUMES - 1)]), bvecs)


@pytest.fixture(scope="module")
def head() -> np.ndarray:
    """Return a volume like a head's: (x, y, z), bright in a ball, noisy everywhere."""
    grid = np.meshgrid(*(np.linspace(-1, 1, n) for n in (ROWS, ROWS, SLICES)), indexing="ij")
    inside = sum(axis**2 for axis in grid) < 0.6
    return (inside + 0.05 * _RANDOM.random((ROWS, ROWS, SLICES))).astype(np.float32)


@pytest.fixture(scope="module")
def signals() -> np.ndarray:
    """Return signals of voxels, (voxels, V), between 0 and 1."""
    return _RANDOM.uniform(0.1, 0.9, (VOXELS, VOLUMES)).astype(np.float32)


@pytest.fixture(scope="module")
def images(gradients, head) -> SeriesImages:
    """Return what a network for the series reads."""
    made = SeriesImages(gradients, FRAME)
    for index in range(VOLUMES):
        made.add(index, head)
    return made


def test_read_a_volume(benchmark, head, tmp_path):
    nib.Nifti1Image(np.stack([head] * 4, -1), np.eye(4)).to_filename(tmp_path / "dwi.nii.gz")
    with DwiReader(tmp_path / "dwi.nii.gz") as reader:
        benchmark.pedantic(lambda: [reader.volume(i) for i in range(4)], rounds=5)


def test_write_a_volume(benchmark, head, tmp_path):
    fine = head.repeat(FACTOR, 0).repeat(FACTOR, 1)

    def write():
        with VolumeWriter(tmp_path / "dwi.nii.gz", (*fine.shape, 1), np.eye(4)) as writer:
            writer.write(fine)

    benchmark(write)


def test_gather_images(benchmark, gradients, head):
    made = SeriesImages(gradients, FRAME)
    benchmark(made.add, 3, head)


def test_stack_what_the_network_reads(benchmark, images):
    benchmark(images.stack, 0, 40, 44)


def test_detail_of_a_volume(benchmark, images):
    fine = (SLICES, FACTOR * ROWS, FACTOR * ROWS)
    benchmark(SeriesDetail.empty(images.parts, fine).of, 3)


def test_find_the_measured_band(benchmark, head):
    benchmark(effective_band, [head])


def test_interpolate(benchmark):
    benchmark(sinc_upsample, torch.rand(8, ROWS, ROWS), FACTOR)


def test_data_consistency(benchmark):
    fine = torch.rand(8, FACTOR * ROWS, FACTOR * ROWS)
    benchmark(data_consistency, fine, torch.rand(8, ROWS, ROWS), FACTOR)


def test_network_on_four_slices(benchmark):
    torch.set_num_threads(1)
    network = SeriesNetwork(FACTOR).eval().to(memory_format=torch.channels_last)
    given = torch.rand(4, SERIES_CHANNELS, ROWS, ROWS)
    given = given.contiguous(memory_format=torch.channels_last)
    with torch.inference_mode(), kept_memory():
        benchmark.pedantic(network, [given], rounds=5, warmup_rounds=1)


def test_fit_the_tensor(benchmark, gradients, signals):
    benchmark(fit_wls, _design(gradients, list(range(VOLUMES)), np.eye(4)), signals)


def test_main_direction(benchmark):
    benchmark(main_direction, _RANDOM.normal(size=(VOXELS, 6)))


def test_orientation_distributions(benchmark, gradients, signals):
    benchmark(odf_scalars, signals, gqi_kernel(gradients.bvals, gradients.bvecs, gradients.is_b0))


def test_residual_of_anatomy(benchmark, head):
    slices = np.moveaxis(head, 2, 0)[:16]
    benchmark(normalised_residual, slices, slices > 0.5)
