"""A run through the engine: values, geometry, units, independence of chunks."""

from __future__ import annotations

import weakref

import nibabel as nib
import numpy as np
import pytest
import torch
from attrs import evolve
from scipy.ndimage import gaussian_filter

from bids_sr.bids.gradients import GradientTable
from bids_sr.errors import InputError, ModelError
from bids_sr.images.kspace import kspace_crop, sinc_upsample
from bids_sr.images.matrix_resampling import zero_fill
from bids_sr.networks.card import read_card
from bids_sr.networks.channels import SeriesConditioning
from bids_sr.superres import volumewise
from bids_sr.superres.engine import super_resolve
from bids_sr.superres.ensemble_sd import EnsembleSdFiles
from bids_sr.superres.slice_stack import SliceStack


@pytest.fixture(params=["volumes", "series"])
def model(request, make_model, make_series_model, tmp_path):
    """A tiny network of each kind: the engine does the same with both."""
    make = {"volumes": make_model, "series": make_series_model}[request.param]
    return make(tmp_path / request.param)


def resolve(run, model, out, **options):
    return super_resolve(run, read_card(model), out, device="cpu", **options)


@pytest.mark.slow
def test_output_keeps_what_was_measured(make_run, model, tmp_path):
    run = make_run(tmp_path)
    done = []
    result = resolve(run, model, tmp_path / "sr.nii.gz", progress=lambda: done.append(1))
    image, source = nib.load(result.dwi), nib.load(run.files.dwi)
    assert image.shape == (48, 44, 4, 17)
    assert image.get_data_dtype() == np.float32
    assert len(done) == 17
    assert result.slices == 17 * 4
    # what remains is the clipping at zero around the object
    free = resolve(run, model, tmp_path / "free.nii.gz", data_consistency=False)
    left, left_free = (residual(path, source) for path in (result.dwi, free.dwi))
    assert left < 0.005 * result.scale
    assert left < 0.6 * left_free
    assert image.get_fdata().min() >= 0


def residual(path, source):
    """Median of |D(SR) - LR| of volume 3 inside the object."""
    fine = torch.from_numpy(np.moveaxis(nib.load(path).get_fdata()[..., 3], 2, 0).copy())
    coarse = np.moveaxis(source.get_fdata()[..., 3], 2, 0)
    return np.median(np.abs(kspace_crop(fine, 2).numpy() - coarse)[:, 6:-6, 6:-6])


def test_world_position_of_the_content(make_run, model, tmp_path):
    run = make_run(tmp_path)
    result = resolve(run, model, tmp_path / "sr.nii.gz")

    def centre(path):
        image = nib.load(path)
        weights = image.get_fdata()[..., 0]
        voxels = np.stack(np.meshgrid(*map(np.arange, weights.shape), indexing="ij"), axis=-1)
        mean = (voxels * weights[..., None]).sum(axis=(0, 1, 2)) / weights.sum()
        return nib.affines.apply_affine(image.affine, mean)

    # a network may move mass by a little within a pixel, not by the quarter pixel of a wrong ramp
    np.testing.assert_allclose(centre(result.dwi), centre(run.files.dwi), atol=0.05)


def test_units_are_those_of_the_input(make_run, model, tmp_path):
    """Scaling the input scales the output: the intensity scale is undone exactly."""
    run = make_run(tmp_path)
    first = resolve(run, model, tmp_path / "sr.nii.gz")
    source = nib.load(run.files.dwi)
    louder = tmp_path / "louder_dwi.nii.gz"
    nib.Nifti1Image((source.get_fdata() * 40).astype(np.float32), source.affine).to_filename(louder)
    second = resolve(
        evolve(run, files=evolve(run.files, dwi=louder)), model, tmp_path / "louder.nii.gz"
    )
    assert second.scale == pytest.approx(40 * first.scale, rel=1e-5)
    np.testing.assert_allclose(
        nib.load(second.dwi).get_fdata(),
        40 * nib.load(first.dwi).get_fdata(),
        atol=1e-3 * second.scale,
    )


