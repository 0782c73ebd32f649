"""A gradient table that does not fit its image is found; one that does is left alone."""

from __future__ import annotations

import logging
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from attrs import evolve
from scipy.spatial.transform import Rotation

from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.diffusion.axis_permutations import (
    EXPECTED,
    WORLD_LPS,
    WORLD_RAS,
    edit_of,
    nearest,
    signed_permutations,
    turn,
    world_frames,
)
from bids_sr.diffusion.frames import world_directions
from bids_sr.diffusion.gradient_check import (
    NOT_CHECKED,
    NOT_DECIDED,
    check_gradients,
    checked_run,
    fit_fibres,
    judge_table,
)
from bids_sr.errors import InputError
from bids_sr.images.runs import open_run

DATA = Path(__file__).parents[3] / "shared" / "data" / "dwi-open"
EXCHANGES = {exchange.words: exchange for exchange in signed_permutations()}


def oblique(degrees, zooms=(2.0, 2.0, 2.0)):
    """An affine like that of an axial scan, tilted about an axis of its own."""
    affine = np.eye(4)
    tilt = Rotation.from_rotvec(np.deg2rad(degrees) * np.array([0.6, 0.64, 0.48])).as_matrix()
    affine[:3, :3] = tilt @ np.diag([-1, 1, 1]) @ np.diag(zooms)
    return affine


LEFT_HANDED = np.diag([-2.0, 2.0, 2.0, 1.0])


@pytest.fixture(scope="module")
def scan(fibres, tmp_path_factory):
    return fibres.write_scan(tmp_path_factory.mktemp("scan"))


@pytest.fixture
def write_scan(fibres, tmp_path):
    """Write a scan into a folder of its own; takes what `tests/fibres.py` says."""
    return lambda **how: fibres.write_scan(tmp_path, **how)


def with_table(run, bvecs):
    """The same run with other directions, (V, 3) with those of b0."""
    return evolve(run, gradients=evolve(run.gradients, bvecs=bvecs))


def planted(run, exchange):
    """The run with a table from which the exchange has to be undone."""
    return with_table(run, run.gradients.bvecs @ exchange.matrix)


def same_lines(one, other):
    lengths = np.linalg.norm(one, axis=1)
    return np.allclose(np.abs((one * other).sum(axis=1)), lengths**2, atol=1e-6)


def test_a_right_table_is_as_expected(scan):
    check = check_gradients(scan)
    assert check.verdict == EXPECTED
    assert not check.found_wrong
    assert check.coherence == check.best > 0.2
    assert check.corrected(scan) is scan


@pytest.mark.parametrize("words", [words for words in EXCHANGES if words != EXPECTED])
def test_every_exchange_is_found_and_undone(scan, words):
    wrong = planted(scan, EXCHANGES[words])
    check = check_gradients(wrong)
    assert check.verdict == words
    assert check.coherence < 0.6 * check.best
    assert same_lines(check.corrected(wrong).gradients.bvecs, scan.gradients.bvecs)


def test_exchanges_are_all_different_and_none_is_forgotten():
    matrices = np.array([exchange.matrix for exchange in EXCHANGES.values()])
    assert len(EXCHANGES) == len(matrices) == 24
    assert np.allclose(matrices @ matrices.transpose(0, 2, 1), np.eye(3))
    # up to the sign of a direction, all 48 signed permutations are there
    assert (
        len({tuple(np.outer(*2 * [m.ravel()]).round().astype(int).ravel()) for m in matrices}) == 24
    )


@pytest.mark.parametrize("words", EXCHANGES)
def test_the_edit_mends_the_file(fibres, words):
    """Do to rows what the text says: orders of rows and exchanges first, then a sign."""
    exchange, truth = EXCHANGES[words], fibres.directions(9)
    rows = dict(zip("xyz", (truth @ exchange.matrix).T, strict=True))
    for step in filter(None, exchange.edit.split(", then ")):
        if step.startswith("exchange "):
            one, other = step.removeprefix("exchange ").split(" and ")
            rows[one], rows[other] = rows[other], rows[one]
        elif step.startswith("write its rows in the order "):
            order = step.removeprefix("write its rows in the order ").split(", ")
            rows = dict(zip("xyz", [rows[name] for name in order], strict=True))
        else:
            name = step.removeprefix("change the sign of ")
            rows[name] = -rows[name]
    assert same_lines(np.stack([rows[name] for name in "xyz"], axis=1), truth)
    assert edit_of(words) == exchange.edit


