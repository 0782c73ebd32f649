"""The files at the top say what is so."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from bids_sr.resources import read_version

REPOSITORY = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())


def tracked():
    done = subprocess.run(
        ["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip("not a git checkout")
    return [REPOSITORY / name for name in done.stdout.splitlines()]


def test_version_has_one_source():
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", read_version())
    assert "version" in PROJECT["project"]["dynamic"]


def test_changes_are_sorted_and_dated_and_the_citation_names_the_last_release():
    text = (REPOSITORY / "CHANGES.md").read_text()
    first, *released = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert first == "[Unreleased]"
    found = [re.fullmatch(r"\[(\S+)\] - (\d{4}-\d\d-\d\d)", heading) for heading in released]
    dates = [match[2] for match in found]
    assert dates == sorted(dates, reverse=True)
    kinds = {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    assert set(re.findall(r"^### (.+)$", text, re.MULTILINE)) <= kinds
    assert found[0][1] == read_version()
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert (citation["version"], str(citation["date-released"])) == found[0].groups()


def test_torch_is_a_range_that_builds_for_cuda_12_and_13_satisfy():
    (torch,) = [line for line in PROJECT["project"]["dependencies"] if line.startswith("torch")]
    assert torch == "torch>=2.9,<3"
    assert not any("torchvision" in line for line in PROJECT["project"]["dependencies"])


def test_citation_is_well_formed():
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text())
    assert {"cff-version", "title", "message", "authors"} <= set(citation)
    assert citation["license"] == PROJECT["project"]["license"].split(" AND ")[0]


def test_every_make_target_that_the_documentation_names_exists():
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    assert {"demo", "test", "lint"} <= targets
    for page in [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")]:
        assert set(re.findall(r"`make ([a-z-]+)", page.read_text())) <= targets, page


def test_continuous_integration_checks_style_and_tests():
    called = re.findall(r"^make ([a-z-]+)", (REPOSITORY / ".ci/run").read_text(), re.MULTILINE)
    assert called == ["setup", "lint", "docs", "coverage"]
    rules = (REPOSITORY / "Makefile").read_text().split("\n\n")
    (lint,) = [rule for rule in rules if rule.startswith("lint:")]
    (coverage,) = [rule for rule in rules if rule.startswith("coverage:")]
    assert all(word in lint for word in ("ruff check", "ruff format --check", "mypy"))
    assert "pytest" in coverage and "--cov" in coverage and "-m" not in coverage.split("pytest")[1]
    settings = PROJECT["tool"]["pytest"]["ini_options"]
    assert settings["testpaths"] == ["tests", "bids_sr"]
    assert "--doctest-modules" in settings["addopts"]
    assert "error:::bids_sr" in settings["filterwarnings"]
    assert PROJECT["tool"]["coverage"]["report"]["fail_under"] >= 90


def workflows():
    found = sorted((REPOSITORY / ".github/workflows").glob("*.yml"))
    assert {path.stem for path in found} == {"docs", "image", "package", "tests"}
    return [yaml.safe_load(path.read_text()) for path in found]


def test_workflows_only_call_make():
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    matrix = workflows()[-1]["jobs"]["test"]["strategy"]["matrix"]["include"]
    for job in [job for flow in workflows() for job in flow["jobs"].values()]:
        for line in [step["run"] for step in job["steps"] if "run" in step]:
            called = re.fullmatch(r"make (\S+)", line)[1]
            names = {entry["target"] for entry in matrix} if called == '"$TARGET"' else {called}
            assert names <= targets, line


def test_workflows_pin_actions_and_may_only_read():
    for flow in workflows():
        assert flow["permissions"] == {}
        for job in flow["jobs"].values():
            assert job["permissions"] == {"contents": "read"}
            assert job["timeout-minutes"]
            for action in [step["uses"] for step in job["steps"] if "uses" in step]:
                assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action)


def test_the_pythons_that_are_tested_are_those_of_the_classifiers():
    matrix = workflows()[-1]["jobs"]["test"]["strategy"]["matrix"]["include"]
    stated = [
        line.rpartition(" ")[2]
        for line in PROJECT["project"]["classifiers"]
        if re.search(r"Python :: 3\.\d+$", line)
    ]
    assert [entry["python"] for entry in matrix] == stated
    assert PROJECT["project"]["requires-python"] == f">={stated[0]}"


def test_what_the_dockerfile_copies_is_not_ignored():
    kept = {
        line[1:]
        for line in (REPOSITORY / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    }
    copies = re.findall(r"^COPY (?!--)(.+)$", (REPOSITORY / "Dockerfile").read_text(), re.MULTILINE)
    sources = {name for line in copies for name in line.split()[:-1]}
    assert sources and sources <= kept
    for name in kept:
        assert (REPOSITORY / name).exists()


def test_no_path_of_this_machine_is_left_in_the_code():
    for path in tracked():
        if path.suffix in (".py", ".toml", ".yaml", ".cff", ".css", ".js", ".html", ".md", ".json"):
            text = path.read_text()
            assert f"{REPOSITORY}/" not in text, path
            assert f"{Path.home()}/" not in text or Path.home() == Path("/"), path
