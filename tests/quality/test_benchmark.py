from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from bids_sr.images.grid import SliceGrid

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "quality.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("benchmark_quality", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    # as when it is run: its folder comes first on the path
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(SCRIPT.parent))
    return module


@pytest.mark.parametrize(("axis", "factor"), [(2, 2), (2, 3), (0, 2)])
def test_the_coarse_grid_refines_to_the_original(benchmark, axis, factor):
    shape = tuple(7 if a == axis else 6 * n for a, n in enumerate((3, 4, 5)))
    affine = np.array([[-2, 0.1, 0, 31], [0.1, 2.1, 0.2, -28], [0, -0.2, 2.5, -35], [0, 0, 0, 1]])
    coarse = SliceGrid(*benchmark.coarse_grid(shape, affine, axis, factor), axis, factor)
    found_shape, found_affine = coarse.high_resolution
    assert found_shape == shape
    assert np.abs(found_affine - affine).max() < 1e-12


def test_every_method_is_scored_on_a_small_scan(
    benchmark, make_dataset, tiny_model, tmp_path, capsys
):
    out = tmp_path / "figures.json"
    benchmark.main(
        ["--data", str(make_dataset("01")), "--subject", "01", "--model", str(tiny_model),
         "--device", "cpu", "--threads", "1", "--ensemble", "1", "--out", str(out)]
    )  # fmt: skip
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    assert len(table) == 1 + 6
    rows = {row["method"]: row for row in json.loads(out.read_text())["rows"]}
    assert list(rows) == ["linear", "cubic", "sinc", "oracle", "tiny, no consistency", "tiny"]
    assert rows["sinc"]["psnr_b0"] > rows["linear"]["psnr_b0"]
    assert rows["sinc"]["fa_mae"] > 0
    # an untrained network that adds random detail, with and without the measured band
    assert rows["sinc"]["psnr_dwi"] > rows["tiny"]["psnr_dwi"]
    assert rows["tiny"]["psnr_dwi"] != rows["tiny, no consistency"]["psnr_dwi"]
    # it knows the high frequencies, but not the noise that the scan has there
    assert rows["sinc"]["psnr_dwi"] + 1 < rows["oracle"]["psnr_dwi"] < 100


def test_a_known_truth_is_noise_free_and_its_scan_is_not(
    benchmark, make_dataset, tiny_model, tmp_path, capsys
):
    out = tmp_path / "figures.json"
    benchmark.main(
        ["--data", str(make_dataset("01")), "--subject", "01", "--model", str(tiny_model),
         "--device", "cpu", "--threads", "1", "--ensemble", "1", "--out", str(out),
         "--reference", "synthetic", "--goals", "--work", str(tmp_path / "work")]
    )  # fmt: skip
    printed = capsys.readouterr().out
    assert "| FA error | -25 % |" in printed
    assert "missed" in printed
    rows = {row["method"]: row for row in json.loads(out.read_text())["rows"]}
    # the noise in the measured band keeps even the oracle from the truth
    assert rows["oracle"]["fa_mae"] > 0
    assert rows["sinc"]["psnr_dwi"] < rows["oracle"]["psnr_dwi"] < 100


def test_goals_compare_with_the_best_interpolation(benchmark):
    rows = [
        {"method": name, "psnr_b0": value, "fa_mae": 10 / value}
        for name, value in [("linear", 20.0), ("cubic", 25.0), ("sinc", 24.0), ("net", 50.0)]
    ]
    against_best = sys.modules["goals"].against_best
    assert against_best(rows, "net", "psnr_b0") == 25
    assert abs(against_best(rows, "net", "fa_mae") - 50) < 1e-9
