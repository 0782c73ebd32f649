"""The check of a GPU, with the CPU in its place, and the tables that are made of it."""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parents[1]
BENCHMARKS = REPOSITORY / "benchmarks"
PAGE = REPOSITORY / "docs" / "performance.md"


@pytest.fixture
def modules(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    names = ("gpu_check", "gpu_parts", "gpu_tables", "pages")
    return {name: importlib.import_module(name) for name in names}


@pytest.fixture
def machine(modules, monkeypatch):
    """A CPU in place of a GPU; above two slices memory runs out while it is occupied."""
    from bids_sr.networks.series_network import SeriesNetwork

    class Standin(modules["gpu_parts"].Machine):
        full = False

        def facts(self):
            return {"gpu": "Stand-in", "capability": "0.0", "memory_gb": 1.0, "built_for": [],
                    "cuda": None, "cudnn": None, "gpus_before_start": 1, "gpus": 1}  # fmt: skip

        @contextmanager
        def occupied(self, left_gb):
            Standin.full = True
            yield
            Standin.full = False

    forward = SeriesNetwork.forward

    def hungry(self, images):
        if Standin.full and len(images) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, images)

    monkeypatch.setattr(SeriesNetwork, "forward", hungry)
    return Standin()


def made():
    """Results as the check stores them; figures are made up."""
    ok = {"ok": True, "seconds": 1.0}
    facts = {"gpu": "Made-up GPU", "capability": "9.9", "memory_gb": 48.0, "torch": "2.0"}
    return {
        "machine": {**ok, **facts, "cuda": "13.0", "cudnn": 9},
        "agreement": {
            "ok": False,
            "seconds": 2.0,
            "rows": [["default, x2", "float32", 1e-6, 1e-3], ["default, x2", "float16", 0.2, 0.05]],
        },
        "short memory": {
            **ok, "batch_size": [60, 7], "retries": 3, "difference": 1e-7
        },
        "two processes": {**ok, "status": [0, 0, 0], "difference": 0.0},
        "speed": {
            **ok,
            "rows": [["default, x2", "float16", 64, 1234.5, 2.5],
                     ["the article's network", "float32", 64, None, None]],
            "matrix": [128, 128],
            "series": {"slices": 1000, "seconds": 20.0, "batch_size": 60, "precision": "float16",
                       "ensemble": 4, "peak_gb": 3.0},
        },
        "training": {"ok": False, "seconds": 0.0, "error": "it took too long"},
    }  # fmt: skip


def test_the_tables_stand_where_the_page_has_room(modules, tmp_path, capsys):
    page, results = tmp_path / "page.md", tmp_path / "gpu.json"
    shutil.copy(PAGE, page)
    results.write_text(json.dumps(made()))
    line = ["--report", str(results)]
    assert modules["gpu_check"].main([*line, "--page", str(page)]) == 0
    text = page.read_text()
    assert "Made-up GPU, compute capability 9.9, 48 GB; torch 2.0, CUDA 13.0, cuDNN 9." in text
    assert "| short memory | as it should be: batches of 7 slices instead of 60, after 3 r" in text
    assert "| training | FAILED: it took too long | 0 |" in text
    assert "| default, x2 | float32 | 1e-06 | 0.001 |" in text
    assert "| default, x2 | float16 | 0.2 MISSED | 0.05 |" in text
    assert "| default, x2 | float16 | 64 | 1234 | 2.50 |" in text
    assert "| the article's network | float32 | 64 | memory too small | |" in text
    assert "1000 slices in 20.0 s, 50 slices/s, in float16, batches of 60" in text
    assert modules["gpu_check"].main(line) == 0
    assert "Made-up GPU" in capsys.readouterr().out


def test_no_figure_on_the_page_is_made_up():
    """Either they are of the results beside it, or there are none."""
    results, text = PAGE.parent / "performance" / "gpu.json", PAGE.read_text()
    if not results.exists():
        assert text.count("Not measured yet.") == 4


def test_what_has_failed_early_is_a_table_too(modules):
    for found in ({}, {"machine": {"ok": False, "error": "odd", "seconds": 1.0}}):
        assert set(modules["gpu_tables"].tables(found).values())


