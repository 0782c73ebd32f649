"""``--dry-run`` says what a call would do, does none of it, and is about right."""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bids_sr.app import dry_run
from bids_sr.bids.finding import find_dwi
from bids_sr.networks.registry import load_card
from bids_sr.workflow.forecast import forecast
from bids_sr.workflow.plan import RunOptions, make_plan

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def dataset(writers, tmp_path_factory):
    """One good participant and one without directions."""
    root = writers.write_dataset(tmp_path_factory.mktemp("dry") / "raw", ("01", "02"))
    next(root.glob("sub-02/dwi/*.bvec")).unlink()
    return root


@pytest.fixture(scope="module")
def done(process, dataset, tmp_path_factory):
    """Output folder in which the good participant is finished."""
    outcome = process(dataset, tmp_path_factory.mktemp("done") / "out", "--participant-label", "01")
    assert outcome.status == 0, outcome.told
    return outcome.out


@pytest.fixture
def dry(call_here, model, capsys):
    """Call with --dry-run; exit status and what was written to standard output."""

    def go(dataset, out, *options):
        words = ("participant", "--model", model, "--device", "cpu", "--dry-run", *options)
        outcome = call_here(dataset, out, *words)
        return outcome, capsys.readouterr().out

    return go


def state_of(folder):
    """All that is in a folder, and when it was changed."""
    return {path: path.lstat().st_mtime_ns for path in [folder, *folder.rglob("*")]}


def line_of(text, label):
    (line,) = (line for line in text.splitlines() if line.startswith(f"{label} "))
    return line


def test_nothing_is_written_anywhere(dry, dataset, tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "mine").touch()
    before = state_of(dataset), state_of(tmp_path)
    dry(dataset, tmp_path / "new" / "out", "-w", tmp_path / "work", "--clean-workdir", "-v")
    assert (state_of(dataset), state_of(tmp_path)) == before


def test_what_is_to_do_and_what_cannot_be_used(dry, dataset, tmp_path):
    outcome, text = dry(dataset, tmp_path / "out", "--nprocs", "2")
    assert outcome.status == 1, "as the call itself would end"
    line = line_of(text, "sub-01")
    assert "24x22x4x17" in line and "to do" in line
    assert "unusable" in line_of(text, "sub-02")
    assert "there is no .bvec file" in text
    assert "2 runs: 1 to do, 1 unusable." in text
    assert "Memory:" in text and "are free there" in text


def test_a_sound_dataset_is_status_0(dry, dataset, tmp_path):
    outcome, text = dry(dataset, tmp_path / "out", "--participant-label", "01")
    assert outcome.status == 0 and "1 run: 1 to do." in text


def test_an_unknown_label_is_a_usage_error(dry, dataset, tmp_path):
    outcome, text = dry(dataset, tmp_path / "out", "--participant-label", "99")
    assert outcome.status == 2 and not text


@pytest.mark.parametrize("words", [("group",), ("participant", "--reports-only")])
def test_where_it_means_nothing_it_writes_nothing(call_here, dataset, done, words):
    before = state_of(done)
    outcome = call_here(dataset, done, *words, "--dry-run")
    assert outcome.status == 2 and "--dry-run" in outcome.told
    assert state_of(done) == before


def test_what_is_finished_is_recognised(dry, dataset, done):
    before = state_of(done)
    _, text = dry(dataset, done, "--participant-label", "01")
    assert " done " in line_of(text, "sub-01") and "1 run: 1 done." in text
    assert "Memory:" not in text, "nothing is left to do"
    assert state_of(done) == before


def test_other_settings_are_done_again(dry, dataset, done):
    _, text = dry(dataset, done, "--participant-label", "01", "--ensemble", "1")
    assert " again " in line_of(text, "sub-01")


def test_every_file_of_the_run_is_listed(dry, dataset, done):
    _, text = dry(dataset, done, "--participant-label", "01", "-v")
    images = [path for path in done.rglob("*") if path.name.endswith((".nii.gz", ".bval", ".bvec"))]
    assert len(images) > 20
    assert all(str(path) in text for path in images)


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_sizes_of_images_are_theirs_before_compression(dataset, process, model, tmp_path, dtype):
    """To the byte, of every image of the run; of text nothing is said."""
    told = ("--participant-label", "01", "--uncertainty", "--output-dtype", dtype)
    outcome = process(dataset, tmp_path / "out", *told)
    assert outcome.status == 0, outcome.told
    (files,) = find_dwi(dataset, participants=["01"])
    options = RunOptions(
        card=load_card(str(model), 2), uncertainty=True, ensemble=8, output_dtype=dtype
    )
    made = forecast(make_plan(files, outcome.out, options))
    assert len(made.files) > 50 and all(path.is_file() for path in made.files)
    for path, size in made.files.items():
        if path.name.endswith(".nii.gz"):
            assert size == len(gzip.decompress(path.read_bytes())), path.name
        else:
            assert size is None
    series = next(path for path in made.files if path.name.endswith("desc-sr_dwi.nii.gz"))
    if dtype == "int16":
        return
    # an estimate; the made-up object has zeros around it, a scan's background is noise
    assert 0.4 < series.stat().st_size / made.output["series"] < 1.3


def test_no_size_is_told_that_is_not_known(dry, dataset, done, tmp_path):
    _, text = dry(dataset, tmp_path / "out", "--participant-label", "01", "-v")
    listed = [line for line in text.splitlines() if str(tmp_path / "out") in line][:-1]
    assert len(listed) > 20
    for line in listed:
        known = "uncompressed" if line.endswith(".nii.gz") else "size unknown"
        assert known in line and bool(re.search(r"\d [kMG]?B ", line)) == line.endswith(".nii.gz")
    # 352 bytes of header, 48 x 44 x 4 voxels of 17 volumes, 4 bytes each
    (series,) = (line for line in listed if line.endswith("desc-sr_dwi.nii.gz"))
    assert f" {(352 + 48 * 44 * 4 * 17 * 4) / 1000:.1f} kB uncompressed " in series


def test_sizes_of_what_is_there_are_those_on_disk(dry, dataset, done):
    _, text = dry(dataset, done, "--participant-label", "01", "-v")
    listed = [line for line in text.splitlines() if " on disk " in line]
    assert len(listed) > 20 and "uncompressed" not in text and "unknown" not in text
    for line in listed:
        number, unit, *_, path = line.split()
        size = Path(path).stat().st_size / {"B": 1, "kB": 1e3, "MB": 1e6}[unit]
        assert float(number) == pytest.approx(size, abs=0.06 if unit != "B" else 0)


def test_too_little_room_is_told(dry, dataset, tmp_path, monkeypatch):
    class Usage:
        free = 1000

    monkeypatch.setattr(dry_run.shutil, "disk_usage", lambda _: Usage)
    _, text = dry(dataset, tmp_path / "out", "--participant-label", "01")
    assert "Warning:" in text and "1.0 kB are free" in text


@pytest.mark.slow
def test_torch_is_not_needed(dataset, tmp_path, model):
    """A look at the dataset must not take the memory of the libraries that compute."""
    code = (
        "import sys; from bids_sr.app.main import main;"
        f"main([{str(dataset)!r}, {str(tmp_path / 'out')!r}, 'participant', '--dry-run',"
        f"'--device', 'cpu', '--model', {str(model)!r}]);"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
