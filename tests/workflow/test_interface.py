"""A step that fails is a failure; a request to end is not."""

from __future__ import annotations

import pytest

from bids_sr.workflow import steps
from bids_sr.workflow.graph import build_run_workflow


class Terminated(BaseException):
    """What the program makes of a signal."""


@pytest.fixture
def run(plan, tmp_path, monkeypatch):
    """Run a whole workflow whose first step raises this; returns the status of the steps."""

    def go(error):
        def raises(files):
            raise error

        monkeypatch.setattr(steps, "open_run", raises)
        said = []
        workflow = build_run_workflow(plan, tmp_path / "work")
        workflow.config["execution"] = {"crashdump_dir": str(tmp_path)}
        callback = {"status_callback": lambda node, status: said.append((node.name, status))}
        with pytest.raises(type(error) if isinstance(error, Terminated) else Exception):
            workflow.run(plugin="Linear", plugin_args=callback)
        return said

    return go


def test_a_request_to_end_goes_through_nipype(plan, run):
    assert {name for name, _ in run(Terminated())} == {"read"}, "no step after it"
    assert not plan.names.error.exists(), "nothing failed"


def test_a_failure_is_one(plan, run):
    assert ("read", "exception") in run(ValueError("odd"))
    assert "odd" in plan.names.error.read_text()
