"""The self-check on a tiny run: metrics, verdict, and reasons where there are none."""

from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest
from attrs import evolve

from bids_sr.evaluation.selfcheck import ComputeOptions, self_check
from bids_sr.images.grid import SliceGrid
from bids_sr.images.nifti import DwiReader, write_image
from bids_sr.networks.card import read_card
from bids_sr.quality.gain import CLASSICAL, SELF_CHECK_METRICS, key_of
from bids_sr.quality.registry import is_described
from bids_sr.superres.engine import SuperResolvedDwi

COMPUTE = ComputeOptions(device="cpu", threads=1)


@pytest.fixture
def checked(make_run, make_model, tmp_path):
    """Function: a self-check of a tiny run with these changes; its folder stays empty."""

    def make(
        mode="auto",
        *,
        directions=16,
        factor=2,
        inside=None,
        detail=1.0,
        data=(),
        make_run=make_run,
        **changes,
    ):
        run = make_run(tmp_path, directions=directions)
        card = read_card(make_model(tmp_path / f"model{factor}", factor=factor, detail=detail))
        card = evolve(card, data=data)
        with DwiReader(run.files.dwi) as reader:
            grid = SliceGrid(reader.shape[:3], reader.affine, 2, factor)
        mask = np.zeros(grid.shape, np.uint8)
        mask[inside or np.s_[3:-3, 3:-3]] = 1
        write_image(tmp_path / "mask.nii.gz", mask, grid.affine)
        result = SuperResolvedDwi(
            dwi=tmp_path / "none.nii.gz", run=run, grid=grid, card=card, scale=1.0, device="cpu",
            seconds=1.0, slices=1, batch_size=4, data_consistency=True, ensemble=1,
            band=(1.0, 1.0), notes=(),
        )  # fmt: skip
        (tmp_path / "work").mkdir(exist_ok=True)
        record = self_check(
            evolve(result, **changes), tmp_path / "mask.nii.gz", tmp_path / "work", mode, COMPUTE
        )
        assert not list((tmp_path / "work").iterdir())
        return record

    return make


def metrics(record):
    return {
        method: {f: record[key_of(f, method)] for f in SELF_CHECK_METRICS}
        for method in (*CLASSICAL, "network")
    }


def test_random_detail_is_harm(checked):
    record = checked()
    assert record["selfcheck_verdict"] == "harmed"
    assert record["selfcheck_volumes"] == 13 and record["selfcheck_slices"] == 2
    assert record["selfcheck_reason"] == ""
    assert record["selfcheck_note"] == "The coarser copy has half of the scan's noise."
    assert all(value is not None for row in metrics(record).values() for value in row.values())
    assert [key for key in record if not is_described(key)] == []
    json.dumps(record, allow_nan=False)


def test_that_the_network_may_know_the_participant_is_a_note(checked):
    note = checked(data=["sub-01_acq-AP"])["selfcheck_seen"]
    assert note.startswith("model2 may have been trained on sub-01: its card lists sub-01_acq-AP.")
    assert checked(data=["sub-02"])["selfcheck_seen"] == ""


@pytest.mark.parametrize("factor", [2, 3])
def test_a_network_without_detail_is_sinc(checked, factor):
    record = checked(detail=0.0, factor=factor)
    found = metrics(record)
    assert found["network"]["psnr_dwi"] == pytest.approx(found["sinc"]["psnr_dwi"], abs=0.05)
    assert record["selfcheck_verdict"] != "helped"


@pytest.fixture
def planted(checked, monkeypatch):
    """Function: a self-check of a network that makes this of truth, sinc and gradients."""
    from bids_sr.evaluation import selfcheck as module
    from bids_sr.quality.interpolation import interpolate

    def check(made):
        def network(run, card, out, *, volumes, slice_axis, **_):
            series = run.files.dwi
            with (
                DwiReader(series) as lr,
                DwiReader(series.with_name(series.name.replace("series", "truth"))) as hr,
            ):
                truth = np.stack([hr.volume(i) for i in range(hr.shape[3])], axis=-1)
                coarse = [
                    interpolate(lr.volume(v), card.factor, "sinc", slice_axis) for v in volumes
                ]
                affine = hr.affine
            bvals, bvecs = run.gradients.bvals[volumes], run.gradients.bvecs[volumes]
            found = made(truth, np.stack(coarse, axis=-1), bvals, bvecs)
            write_image(out, np.maximum(found, 0).astype(np.float32), affine)

        monkeypatch.setattr(module, "super_resolve", network)
        return checked()

    return check


def better(truth, sinc, bvals, bvecs):
    return sinc + 0.5 * (truth - sinc)


