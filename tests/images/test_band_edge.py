"""The step at the end of a measured band: found where one is planted, and nowhere else."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import zoom

from bids_sr.images.acquired_matrix import SIDECAR, SPECTRUM, find_matrix
from bids_sr.images.band import AxisSpectra, effective_band
from bids_sr.images.band_edge import falls_by
from bids_sr.images.grid import to_slices
from bids_sr.images.nifti import DwiReader

DATA = Path(__file__).parents[3] / "shared" / "data" / "dwi-open"
OTHER = {"ReconMatrixPE": 120}
KINDS = {
    "no phase": {"strength": 0.0},
    "phase": {},
    "strong phase": {"strength": 2.0},
    "snr 10": {"snr": 10},
    "snr 50": {"snr": 50},
    "partial Fourier": {"partial": 0.75, "snr": 20},
    "ellipse": {"ellipse": True, "snr": 10},
    "filter": {"fermi": True, "snr": 20},
}


def edges(volumes):
    spectra = AxisSpectra()
    for volume in volumes:
        spectra.add(volume)
    return spectra.edges


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "shares", [(0.375, 0.375), (0.5, 1.0), (1.0, 0.6), (0.75, 0.86), (0.9, 0.9), (0.95, 0.95)]
)
def test_a_planted_band_is_found(example, plant, shares, kind):
    found = effective_band(plant(example, shares, **KINDS[kind]))
    assert found == pytest.approx(shares, abs=0.04)


@pytest.mark.parametrize("shares", [(0.375, 0.5), (0.6, 1.0), (1.0, 0.75), (0.86, 0.86)])
def test_it_is_found_in_noise(example, plant, shares):
    found = effective_band(plant(example, shares, snr=5))
    assert found == pytest.approx(shares, abs=0.04)


@pytest.mark.parametrize("kind", KINDS)
def test_a_scan_measured_in_full_has_no_step(example, plant, kind):
    assert edges(plant(example, (1.0, 1.0), **KINDS[kind])) == (None, None)


def windowed_sinc(volumes, factor, radius=5):
    """Interpolate as ANTs and MRtrix3 do: sinc under a Lanczos window."""
    matrices = []
    for n in volumes.shape[2:]:
        places = (np.arange(round(n * factor)) + 0.5) / factor - 0.5
        distance = places[:, None] - np.arange(n)
        kernel = np.sinc(distance) * np.sinc(distance / radius) * (np.abs(distance) < radius)
        matrices.append(kernel / kernel.sum(1, keepdims=True))
    return np.abs(matrices[0] @ volumes @ matrices[1].T).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("factor", [1.25, 1.5, 2])
@pytest.mark.parametrize("way", ["linear", "cubic", "windowed sinc"])
def test_resampling_is_no_zero_filling(example, factor, way):
    if way == "windowed sinc":
        finer = windowed_sinc(example[:3], factor)
    else:
        order = {"linear": 1, "cubic": 3}[way]
        finer = np.maximum(zoom(example[:3], (1, 1, factor, factor), order=order), 0)
    assert edges(finer) == (None, None)
    assert not find_matrix(finer, {}, (0, 1), (1, 1, 1)).is_filled


@pytest.mark.parametrize("image", [np.zeros((3, 64, 64)), np.ones((3, 64, 64)), np.ones((1, 1, 9))])
def test_images_without_a_spectrum_have_no_step(image):
    assert edges([image.astype(np.float32)]) == (None, None)


def test_the_sidecar_settles_what_the_step_shows(example, plant):
    volumes = plant(example, (0.86, 0.86), snr=20)
    sidecar = {"PhaseEncodingDirection": "j-", "AcquisitionMatrixPE": 110, "ReconMatrixPE": 128}
    found = find_matrix(volumes, sidecar, (0, 1), (2, 2, 2))
    assert (found.sides, found.evidence) == ((110, 110), (SPECTRUM, SIDECAR))


@pytest.mark.parametrize(
    "sidecar",
    [
        {"PhaseEncodingDirection": "j", "AcquisitionMatrixPE": 64, "ReconMatrixPE": 128},
        {"PhaseEncodingDirection": "j", "AcquisitionMatrixPE": 126, "ReconMatrixPE": 128},
        {"PhaseEncodingDirection": "i", "BaseResolution": 64},
        {"AcquisitionVoxelSize": [4, 4, 2]},
        {"PhaseEncodingDirection": "j", "PercentSampling": 75},
        {"PhaseEncodingDirection": "j", "AcquisitionMatrix": [64, 0, 0, 64]},
        {"AcquisitionMatrixPE": "many", "PhaseEncodingDirection": ""},
    ],
)
def test_a_sidecar_that_the_spectrum_contradicts_is_not_believed(example, sidecar):
    assert not find_matrix(example, sidecar, (0, 1), (2, 2, 2)).is_filled


@pytest.mark.parametrize(
    ("sidecar", "sides"),
    [
        ({"PhaseEncodingDirection": "j", "AcquisitionMatrixPE": 98}, (96, 98)),
        ({"PhaseEncodingDirection": "i", "AcquisitionMatrixPE": 98}, (98, 98)),
        ({"PhaseEncodingAxis": "i", "BaseResolution": 95}, (96, 95)),
        ({"AcquisitionVoxelSize": [128 / 97, 128 / 95, 2]}, (97, 95)),
        ({"PhaseEncodingDirection": "j", "AcquisitionMatrix": [0, 95, 97, 0]}, (95, 97)),
        (
            {"PhaseEncodingDirection": "j", "AcquisitionMatrixPE": 98, "ReconMatrixPE": 120},
            (96, 96),
        ),
    ],
)
def test_keys_of_sidecars(example, plant, sidecar, sides):
    volumes = plant(example[:, ::3], (0.75, 0.75))
    found = find_matrix(volumes, sidecar, (0, 1), (1, 1, 2)).sides
    assert all(side in found for side in sides if side != 96)
    assert found == pytest.approx(sides, abs=2)


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared")
@pytest.mark.parametrize("shares", [(0.375, 0.375), (0.5, 1.0), (0.6, 0.75), (0.95, 0.86)])
@pytest.mark.parametrize("snr", [None, 10])
def test_planted_in_a_whole_scan(plant, shares, snr):
    with DwiReader(DATA / "sub-philips02/dwi/sub-philips02_dwi.nii.gz") as reader:
        volumes = np.stack([to_slices(reader.volume(index), 2) for index in range(4)])
    assert effective_band(plant(volumes, shares, snr=snr)) == pytest.approx(shares, abs=0.04)


@pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared")
def test_of_the_real_scans_one_is_zero_filled():
    named = {}
    for path in sorted(DATA.glob("sub-*/dwi/*_dwi.nii.gz")):
        sidecar = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
        with DwiReader(path) as reader:
            volumes = [to_slices(reader.volume(i), 2) for i in range(min(8, reader.shape[3]))]
            found = find_matrix(volumes, sidecar, (0, 1), reader.zooms)
        if found.is_filled:
            named[path.name] = found.sides
    assert named == {"sub-philips01_dwi.nii.gz": (128, 110)}


@pytest.mark.parametrize(("matrix", "fall"), [(80, 30), (60, 0), (100, 0)])
def test_how_far_power_falls_at_the_end_of_a_matrix(matrix, fall):
    """A profile whose band ends at bin 40: there it falls, before and after it does not."""
    power = np.where(np.arange(65) <= 40, 1e3, 1.0)
    assert falls_by(power, 128, matrix) == pytest.approx(fall, abs=1e-6)


def test_the_fall_is_from_what_lies_just_before():
    power = 10.0 ** -(np.arange(65) / 10)  # 1 dB a bin: from bins 32 to 35 to bins 41 to 43
    assert falls_by(power, 128, 80) == pytest.approx(42 - 33.5, abs=1e-6)
