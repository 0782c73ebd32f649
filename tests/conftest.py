"""A tiny DWI run and a tiny network, made on the spot."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from multiprocessing.process import BaseProcess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.images.runs import open_run

REPOSITORY = Path(__file__).parents[1]
SHAPE = (24, 22, 4)
SLOW = {"call_here", "command", "process", "run_command", "driver"}
"""Fixtures that run the whole program, or a browser: their tests are slow."""

_started = pytest.StashKey[list]()
_started_before = pytest.StashKey[int]()


def pytest_configure(config):
    """Note the processes that are started from here on."""
    started = config.stash[_started] = []

    def note(event, arguments):
        if event == "subprocess.Popen":
            name = Path(os.fsdecode(arguments[0])).name
            if name.startswith(("python", "bids-sr", "chrom")):
                started.append(name)

    def noted_start(process):
        started.append(process.name)
        return start(process)

    sys.addaudithook(note)
    start, BaseProcess.start = BaseProcess.start, noted_start  # which no event tells


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark the tests that use one of these fixtures; others have the mark in their files."""
    for item in items:
        if SLOW.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    """Note how many processes there were before a test."""
    item.stash[_started_before] = len(item.config.stash[_started])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item):
    """Keep the fast tests fast: they, and what they need, start no Python and no browser."""
    result = yield
    started = set(item.config.stash[_started][item.stash[_started_before] :])
    if started and item.get_closest_marker("slow") is None:
        pytest.fail(f"It starts {', '.join(sorted(started))}: mark it as slow.", pytrace=False)
    return result


