"""The scripts of examples/slurm on a real Slurm: array, group job, a killed task, resubmission."""

from __future__ import annotations

import json
import re
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "slurm"
LABELS = ("01", "02", "03", "04")
QUICK = ("--ensemble", "1", "--self-check", "off", "--skip-bids-validation")


@pytest.fixture(scope="module")
def writers():
    import importlib.util

    path = Path(__file__).resolve().parents[1] / "conftest.py"
    spec = importlib.util.spec_from_file_location("writers", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def dataset(writers, tmp_path_factory):
    return writers.write_dataset(tmp_path_factory.mktemp("data") / "raw", LABELS)


@pytest.fixture(scope="module")
def model(writers, tmp_path_factory):
    return writers.write_model(tmp_path_factory.mktemp("model") / "tiny")


def statuses(state):
    return {path.name: path.read_text().strip() for path in (state / "status").glob("*")}


def finished(out):
    return {path.name.split("_")[0][4:] for path in out.glob("sub-*/dwi/*_desc-sr_quality.json")}


def rows(out):
    return (out / "group_dwi.tsv").read_text().splitlines()[1:]


def kill_outright(out, label):
    """SIGKILL to a task's script and program, as when a node fails; scancel asks first."""
    words = (str(out), "--participant-label", label)
    program = next(p for p in psutil.process_iter() if in_order(words, safe_cmdline(p)))
    for process in (program.parent(), *program.children(recursive=True), program):
        process.kill()


def safe_cmdline(process):
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def in_order(words, line):
    rest = iter(line)
    return all(word in rest for word in words)


def test_a_killed_task_is_resubmitted_and_completed(slurm, app, dataset, model, tmp_path):
    out = tmp_path / "out"
    told = slurm.run(
        *(EXAMPLES / "submit.sh", dataset, out, "--model", model, *QUICK),
        BIDS_SR=app,
        ARRAY_ARGS="--cpus-per-task=1 --mem=3G --time=30",
        SBATCH_ARGS="--nice=0",
        MAX_AT_ONCE="2",
    )
    state = out / "logs" / "slurm"
    # Slurm takes arrays up to index 3 here, so the fourth participant has an array of its own
    assert re.search(r"participants: 4 \(array job \d+ \d+\)", told), told
    assert (state / "participants.txt").read_text().split() == list(LABELS)

    def victim():
        """The second participant's job, once the program in it is at work."""
        log = "".join(path.read_text() for path in (state / "jobs").glob("*_2.log"))
        status = statuses(state).get("02", "")
        return status.removeprefix("running ") if " on cpu" in log else None

    job = slurm.wait_until(victim, "participant 02 is at work")
    kill_outright(out, "02")
    slurm.wait_until_idle()
    found = statuses(state)
    assert found["02"] == f"running {job}", "no end was written"
    assert {label: found[label] for label in LABELS if label != "02"} == dict.fromkeys(
        ("01", "03", "04"), "0"
    )
    assert finished(out) == {"01", "03", "04"}
    assert len(rows(out)) == 3, "the group job ran behind the array, though a task was killed"

    told = slurm.run(EXAMPLES / "resubmit.sh", state)
    assert "sub-02: ended without a word" in told and "participants: 1" in told
    again = slurm.run(EXAMPLES / "resubmit.sh", state)
    assert "sub-02: still waiting or running" in again and "nothing to submit" in again
    slurm.wait_until_idle()
    assert set(statuses(state).values()) == {"0"}
    assert finished(out) == set(LABELS)
    assert len(rows(out)) == 4
    assert "nothing to submit" in slurm.run(EXAMPLES / "resubmit.sh", state)


def test_a_task_whose_time_is_up_ends_tidily(slurm, app, dataset, model, tmp_path):
    """Slurm's warning reaches the program, which removes what is half-written, and is told of."""
    out = tmp_path / "out"
    slurm.run(
        *(EXAMPLES / "submit.sh", dataset, out, "--model", model, *QUICK),
        BIDS_SR=app,
        PARTICIPANTS="01",
        ARRAY_ARGS="--cpus-per-task=1 --mem=3G --time=30",
    )
    state = out / "logs" / "slurm"
    log = state / "jobs"
    slurm.wait_until(
        lambda: " on cpu" in "".join(path.read_text() for path in log.glob("*_1.log")),
        "participant 01 is at work",
    )
    job = statuses(state)["01"].removeprefix("running ")
    slurm.run("scancel", "--signal=TERM", "--batch", job)
    slurm.wait_until_idle()
    assert statuses(state) == {"01": "143"}
    assert not [path for path in out.rglob(".tmp-*") if path.is_file()]
    assert "bids-sr: interrupted." in "".join(path.read_text() for path in log.glob("*_1.log"))


def test_nipype_sends_each_step_to_the_cluster(slurm, app, dataset, model, tmp_path):
    """``--use-plugin``: one job for each step."""
    example = (EXAMPLES.parent / "nipype-plugins" / "slurm.yml").read_text()
    plugin = tmp_path / "slurm.yml"
    plugin.write_text(re.sub(r"--time=\S+|--mem=\S+|--cpus-per-task=\S+", "", example))
    out = tmp_path / "out"
    slurm.run(
        *(*app.split(), dataset, out, "participant", "--participant-label", "01"),
        *("--model", model, *QUICK, "--use-plugin", plugin, "-w", tmp_path / "work"),
        *("--device", "cpu", "--omp-nthreads", "1"),
    )
    assert finished(out) == {"01"}
    record = json.loads(next(out.glob("sub-01/dwi/*_quality.json")).read_text())
    assert record["device"].startswith("cpu")
    scripts = " ".join(path.name for path in tmp_path.rglob("batchscript_*.sh"))
    for step in ("super_resolve", "fit_tensor", "draw"):
        assert f"sub_01_{step}" in scripts