@pytest.mark.parametrize("ahead", [0, 2])
@pytest.mark.parametrize("batch", [2, 3, 4])
def test_neither_pieces_nor_turns_change_a_bit(make_run, model, tmp_path, batch, ahead):
    run = make_run(tmp_path)  # four slices: batches of three leave one over
    resolve(run, model, tmp_path / "a.nii.gz")
    resolve(run, model, tmp_path / "b.nii.gz", batch_size=batch, ahead=ahead)
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


@pytest.mark.parametrize(("asked", "ran"), [(64, 4), (3, 3), (1, 1)])
def test_the_batch_that_ran_is_told(make_run, model, tmp_path, asked, ran):
    """Of a run of four slices."""
    made = resolve(make_run(tmp_path), model, tmp_path / "a.nii.gz", batch_size=asked)
    assert made.batch_size == ran


def test_batch_and_repeat_do_not_matter(make_run, model, tmp_path):
    run = make_run(tmp_path)
    resolve(run, model, tmp_path / "a.nii.gz")
    resolve(run, model, tmp_path / "b.nii.gz")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()
    resolve(run, model, tmp_path / "c.nii.gz", batch_size=1)
    a, c = (nib.load(tmp_path / f"{name}.nii.gz").get_fdata() for name in "ac")
    np.testing.assert_allclose(a, c, atol=1e-4 * a.max())


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_every_slice_axis(make_run, model, tmp_path, axis):
    run = make_run(tmp_path)
    result = resolve(run, model, tmp_path / "sr.nii.gz", slice_axis=axis)
    expected = [48, 44, 8]
    expected[axis] //= 2
    assert nib.load(result.dwi).shape[:3] == tuple(expected)


def test_failure_in_the_middle_leaves_nothing(make_run, model, tmp_path):
    run = make_run(tmp_path)

    def stop():
        raise KeyboardInterrupt

    (tmp_path / "out").mkdir()
    with pytest.raises(KeyboardInterrupt):
        resolve(run, model, tmp_path / "out" / "sr.nii.gz", progress=stop)
    assert list((tmp_path / "out").iterdir()) == []


def test_truncated_input(make_run, model, tmp_path):
    run = make_run(tmp_path)
    content = run.files.dwi.read_bytes()
    run.files.dwi.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=run.files.dwi.name):
        resolve(run, model, tmp_path / "sr.nii.gz")
    assert not (tmp_path / "sr.nii.gz").exists()


def test_weights_that_do_not_fit(make_run, tiny_model, tmp_path):
    run = make_run(tmp_path)
    card = read_card(tiny_model)
    with pytest.raises(ModelError):
        super_resolve(
            run,
            evolve(card, architecture={**card.architecture, "width": 6}),
            tmp_path / "sr.nii.gz",
            device="cpu",
        )


def test_missing_b0_is_said(make_run, model, tmp_path):
    run = make_run(tmp_path)
    weighted = evolve(run.gradients, bvals=run.gradients.bvals + 1000, bvecs=_unit(run))
    result = resolve(evolve(run, gradients=weighted), model, tmp_path / "sr.nii.gz")
    assert any("no b0" in note for note in result.notes)


def _unit(run):
    bvecs = run.gradients.bvecs.copy()
    bvecs[0] = (1, 0, 0)
    return bvecs


def test_some_volumes_see_what_all_share(make_run, model, tmp_path):
    run = make_run(tmp_path)
    whole = resolve(run, model, tmp_path / "whole.nii.gz")
    some = resolve(run, model, tmp_path / "some.nii.gz", volumes=[0, 5])
    expected = nib.load(whole.dwi).get_fdata()[..., [0, 5]]
    np.testing.assert_array_equal(nib.load(some.dwi).get_fdata(), expected)
    assert some.slices == 2 * 4


