"""When steps, runs and pages count as there and whole."""

from __future__ import annotations

import json
import os

import pytest
from attrs import evolve

from bids_sr.bids.names import participant_page
from bids_sr.bids.sidecars import FINGERPRINT
from bids_sr.workflow.completeness import (
    AGAIN,
    DONE,
    TODO,
    completion_marks,
    has_ended,
    is_complete,
    page_faults,
    run_faults,
    run_state,
    stamp,
    step_is_done,
)
from bids_sr.workflow.engine import Node
from bids_sr.workflow.interface import Step
from bids_sr.workflow.outputs import (
    expected_outputs,
    manifest_of,
    write_page_manifest,
    write_run_manifest,
)


@pytest.fixture
def finished(plan):
    """The plan of a run whose outputs are all there, of no use but for the fingerprint."""
    for path in expected_outputs(plan):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    plan.names.dwi_json.write_text(json.dumps({FINGERPRINT: plan.fingerprint}))
    plan.names.quality.write_text(json.dumps({"selfcheck_mode": "auto"}))
    write_run_manifest(plan)
    return plan


def rewrite(plan, path, content):
    """Write as if the run had done so."""
    path.write_text(content)
    write_run_manifest(plan)


def test_all_there(finished):
    assert not run_faults(finished) and is_complete(finished)


def test_any_file_missing(finished):
    for path in expected_outputs(finished):
        content = path.read_bytes()
        path.unlink()
        assert not is_complete(finished), path
        assert list(run_faults(finished).outputs) == [f"{path.name} is missing"]
        path.write_bytes(content)


@pytest.mark.parametrize("content", ["{}", "[]", "{", '{"Fingerprint": "other"}'])
def test_made_otherwise(finished, content):
    rewrite(finished, finished.names.dwi_json, content)
    assert not is_complete(finished)


@pytest.mark.parametrize(
    ("done", "asked", "complete"),
    [
        ("auto", "off", True),
        ("full", "auto", True),
        ("off", "auto", False),
        ("auto", "full", False),
        (None, "off", False),
    ],
)
def test_a_self_check_of_more_than_is_asked_will_do(finished, done, asked, complete):
    rewrite(finished, finished.names.quality, json.dumps({"selfcheck_mode": done}))
    plan = evolve(finished, options=evolve(finished.options, self_check=asked))
    assert is_complete(plan) is complete


@pytest.mark.parametrize("content", ["[]", "{", ""])
def test_a_damaged_record_is_made_again(finished, content):
    rewrite(finished, finished.names.quality, content)
    assert not is_complete(finished)


def test_a_run_that_cannot_be_used_is_not_complete(finished):
    finished.files.bval.unlink()
    assert not is_complete(finished)
    assert run_faults(finished).input_changed


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b"x" + b[1:], lambda b: b + b" "])
def test_damage_after_the_end_is_noticed(finished, damage):
    for path in expected_outputs(finished):
        if path != manifest_of(finished):
            content = path.read_bytes()
            path.write_bytes(damage(content))
            assert not is_complete(finished), path
            (fault,) = list(run_faults(finished).outputs)
            assert fault.startswith(path.name)
            path.write_bytes(content)
    assert is_complete(finished)


def test_an_empty_file_is_missing(finished):
    finished.names.mask.write_bytes(b"")
    assert list(run_faults(finished).outputs) == [f"{finished.names.mask.name} is missing"]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"Fingerprint": 1, "Files": {}}'])
def test_a_manifest_of_no_use(finished, content):
    manifest_of(finished).write_text(content)
    assert run_faults(finished).outputs and not is_complete(finished)


def test_pictures_are_in_the_manifest(finished):
    picture = finished.names.report_file("fa", "png")
    rewrite(finished, picture, "a picture")
    assert is_complete(finished)
    picture.unlink()
    assert list(run_faults(finished).outputs) == [f"{picture.name} is missing"]


def test_a_large_file_that_was_cut_and_filled_is_noticed(finished):
    path = finished.names.dwi
    rewrite(finished, path, "x" * 2_000_000 + "checksum")
    assert is_complete(finished)
    path.write_bytes(b"x" * 2_000_000 + bytes(8))
    assert list(run_faults(finished).outputs) == [f"{path.name} has changed"]