def test_what_is_asked_of_cuda(modules, gpus, monkeypatch):
    """Names and arguments; the answers are faked."""
    asked, taken = [], []
    gpus(1).free = 40e9
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91000)
    for name, answer in {
        "synchronize": None,
        "empty_cache": None,
        "reset_peak_memory_stats": None,
        "max_memory_allocated": 3e9,
        "get_device_properties": SimpleNamespace(name="G", major=9, minor=0, total_memory=8e10),
    }.items():
        fake = lambda *given, name=name, answer=answer: asked.append((name, *given)) or answer  # noqa: E731
        monkeypatch.setattr(torch.cuda, name, fake)
    monkeypatch.setattr(torch, "empty", lambda size, **how: taken.append((size, how["device"])))
    machine = modules["gpu_parts"].CudaMachine("cuda:0")
    machine.wait()
    machine.reset_peak()
    assert machine.peak_gb() == 3.0
    assert ("reset_peak_memory_stats", "cuda:0") in asked
    with machine.occupied(left_gb=1.0):
        assert taken == [(39_000_000_000, "cuda:0")]
    assert asked[-1] == ("empty_cache",)
    facts = machine.facts()
    assert facts["capability"] == "9.0" and facts["memory_gb"] == 80 and facts["gpus"] == 1
    json.dumps(facts)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["machine", "agreement", "short memory", "speed", "training"])
def test_a_part_finds_what_it_should(modules, machine, part, tmp_path):
    sizes = modules["gpu_parts"].Sizes(
        small=(24, 20, 4), large=(24, 20, 6), batches=(2, 4), seconds=0.0, steps=1, width=8
    )
    found = modules["gpu_check"].here(part, machine, tmp_path, sizes, 0.0)
    assert found["ok"], found
    json.dumps(found)
    modules["gpu_tables"].tables({part: {**found, "seconds": 0.0}})
    if part == "short memory":
        assert (found["batch_size"] == [6, 1] and found["retries"] == 2) or found["batch_size"][
            1
        ] <= 2
    if part == "agreement":
        assert [row[:2] for row in found["rows"][:2]] == [
            ["default, x2", "float32"],
            ["default, x2", "float16"],
        ]
        assert len(found["rows"]) == 9
    if part == "speed":
        assert all(rate > 0 for *_, rate, _ in found["rows"]) and len(found["rows"]) == 18


@pytest.mark.slow
def test_two_processes_agree(modules, tmp_path):
    parts = modules["gpu_parts"]
    sizes = parts.Sizes(small=(24, 20, 3))
    found = parts.two_processes(parts.Machine(), tmp_path, sizes)
    assert found == {"ok": True, "status": [0, 0, 0], "difference": 0.0}


def test_results_are_stored_after_each_part(modules, tmp_path):
    check, out, stored = modules["gpu_check"], tmp_path / "gpu.json", []

    def run(name, *given):
        stored.append(len(json.loads(out.read_text())) if out.exists() else 0)
        if name == "speed":
            return {"ok": False, "error": "odd"}
        return {"ok": True}

    found = check.check(modules["gpu_parts"].Machine(), out, 60.0, run=run)
    assert stored == list(range(6)) and list(found) == list(check.PARTS)
    assert not found["speed"]["ok"] and found["training"]["ok"]


@pytest.mark.slow
def test_a_part_that_fails_or_hangs_takes_no_other_along(modules, tmp_path):
    """On a machine without a GPU each fails, and says why."""
    check, parts = modules["gpu_check"], modules["gpu_parts"]
    machine = parts.CudaMachine("cuda:0")
    assert "no time was left" in check.apart("machine", machine, tmp_path, parts.FULL, 0)["error"]
    assert "too long" in check.apart("machine", machine, tmp_path, parts.FULL, 0.01)["error"]
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    found = check.apart("machine", machine, tmp_path, parts.FULL, 300)
    assert not found["ok"] and ("NVIDIA" in found["error"] or "CUDA" in found["error"])


@pytest.mark.slow
def test_it_needs_few_libraries():
    """Those that the script names; the rest of the program needs many more."""
    blocked = ["bids", "dipy", "jinja2", "matplotlib", "nipype", "pandas", "psutil", "skimage"]
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({blocked}));"
        "import gpu_check, bids_sr.training.task_setup, bids_sr.training.trainer"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=BENCHMARKS, check=False)
    assert done.returncode == 0


@pytest.mark.slow
def test_without_a_gpu_it_says_so_and_ends_well(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    done = subprocess.run(
        ["sh", str(BENCHMARKS / "gpu_check.sh"), str(tmp_path / "gpu.json")],
        env={**os.environ, "PYTHON": sys.executable, "WHEELS": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("No GPU to check: ")
    assert not (tmp_path / "gpu.json").exists()
