from __future__ import annotations

import json

import nibabel as nib
import numpy as np
import pytest

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.diffusion.mask import carry_mask
from bids_sr.diffusion.tensor import fit_tensor
from bids_sr.images.grid import SliceGrid
from bids_sr.images.nifti import DwiReader, VolumeWriter, write_image
from bids_sr.networks.registry import load_card
from bids_sr.quality.interpolation import interpolate
from bids_sr.quality.lattice import PERIODS
from bids_sr.quality.record import compute_metrics
from bids_sr.quality.registry import is_described
from bids_sr.quality.series import AboveB0
from bids_sr.quality.series_context import shell_names
from bids_sr.superres.engine import SuperResolvedDwi

EXPECTED = [
    "run",
    "subject",
    "session",
    "acquisition",
    "n_volumes",
    "n_b0",
    "n_directions",
    "shells",
    "input_shape",
    "input_zooms_mm",
    "output_zooms_mm",
    "scale_factor",
    "model",
    "model_sha256",
    "device",
    "seconds_superres",
    "slices_per_second",
    "data_consistency",
    "ensemble",
    "uncertainty",
    "slice_axis",
    "version",
    "torch_version",
    "dc_nrmse_b0",
    "dc_nrmse_b1000",
    "dc_bias_b0",
    "dc_bias_b1000",
    "wm_fa_median_input",
    "wm_fa_median_sr",
    "wm_md_median_input",
    "wm_md_median_sr",
    "wm_fa_wasserstein",
    "wm_md_wasserstein",
    "v1_angle_median_deg",
    "negative_eigenvalue_fraction_sr",
    "nonfinite_fraction_sr",
    "s_above_s0_fraction_input",
    "s_above_s0_fraction_sr",
    "dti_skipped_reason",
    "notes",
    "nonfinite_dwi_fraction_sr",
    "dc_rms_sigma_b0",
    "dc_rms_sigma_b1000",
    "interslice_discontinuity_input",
    "interslice_discontinuity_sr",
    "ndc_input",
    "ndc_sr",
    "sharpness_input",
    "sharpness_sr",
    "sigma_mppca",
    "sigma_piesno",
    "sigma_note",
    "snr_b0",
    "snr_b1000",
    "bad_lines",
    "n_bad_slices",
    "band_note",
    "seconds_total",
    "peak_memory_gb",
    *(f"grid_{k}_dwi_p{p}_{w}" for p in PERIODS for k in "fa" for w in ("input", "sr")),
    *(f"grid_{k}_fa_p{p}_sr" for p in PERIODS for k in "fa"),
    *(f"grid_fslice_dwi_p{p}_sr" for p in PERIODS),
    *(f"peak_db_dwi_p{p}" for p in PERIODS),
]


@pytest.fixture
def judged(make_run, tiny_model, tmp_path):
    """A function that "super-resolves" the tiny run by sinc, with planted changes, and judges."""

    def run_it(directions=16, gain=1.0, fit=True, curves=False):
        folder = tmp_path / "raw"
        folder.mkdir()
        run: DwiRun = make_run(folder, directions=directions)
        grid = SliceGrid(run.shape[:3], nib.load(run.files.dwi).affine, 2, 2)
        shape, affine = grid.high_resolution
        sr = tmp_path / "sr.nii.gz"
        with DwiReader(run.files.dwi) as reader:
            with VolumeWriter(sr, (*shape, reader.shape[3]), affine) as writer:
                for i in range(reader.shape[3]):
                    change = gain if run.gradients.is_b0[i] else 1
                    writer.write(change * interpolate(reader.volume(i), 2, "sinc"))
            mask = reader.volume(0) > 300
        fine_mask = carry_mask(mask, grid.affine, shape, affine)
        masks = {"input_mask": tmp_path / "m.nii.gz", "output_mask": tmp_path / "hm.nii.gz"}
        write_image(masks["input_mask"], mask, grid.affine)
        write_image(masks["output_mask"], fine_mask, affine)
        result = SuperResolvedDwi(
            dwi=sr, run=run, grid=grid, card=load_card(str(tiny_model), 2), scale=1.0,
            device="cpu", seconds=2.0, slices=68, batch_size=4, data_consistency=True, ensemble=4,
            band=(1.0, 0.75), notes=("One.", "Two."),
        )  # fmt: skip
        fits = {}
        if fit:
            for key, path, where in (("input_maps", run.files.dwi, mask),
                                     ("output_maps", sr, fine_mask)):  # fmt: skip
                out = {p: tmp_path / f"{key}-{p}.nii.gz" for p in ("fa", "md", "v1")}
                fits[key] = fit_tensor(path, run.gradients, where, out, params=tuple(out))
        found = compute_metrics(result, **masks, **fits)
        return found.curves if curves else found.record

    return run_it


