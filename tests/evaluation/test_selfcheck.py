"""The self-check on a tiny run: figures, verdict, and reasons where there are none."""

from __future__ import annotations

import json

import numpy as np
import pytest
from attrs import evolve

from bids_sr.evaluation.selfcheck import Means, self_check
from bids_sr.images.grid import SliceGrid
from bids_sr.images.nifti import DwiReader, write_image
from bids_sr.networks.card import read_card
from bids_sr.quality.gain import CLASSICAL, FIGURES
from bids_sr.superres.engine import SuperResolvedDwi

MEANS = Means(device="cpu", threads=1)


@pytest.fixture
def checked(make_run, make_model, tmp_path):
    """Function: a self-check of a tiny run with these changes; its folder stays empty."""

    def make(mode="auto", *, directions=16, factor=2, inside=None, detail=1.0, data=(), **changes):
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
            evolve(result, **changes), tmp_path / "mask.nii.gz", tmp_path / "work", mode, MEANS
        )
        assert not list((tmp_path / "work").iterdir())
        return record

    return make


def figures(record):
    return {
        method: {f: record[f"selfcheck_{f}_{method}"] for f in FIGURES}
        for method in (*CLASSICAL, "network")
    }


def test_random_detail_is_harm(checked):
    record = checked()
    assert record["selfcheck_verdict"] == "harmed"
    assert record["selfcheck_volumes"] == 13 and record["selfcheck_slices"] == 2
    assert record["selfcheck_reason"] == record["selfcheck_note"] == ""
    assert all(value is not None for row in figures(record).values() for value in row.values())
    json.dumps(record, allow_nan=False)


def test_that_the_network_may_know_the_participant_is_a_note(checked):
    note = checked(data=["sub-01_acq-AP"])["selfcheck_note"]
    assert note.startswith("model2 may have been trained on sub-01: its card lists sub-01_acq-AP.")
    assert checked(data=["sub-02"])["selfcheck_note"] == ""


@pytest.mark.parametrize("factor", [2, 3])
def test_a_network_without_detail_is_sinc(checked, factor):
    record = checked(detail=0.0, factor=factor)
    found = figures(record)
    assert found["network"]["psnr_dwi"] == pytest.approx(found["sinc"]["psnr_dwi"], abs=0.05)
    assert record["selfcheck_verdict"] != "helped"


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
    assert seen == [(17, 13)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"mode": "off"}, "switched off"),
        ({"inside": np.s_[:1, :1]}, "brain voxels are left inside the rim"),
        ({"band": (0.5, 0.4)}, "zero-filled"),
    ],
)
def test_no_self_check_and_why(checked, changes, reason):
    record = checked(**changes)
    assert reason in record["selfcheck_reason"]
    assert record["selfcheck_verdict"] == "" and record["selfcheck_volumes"] == 0
    assert {value for row in figures(record).values() for value in row.values()} == {None}


def test_detail_beyond_the_measured_band_does_not_count(checked):
    # the harm of random detail lies there for the most part: half of the band is the input's own
    whole, cut = (figures(checked(band=band)) for band in ((1.0, 1.0), (0.6, 0.6)))
    assert cut["network"]["psnr_dwi"] > whole["network"]["psnr_dwi"] + 1
    assert cut["sinc"]["psnr_dwi"] > whole["sinc"]["psnr_dwi"]


def test_a_zero_filled_reference_is_told(checked):
    note = checked(band=(0.78, 1.0))["selfcheck_note"]
    assert "along i (78% of the band is measured)" in note and "along j" not in note


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
