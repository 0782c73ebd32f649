"""The site of the guide: what ends its build, and files outside of docs/ on it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
MKDOCS = REPOSITORY / ".venv-docs" / "bin" / "mkdocs"
OWN = {"docs", "site", "mkdocs.yml", ".git"}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not MKDOCS.exists(), reason="no .venv-docs (make docs)"),
]


@pytest.fixture
def repository(tmp_path):
    """A copy of the guide that a test may spoil."""
    shutil.copytree(REPOSITORY / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("study"))
    for path in REPOSITORY.iterdir():
        if path.name not in OWN:
            (tmp_path / path.name).symlink_to(path)
    shutil.copy(REPOSITORY / "mkdocs.yml", tmp_path)
    return tmp_path


def build(folder):
    done = subprocess.run(
        [MKDOCS, "build"], cwd=folder, capture_output=True, text=True, check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    return done.returncode, done.stderr


def test_faults_end_the_build_and_are_named(repository):
    page = repository / "docs" / "faq.md"
    page.write_text(
        page.read_text() + "\n[a](none.md) [b](usage.md#none) [c](../examples/none.sh)\n\n"
        '<script src="https://cdn.example.org/x.js"></script>\n'
    )
    (repository / "docs" / "forgotten.md").write_text("# In no menu\n")
    status, said = build(repository)
    assert status == 1
    for fault in (
        "'none.md', but the target is not found",
        "'usage.md#none', but the doc 'usage.md' does not contain an anchor",
        "'../examples/none.sh', but the target",
        "faq.md loads https://cdn.example.org/x.js",
        "forgotten.md",
    ):
        assert fault in said


def test_files_of_the_repository_that_pages_link_to_have_pages(repository):
    page = repository / "docs" / "faq.md"
    page.write_text(
        page.read_text() + "\n[slurm](../examples/slurm) [babs](../examples/babs/bids_sr.yaml)"
        " [licence](../LICENSE)\n\n```\n[code](../none)\n```\n"
    )
    status, said = build(repository)
    assert status == 0, said
    site = repository / "site"
    made = (site / "faq.html").read_text()
    for target in (
        "repository/examples/slurm/index.html",
        "repository/examples/babs/bids_sr.yaml.html",
        "repository/LICENSE.html",
    ):
        assert f'href="{target}"' in made
        assert (site / target).exists()
    assert "hard_memory_limit" in (site / "repository/examples/babs/bids_sr.yaml.html").read_text()
    readme = (site / "repository/index.html").read_text()
    assert 'href="../get-started.html"' in readme  # links of README.md lead into the guide
