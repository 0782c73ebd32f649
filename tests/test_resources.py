"""What ships with the project is found from a checkout, and is in the wheel."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import bids_sr
from bids_sr import resources
from bids_sr.resources import read_version, resource

REPOSITORY = Path(__file__).resolve().parents[1]


def test_found_from_a_checkout():
    assert resource("version") == REPOSITORY / "version"
    assert resource("models") == REPOSITORY / "models"
    assert bids_sr.__version__ == read_version() == (REPOSITORY / "version").read_text().strip()


def test_what_a_wheel_carries_comes_first(tmp_path, monkeypatch):
    package = tmp_path / "site" / "bids_sr"
    (package / "_shipped").mkdir(parents=True)
    (package / "_shipped" / "version").write_text("9.9\n")
    (tmp_path / "site" / "version").write_text("1.1\n")
    monkeypatch.setattr(resources, "_PACKAGE", package)
    assert read_version() == "9.9"


def test_an_incomplete_installation_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(resources, "_PACKAGE", tmp_path / "bids_sr")
    with pytest.raises(FileNotFoundError, match="reinstall"):
        resource("models")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The project's wheel, built without network."""
    pytest.importorskip("hatchling")
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    (path,) = out.glob("*.whl")
    return path


@pytest.mark.slow
def test_wheel_holds_code_templates_models_and_version(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    for source in (REPOSITORY / "bids_sr").rglob("*"):
        if source.is_file() and source.suffix != ".pyc":
            assert source.relative_to(REPOSITORY).as_posix() in names
    assert "bids_sr/_shipped/version" in names
    for source in (REPOSITORY / "models").rglob("*"):
        if source.is_file():
            assert f"bids_sr/_shipped/{source.relative_to(REPOSITORY).as_posix()}" in names
    assert not [name for name in names if name.startswith(("tests/", "benchmarks/", "examples/"))]


@pytest.mark.slow
def test_wheel_states_version_licence_and_commands(wheel):
    archive = zipfile.ZipFile(wheel)
    info = f"bids_sr-{read_version()}.dist-info"
    metadata = archive.read(f"{info}/METADATA").decode()
    assert f"Version: {read_version()}" in metadata
    assert "License-Expression: Apache-2.0 AND " in metadata
    assert f"{info}/licenses/LICENSE" in archive.namelist()
    assert f"{info}/licenses/bids_sr/report/assets/niivue.LICENSE.txt" in archive.namelist()
    commands = archive.read(f"{info}/entry_points.txt").decode()
    assert "bids-sr = bids_sr.app.main:main" in commands
    assert "bids-sr-train = bids_sr.training.cli:main" in commands
    assert "bids-sr-evaluate = bids_sr.evaluation.cli:main" in commands


@pytest.mark.slow
def test_the_readme_of_an_index_has_no_links_into_the_repository(wheel):
    info = f"bids_sr-{read_version()}.dist-info"
    metadata = zipfile.ZipFile(wheel).read(f"{info}/METADATA").decode()
    headers, _, readme = metadata.partition("\n\n")
    assert "Description-Content-Type: text/markdown" in headers
    assert readme.startswith("# bids_sr\n")
    assert not re.findall(r"\]\((?!https?:)[^)]*\)|<img|<a href", readme)
    captions = re.findall(
        r"^!\[.*\)\n\n\*(.+)", (REPOSITORY / "README.md").read_text(), re.MULTILINE
    )
    assert captions and not [line for line in captions if line in readme]


@pytest.mark.slow
def test_unpacked_wheel_works_away_from_the_checkout(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "import json, bids_sr\n"
        "from bids_sr.resources import resource\n"
        "from bids_sr.app.options.method import shipped_models\n"
        "print(json.dumps([bids_sr.__version__, str(resource('models')), shipped_models()]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    version, models, names = json.loads(done.stdout)
    assert version == read_version()
    assert models == str(tmp_path / "bids_sr/_shipped/models")
    assert names == sorted(card.parent.name for card in REPOSITORY.glob("models/*/card.json"))
