"""What networks learn from is what the program shows them: every channel, every image."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch

from bids_sr.images.kspace import kspace_crop
from bids_sr.networks.card import read_card
from bids_sr.networks.channels import CHANNELS
from bids_sr.networks.series_parts import turned_parts
from bids_sr.superres import engine
from bids_sr.superres.self_ensemble import TRANSFORMS
from bids_sr.training import series_patches
from bids_sr.training.network_input import read_stack
from bids_sr.training.patches import rotate_flip
from bids_sr.training.prepare import Recipe, prepare_run
from bids_sr.training.series_data import SeriesRecipe, prepare_series
from bids_sr.training.series_patches import SeriesSampler

SHELLS = ((1000, 14), (2000, 12), (3000, 3))


class Recorder(torch.nn.Module):
    """Keeps what it is shown; gives what it is told to, or nothing."""

    factor = 2

    def __init__(self, answers=None):
        super().__init__()
        self.shown, self._answers = [], answers

    def forward(self, images, interpolated=None):
        first = sum(map(len, self.shown))
        self.shown.append(images.numpy().copy())
        if self._answers is not None:
            return torch.from_numpy(self._answers[first : first + len(images)])
        count = 7 if interpolated is None else 1
        return torch.zeros(len(images), count, *(2 * n for n in images.shape[2:]))


@pytest.fixture(params=[2, 0], ids=["slices along z", "slices along x"])
def scans(request, bent, tmp_path):
    """A scan to learn from, and what a scanner of half its resolution makes of it.

    Volumes are in no order, so that none is where it is by chance.
    """
    bvals = np.concatenate([np.zeros(2), *(np.full(n, b) for b, n in SHELLS)])
    vectors = np.vstack([np.zeros((2, 3)), *(bent.spread(n, b) for b, n in SHELLS)])
    order = np.random.default_rng(1).permutation(len(bvals))
    bvals, vectors = bvals[order], vectors[order]
    fine = bent.signal(bent.SIZE, bvals, vectors) + 300  # ringing beside air stays above zero
    slices = torch.from_numpy(np.moveaxis(fine, (3, 2), (0, 1)).copy())
    coarse = np.moveaxis(kspace_crop(slices, 2).numpy(), (0, 1), (3, 2))
    assert coarse.min() > 0
    zooms = (2, 2, 5)  # thick slices, at half the resolution as well
    if request.param == 0:
        axes = [2, 0, 1]
        fine, coarse = (np.transpose(a, [*axes, 3]) for a in (fine, coarse))
        vectors, zooms = vectors[:, axes], (5, 2, 2)
    runs = [bent.write_series(tmp_path / n, a, bvals, vectors)
            for n, a in (("fine", fine), ("coarse", coarse))]  # fmt: skip
    for run, inner in zip(runs, (1, 2), strict=True):
        sides = [z if z == 5 else z * inner for z in zooms]
        nib.Nifti1Image(nib.load(run.files.dwi).get_fdata(dtype=np.float32), np.diag([*sides, 1])
                        ).to_filename(run.files.dwi)  # fmt: skip
    return runs


def super_resolve(run, model, network, monkeypatch, out):
    """Run the program's engine with this network, upright alone."""
    monkeypatch.setattr(engine, "load_network", lambda card: network)
    result = engine.super_resolve(
        run, read_card(model), out, device="cpu", ensemble=1, data_consistency=False
    )
    return result, np.concatenate(network.shown)


def test_networks_for_volumes(scans, make_model, tmp_path, monkeypatch):
    model = make_model(tmp_path / "model", channels=CHANNELS)
    fine, coarse = scans
    _, shown = super_resolve(coarse, model, Recorder(), monkeypatch, tmp_path / "sr.nii")
    prepared = prepare_run(fine, tmp_path / "cache", Recipe(subset=0))
    view, count = prepared.views[0], prepared.lr.shape[1]
    shown = shown.reshape(len(view.volumes), count, len(CHANNELS), *shown.shape[2:])
    learned = np.stack([read_stack(prepared, view, k, range(count), CHANNELS)
                        for k in range(len(view.volumes))])  # fmt: skip
    # both in units of a bright voxel, of images of another resolution: one factor for all
    ratio = np.median(shown[:, :, 0] / learned[:, :, 0])
    assert ratio == pytest.approx(1, abs=0.2)
    for number, name in enumerate(CHANNELS):
        here, there = shown[:, :, number], ratio * learned[:, :, number]
        np.testing.assert_allclose(here, there, atol=4e-3 * there.max(), err_msg=name)
    # all differ from each other: none stands for another
    apart = [np.abs(shown[:, :, i] - shown[:, :, j]).max()
             for i in range(len(CHANNELS)) for j in range(i)]  # fmt: skip
    assert min(apart) > 0.03