def test_the_record_is_flat_complete_and_safe_for_json(judged):
    record = judged()
    assert not set(EXPECTED) - set(record)
    assert [key for key in record if not is_described(key)] == []
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert all(value is None or isinstance(value, str | int | float) for value in record.values())
    assert record["shells"] == "1000"
    assert record["input_shape"] == "24x22x4"
    assert record["input_zooms_mm"] == "2.00x2.00x3.00"
    assert record["output_zooms_mm"] == "1.00x1.00x3.00"
    assert record["slices_per_second"] == 34
    assert record["n_b0"] == 1
    assert record["n_directions"] == 16
    assert record["notes"] == "One. Two."
    assert record["session"] is None
    assert record["dti_skipped_reason"] == ""


def test_curves_of_all_kinds(judged):
    curves = judged(curves=True)
    assert json.loads(json.dumps(curves, allow_nan=False)) == curves
    assert set(curves) == {
        "dc_map", "spectra", "axis_spectra", "lattice", "histograms", "bad_slices",
    }  # fmt: skip
    assert np.shape(curves["dc_map"]["values"]) == (17, 4)
    assert set(curves["spectra"]) == {
        "frequency", "interpolated", "super-resolved", "acquired_limit",
    }  # fmt: skip
    assert set(curves["lattice"]) == {"dwi", "fa"}
    assert set(curves["axis_spectra"]) == {"i", "j"}
    for param in ("fa", "md"):
        assert sum(curves["histograms"][param]["sr"]) == pytest.approx(1, abs=1e-3)


def test_sinc_keeps_what_was_measured(judged):
    record = judged()
    for shell in ("b0", "b1000"):
        assert record[f"dc_nrmse_{shell}"] < 1e-5
        assert abs(record[f"dc_bias_{shell}"]) < 1e-5


def test_planted_gain_on_the_b0_shows_there_only(judged):
    record = judged(gain=1.1, fit=False)
    assert record["dc_bias_b0"] == pytest.approx(0.1, rel=1e-3)
    assert record["dc_nrmse_b0"] == pytest.approx(0.1, rel=1e-3)
    assert record["dc_nrmse_b1000"] < 1e-5


def test_weak_b0_makes_weighted_signals_exceed_it(judged):
    record = judged(gain=0.3, fit=False)
    assert record["s_above_s0_fraction_input"] < 0.05
    assert record["s_above_s0_fraction_sr"] > 0.5


def test_too_few_directions_leave_the_tensor_out_and_say_why(judged):
    record = judged(directions=4, fit=False)
    assert "4 distinct directions" in record["dti_skipped_reason"]
    assert "wm_fa_median_sr" not in record
    json.dumps(record, allow_nan=False)


def test_s_above_s0_counts_samples_above_the_mean_b0():
    counter = AboveB0()
    for b0 in (10, 30):
        counter.add(np.full(8, b0, np.float32), is_b0=True)
    counter.add(np.array([21, 19, 19, 19, 19, 19, 25, 20], np.float32), is_b0=False)
    counter.add(np.full(8, 5, np.float32), is_b0=False)
    assert counter.fraction == pytest.approx(2 / 16)
    assert np.isnan(AboveB0().fraction)


def test_each_volume_is_read_once(judged, monkeypatch):
    reads = []
    original = DwiReader.volume
    monkeypatch.setattr(
        DwiReader, "volume", lambda self, i: reads.append((self.path, i)) or original(self, i)
    )
    judged(fit=False)
    judging = reads[-34:]
    assert len(set(judging)) == 34


def test_shells_are_named_by_volume(tmp_path, make_run):
    assert shell_names(make_run(tmp_path, directions=3).gradients) == ["b0", *["b1000"] * 3]