def load(path):
    """Import a file by its path, which may be relative to the tests."""
    path = Path(__file__).parent / path
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write_run(folder, directions=16, seed=0):
    """A blurred random object with tensor contrast; returns the opened run."""
    from scipy.ndimage import gaussian_filter

    generator = np.random.default_rng(seed)
    vectors = generator.normal(size=(directions, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    bvals = np.array([0, *[1000] * directions])
    bvecs = np.vstack([np.zeros(3), vectors])
    field = gaussian_filter(generator.normal(size=SHAPE), (1, 1, 0))
    base = np.pad(500 + 2000 * np.abs(field)[4:-4, 4:-4], ((4, 4), (4, 4), (0, 0)))
    decay = np.exp(-bvals * (0.5e-3 + 0.8e-3 * bvecs[:, 0] ** 2))
    data = base[..., None] * decay + generator.normal(0, 5, (*SHAPE, bvals.size))
    stem = folder / "sub-01_dwi"
    nib.Nifti1Image(np.abs(data).astype(np.int16), np.diag([2, 2, 3, 1])).to_filename(
        stem.with_suffix(".nii.gz")
    )
    np.savetxt(stem.with_suffix(".bval"), bvals[None], fmt="%g")
    np.savetxt(stem.with_suffix(".bvec"), bvecs.T)
    return open_run(
        DwiFiles(
            dwi=stem.with_suffix(".nii.gz"),
            bval=stem.with_suffix(".bval"),
            bvec=stem.with_suffix(".bvec"),
            mask=None,
            sidecar={},
            entities={"sub": "01"},
            dataset_root=folder,
        )
    )


@pytest.fixture
def gpus(monkeypatch):
    """Pretend that so many GPUs are visible; see `fake_gpus`."""
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return load("fake_gpus.py").FakeGpus(monkeypatch)


@pytest.fixture(scope="session")
def fibres():
    """The module that writes scans with fibres."""
    return load("fibres.py")


@pytest.fixture(scope="session")
def halting():
    """The module that lets a program halt at each change of a folder."""
    return load("halting.py")


@pytest.fixture
def make_run():
    """The function that writes a run into a folder and opens it."""
    return write_run


@pytest.fixture
def make_model():
    """The function that writes the folder of a small untrained network."""
    return write_model


@pytest.fixture
def tiny_model(tmp_path):
    """Folder of a small untrained network of factor 2 that adds random detail."""
    return write_model(tmp_path / "tiny")


def write_model(folder, factor=2, detail=0.05, **settings):
    """Write the folder of a network that adds random detail of this strength; returns it."""
    import torch

    from bids_sr.networks.loading import build_network
    from bids_sr.training.export import export_model
    from bids_sr.training.settings import TrainingSettings

    settings = TrainingSettings(factor=factor, width=4, depth=1, **settings)
    torch.manual_seed(0)
    network = build_network(settings.architecture)
    torch.nn.init.normal_(network.head.weight, std=detail)
    export_model(
        network,
        folder,
        settings=settings,
        runs=[],
        credit=["nobody"],
        licence="CC0",
        command="none",
        commit="none",
        figures={"psnr": 1.0},
    )
    return folder


@pytest.fixture
def make_series_model():
    """A function that writes the folder of a network for the series."""
    return write_series_model


@pytest.fixture
def tiny_series_model(tmp_path):
    """Folder of a small untrained network for the series, of factor 2, that adds random detail."""
    return write_series_model(tmp_path / "tiny-series")


def write_series_model(folder, factor=2, detail=0.05):
    """Write the folder of a network for the series that adds random detail; returns it."""
    import torch
    from safetensors.torch import save_file

    from bids_sr.networks.card import ModelCard, checksum
    from bids_sr.networks.loading import build_network

    small = {"width": 4, "depth": 2, "widest": 8, "l2_width": 4, "l2_depth": 1, "l2_taps": 3}
    architecture = {"class": "SeriesNetwork", "factor": factor, **small}
    torch.manual_seed(0)
    network = build_network(architecture)
    for trunk in (network.means, network.l2):
        torch.nn.init.normal_(trunk.head.weight, std=detail)
        torch.nn.init.normal_(trunk.kernels.weight, std=detail)
    folder.mkdir(parents=True)
    save_file(network.state_dict(), folder / "weights.safetensors")
    ModelCard(
        name=folder.name,
        factor=factor,
        degradation="kspace",
        architecture=architecture,
        sha256=checksum(folder / "weights.safetensors"),
        voxel_sizes_mm=[(4.0, 4.0, 2.0)],
        b_values=[1000],
        data=["nobody"],
        licence="CC0",
        seed=0,
        command="none",
        commit="none",
        loss="none",
        figures={},
        folder=folder,
    ).save(folder)
    return folder


def write_dataset(root, labels=("01",), directions=16):
    """Write a raw BIDS dataset with one tiny run for each participant; returns its folder."""
    import json

    for number, label in enumerate(labels):
        folder = root / f"sub-{label}" / "dwi"
        folder.mkdir(parents=True)
        write_run(folder, directions=directions, seed=number)
        for path in list(folder.iterdir()):
            path.rename(folder / path.name.replace("sub-01", f"sub-{label}"))
        (folder / f"sub-{label}_dwi.json").write_text(json.dumps({"EchoTime": 0.08}))
    description = {"Name": "tiny", "BIDSVersion": "1.10.0", "License": "CC0"}
    (root / "dataset_description.json").write_text(json.dumps(description))
    (root / "README").write_text("A made-up dataset for tests.\n")
    return root


@pytest.fixture
def make_dataset(tmp_path):
    """A function that writes a tiny raw dataset with these participants into a new folder."""

    def make(*labels, directions=16):
        return write_dataset(tmp_path / "raw", labels or ("01",), directions)

    return make


def write_hcp(root, subjects=("100610",), seed=0):
    """Write HCP folders with one tiny two-shell run for each subject; returns the top folder."""
    jitter = np.random.default_rng(seed)
    for number, subject in enumerate(subjects):
        folder = root / subject / "T1w" / "Diffusion_7T"
        folder.mkdir(parents=True)
        run = write_run(folder, directions=16, seed=number)
        run.files.dwi.rename(folder / "data.nii.gz")
        run.files.bvec.rename(folder / "bvecs")
        run.files.bval.unlink()
        # HCP's b-values scatter, and those of its b0s are not all near zero
        bvals = np.array([65, *[1000] * 7, 5, *[2000] * 8]) + jitter.choice([-5, 0, 5, 10], 17)
        np.savetxt(folder / "bvals", np.maximum(bvals, 0)[None], fmt="%d")
        mask = np.zeros(SHAPE, np.uint8)
        mask[4:-4, 4:-4] = 1
        nib.Nifti1Image(mask, np.diag([2, 2, 3, 1])).to_filename(folder / "nodif_brain_mask.nii.gz")
    return root


@pytest.fixture
def make_hcp(tmp_path):
    """A function that writes HCP folders for these subjects; returns the top folder."""

    def make(*subjects):
        return write_hcp(tmp_path / "hcp", subjects or ("100610",))

    return make


@pytest.fixture(scope="session")
def zero_filled():
    """The benchmark that makes scans as scanners that interpolate do."""
    return load(REPOSITORY / "benchmarks" / "zero_filled.py")


@pytest.fixture
def make_filled_run(zero_filled):
    """A function that stores slices of the example, 128 x 128, with so many pixels in plane."""
    from bids_sr.images.matrix_resampling import acquired_affine, zero_fill

    def make(folder, sides=(256, 256)):
        source = REPOSITORY / "examples" / "dwi-small" / "sub-philips02" / "dwi"
        image = nib.load(next(source.glob("*.nii.gz")))
        volumes = np.moveaxis(np.asarray(image.dataobj, np.float32)[:, :, 6:14:2], (3, 2), (0, 1))
        slices = zero_filled.complex_slices(volumes, snr=25)
        data = np.moveaxis(np.abs(zero_fill(slices, sides)), (0, 1), (3, 2)).astype(np.float32)
        folder.mkdir(parents=True, exist_ok=True)
        stem = folder / "sub-01_dwi"
        affine = acquired_affine(image.affine, (128, 128, 4), data.shape[:3])
        nib.Nifti1Image(data, affine).to_filename(stem.with_suffix(".nii.gz"))
        for kind in ("bval", "bvec"):
            shutil.copy(next(source.glob(f"*.{kind}")), stem.with_suffix(f".{kind}"))
        paths = [stem.with_suffix(kind) for kind in (".nii.gz", ".bval", ".bvec")]
        return open_run(DwiFiles(*paths, None, {}, {"sub": "01"}, folder))

    return make