def turned(truth, sinc, bvals, bvecs):
    """All of it better but for the tensor's direction in plane."""
    oblique = np.exp(-bvals * 0.1e-3 * bvecs[:, 0] * bvecs[:, 1])
    return better(truth, sinc, bvals, bvecs) * oblique


def worse_weighted(truth, sinc, bvals, bvecs):
    """Better b0s, weighted volumes further from the truth than sinc."""
    share = np.where(bvals > 0, -0.2, 0.5)
    return sinc + share * (truth - sinc)


def noise(strength):
    def made(truth, sinc, bvals, bvecs):
        generator = np.random.default_rng(0)
        return sinc + strength * generator.normal(size=sinc.shape)

    return made


def test_what_comes_closer_helps(planted):
    record = planted(better)
    assert record["selfcheck_verdict"] == "helped"
    # what is left of detail is a quarter: half of the amplitude
    for part in ("b0", "mean", "l2"):
        assert record[f"selfcheck_left_{part}"] == pytest.approx(0.25, abs=0.15), part
        assert record[f"selfcheck_left_{part}_sinc"] == pytest.approx(1, abs=0.05)


def test_a_wrong_main_direction_is_harm(planted):
    record = planted(turned)
    assert record["selfcheck_psnr_b0_network"] > record["selfcheck_psnr_b0_sinc"] + 2
    assert record["selfcheck_v1_deg_network"] > 1.3 * record["selfcheck_v1_deg_sinc"]
    assert record["selfcheck_verdict"] == "harmed"


def test_weighted_volumes_that_are_worse_are_harm_whatever_the_b0s(planted):
    record = planted(worse_weighted)
    assert record["selfcheck_psnr_b0_network"] > record["selfcheck_psnr_b0_sinc"] + 2
    assert record["selfcheck_left_mean"] > 1.3
    assert record["selfcheck_verdict"] == "harmed"


def test_noise_is_no_detail(planted):
    weak, strong = planted(noise(0.5)), planted(noise(60))
    assert weak["selfcheck_verdict"] != "helped"
    assert strong["selfcheck_verdict"] == "harmed"
    assert strong["selfcheck_left_mean"] > 1


def test_what_the_noise_alone_would_give(checked):
    record = checked()
    for metric in ("fa_mae", "md_mae", "v1_deg"):
        noise_alone = record[f"selfcheck_{metric}_noise"]
        # the object is so smooth that sinc's tensors are off by little else
        assert noise_alone == pytest.approx(record[f"selfcheck_{metric}_sinc"], rel=0.4)
    assert record["selfcheck_psnr_b0_noise"] > record["selfcheck_psnr_b0_sinc"]
    assert 0 < record["selfcheck_left_mean_noise"] < record["selfcheck_left_l2_noise"]
    told = "The noise of the b0s is that of the volumes at b = 1000."
    assert record["selfcheck_left_note"] == told


def test_the_noise_is_put_back(checked):
    record = checked()
    gains = [record[f"selfcheck_gain_{metric}_noisy"] for metric in SELF_CHECK_METRICS]
    assert sum(gain is not None for gain in gains) >= 8
    assert record["selfcheck_verdict_noisy"] == "harmed"


def test_six_directions_do_not_tell_how_much_noise_there_is(checked):
    record = checked(directions=6)
    assert "cannot be told" in record["selfcheck_note"]
    assert record["selfcheck_verdict_noisy"] == ""
    assert record["selfcheck_fa_mae_noise"] is None
    assert record["selfcheck_fa_mae_network"] is not None
    assert record["selfcheck_left_b0"] is record["selfcheck_left_l2"] is None
    assert record["selfcheck_left_note"].startswith("Too noisy, or noise unknown: b0s, mean of")


def test_it_comes_out_the_same_again(checked):
    first, again = checked(), checked()
    del first["selfcheck_seconds"], again["selfcheck_seconds"]
    assert first == again


def test_all_of_it(checked):
    record = checked("full")
    assert record["selfcheck_volumes"] == 17 and record["selfcheck_slices"] == 4
    assert record["selfcheck_mode"] == "full"


def test_what_directions_share_is_gathered_from_all_volumes(checked, monkeypatch):
    from bids_sr.evaluation import selfcheck as module

    seen = []
    whole = module.super_resolve

    def watch(run, card, out, **options):
        seen.append((run.shape[3], len(options["volumes"])))
        return whole(run, card, out, **options)

    monkeypatch.setattr(module, "super_resolve", watch)
    checked()
    assert seen == [(17, 13)] * 2  # and with the noise put back


