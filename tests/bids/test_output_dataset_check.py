"""What is wrong with the files at the top of the output is told."""

from __future__ import annotations

import pytest

from bids_sr.bids.output_dataset import write_dataset_files
from bids_sr.bids.output_dataset_check import dataset_faults


@pytest.fixture
def out(tmp_path):
    write_dataset_files(tmp_path / "out", sources={"raw": tmp_path})
    return tmp_path / "out"


def test_nothing_is_wrong(out):
    assert dataset_faults(out) == []


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("dataset_description.json", None, "is missing or damaged"),
        ("dataset_description.json", '{"Name": "x"', "is missing or damaged"),
        ("dataset_description.json", "[]", "is missing or damaged"),
        ("dataset_description.json", '{"Name": "x"}', "lacks BIDSVersion, DatasetType"),
        (".bidsignore", None, "is missing or incomplete"),
        (".bidsignore", "*.html\n", "is missing or incomplete"),
        ("descriptions.tsv", None, "is missing or damaged"),
        ("descriptions.tsv", "desc_", "is missing or damaged"),
        ("README.md", "", "README is missing or empty"),
    ],
)
def test_what_is_wrong(out, name, content, words):
    if content is None:
        (out / name).unlink()
    else:
        (out / name).write_text(content)
    (fault,) = dataset_faults(out)
    assert words in fault


def test_more_columns_and_content_that_is_elsewhere_are_no_faults(out):
    (out / "descriptions.tsv").write_text("desc_id\tmore\tdescription\n")
    assert dataset_faults(out) == []
    for name in (".bidsignore", "descriptions.tsv", "README.md"):
        (out / name).unlink()
        (out / name).symlink_to("nowhere")
    assert dataset_faults(out) == []
