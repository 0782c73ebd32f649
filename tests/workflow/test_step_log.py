"""Steps in the log: each by its name as it begins, of its run; nothing of what is left out."""

from __future__ import annotations

import logging
import threading

import pytest

from bids_sr.workflow.graph import build_run_workflow
from bids_sr.workflow.step_log import TITLES, step_told, tell_kept


def run_nodes(workflow):
    return [node.name for node in sorted(workflow._graph.nodes, key=lambda n: n.inputs.rank)]


@pytest.fixture
def told(caplog):
    """A function that lets the steps of a plan begin; returns what is logged at this level."""

    def go(plan, level=logging.INFO, sr=None, names=TITLES):
        caplog.clear()
        with caplog.at_level(level, "bids_sr"):
            for name in names:
                with step_told(plan, name, {"sr": sr}):
                    pass
        return [record.getMessage() for record in caplog.records]

    return go


@pytest.fixture
def sr(make_run, tmp_path):
    """A function that makes a result whose run has so many directions."""

    class Result:
        def __init__(self, run):
            self.run = run

    def make(directions):
        folder = tmp_path / f"{directions}"
        folder.mkdir()
        return Result(make_run(folder, directions=directions))

    return make


def test_every_step_of_the_workflow_has_a_name(plan, tmp_path):
    assert run_nodes(build_run_workflow(plan, tmp_path)) == list(TITLES)


def test_steps_are_numbered_and_name_their_run(plan, told, sr):
    lines = told(plan, sr=sr(16))
    assert lines[0] == "sub-01: [1/11] acquired matrix"
    assert [line.split("]")[0] for line in lines] == [f"sub-01: [{n}/11" for n in range(1, 12)]
    for name in ("brain mask", "tensor fit of the input", "self-check", "quality metrics"):
        assert any(line.endswith(name) for line in lines)
    assert lines[-1].endswith("[11/11] pictures of the report")


def test_what_is_switched_off_is_not_told(make_plans, told, sr):
    off = {"detect_band": False, "gradient_check": "off", "self_check": "off"}
    (plan,) = make_plans("01", **off)
    lines = told(plan, sr=sr(16))
    assert lines[0] == "sub-01: [1/8] super-resolution" and len(lines) == 8
    (plan,) = make_plans("01", uncertainty=True, ensemble=8)
    assert "sub-01: [9/12] standard deviation over the self-ensemble" in told(plan, sr=sr(15))


def test_fits_that_the_directions_do_not_allow_are_not_told(plan, told, sr):
    lines = told(plan, sr=sr(3), names=("mask", "fit_input", "fit_tensor", "fit_gqi"))
    assert lines == ["sub-01: [4/11] brain mask"]


def test_how_long_it_took_is_a_detail(plan, told):
    first, brief, last = told(plan, logging.DEBUG, names=("mask", "describe"))[:3]
    assert first == "sub-01: [4/11] brain mask"
    assert brief.startswith("sub-01: brain mask ended after 0.") and last == "sub-01: sidecar"


def test_a_long_step_says_that_it_still_runs(plan, caplog):
    said = threading.Event()

    class Listener(logging.Handler):
        def emit(self, record):
            if "so far" in record.getMessage():
                said.set()

    listener, logger = Listener(), logging.getLogger("bids_sr")
    logger.addHandler(listener)
    try:
        with (
            caplog.at_level(logging.INFO, "bids_sr"),
            step_told(plan, "self_check", {}, every_s=1e-3),
        ):
            assert said.wait(60)
    finally:
        logger.removeHandler(listener)
    assert any("sub-01: self-check, 0.0 s so far" in message for message in caplog.messages)
    assert not [thread for thread in threading.enumerate() if "(remind)" in thread.name]


def test_a_step_that_fails_is_told_and_raises(plan, caplog):
    with (
        caplog.at_level(logging.DEBUG, "bids_sr"),
        pytest.raises(ValueError, match="odd"),
        step_told(plan, "mask", {}),
    ):
        raise ValueError("odd")
    assert "brain mask ended after" in caplog.messages[-1]


def test_what_an_earlier_call_did_is_told(plan, caplog):
    with caplog.at_level(logging.INFO, "bids_sr"):
        tell_kept(plan, {"read"})
        tell_kept(plan, {"read", "super_resolve", "check_gradients"})
    assert caplog.messages == [
        "sub-01: kept from an earlier call: gradient check, super-resolution"
    ]


def test_all_that_a_step_says_names_the_run(plan, caplog):
    logger = logging.getLogger("bids_sr")

    def say():
        logger.warning("The batch was halved to %d %s.", 4, "slices (50 %)")
        logger.warning("%s: no brain", "/data/sub-01/dwi/sub-01_dwi.nii.gz")

    with step_told(plan, "mask", {}), caplog.at_level(logging.WARNING, "bids_sr"):
        say()
        thread = threading.Thread(target=say)
        thread.start()
        thread.join()
    own = [
        "sub-01: The batch was halved to 4 slices (50 %).",
        "/data/sub-01/dwi/sub-01_dwi.nii.gz: no brain",
    ]
    warnings = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert warnings == own * 2
    say()
    assert caplog.messages[-2] == "The batch was halved to 4 slices (50 %)."
