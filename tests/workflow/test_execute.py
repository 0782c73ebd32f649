"""What is cleared before a run, which plugin takes it, and what counts as failed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from attrs import evolve

from bids_sr.bids.atomic import TEMPORARY, atomic_path
from bids_sr.errors import UsageError
from bids_sr.workflow import execute as module
from bids_sr.workflow.execute import Execution, _has_pool, _pool, execute
from bids_sr.workflow.outputs import manifest_of
from bids_sr.workflow.participant_pages import PageWriter

EXAMPLES = sorted((Path(__file__).parents[2] / "examples" / "nipype-plugins").glob("*.yml"))


@pytest.fixture
def how(tmp_path):
    return Execution(tmp_path / "work", tmp_path / "logs")


@pytest.fixture
def pages(plan):
    return PageWriter(plan.names.out_dir, [plan])


def touch(*paths):
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")


def test_nothing_to_do(how, pages):
    assert execute([], how, pages) == []


def test_marks_of_an_earlier_end_are_gone_before_it_starts(plan, how, pages, monkeypatch):
    names = plan.names
    marks = [names.quality, names.report_file("index", "json"), manifest_of(plan), names.error]
    touch(*marks)
    seen = []
    monkeypatch.setattr(
        module, "_run_nipype", lambda *_: seen.extend(path.exists() for path in marks)
    )
    execute([plan], how, pages)
    assert seen == [False] * 4


def test_missing_outputs_are_a_failure(plan, how, pages, monkeypatch):
    monkeypatch.setattr(module, "_run_nipype", lambda *_: None)
    (failure,) = execute([plan], how, pages)
    assert "outputs are missing or damaged" in failure.message
    assert plan.names.error.is_file()


def test_what_a_killed_process_left_is_gone_and_what_lives_stays(plan, how, pages, monkeypatch):
    folder = plan.names.folder
    orphan = folder / f"{TEMPORARY}a1_b2-{plan.names.dwi.name}"
    touch(orphan)
    monkeypatch.setattr(module, "_run_nipype", lambda *_: None)
    with atomic_path(folder / "other.json") as living:
        execute([plan], how, pages)
        assert living.exists() and not orphan.exists()
    assert (folder / "other.json").exists()


def test_an_input_that_changed_meanwhile_is_a_failure(plan, how, pages, monkeypatch):
    monkeypatch.setattr(module, "_run_nipype", lambda *_: plan.files.bval.write_text("0 " * 17))
    (failure,) = execute([plan], how, pages)
    assert "changed while the run was processed" in failure.message


def test_an_input_that_changed_before_it_was_begun_costs_no_hours(plan, how, pages, monkeypatch):
    """A run that another call had was planned long ago; nothing of it is touched."""
    plan.files.bval.write_text("0 " * 17)
    touch(plan.names.quality)
    ran = []
    monkeypatch.setattr(module, "_run_nipype", lambda plans, *_: ran.extend(plans))
    (failure,) = execute([plan], how, pages)
    assert "changed while the run was processed" in failure.message
    assert not ran and plan.names.quality.exists()


@pytest.mark.parametrize("ended", [False, True])
def test_a_record_alone_does_not_mean_that_a_run_came_to_its_end(
    plan, how, pages, monkeypatch, ended
):
    """Another one failed between two steps of this one, and nipype left it there."""

    def leave(*_):
        touch(plan.names.quality, *([manifest_of(plan)] if ended else []))

    monkeypatch.setattr(module, "_run_nipype", leave)
    (failure,) = execute([plan], evolve(how, stop_on_first_crash=True), pages)
    words = (
        "outputs are missing or damaged" if ended else "not processed, because another run failed"
    )
    assert words in failure.message


def test_a_mark_that_cannot_be_removed_stops_its_own_run_only(make_plans, how, monkeypatch):
    bad, good = make_plans("01", "02")
    bad.names.quality.mkdir(parents=True)  # a folder in its place
    ran = []
    monkeypatch.setattr(module, "_run_nipype", lambda plans, *_: ran.extend(plans))
    failures = execute([bad, good], how, PageWriter(good.names.out_dir, [bad, good]))
    assert ran == [good]
    assert "cannot be removed" in failures[0].message


def test_one_core_needs_no_other_process(how):
    assert not _has_pool(how)


def test_several_cores_and_memory(tmp_path, pages):
    how = Execution(tmp_path, tmp_path, nprocs=3, memory_gb=5.0)
    assert _has_pool(how)
    pool = _pool(how, pages)
    assert (pool.nprocs, pool.memory_gb, len(pool.gpus)) == (3, 5.0, 1)


class Handed:
    """A workflow that only tells how it is run."""

    def __init__(self, runs, given):
        self.runs, self.given = runs, given
        self.config = {"execution": {}}

    def run(self, **how):
        self.given.append((self.runs, how))


@pytest.fixture
def handed(monkeypatch):
    """What workflows are run with: their runs, plugin and arguments."""
    given = []
    monkeypatch.setattr(module, "build_workflow", lambda plans, *_: Handed(list(plans), given))
    return given


def test_a_plugin_of_the_users_choice(make_plans, tmp_path, handed, monkeypatch):
    given = {"plugin": "SLURM", "plugin_args": {"sbatch_args": "--mem=8G"}}
    plans = make_plans("01", "02", "03")
    pages = PageWriter(plans[0].names.out_dir, plans)
    monkeypatch.setattr(module, "_GROUP", 2)
    execute(plans, Execution(tmp_path, tmp_path, nprocs=3, plugin=given), pages)
    assert [runs for runs, _ in handed] == [plans[:2], plans[2:]]
    for _, how in handed:
        assert how["plugin"] == "SLURM"
        assert how["plugin_args"]["sbatch_args"] == "--mem=8G"
        assert how["plugin_args"]["status_callback"] == pages.on_step


def test_a_run_whose_graph_cannot_be_made_fails_alone(make_plans, tmp_path, monkeypatch):
    bad, good = make_plans("01", "02")
    yielded = []

    def build(plans, *_):
        if plans == [bad]:
            raise RuntimeError("odd")
        return Handed(plans, [])

    monkeypatch.setattr(module, "build_workflow", build)
    monkeypatch.setattr(module, "executable_graph", lambda workflow: workflow.runs)
    monkeypatch.setattr(module.Pool, "process", lambda self, graphs: yielded.extend(graphs))
    pages = PageWriter(good.names.out_dir, [bad, good])
    failures = execute([bad, good], Execution(tmp_path, tmp_path, nprocs=2), pages)
    assert yielded == [[good]]
    assert "odd" in failures[0].message and "missing" in failures[1].message


def test_a_plugin_that_does_not_wait_is_refused(plan, pages, tmp_path):
    how = Execution(tmp_path, tmp_path, plugin={"plugin": "SLURMGraph"})
    with pytest.raises(UsageError, match=r"does not wait.*Name 'SLURM'"):
        execute([plan], how, pages)


@pytest.mark.parametrize("file", EXAMPLES, ids=lambda file: file.stem)
def test_the_example_plugin_files_are_taken(pages, tmp_path, file):
    given = yaml.safe_load(file.read_text())
    how = Execution(tmp_path, tmp_path, plugin=given)
    assert execute([], how, pages) == []
    if given["plugin"] == "MultiProc":
        assert _has_pool(how)
        assert _pool(how, pages).nprocs == given["plugin_args"]["n_procs"]