def test_stored_as_int16_it_is_the_same_within_half_a_step(make_run, model, tmp_path):
    run = make_run(tmp_path)
    exact = resolve(run, model, tmp_path / "exact.nii.gz")
    short = resolve(run, model, tmp_path / "short.nii.gz", output_dtype="int16")
    one, other = nib.load(exact.dwi), nib.load(short.dwi)
    assert other.get_data_dtype() == np.int16
    step = other.dataobj.slope
    assert 0 < step < 1e-3 * exact.scale
    assert np.abs(one.get_fdata() - other.get_fdata()).max() < 0.501 * step
    assert not exact.notes and "Stored as int16" in short.notes[-1]
    assert short.dwi.stat().st_size < 0.6 * exact.dwi.stat().st_size


def test_a_hot_voxel_keeps_the_series_in_float32(make_run, model, tmp_path, caplog):
    run = make_run(tmp_path)
    source = nib.load(run.files.dwi)
    data = source.get_fdata()
    data[5, 5, 1, 4] = 1e7
    hot = tmp_path / "hot_dwi.nii.gz"
    nib.Nifti1Image(data.astype(np.float32), source.affine).to_filename(hot)
    run = evolve(run, files=evolve(run.files, dwi=hot))
    result = resolve(run, model, tmp_path / "sr.nii.gz", output_dtype="int16")
    assert nib.load(result.dwi).get_data_dtype() == np.float32
    assert any("Stored as float32, not int16" in note for note in result.notes)
    assert "Stored as float32, not int16" in caplog.text


def test_channels_of_two_shells_are_never_held_together(
    make_run, tiny_model, tmp_path, monkeypatch
):
    """They take many volumes: what waits for the network goes before those of another are made."""
    alive, others = weakref.WeakSet(), []

    class Watched(SliceStack):
        def __init__(self, channels, measured=None):
            super().__init__(channels, measured)
            alive.add(self)

    made = SeriesConditioning._make_shared

    def watched(self, *arguments):
        others.append(len(alive))
        return made(self, *arguments)

    monkeypatch.setattr(volumewise, "SliceStack", Watched)
    monkeypatch.setattr(SeriesConditioning, "_make_shared", watched)
    resolve(make_run(tmp_path), tiny_model, tmp_path / "sr.nii.gz", ahead=2)
    assert len(others) > 1 and not any(others)


def rewritten(run, path, change):
    """The run with its series changed and stored as float32."""
    image = nib.load(run.files.dwi)
    data = image.get_fdata(dtype=np.float32)
    change(data)
    nib.Nifti1Image(data, image.affine).to_filename(path)
    return evolve(run, files=evolve(run.files, dwi=path))


def added(run, result):
    """What the network added to the interpolation of each volume."""
    return nib.load(result.dwi).get_fdata() - interpolation(run)


def interpolation(run):
    series = np.moveaxis(nib.load(run.files.dwi).get_fdata(), (2, 3), (0, 1)).copy()
    return np.moveaxis(sinc_upsample(torch.from_numpy(series), 2).numpy(), (0, 1), (2, 3))


@pytest.fixture
def kernel_model(make_model, tmp_path):
    """A network that predicts kernels, as the shipped ones: it divides by the slice's level."""
    return make_model(tmp_path / "kernels", taps=3, detail=0.05)


