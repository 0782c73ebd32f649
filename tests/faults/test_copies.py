"""Many calls at once on one output folder: all complete, what they share is whole throughout."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from contextlib import contextmanager

import pytest

OPTIONS = ("--self-check", "off", "--ensemble", "1")


@contextmanager
def watched(out, same):
    """Read the shared files all the time, as other programs may; gives what was wrong."""
    over, wrong, looks = threading.Event(), [], []

    def watch():
        while not over.is_set():
            wrong.extend(same.shared_faults(out))
            looks.append(out.exists())
            time.sleep(0.005)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield wrong
    finally:
        over.set()
        thread.join()
    assert sum(looks) > 10, "it was hardly looked at"


def start(line):
    return subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def test_eight_participants_and_one_of_them_twice(command, writers, same, tmp_path):
    labels = [f"{number:02d}" for number in range(1, 8)]
    raw = writers.write_dataset(tmp_path / "raw", labels)
    out = tmp_path / "out"
    whom = [*labels, labels[0]]
    with watched(out, same) as wrong:
        calls = [
            start(command(raw, out, *OPTIONS, "-w", tmp_path / "work", "--participant-label", one))
            for one in whom
        ]
        told = [call.communicate()[1] for call in calls]
    assert [call.returncode for call in calls] == [0] * 8, told
    assert wrong == []
    assert same.half_written(out) == [] and not list(out.rglob("*.lock"))
    for label in labels:
        (record,) = out.glob(f"sub-{label}/dwi/*_quality.json")
        assert json.loads(record.read_text())["run"] == f"sub-{label}"
    twice = told[0] + told[-1]
    assert "Another process works on sub-01: waiting for it." in twice
    assert twice.count("sub-01: complete meanwhile") == 1


def test_a_run_is_taken_over_from_a_killed_call(command, writers, same, tmp_path):
    raw = writers.write_dataset(tmp_path / "raw", ("01",), directions=60)
    out = tmp_path / "out"
    first = start(command(raw, out, *OPTIONS))
    while first.poll() is None and not list(out.rglob(".tmp-*_desc-sr_dwi.nii.gz")):
        time.sleep(0.005)
    first.send_signal(signal.SIGSTOP)  # it holds its lock, however long the second takes to start
    second = start(command(raw, out, *OPTIONS))
    for line in second.stderr:
        if "waiting for it" in line:
            break
    first.kill()
    first.communicate()
    told = second.communicate()[1]
    assert second.returncode == 0, told
    assert "1 of 1 runs done (1 now, 0 before)" in told
    assert same.half_written(out) == []


@pytest.mark.parametrize("factor", [2, 3])
def test_the_other_factor_finds_its_files(process, writers, same, tmp_path, factor):
    """Both factors share the maps of the input: neither is damage to the other."""
    raw = writers.write_dataset(tmp_path / "raw", ("01",))
    models = {f: writers.write_model(tmp_path / f"x{f}", factor=f) for f in (2, 3)}
    for each in (2, 3):
        options = ("--model", models[each], "--scale", str(each))
        assert process(raw, tmp_path / "out", *OPTIONS, *options).status == 0
    options = ("--model", models[factor], "--scale", str(factor))
    assert process(raw, tmp_path / "out", *OPTIONS, *options).lines("complete already")
