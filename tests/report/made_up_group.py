"""A made-up study: full records, as scans give them, some out of the ordinary, and failures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from bids_sr.quality.gain import CLASSICAL, key_of, selfcheck_verdict
from bids_sr.report.records import read_runs
from bids_sr.report.roster import missing_files

_FACTS: dict[str, Any] = {
    "session": None,
    "acquisition": None,
    "n_volumes": 65,
    "n_b0": 5,
    "n_directions": 60,
    "shells": "1000",
    "input_shape": "128x128x60",
    "acquired_matrix": "128x128",
    "stored_matrix": "128x128",
    "input_zooms_mm": "2.00x2.00x2.00",
    "stored_zooms_mm": "2.00x2.00x2.00",
    "output_zooms_mm": "1.00x1.00x2.00",
    "slice_axis": 2,
    "scale_factor": 2,
    "model": "wide-x2",
    "model_sha256": "ab" * 32,
    "data_consistency": True,
    "signed": False,
    "ensemble": 8,
    "uncertainty": False,
    "maps_written": False,
    "input_band": "1.00x1.00",
    "device": "cpu (2 threads)",
    "batch_size": 4,
    "version": "0.1.0",
    "torch_version": "2.14.1",
    "dti_skipped_reason": "",
    "gqi_skipped_reason": "",
    "notes": "",
    "bad_lines": "",
    "band_note": "",
    "gradients_verdict": "as expected",
    "gradients_fixed": False,
    "selfcheck_mode": "auto",
    "selfcheck_volumes": 13,
    "selfcheck_slices": 12,
    "selfcheck_reason": "",
    "qc_status": "pass",
    "qc_reasons": "",
}
_NUMBERS = {
    # the middle, and how far runs are spread around it
    "seconds_superres": (1800, 150),
    "slices_per_second": (2.1, 0.15),
    "seconds_total": (2700, 200),
    "peak_memory_gb": (2.4, 0.05),
    "brain_volume_ml": (1250, 90),
    "dc_nrmse_b0": (4.1e-4, 3e-5),
    "dc_nrmse_b1000": (3.8e-4, 3e-5),
    "dc_bias_b0": (2e-6, 3e-6),
    "dc_bias_b1000": (2e-6, 3e-6),
    "dc_rms_sigma_b0": (0.0102, 4e-4),
    "dc_rms_sigma_b1000": (0.0035, 2e-4),
    "s_above_s0_fraction_input": (1.2e-3, 2e-4),
    "s_above_s0_fraction_sr": (1.1e-3, 2e-4),
    "grid_f_dwi_p2_sr": (1.4, 0.2),
    "grid_f_dwi_p4_sr": (0.9, 0.2),
    "grid_f_fa_p2_sr": (1.2, 0.1),
    "grid_f_fa_p4_sr": (1.05, 0.1),
    "sharpness_input": (0.1616, 0.002),
    "sharpness_sr": (0.1877, 0.002),
    "interslice_discontinuity_input": (0.0089, 3e-4),
    "interslice_discontinuity_sr": (0.0089, 3e-4),
    "ndc_input": (0.787, 0.01),
    "ndc_sr": (0.788, 0.01),
    "sigma_mppca": (616, 30),
    "snr_b0": (21, 2),
    "snr_b1000": (9, 0.8),
    "n_bad_slices": (0, 0),
    "negative_eigenvalue_fraction_input": (5e-4, 5e-5),
    "negative_eigenvalue_fraction_sr": (3.2e-4, 5e-5),
    "nonfinite_fraction_input": (0, 0),
    "nonfinite_fraction_sr": (0, 0),
    "wm_voxels": (160624, 9000),
    "wm_fa_median_input": (0.409, 0.012),
    "wm_fa_median_sr": (0.411, 0.012),
    "wm_fa_wasserstein": (0.0016, 2e-4),
    "wm_md_median_input": (0.738, 0.015),
    "wm_md_median_sr": (0.738, 0.015),
    "wm_md_wasserstein": (0.0022, 3e-4),
    "wm_ad_median_input": (1.087, 0.02),
    "wm_ad_median_sr": (1.089, 0.02),
    "wm_rd_median_input": (0.558, 0.01),
    "wm_rd_median_sr": (0.559, 0.01),
    "v1_angle_median_deg": (5.5, 0.4),
    "gradients_coherence": (0.29, 0.02),
    "gradients_coherence_best": (0.29, 0.02),
    "gradients_margin": (12.5, 1),
    "selfcheck_gain_psnr_b0_noisy": (2.08, 0.1),
    "selfcheck_gain_psnr_dwi_noisy": (0.73, 0.1),
    "selfcheck_gain_fa_mae_noisy": (0.08, 0.01),
    "selfcheck_left_b0_noise": (0.09, 0.01),
    "selfcheck_left_mean_noise": (0.08, 0.01),
    "selfcheck_left_l2_noise": (0.66, 0.02),
    "selfcheck_seconds": (190, 15),
}
_SCORES = {
    # of the classical methods and of the network
    "psnr_b0": ((25.9, 27.4, 27.8, 30.3), 0.3),
    "psnr_dwi": ((21.2, 22.2, 22.6, 23.7), 0.2),
    "ssim_dwi": ((0.668, 0.751, 0.780, 0.827), 0.01),
    "fa_mae": ((0.0957, 0.0702, 0.0642, 0.0591), 0.001),
    "md_mae": ((0.123, 0.115, 0.114, 0.0788), 0.003),
    "v1_deg": ((9.6, 8.5, 8.0, 7.57), 0.1),
    "left_b0": ((1.04, 1.05, 0.999, 0.53), 0.02),
    "left_mean": ((1.06, 1.06, 0.999, 0.57), 0.02),
    "left_l2": ((1.11, 1.12, 0.998, 0.84), 0.03),
}
_WARNING = "FA in white matter rose by {:.3f} (limit 0.030): compare the maps before and after"


_FAILED = (
    "/data/bids/{0}/dwi/{0}_dwi.nii.gz: there is no .bvec file for this image: neither "
    "{0}_dwi.bvec next to it nor one inherited from a folder above. Put {0}_dwi.bvec next to "
    "the image."
)


def write_study(out: Path, runs: int, failing: int = 0) -> None:
    """Write what the group page reads of so many runs; the last ones have failed.

    Of run 4 a file is missing.
    """
    for number in range(1, runs + 1):
        name = f"sub-{number:04}"
        (out / name / "dwi").mkdir(parents=True)
        (out / f"{name}.html").write_text("report")
        if number <= runs - failing:
            record = out / name / "dwi" / f"{name}_res-x2_desc-sr_quality.json"
            record.write_text(json.dumps(made_up_record(number)))
            continue
        (out / "logs").mkdir(exist_ok=True)
        error = {"run": name, "message": _FAILED.format(name), "crash_file": ""}
        (out / "logs" / f"{name}_error.json").write_text(json.dumps(error))
    for run in read_runs(out)[0]:
        run.index.parent.mkdir()
        for name in missing_files(run)[run.subject == "0004" :]:
            folder = run.index.parent if name == run.index.name else run.path.parent
            (folder / name).touch()


def made_up_record(number: int, seed: int = 0) -> dict[str, Any]:
    """Return the record of one participant; every eleventh is out of the ordinary in something."""
    generator = np.random.default_rng((seed, number))
    label = f"{number:04}"
    record: dict[str, Any] = {"run": f"sub-{label}", "subject": label, **_FACTS}
    for key, (middle, spread) in _NUMBERS.items():
        record[key] = float(f"{middle + spread * generator.standard_normal():.6g}")
    record["n_bad_slices"] = 0
    for key in [
        key
        for key in _NUMBERS
        if key.endswith("_sr") and f"{key.removesuffix('_sr')}_input" in record
    ]:
        _near_the_input(record, key, generator)
    for score, (values, spread) in _SCORES.items():
        shift = spread * generator.standard_normal()
        for method, value in zip((*CLASSICAL, "network"), values, strict=True):
            record[key_of(score, method)] = round(
                value + shift + spread * generator.normal() / 4, 5
            )
    if number % 11 == 5:
        _strange(record, number // 11 % 4, generator)
    record["selfcheck_verdict"] = selfcheck_verdict(record)
    return record


def _near_the_input(record: dict[str, Any], key: str, generator: np.random.Generator) -> None:
    """Let an output differ from its own input, not from the study's, by a tenth of the spread."""
    source = f"{key.removesuffix('_sr')}_input"
    (before, spread), (after, _) = _NUMBERS[source], _NUMBERS[key]
    change = after - before + 0.1 * spread * generator.standard_normal()
    record[key] = float(f"{record[source] + change:.6g}")