@pytest.mark.parametrize("volume", [0, 5])
@pytest.mark.parametrize("size", [10, 100])
def test_a_hot_voxel_does_not_reach_the_rest_of_its_slice(
    make_run, kernel_model, tmp_path, volume, size
):
    run = make_run(tmp_path)
    clean = rewritten(run, tmp_path / "clean.nii", lambda data: None)
    top = nib.load(run.files.dwi).get_fdata()[..., 0].max()

    def spoil(data):
        data[8, 15, 2, volume] = size * top

    spoiled = rewritten(run, tmp_path / "spoiled.nii", spoil)
    options = {"ensemble": 1, "data_consistency": False}
    before = resolve(clean, kernel_model, tmp_path / "before.nii", **options)
    after = resolve(spoiled, kernel_model, tmp_path / "after.nii", **options)
    assert after.scale == pytest.approx(before.scale, rel=1e-6)
    assert not any("far brighter" in note for note in before.notes)
    told = (
        f"1 voxel far brighter than all around (hot pixels, or saturated lines; volumes {volume})"
    )
    assert any(told in note for note in after.notes)
    # what is measured stays: interpolation has it as it was
    made = nib.load(after.dwi).get_fdata()
    assert made[16:18, 30:32, 2, volume].max() > 0.8 * size * top
    free = (interpolation(spoiled) > 0) & (interpolation(clean) > 0)  # nothing was cut off
    free &= (made > 0) & (nib.load(before.dwi).get_fdata() > 0)
    free[10:24, 24:38, 2] = False  # as far as the network's view reaches
    difference = np.abs(added(spoiled, after) - added(clean, before))[free].max()
    assert difference < 0.002 * after.scale


@pytest.mark.parametrize("gain", [0.01, 100])
def test_a_b0_unlike_the_others_does_not_rule(make_run, kernel_model, tmp_path, gain):
    run = make_run(tmp_path, directions=14)
    three = evolve(
        run,
        gradients=GradientTable(
            [0, *run.gradients.bvals, 0],
            np.vstack([np.zeros(3), run.gradients.bvecs, np.zeros(3)]),
        ),
        shape=(*run.shape[:3], 17),
    )
    data = nib.load(run.files.dwi).get_fdata(dtype=np.float32)
    data = np.concatenate([data[..., :1] * gain, data, data[..., :1]], axis=3)
    damaged, alike = (tmp_path / f"{name}.nii" for name in ("damaged", "alike"))
    nib.Nifti1Image(data, np.diag([2, 2, 3, 1])).to_filename(damaged)
    data[..., 0] /= gain
    nib.Nifti1Image(data, np.diag([2, 2, 3, 1])).to_filename(alike)
    results = [
        resolve(evolve(three, files=evolve(run.files, dwi=path)), kernel_model,
                path.with_name(f"sr-{path.name}"), output_dtype="int16")
        for path in (damaged, alike)
    ]  # fmt: skip
    assert results[0].scale == pytest.approx(results[1].scale, rel=1e-5)
    assert any("scaled by the latter" in note for note in results[0].notes)
    assert not any("scaled by the latter" in note for note in results[1].notes)
    first, second = (nib.load(result.dwi).get_fdata()[..., 2:16] for result in results)
    np.testing.assert_allclose(first, second, atol=2e-3 * results[1].scale)


@pytest.fixture
def signed_run(make_run, tmp_path):
    """A run of real-valued signal of 100 in all volumes, with noise as large."""
    generator = np.random.default_rng(3)

    def put(data):
        data[..., 0] = 1000
        data[..., 1:] = 100
        data += generator.normal(0, 100, data.shape)

    return rewritten(make_run(tmp_path), tmp_path / "signed.nii", put)


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_signed_signal_has_no_bias(signed_run, kernel_model, tmp_path, dtype):
    result = resolve(signed_run, kernel_model, tmp_path / "sr.nii", output_dtype=dtype)
    assert result.signed
    assert any("keeps its sign" in note for note in result.notes)
    before = nib.load(signed_run.files.dwi).get_fdata()[..., 1:]
    after = nib.load(result.dwi).get_fdata()[..., 1:]
    assert after.mean() == pytest.approx(before.mean(), rel=0.005)
    assert np.maximum(before, 0).mean() > 1.07 * before.mean()  # what cutting off would cost
    fine = torch.from_numpy(np.moveaxis(after, (2, 3), (0, 1)).copy())
    kept = np.moveaxis(kspace_crop(fine, 2).numpy(), (0, 1), (2, 3))
    np.testing.assert_allclose(kept, before, atol=1 if dtype == "int16" else 0.1)


