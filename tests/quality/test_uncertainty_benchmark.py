"""Benchmark: does the standard deviation over the self-ensemble predict the error?"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "uncertainty.py"


@pytest.fixture(scope="module")
def benchmark():
    spec = importlib.util.spec_from_file_location("benchmark_uncertainty", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    # as when it is run: its folder comes first on the path
    sys.path.insert(0, str(SCRIPT.parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(str(SCRIPT.parent))
    return module


def planted(benchmark, times):
    """An error whose sd is known in every voxel, `times` as large as predicted."""
    generator = np.random.default_rng(0)
    sd = generator.uniform(1, 5, 100_000)
    error = times * sd * generator.standard_normal(sd.size)
    return benchmark.Samples("made up", "1", error, sd, generator.uniform(0, 1, sd.size))


def test_a_true_sd_is_found_to_be_calibrated(benchmark):
    for times in (1.0, 3.0):
        curve = benchmark.calibration(planted(benchmark, times))
        assert len(curve) == 10
        np.testing.assert_allclose([e / s for s, e in curve], times, rtol=0.05)


def test_correlations_tell_a_predictor_from_chance(benchmark):
    found = benchmark.correlations(planted(benchmark, 1.0))
    assert found["spearman_sd"] > 0.3 and found["pearson_sd"] > 0.3
    assert abs(found["spearman_edges"]) < 0.02 and abs(found["pearson_edges"]) < 0.02
    assert found["spearman_partial"] == pytest.approx(found["spearman_sd"], abs=0.01)


def test_what_repeats_the_edges_adds_nothing(benchmark):
    samples = planted(benchmark, 1.0)
    generator = np.random.default_rng(1)
    noisy = samples.sd + generator.normal(0, 1, samples.sd.size)
    copy = benchmark.Samples("", "1", samples.error, noisy, samples.sd)
    assert abs(benchmark.correlations(copy)["spearman_partial"]) < 0.02


def test_tables_and_figure_of_a_small_scan(benchmark, make_dataset, tiny_model, tmp_path, capsys):
    figure = tmp_path / "curve.png"
    benchmark.main(
        ["--data", str(make_dataset("01")), "--subject", "01", "--model", str(tiny_model),
         "--device", "cpu", "--threads", "1", "--references", "scan", "--figure", str(figure)]
    )  # fmt: skip
    printed = capsys.readouterr().out
    for name in ("b0", "weighted volumes", "FA"):
        assert f"| {name} | scan |" in printed
    assert printed.count("| error / sd |") == 3
    assert "nan" not in printed
    with Image.open(figure) as image:
        assert image.width > image.height
