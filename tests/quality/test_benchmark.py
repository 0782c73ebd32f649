from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from bids_sr.images.grid import SliceGrid

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "quality.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("benchmark_quality", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
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
    assert len(table) == 1 + 5
    rows = {row["method"]: row for row in json.loads(out.read_text())["rows"]}
    assert list(rows) == ["linear", "cubic", "sinc", "tiny, no consistency", "tiny"]
    assert rows["sinc"]["psnr_b0"] > rows["linear"]["psnr_b0"]
    assert rows["sinc"]["fa_mae"] > 0
    # an untrained network that adds random detail, with and without the measured band
    assert rows["sinc"]["psnr_dwi"] > rows["tiny"]["psnr_dwi"]
    assert rows["tiny"]["psnr_dwi"] != rows["tiny, no consistency"]["psnr_dwi"]