def test_the_network_reads_magnitudes_of_signed_signal(signed_run, tiny_model, tmp_path):
    """None of what it reads is negative, nor a logarithm's floor."""
    seen = []
    stacks = volumewise.SliceStack

    class Watched(stacks):
        def __init__(self, channels, measured=None):
            super().__init__(channels, measured)
            seen.append([channel.copy() for channel in channels])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(volumewise, "SliceStack", Watched)
        resolve(signed_run, tiny_model, tmp_path / "sr.nii")
    for slices in seen[1:]:
        dwi, mean = slices[0], slices[2]
        assert min(channel.min() for channel in slices) > 0
        for channel in slices[1:]:
            assert channel.mean() == pytest.approx(mean.mean(), rel=0.25)
        assert dwi.mean() == pytest.approx(mean.mean(), rel=0.1)


def test_the_copies_of_signed_signal_keep_their_sign(signed_run, tiny_model, tmp_path):
    files = EnsembleSdFiles(
        tmp_path / "sd.nii", tuple(tmp_path / f"member{i}.nii" for i in range(2)), (1, 2)
    )
    result = resolve(signed_run, tiny_model, tmp_path / "sr.nii", ensemble=2, ensemble_sd=files)
    made = nib.load(result.dwi).get_fdata()[..., 1:3]
    members = [nib.load(path).get_fdata() for path in files.members]
    assert min(member.min() for member in members) < 0
    np.testing.assert_allclose(np.mean(members, axis=0), made, atol=0.1)


@pytest.fixture
def filled_run(make_run, tmp_path):
    """A scan of 64 x 48 pixels that its scanner stored as 96 x 48."""
    run, random = make_run(tmp_path, directions=9), np.random.default_rng(2)
    body = np.zeros((10, 4, 64, 48))
    body[:, :, 8:-8, 6:-6] = 1 + gaussian_filter(random.normal(size=(4, 48, 36)), (0, 1, 1))
    body[1:] *= 0.4
    noise = random.normal(0, 0.02, (2, *body.shape))
    stored = np.abs(zero_fill(body + noise[0] + 1j * noise[1], (96, 48)))
    path = tmp_path / "filled.nii"
    data = 1000 * np.moveaxis(stored, (0, 1), (3, 2)).astype(np.float32)
    nib.Nifti1Image(data, np.diag([2, 3, 5, 1])).to_filename(path)
    return evolve(run, files=evolve(run.files, dwi=path), shape=data.shape)


def test_of_a_zero_filled_scan_only_what_was_measured_is_kept(filled_run, model, tmp_path):
    """Where the scanner put zeros into k-space there is no measurement to be consistent with."""
    options = {"ensemble": 1, "volumes": [0, 3], "signed": True}  # nothing is cut off
    told = resolve(filled_run, model, tmp_path / "told.nii", **options)
    assert told.band == pytest.approx((64 / 96, 1), abs=0.03)
    blind = resolve(filled_run, model, tmp_path / "blind.nii", detect_band=False, **options)
    assert blind.band == (1, 1)
    assert len(told.notes) == len(blind.notes) + 1

    def left(result):
        """Power of D(SR) - LR inside what was measured, and in what was filled in."""
        series = [nib.load(path).get_fdata() for path in (result.dwi, filled_run.files.dwi)]
        fine, coarse = (np.moveaxis(each, (2, 3), (1, 0)).copy() for each in series)
        difference = kspace_crop(torch.from_numpy(fine), 2).numpy() - coarse[[0, 3]]
        power = np.abs(np.fft.rfft(difference, axis=2)) ** 2
        return power[:, :, :30].mean(), power[:, :, 36:].mean()  # but for the band's end itself

    measured, filled = left(told)
    assert filled > 1000 * measured
    assert filled > 1000 * left(blind)[1]