def test_x_is_the_other_way_round_in_right_handed_images(write_scan):
    run = write_scan(affine=np.diag([2.0, 2.0, 2.0, 1.0]))
    assert check_gradients(run).verdict == EXPECTED
    without = with_table(run, run.gradients.bvecs * [-1, 1, 1])
    assert check_gradients(without).verdict == "x flipped"
    exchanged = planted(run, EXCHANGES["y flipped, x and z exchanged"])
    check = check_gradients(exchanged)
    assert check.verdict == "y flipped, x and z exchanged"
    assert same_lines(check.corrected(exchanged).gradients.bvecs, run.gradients.bvecs)


@pytest.mark.parametrize(
    ("words", "signs"), [(WORLD_RAS, (1, 1, 1)), (WORLD_LPS, (-1, -1, 1))], ids=["RAS", "LPS"]
)
def test_a_table_in_the_frame_of_the_world(write_scan, words, signs):
    affine = oblique(25.0)
    run = write_scan(affine=affine)
    assert check_gradients(run).verdict == EXPECTED
    wrong = with_table(run, world_directions(run.gradients.bvecs, affine) * signs)
    check = check_gradients(wrong)
    assert check.verdict == words
    assert same_lines(check.corrected(wrong).gradients.bvecs, run.gradients.bvecs)


def test_the_frame_of_the_world_is_an_exchange_where_the_image_is_hardly_oblique():
    assert world_frames(LEFT_HANDED) == world_frames(oblique(3.0)) == ()
    assert [table.words for table in world_frames(oblique(20.0))] == [WORLD_RAS, WORLD_LPS]


def test_a_small_tilt_of_the_table_is_no_fault(write_scan):
    run = write_scan(affine=oblique(8.0))
    tilted = run.gradients.bvecs @ Rotation.from_rotvec([0.0, 0.1, 0.05]).as_matrix()
    assert check_gradients(with_table(run, tilted)).verdict == EXPECTED


@pytest.mark.parametrize("zooms", [(1.75, 1.75, 4.0), (3.0, 1.5, 1.5), (1.5, 3.5, 1.5)])
def test_unequal_voxels_and_blurring_along_an_axis_do_not_mislead(write_scan, zooms):
    affine = np.diag([-zooms[0], *zooms[1:], 1.0])
    run = write_scan(affine=affine, blur=(0.2, 1.2, 0.0), snr=20.0)
    assert check_gradients(run).verdict == EXPECTED
    wrong = planted(run, EXCHANGES["y and z exchanged"])
    assert check_gradients(wrong).verdict == "y and z exchanged"


def test_planting_turns_the_fit(scan):
    """What the calibration takes for granted: a fit to turned directions is the turned fit."""
    mask = np.ones(scan.shape[:3], bool)
    fibres, affine = fit_fibres(scan, mask)
    for exchange in [*EXCHANGES.values()][::5]:
        again, _ = fit_fibres(planted(scan, exchange), mask)
        one, other = judge_table(again, affine), judge_table(fibres, affine, exchange.matrix.T)
        assert one.verdict == other.verdict
        assert one.margin == pytest.approx(other.margin, rel=1e-2)
        assert one.coherence == pytest.approx(other.coherence, abs=1e-3)


def test_turns_are_measured_whatever_the_signs():
    assert turn(np.eye(3), -np.eye(3)) == 0
    small = Rotation.from_rotvec([0, 0, np.deg2rad(12.0)]).as_matrix()
    assert turn(small, np.eye(3)) == pytest.approx(12.0)
    assert nearest(small).words == EXPECTED


def test_too_few_directions(write_scan):
    run = write_scan(count=5)
    check = check_gradients(run)
    assert check.verdict == NOT_DECIDED
    assert "5 distinct directions" in check.reason
    assert check.coherence is None


def test_noise_alone(write_scan):
    shape = (40, 40, 40)
    generator = np.random.default_rng(0)
    factors = generator.normal(0, 0.02, (*shape, 3, 3))
    field = factors @ np.swapaxes(factors, -1, -2) + 0.8e-3 * np.eye(3)
    check = check_gradients(write_scan(field=field))
    assert check.verdict == NOT_DECIDED
    assert check.best < 0.05


