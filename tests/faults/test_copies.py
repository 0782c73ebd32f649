"""Many calls at once on one output folder: all complete, what they share is whole throughout."""

from __future__ import annotations

import json
import subprocess

import pytest

OPTIONS = ("--self-check", "off", "--ensemble", "1")


def start(line):
    return subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def test_eight_participants_and_one_of_them_twice(command, halting, writers, same, tmp_path):
    labels = [f"{number:02d}" for number in range(1, 8)]
    raw = writers.write_dataset(tmp_path / "raw", labels)
    out = tmp_path / "out"
    whom = [*labels, labels[0]]
    # the shared files are read before each change of the folder, as other programs may
    wrong = []
    with (
        halting.Halting(out) as halts,
        halts.looking(lambda: wrong.append(same.shared_faults(out))),
    ):
        calls = [
            halts.start(
                command(raw, out, *OPTIONS, "-w", tmp_path / "work", "--participant-label", one)
            )
            for one in whom
        ]
        told = [call.communicate()[1] for call in calls]
    assert [call.returncode for call in calls] == [0] * 8, told
    assert wrong and not any(wrong)
    assert same.half_written(out) == [] and not list(out.rglob("*.lock"))
    for label in labels:
        (record,) = out.glob(f"sub-{label}/dwi/*_quality.json")
        assert json.loads(record.read_text())["run"] == f"sub-{label}"
    twice = told[0] + told[-1]
    assert "Another process is working on sub-01: waiting for it." in twice
    assert twice.count("sub-01: completed by another process") == 1


def test_a_run_is_taken_over_from_a_killed_call(command, halting, writers, same, tmp_path):
    raw = writers.write_dataset(tmp_path / "raw", ("01",), directions=60)
    out = tmp_path / "out"
    with halting.Halting(out) as halts:
        first = halts.start(command(raw, out, *OPTIONS))
        # it halts, and holds its lock, however long the second takes to start
        assert halts.until(first, lambda: list(out.rglob(".tmp-*_desc-sr_dwi.nii.gz")))
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
