"""Series prepared for training: parts of shells, subsets, what some scans lack, turns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from attrs import evolve

from bids_sr.errors import InputError
from bids_sr.images.kspace import sinc_upsample
from bids_sr.networks.series_parts import turned_parts
from bids_sr.networks.slice_frame import SliceFrame
from bids_sr.quality.high_band import high_band
from bids_sr.superres.self_ensemble import TRANSFORMS
from bids_sr.training.patches import rotate_flip
from bids_sr.training.series_data import SeriesRecipe, _subsets, prepare_series, split
from bids_sr.training.series_settings import SeriesSettings
from bids_sr.training.task_setup import make_task

SHELLS = ((1000, 30), (2000, 12), (3000, 4))


def values(array):
    return np.asarray(array, np.float32)


@pytest.mark.parametrize("factor", [2, 3])
def test_shapes_units_and_what_is_known(make_series, bent, factor):
    run = make_series(SHELLS, factor=factor, subsets=2, volumes=True)
    rows, columns = (n // factor for n in bent.SIZE[:2])
    assert run.lr.shape == (3 + 3 + 1, 7, 5, rows, columns)
    assert run.detail.shape == (3, 7, 5, rows * factor, columns * factor)
    assert run.shell == (0, 0, 0, 1, 1, 1, 2)
    assert run.known == ((True, True, True), (True, True, True), (True, False, False))
    assert run.teaching == (0, 1, 2)
    assert run.b_values == (1000, 2000, 3000)
    assert run.lr_zooms == (2 * factor, 2 * factor, 3)
    inside = values(run.lr)[:, :2, run.foreground]
    assert (np.median(inside, axis=2) > 0.3).all() and (np.median(inside, axis=2) < 1.2).all()
    assert not values(run.lr)[6, 2:].any()  # four directions tell no l = 2


@pytest.mark.parametrize("factor", [2, 3])
def test_targets_are_the_high_bands_of_the_coefficients(make_series, factor):
    run = make_series(SHELLS[:2], factor=factor, volumes=True)
    for number in range(2):
        whole = split(np.asarray(run.volumes), run.parts, number, list(run.units))
        for image, detail in zip(whole, run.detail[number], strict=True):
            np.testing.assert_allclose(detail, high_band(image, factor), atol=2e-3)
    assert np.abs(values(run.detail)[:, 2:]).max() > 0.02


def test_input_and_detail_rebuild_a_volume(make_series):
    """The signal is a mean and l = 2 alone: nothing else is needed."""
    run = make_series(SHELLS[:2], volumes=True)
    for number, shell in enumerate(run.parts.shells):
        view = run.shell.index(number)
        images = sinc_upsample(torch.from_numpy(values(run.lr[view])), 2).numpy()
        coefficients = (images + run.detail[number])[1:] * run.units[1 + number]
        rebuilt = np.tensordot(shell.functions[3], coefficients, axes=1)
        volume = run.volumes[shell.indices[3]]
        off = np.abs(rebuilt - volume).max() / volume.max()
        assert off < 5e-3
        # and the detail is what does it
        rough = np.tensordot(shell.functions[3], images[1:] * run.units[1 + number], axes=1)
        assert np.abs(rough - volume).max() / volume.max() > 5 * off


def test_subsets_are_of_8_to_16_directions_of_one_shell(make_series):
    run = make_series(SHELLS, subsets=3)
    frame, recipe = SliceFrame(np.eye(3), 0), SeriesRecipe(subsets=3)
    choices = _subsets(run.gradients, run.parts, 0, frame, recipe)
    whole = run.parts.shells
    assert len(choices) == 3
    for parts in choices:
        chosen = parts.shells[0].indices
        assert 8 <= len(chosen) <= 16 and set(chosen) < set(whole[0].indices)
        assert parts.shells[1:] == whole[1:] and parts.b0s is run.parts.b0s
    assert len({tuple(parts.shells[0].indices) for parts in choices}) == 3
    again = _subsets(run.gradients, run.parts, 0, frame, recipe)
    assert [list(p.shells[0].indices) for p in again] == [
        list(p.shells[0].indices) for p in choices
    ]
    assert _subsets(run.gradients, run.parts, 2, frame, recipe) == []
    # the signal is a mean and l = 2 alone: any directions tell the same
    for view in (1, 2, 3):
        np.testing.assert_allclose(run.lr[view], values(run.lr[0]), atol=1e-2)


def test_a_scan_of_b0s_alone(make_series):
    run = make_series((), b0s=3)
    assert run.known == ((True, False, False),) and run.shell == (0,)
    assert run.lr.shape[:2] == (1, 7) and run.b_values == ()
    assert values(run.lr)[0, 0].any() and not values(run.lr)[0, 1:].any()
    assert values(run.detail)[0, 0].any() and not values(run.detail)[0, 1:].any()


def test_a_scan_without_b0s(make_series):
    run = make_series(b0s=0)
    assert run.known == ((False, True, True),)
    assert not values(run.lr)[:, 0].any() and values(run.lr)[0, 1].any()
    assert run.snr_b0 is None


def test_a_scan_that_teaches_nothing_is_refused(make_series, tmp_path):
    run = make_series(((1000, 5),), b0s=0, run_only=True)
    settings = SeriesSettings(layers={}, coarsening=(1.0,))
    with pytest.raises(
        InputError, match="cannot be used for training: it has no b0, and no shell of 6"
    ):
        make_task(settings, [run], [], tmp_path / "cache", None, torch.device("cpu"), fresh=True)


def test_directions_of_an_encoding_that_is_not_linear_have_but_a_mean(make_series, tmp_path):
    run = make_series(run_only=True)
    run = evolve(run, gradients=evolve(run.gradients, not_linear="b-tensor"))
    prepared = prepare_series(run, tmp_path / "cache", SeriesRecipe())
    assert prepared.known == ((True, True, False),)
    assert not values(prepared.detail)[0, 2:].any()


def test_the_noise_of_the_b0s_is_that_planted(bent, tmp_path):
    size = (60, 60, 9)
    bvals, vectors = np.r_[0, np.full(24, 1000)], np.vstack([np.zeros(3), bent.spread(24)])
    base = np.zeros(size)
    base[5:55, 5:55] = 1000
    random = np.random.default_rng(0)
    data = base[..., None] * np.where(bvals > 0, 0.6, 1.0) + random.normal(0, 20, (*size, 25))
    run = bent.write_series(tmp_path / "noisy", np.abs(data).astype(np.float32), bvals, vectors)
    prepared = prepare_series(run, tmp_path / "cache", SeriesRecipe())
    # a crop of k-space to half averages four pixels
    assert prepared.snr_b0 == pytest.approx(2 * 1000 / 20, rel=0.15)


def turned_volumes(data, quarter, flip, back):
    data = np.rot90(data, quarter, axes=(0, 1))
    data = data[:, ::-1] if flip else data
    return np.ascontiguousarray(data[:, :, ::-1] if back else data)


@pytest.mark.parametrize("back", [False, True])
@pytest.mark.parametrize(("quarter", "flip"), TRANSFORMS[8])
def test_turning_a_scan_is_turning_what_is_made_of_it(bent, tmp_path, quarter, flip, back):
    """Image and directions turned before, or the arrays afterwards: the same."""
    bvals = np.r_[0, np.full(16, 1000.0), np.full(8, 2500.0)]
    vectors = np.vstack([np.zeros(3), bent.spread(16), bent.spread(8, 2)])
    data = bent.signal(bent.SIZE, bvals, vectors)
    # where each voxel of the turned scan was before tells how its axes lie
    places = turned_volumes(np.moveaxis(np.indices(bent.SIZE), 0, -1), quarter, flip, back)
    axes = np.stack([np.diff(places, axis=a)[0, 0, 0] for a in range(3)])
    recipe = SeriesRecipe(subsets=1)
    upright = prepare_series(
        bent.write_series(tmp_path / "a", data, bvals, vectors), tmp_path / "cache", recipe
    )
    other = turned_volumes(data, quarter, flip, back)
    turned = prepare_series(
        bent.write_series(tmp_path / "b", other, bvals, vectors @ axes.T),
        tmp_path / "cache",
        recipe,
    )
    matrix = turned_parts(quarter, flip=flip, back=back)
    assert upright.shell == turned.shell
    for name in ("lr", "detail"):
        expected = rotate_flip(values(getattr(upright, name)), quarter, flip)
        expected = expected[:, :, ::-1] if back else expected
        expected[:, 2:] = np.einsum("jk,vk...->vj...", matrix, expected[:, 2:])
        np.testing.assert_allclose(values(getattr(turned, name)), expected, atol=4e-3)
    # the signs matter
    if not np.array_equal(matrix, np.eye(5)):
        plain = rotate_flip(values(upright.lr), quarter, flip)
        plain = plain[:, :, ::-1] if back else plain
        assert np.abs(values(turned.lr)[:, 2:] - plain[:, 2:]).max() > 0.05