def touch_later(path):
    """Change a file's time, as if it had been written again."""
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1_000_000_000))


@pytest.mark.parametrize("which", ["dwi", "bval", "bvec"])
def test_an_input_that_changed_since_it_was_planned(finished, which):
    """The outputs are all there, but of what the input was."""
    touch_later(getattr(finished.files, which))
    assert run_faults(finished).input_changed and not is_complete(finished)


def test_a_series_of_another_call_under_a_manifest_of_this_one(finished):
    """The last look and the first one say the same of a run."""
    rewrite(finished, finished.names.dwi_json, json.dumps({FINGERPRINT: "other"}))
    name = finished.names.dwi_json.name
    assert run_faults(finished).outputs == (f"{name} is of another run",)
    assert not is_complete(finished)


def test_what_the_self_check_lacks_is_told(finished):
    plan = evolve(finished, options=evolve(finished.options, self_check="full"))
    found = run_faults(plan)
    assert not found.outputs and found.self_check.endswith("of extent auto, not full")


def test_states_of_a_run(plan, finished):
    assert run_state(finished) == DONE
    finished.names.mask.unlink()
    assert run_state(finished) == AGAIN
    finished.names.dwi.unlink()
    assert run_state(finished) == TODO


def test_none_of_the_marks_outlives_the_start_of_a_run(finished):
    """Each of them, removed alone, is enough."""
    for path in completion_marks(finished):
        content = path.read_bytes()
        path.unlink()
        assert not is_complete(finished), path
        assert has_ended(finished) == (path != manifest_of(finished))
        path.write_bytes(content)
    assert is_complete(finished) and has_ended(finished)


def leave(plan):
    """A step; its plan is where it leaves a file."""
    plan.write_text("left")


@pytest.fixture
def step(tmp_path):
    """A step that ran in nipype and left a file: its folder and the file."""
    file = tmp_path / "left.txt"
    node = Node(Step(leave, [file], plan=file, state="for this"), name="left", base_dir=tmp_path)
    node.run()
    return tmp_path / "left", file


def test_a_step_holds_for_its_state_and_while_its_files_are_the_same(step):
    folder, file = step
    assert step_is_done(folder, "left", "for this")
    assert not step_is_done(folder, "left", "for that")
    assert not step_is_done(folder, "another", "for this")
    touch_later(file)
    assert not step_is_done(folder, "left", "for this")
    file.unlink()
    assert not step_is_done(folder, "left", "for this")
    assert stamp(file) is None


def test_a_result_that_was_cut_short(step):
    folder, _ = step
    (result,) = folder.glob("result_*")
    result.write_bytes(result.read_bytes()[:-9])
    assert not step_is_done(folder, "left", "for this")


@pytest.fixture
def page(tmp_path):
    """The output folder of a page that is there, with one methods text."""
    participant_page(tmp_path, "01").write_text("<html>all of it</html>\n")
    figures = tmp_path / "sub-01" / "figures"
    figures.mkdir(parents=True)
    (figures / "sub-01_desc-methods.md").write_text("methods")
    write_page_manifest(tmp_path, "01")
    return tmp_path


def test_a_page_and_its_methods_texts(page):
    assert page_faults(page, "01") == []
    assert page_faults(page, "refused,by=name") == [], "nobody has such a page"
    (page / "sub-01/figures/sub-01_desc-methods.md").write_text("spoilt!")
    assert page_faults(page, "01") == ["sub-01_desc-methods.md has changed"]


@pytest.mark.parametrize("content", ["", "<html>all of", "</html>" + "x" * 100])
def test_a_page_that_was_cut(page, content):
    participant_page(page, "01").write_text(content)
    assert page_faults(page, "01") == ["sub-01.html is missing or damaged"]


def test_a_page_that_is_not_there(page):
    participant_page(page, "01").unlink()
    assert page_faults(page, "01") == ["sub-01.html is missing or damaged"]
    assert len(page_faults(page, "02")) == 2, "neither page nor list"