def test_nothing_to_follow(write_scan):
    field = np.broadcast_to(0.8e-3 * np.eye(3), (20, 20, 20, 3, 3))
    check = check_gradients(write_scan(field=field, snr=1000.0))
    assert check.verdict == NOT_DECIDED
    assert "too few voxels" in check.reason


def test_straight_fibres_do_not_tell_signs(write_scan):
    """One bundle along x looks the same with every sign: nothing is claimed."""
    field = np.zeros((30, 30, 30, 3, 3)) + 0.8e-3 * np.eye(3)
    field[:, 10:20, 10:20] = np.diag([1.6e-3, 0.4e-3, 0.4e-3])
    assert check_gradients(write_scan(field=field)).verdict == NOT_DECIDED


def test_an_empty_image_is_not_decided(write_scan):
    run = write_scan(field=np.zeros((12, 12, 12, 3, 3)))
    nib.Nifti1Image(np.zeros(run.shape, np.float32), LEFT_HANDED).to_filename(run.files.dwi)
    run = evolve(run, files=evolve(run.files, mask=None))
    check = check_gradients(run)
    assert check.verdict == NOT_DECIDED
    assert "above zero" in check.reason


def test_modes(scan, caplog):
    wrong = planted(scan, EXCHANGES["z flipped"])
    with caplog.at_level(logging.WARNING, logger="bids_sr"):
        warned = checked_run(wrong, "warn")
    assert warned.run is wrong
    assert warned.check.verdict == "z flipped"
    assert "change the sign of z in the bvec file, or use --gradient-check fix" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.WARNING, logger="bids_sr"):
        fixed = checked_run(wrong, "fix")
    assert fixed.fixed
    assert "a corrected one is used" in caplog.text
    assert same_lines(fixed.run.gradients.bvecs, scan.gradients.bvecs)
    assert np.array_equal(fixed.run.gradients.bvals, scan.gradients.bvals)
    with pytest.raises(InputError, match=r"z flipped.*change the sign of z in it"):
        checked_run(wrong, "refuse")
    for mode in ("warn", "fix", "refuse"):
        right = checked_run(scan, mode)
        assert right.run is scan
        assert not right.fixed


def test_off_does_not_look(scan):
    gone = evolve(scan, files=evolve(scan.files, dwi=Path("nowhere.nii.gz")))
    checked = checked_run(gone, "off")
    assert checked.check.verdict == NOT_CHECKED
    assert checked.run is gone


def test_record(scan):
    keys = ["verdict", "coherence", "coherence_best", "margin", "fixed", "note"]
    record = checked_run(planted(scan, EXCHANGES["x flipped"]), "fix").record()
    assert [*record] == [f"gradients_{key}" for key in keys]
    assert record["gradients_verdict"] == "x flipped"
    assert record["gradients_fixed"] is True
    assert record["gradients_coherence"] < record["gradients_coherence_best"]
    assert checked_run(scan, "off").record()["gradients_coherence"] is None


needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs ../shared")


def real(stem, bvec=None):
    stem = DATA / stem
    files = [Path(f"{stem}{end}") for end in (".nii.gz", ".bval", ".bvec")]
    if bvec is not None:
        files[2] = DATA / bvec
    return open_run(DwiFiles(*files, None, {}, {"sub": "x"}, DATA))


@pytest.mark.slow
@needs_data
@pytest.mark.parametrize(
    "stem",
    [
        "sub-philips01/dwi/sub-philips01_dwi",  # unequal voxels, zero-filled
        "sub-prisma01/dwi/sub-prisma01_acq-AP_dwi",  # sagittal
        "sub-canon01/dwi/sub-canon01_acq-ax_run-1_dwi",  # oblique
        "sub-uih01/dwi/sub-uih01_acq-PA_dwi",  # the smallest
    ],
)
def test_real_scans_raise_no_alarm(stem):
    assert check_gradients(real(stem)).verdict == EXPECTED


@pytest.mark.slow
@needs_data
def test_a_published_table_with_x_the_wrong_way_round():
    stem = "sub-sherbrooke01/dwi/sub-sherbrooke01_acq-1p8mm_dwi"
    published = "sourcedata/sub-sherbrooke01/sub-sherbrooke01_acq-1p8mm_as-published.bvec"
    assert check_gradients(real(stem, published)).verdict == "x flipped"
    assert check_gradients(real(stem)).verdict == EXPECTED