def _strange(record: dict[str, Any], kind: int, generator: np.random.Generator) -> None:
    if kind == 0:
        shift = 0.05 + 0.01 * generator.random()
        record["wm_fa_median_sr"] = round(record["wm_fa_median_input"] + shift, 5)
        record["wm_fa_wasserstein"] = round(shift, 5)
        record |= {"qc_status": "warn", "qc_reasons": _WARNING.format(shift)}
    elif kind == 1:
        wrong = "The gradient table does not match the image: x flipped"
        record |= {"gradients_verdict": "x flipped", "qc_status": "warn", "qc_reasons": wrong}
        record |= {"gradients_coherence": 0.04, "v1_angle_median_deg": 7.9}
    elif kind == 2:
        for score in ("psnr_b0", "psnr_dwi"):
            record[key_of(score, "network")] = record[key_of(score, "sinc")] - 1.5
        harmed = "The network did worse on this scan than the best interpolation"
        record |= {"qc_status": "fail", "qc_reasons": harmed}
    else:
        record |= {"n_bad_slices": 3, "bad_lines": "volume 12, slices 30 to 32"}
        record |= {"qc_status": "warn", "qc_reasons": "3 slices of the input are damaged"}
        record |= {"snr_b0": 11.0, "snr_b1000": 4.5, "sigma_mppca": 1250.0}
