"""A participant's page is written once, when the last of the runs is over."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from attrs import evolve

from bids_sr.errors import OutputError
from bids_sr.report import participant
from bids_sr.workflow.failures import Failure, read_failure
from bids_sr.workflow.participant_pages import LAST_STEP, PageWriter


def node(plan, name=LAST_STEP):
    inputs, interface = SimpleNamespace(plan=plan), SimpleNamespace(failure=None, interrupted=None)
    return SimpleNamespace(name=name, inputs=inputs, interface=interface)


@pytest.fixture
def written(monkeypatch):
    """Participants whose page was written, with the runs that failed."""
    calls = []

    def stand_in(out_dir, subject, *, errors=()):
        calls.append((subject, [error["run"] for error in errors]))
        return out_dir / f"sub-{subject}.html"

    monkeypatch.setattr(participant, "write_participant_page", stand_in)
    return calls


@pytest.fixture
def plans(make_plans):
    """Two runs of participant 01, one of 02."""
    first, other = make_plans("01", "02")
    dwi = first.files.dwi.with_name("sub-01_run-2_dwi.nii.gz")
    entities = {"sub": "01", "run": "2"}
    files = evolve(first.files, dwi=dwi, entities=entities)
    second = evolve(first, files=files, names=evolve(first.names, files=files))
    return [first, second, other]


@pytest.fixture
def pages(plans):
    writer = PageWriter(plans[0].names.out_dir, plans)
    writer.expect(plans)
    return writer


def test_after_the_last_run(pages, plans, written):
    first, second, other = plans
    pages.on_step(node(first, "read"), "end")
    pages.on_step(node(first), "start")
    pages.on_step(node(first), "end")
    assert not written
    pages.on_step(node(second), "end")
    assert written == [("01", [])]
    pages.on_step(node(other), "end")
    pages.on_step(node(other), "end")
    assert written == [("01", []), ("02", [])]


def test_a_failure_ends_a_run_and_is_on_the_page(pages, plans, written):
    first, second, _ = plans
    pages.on_step(node(first, "mask"), "exception")
    pages.on_step(node(second), "end")
    assert written == [("01", ["sub-01"])]


def test_a_killed_process_leaves_a_record_all_the_same(pages, plans, written):
    pages.on_step(node(plans[2], "super_resolve"), "exception")
    failure = read_failure(plans[2])
    assert "was killed" in failure.message and failure.step == "super_resolve"
    assert written == [("02", ["sub-02"])]


def test_the_rest_at_the_end(pages, plans, written):
    pages.on_step(node(plans[2]), "end")
    pages.write_rest()
    assert written == [("02", []), ("01", [])]


@pytest.mark.parametrize("error", [OutputError("full.", file="x"), KeyError("odd")])
def test_a_page_that_cannot_be_written_stops_nothing(pages, plans, monkeypatch, caplog, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(participant, "write_participant_page", fail)
    pages.on_step(node(plans[2]), "end")
    assert pages.failed == ["02"]
    assert "sub-02: the page cannot be written" in caplog.text


def test_an_interrupted_step_ends_the_call_and_is_no_failure(pages, plans, written):
    stopped = node(plans[2], "super_resolve")
    stopped.interface.interrupted = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        pages.on_step_here(stopped, "exception")
    assert read_failure(plans[2]) is None and not pages.failures


def test_a_failure_without_a_record_is_remembered(pages, plans, written):
    failed = node(plans[2], "super_resolve")
    failed.interface.failure = Failure("sub-02", "super_resolve", "no space for a record")
    pages.on_step_here(failed, "exception")
    assert pages.failures["sub-02"] == failed.interface.failure
    assert written == [("02", ["sub-02"])]
