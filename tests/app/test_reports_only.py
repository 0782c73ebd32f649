"""Pages from records and pictures alone, and the exit status that quality decides."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bids_sr.app.reports_only import tell_quality

REPOSITORY = Path(__file__).resolve().parents[2]
_BLOCKED = """
import sys
for name in ("torch", "dipy", "nipype", "bids"):
    sys.modules[name] = None
from bids_sr.app.main import main
sys.exit(main())
"""


def write_record(out, label, **content):
    path = out / f"sub-{label}/dwi/sub-{label}_res-x2_desc-sr_quality.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"run": f"sub-{label}", "qc_status": "pass"} | content))
    return path


@pytest.fixture
def out(tmp_path):
    """An output folder with one good and one bad record."""
    write_record(tmp_path / "out", "01")
    write_record(tmp_path / "out", "02", qc_status="fail", qc_reasons="There is a grid.")
    return tmp_path / "out"


def call(out, *options):
    """Call the program where neither libraries nor the input are at hand."""
    return subprocess.run(
        [sys.executable, "-c", _BLOCKED, str(out.parent / "no-input"), str(out), "participant",
         "--reports-only", *options],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )  # fmt: skip


@pytest.mark.slow
def test_pages_without_libraries_networks_or_input(out):
    done = call(out)
    assert done.returncode == 0, done.stderr
    for label in ("01", "02"):
        assert f"sub-{label}" in (out / f"sub-{label}.html").read_text()


@pytest.mark.slow
def test_a_bad_run_decides_the_exit_status_if_asked(out):
    done = call(out, "--fail-on-qc")
    assert done.returncode == 1
    assert "sub-02: fail (There is a grid.)" in done.stderr
    assert (out / "sub-02.html").is_file()
    assert call(out, "--fail-on-qc", "--participant-label", "01").returncode == 0


@pytest.mark.slow
def test_participants_of_whom_nothing_is_known(out):
    done = call(out, "--participant-label", "01", "09")
    assert done.returncode == 2 and "sub-09" in done.stderr
    assert not (out / "sub-01.html").exists()


@pytest.mark.slow
def test_an_empty_folder(tmp_path):
    (tmp_path / "out").mkdir()
    done = call(tmp_path / "out")
    assert done.returncode == 2 and "anybody" in done.stderr


@pytest.mark.parametrize("content", ["{", "[]", '{"qc_status": "warn"}', "{}"])
def test_only_a_fail_fails(tmp_path, content):
    path = tmp_path / "record.json"
    path.write_text(content)
    assert tell_quality([path, tmp_path / "none.json"]) == 0
