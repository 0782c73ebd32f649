"""Killed at any moment and called again: all there, the same bytes, nothing half written."""

from __future__ import annotations

import random
import shutil
import signal

import psutil
import pytest

LABELS = ("01", "02")
UNFINISHED = ".tmp-*_desc-sr_dwi.nii.gz"


@pytest.fixture(scope="module")
def undisturbed(command, halting, writers, tmp_path_factory):
    """Dataset, output and number of changes of a call that nobody disturbed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    raw, out = writers.write_dataset(folder / "raw", LABELS), folder / "out"
    with (
        halting.Halting(out) as halts,
        halts.start(command(raw, out, "--self-check", "off")) as call,
    ):
        changes = halts.count(call)
        told = call.communicate()[1]
    assert call.returncode == 0, told
    return raw, out, changes


@pytest.fixture
def finish(command, run_command, undisturbed, same):
    """Call again without disturbance and compare."""
    raw, reference, _ = undisturbed

    def go(out, *options):
        outcome = run_command(command(raw, out, "--self-check", "off", *options))
        assert outcome.status == 0, outcome.told
        assert same.differences(reference, out) == []
        assert same.shared_faults(out) == []
        assert same.half_written(out) == []
        assert not list(out.rglob("*.lock"))

    return go


@pytest.mark.parametrize("with_work", [True, False])
def test_killed_again_and_again(command, halting, undisturbed, finish, tmp_path, with_work):
    raw, _, changes = undisturbed
    dice, out = random.Random(with_work), tmp_path / "out"
    options = ("-w", tmp_path / "work") if with_work else ()
    line = command(raw, out, "--self-check", "off", *options)
    killed = []
    for share in (0.5, 0.8):
        with halting.Halting(out) as halts, halts.start(line) as call:
            number = round(dice.uniform(share - 0.2, share + 0.2) * changes)
            killed.append(halts.until(call, halting.after(number)))  # a random one of its changes
            call.kill()
    assert killed[0]  # the second may have been over, as the work folder remembers the first
    finish(out, *options)


@pytest.mark.parametrize("when", ["*_desc-brain_mask.json", "*_desc-sr_quality.json"])
def test_killed_when_a_file_has_just_appeared(
    command, halting, undisturbed, finish, tmp_path, when
):
    raw, out, work = undisturbed[0], tmp_path / "out", tmp_path / "work"
    line = command(raw, out, "--self-check", "off", "-w", work)
    with halting.Halting(out) as halts, halts.start(line) as call:
        assert halts.until(call, lambda: list(out.glob(f"sub-01/dwi/{when}")))
        call.kill()
    assert call.returncode == -signal.SIGKILL
    series = out / "sub-01/dwi/sub-01_res-x2_desc-sr_dwi.nii.gz"
    made = series.stat().st_mtime_ns
    finish(out, "-w", work)
    assert series.stat().st_mtime_ns == made, "the work folder remembers the series"


def test_a_killed_worker_fails_its_run_and_says_why(
    command, halting, undisturbed, finish, tmp_path
):
    raw, out = undisturbed[0], tmp_path / "out"
    line = command(raw, out, "--self-check", "off", "--nprocs", "2", "--omp-nthreads", "1")
    with halting.Halting(out) as halts, halts.start(line) as call:
        assert halts.until(call, lambda: list(out.rglob(UNFINISHED)))
        workers = [
            child
            for child in psutil.Process(call.pid).children()
            if "spawn_main" in " ".join(child.cmdline())
        ]
        for worker in workers:
            worker.kill()
        halts.close()
        told = call.communicate()[1]
    assert workers and call.returncode == 1
    assert "its process was killed, most likely because memory ran out." in told
    assert "Traceback" not in told
    assert list(out.glob("logs/*_error.json"))
    finish(out)


def test_sigterm_leaves_nothing_half_written(command, halting, undisturbed, same, finish, tmp_path):
    raw, out = undisturbed[0], tmp_path / "out"
    with (
        halting.Halting(out) as halts,
        halts.start(command(raw, out, "--self-check", "off")) as call,
    ):
        assert halts.until(call, lambda: list(out.rglob(UNFINISHED)))
        call.terminate()
        halts.close()
        told = call.communicate()[1]
    assert call.returncode == 143
    assert "bids-sr: interrupted." in told and "Traceback" not in told
    assert same.half_written(out) == []
    finish(out)


DAMAGE = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "emptied": lambda path: path.write_bytes(b""),
    "removed": lambda path: path.unlink(),
}


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize(
    "name",
    [
        "dwi/sub-02_res-x2_desc-sr_dwi.nii.gz",
        "dwi/sub-02_res-x2_desc-sr_dwi.bvec",
        "figures/sub-02_res-x2_desc-index_dwi.json",
    ],
)
def test_what_is_damaged_later_is_made_again(process, undisturbed, same, tmp_path, how, name):
    raw, reference, _ = undisturbed
    out = tmp_path / "out"
    shutil.copytree(reference, out)
    DAMAGE[how](out / "sub-02" / name)
    outcome = process(raw, out, "--self-check", "off")
    assert outcome.status == 0, outcome.told
    assert outcome.lines("sub-01: complete already")
    assert not outcome.lines("sub-02: complete already")
    assert same.differences(reference, out) == []