@pytest.fixture
def series(scans, make_series_model, tmp_path, monkeypatch):
    """The scan as training has it, and what the engine shows a network for the series."""
    model, (fine, coarse) = make_series_model(tmp_path / "model"), scans
    prepared = prepare_series(fine, tmp_path / "cache", SeriesRecipe(subsets=0, volumes=True))
    _, shown = super_resolve(coarse, model, Recorder(), monkeypatch, tmp_path / "sr.nii")
    slices = prepared.lr.shape[2]
    shown = shown.reshape(len(SHELLS), slices, 3, 7, *shown.shape[2:])
    return prepared, np.moveaxis(shown, (2, 3), (3, 1)), model, coarse


def test_networks_for_the_series(series):
    """b0, mean and five coefficients of a slice, of the one before and of the one after."""
    prepared, shown, *_ = series
    learned, last = np.asarray(prepared.lr, np.float32), prepared.lr.shape[2] - 1
    assert prepared.shell == (0, 1, 2)
    for z in range(last + 1):
        for place, which in enumerate((z, max(z - 1, 0), min(z + 1, last))):
            np.testing.assert_allclose(shown[:, :, z, place], learned[:, :, which], atol=4e-3)
    told = np.abs(shown).max(axis=(2, 3, 4, 5))
    assert (told[:2] > 0.03).all() and (told[2, :2] > 0.03).all()
    assert not told[2, 2:].any()  # three directions tell no l = 2


def test_patches_are_what_the_engine_shows_but_for_turns(series, monkeypatch):
    prepared, shown, *_ = series
    monkeypatch.setattr(series_patches, "_MISSING", dict.fromkeys(series_patches._MISSING, 0.0))
    monkeypatch.setattr(series_patches, "_CONTRAST", 0.0)
    side = max(shown.shape[4:])
    margins = [(0, 0)] * 4 + [(0, side - n) for n in shown.shape[4:]]
    known = []
    for quarter, flip in TRANSFORMS[8]:
        for back in (False, True):
            images = rotate_flip(np.pad(shown, margins), quarter, flip).copy()
            matrix = turned_parts(quarter, flip=flip, back=back).astype(np.float32)
            images[:, 2:] = np.einsum("ij,sj...->si...", matrix, images[:, 2:])
            known.append(images[:, :, :, [0, 2, 1]] if back else images)
    # shells, parts, slices, places -> one stack of 21 for each slice of each shell
    stacks = np.stack(known).transpose(0, 1, 3, 4, 2, 5, 6).reshape(-1, 21, side, side)
    drawn = SeriesSampler([prepared], 2, side, 0, 0.0, 0.0).draw(24).images.numpy()
    found = []
    for patch in drawn:
        off = np.abs(stacks - patch).max(axis=(1, 2, 3))
        assert off.min() < 4e-3
        found.append(int(off.argmin()))
    assert len(set(found)) > 12


def test_a_network_that_learned_all_rebuilds_the_scan(series, scans, monkeypatch, tmp_path):
    """The targets of training, put through the engine: units, functions and shares are undone."""
    prepared, _, model, coarse = series
    detail = np.moveaxis(np.asarray(prepared.detail, np.float32), 1, 2)  # shells, slices, parts
    answers = detail.reshape(-1, *detail.shape[2:])
    result, _ = super_resolve(coarse, model, Recorder(answers), monkeypatch, tmp_path / "all.nii")
    made, truth = (nib.load(run).get_fdata() for run in (result.dwi, scans[0].files.dwi))
    volumes = coarse.gradients.bvals < 2500  # three directions have a mean alone
    off = np.abs(made - truth)[..., volumes].max()
    rough, _ = super_resolve(coarse, model, Recorder(), monkeypatch, tmp_path / "none.nii")
    missing = np.abs(nib.load(rough.dwi).get_fdata() - truth)[..., volumes].max()
    assert off < 0.02 * truth.max() and missing > 5 * off
