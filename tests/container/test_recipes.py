"""Dockerfile, Apptainer's recipe, and the steps and locks that both install by."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
DOCKERFILE = (REPOSITORY / "Dockerfile").read_text()
RECIPE = (REPOSITORY / "container" / "bids_sr.def").read_text()
LOCK = REPOSITORY / "requirements.lock"

# stands in for Python with pip: notes how it is called, and what a file of requirements held
PIP = """#!/bin/sh
echo "$@" >> "$CALLS/calls"
while [ $# -gt 0 ]; do
    case $1 in
        -r|-c) cp "$2" "$CALLS/file$1" ;;
    esac
    shift
done
"""


def entries(text):
    """Return the entries of a lock by name, each with its hashes."""
    found = re.findall(r"^([a-z0-9-]+)==(?:.+\n)(?:    --hash=.+\n?)*", text, re.MULTILINE)
    blocks = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(found) == len(blocks)
    return dict(zip(found, blocks, strict=True))


@pytest.mark.parametrize("name", ["requirements.lock", "container/build.lock"])
def test_each_file_of_a_lock_has_its_hash_and_no_host_is_named(name):
    text = (REPOSITORY / name).read_text()
    assert "://" not in text and "--index" not in text
    for block in entries(text).values():
        assert re.search(r"^[a-z0-9-]+==\S+( ; .+)? \\\n +--hash=sha256:[0-9a-f]{64}", block)


def test_the_lock_has_every_library_the_validator_and_torch():
    def name(line):
        return re.match(r"[\w.-]+", line)[0].lower().replace("_", "-")

    needed = {name(line) for line in PROJECT["dependencies"]} | {"bids-validator-deno"}
    assert needed <= set(entries(LOCK.read_text()))


@pytest.fixture
def install(tmp_path):
    """Function: call a step with a pip that only notes; its calls and files."""
    for folder in ("tools/bin", "environment/bin", "calls"):
        (tmp_path / folder).mkdir(parents=True)
    python = tmp_path / "tools/bin/python"
    python.write_text(PIP)
    python.chmod(0o755)

    def call(step, **settings):
        places = {name.upper(): str(tmp_path / name) for name in ("tools", "environment", "calls")}
        subprocess.run(
            ["sh", REPOSITORY / "container/install.sh", step],
            env={"PATH": os.environ["PATH"], **places, **settings},
            check=True,
        )
        folder = tmp_path / "calls"
        return {path.name: path.read_text() for path in folder.iterdir()}

    return call


def test_libraries_and_torch_are_the_whole_lock_each_file_checked(install):
    libraries = install("libraries")
    torch = install("torch")
    first, second = entries(libraries["file-r"]), entries(torch["file-r"])
    assert first | second == entries(LOCK.read_text())
    assert not set(first) & set(second)
    assert {"torch", "triton", "nvidia-cudnn-cu12"} <= set(second)
    assert "numpy" in first and not any("nvidia" in name for name in first)
    assert torch["calls"].count("--require-hashes") == 2


def test_another_torch_keeps_the_libraries_of_the_lock(install):
    made = install("torch", TORCH="torch==9.9+cpu", TORCH_INDEX_URL="file:///wheels")
    assert "--index-url file:///wheels" in made["calls"] and "torch==9.9+cpu" in made["calls"]
    assert "--require-hashes" not in made["calls"]
    kept = made["file-c"].splitlines()
    assert not [line for line in kept if "hash" in line or line.endswith("\\") or "nvidia" in line]
    pinned = {line.partition("==")[0] for line in kept}
    assert {"numpy", "sympy"} <= pinned and "torch" not in pinned


def test_an_index_alone_gives_the_version_of_the_lock_from_there(install):
    made = install("torch", TORCH_INDEX_URL="file:///wheels")
    locked = re.search(r"^torch==\S+", LOCK.read_text(), re.MULTILINE)[0]
    assert made["calls"].rstrip().endswith(locked)


def test_another_torch_with_its_hash_is_checked(install):
    made = install("torch", TORCH="torch==9.9+cpu", TORCH_SHA256="0" * 64)
    assert made["file-r"] == f"torch==9.9+cpu --hash=sha256:{'0' * 64}\n"
    assert "--require-hashes --no-deps" in made["calls"]


def test_both_recipes_set_the_same_environment_and_labels():
    block = re.search(r"^ENV PATH=.*?(?<!\\)\n", DOCKERFILE, re.MULTILINE | re.DOTALL)[0]
    docker = dict(re.findall(r"(\w+)=(\S+)", block))
    apptainer = dict(re.findall(r"^    export ([A-Z_]+)=(\S+)$", RECIPE, re.MULTILINE))
    docker["BIDS_SR_CONTAINER_TAG"] = "bids_sr"  # there the build argument's default
    assert docker == apptainer
    label = r"(org\.opencontainers\.image\.[\w.]+)"
    docker = dict(re.findall(label + r'="([^"]*)"', DOCKERFILE))
    apptainer = dict(re.findall(label + r" (.+)", RECIPE))
    for name, value in docker.items():
        assert apptainer[name] == re.sub(r"\$\{(\w+)\}", r"{{ \1 }}", value)
    assert docker["org.opencontainers.image.licenses"] == PROJECT["license"]
    assert docker["org.opencontainers.image.authors"] == PROJECT["authors"][0]["name"]


def test_both_recipes_have_the_same_base_arguments_and_files():
    base = re.search(r"^ARG BASE_IMAGE=(\S+)", DOCKERFILE, re.MULTILINE)[1]
    assert f"    BASE_IMAGE={base}\n" in RECIPE
    stages = re.findall(r"^ARG (\w+)=", DOCKERFILE, re.MULTILINE)
    arguments = re.findall(r"^    ([A-Z_0-9]+)=", RECIPE, re.MULTILINE)
    assert {*stages} - {"IMAGE_TAG"} == {*arguments} - {"BOOTSTRAP"}
    copied = re.findall(r"^    (\S+) /src/\1$", RECIPE, re.MULTILINE)
    lines = re.findall(r"^COPY (?!--)(.+)$", DOCKERFILE, re.MULTILINE)
    sources = {source for line in lines for source in line.split()[:-1]}
    assert {name.partition("/")[0] for name in copied} == sources