def test_it_computes_in_what_the_run_was_computed_in(checked, monkeypatch):
    from bids_sr.evaluation import selfcheck as module

    asked = []
    whole = module.super_resolve

    def watch(*arguments, **options):
        asked.append(options["precision"])
        return whole(*arguments, **options)

    monkeypatch.setattr(module, "super_resolve", watch)
    checked(precision="bfloat16")
    assert asked == ["bfloat16"] * 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mode": "off"}, "switched off"),
        ({"inside": np.s_[:1, :1]}, "brain voxels are left inside the rim"),
        ({"band": (0.5, 0.4)}, "of k-space"),
    ],
)
def test_no_self_check_and_why(checked, changes, reason):
    record = checked(**changes)
    assert reason in record["selfcheck_reason"]
    assert record["selfcheck_verdict"] == "" and record["selfcheck_volumes"] == 0
    assert {value for row in metrics(record).values() for value in row.values()} == {None}


def test_detail_beyond_the_measured_band_does_not_count(checked):
    # the harm of random detail lies there for the most part: half of the band is the input's own
    whole, cut = (metrics(checked(band=band)) for band in ((1.0, 1.0), (0.6, 0.6)))
    assert cut["network"]["psnr_dwi"] > whole["network"]["psnr_dwi"] + 1
    assert cut["sinc"]["psnr_dwi"] > whole["sinc"]["psnr_dwi"]


def test_a_reference_with_an_empty_part_of_the_band_is_told(checked):
    note = checked(band=(0.78, 1.0))["selfcheck_note"]
    assert "along i (78 % was measured)" in note and "along j" not in note


def test_images_alone_where_there_is_no_tensor(checked):
    record = checked(directions=4)
    assert "no tensor maps" in record["selfcheck_note"]
    assert record["selfcheck_fa_mae_network"] is None
    assert record["selfcheck_psnr_dwi_network"] is not None
    assert record["selfcheck_verdict"] == "harmed"


def test_a_full_disk_is_no_reason_but_a_failure(checked, monkeypatch):
    from bids_sr.errors import OutputError
    from bids_sr.evaluation import selfcheck as module

    def fail(*_, **__):
        raise OutputError("cannot be written (No space left on device).", file="x", remedy="Go.")

    monkeypatch.setattr(module, "super_resolve", fail)
    with pytest.raises(OutputError, match="No space left"):
        checked()


def test_a_file_that_cannot_be_read_is_a_reason(checked, monkeypatch):
    from bids_sr.errors import InputError
    from bids_sr.evaluation import selfcheck as module

    def fail(*_, **__):
        raise InputError("is cut short.", file="x", remedy="Copy it again.")

    monkeypatch.setattr(module, "super_resolve", fail)
    record = checked()
    assert record["selfcheck_reason"] == "It could not be made: is cut short."
    assert record["selfcheck_verdict"] == ""


def rewritten(path, change):
    image = nib.load(path)
    data = image.get_fdata(dtype=np.float32)
    change(data)
    nib.Nifti1Image(data, image.affine).to_filename(path)


def test_a_hot_voxel_is_no_error_of_anyone(checked, make_run):
    clean = metrics(checked())

    def hot(folder, **options):
        run = make_run(folder, **options)
        rewritten(run.files.dwi, lambda data: data.__setitem__((9, 12, 1, slice(None)), 30000))
        return run

    spoiled = metrics(checked(make_run=hot))
    for method, row in clean.items():
        for metric in ("psnr_b0", "psnr_dwi"):
            assert spoiled[method][metric] == pytest.approx(row[metric], abs=0.3), method


def test_signed_signal_is_compared_as_it_is(checked, make_run):
    def noisy(folder, **options):
        run = make_run(folder, **options)
        noise = np.random.default_rng(0).normal(0, 400, (24, 22, 4, 17))
        rewritten(run.files.dwi, lambda data: data.__iadd__(noise))
        return run

    kept = checked(make_run=noisy, signed=True, detail=0.0)
    found = metrics(kept)
    # the network adds nothing: had a sign been lost on the way, it would not be sinc
    given = [metric for metric in SELF_CHECK_METRICS if found["sinc"][metric] is not None]
    assert {"psnr_b0", "psnr_dwi"} <= set(given)
    for metric in given:
        assert found["network"][metric] == pytest.approx(found["sinc"][metric], rel=1e-3), metric


def test_each_reference_is_split_once(checked, monkeypatch):
    from bids_sr.evaluation import detail, selfcheck

    split, fit = [], detail.fit_series

    def spy(degraded, path):
        split.append(path.name)
        return fit(degraded, path)

    monkeypatch.setattr(detail, "fit_series", spy)
    monkeypatch.setattr(selfcheck, "fit_series", spy)
    assert checked()["selfcheck_verdict"] == "harmed"
    assert split.count("truth.nii") == split.count("noisy-truth.nii") == 1
    assert split.count("network.nii") == 2  # without noise, and with
