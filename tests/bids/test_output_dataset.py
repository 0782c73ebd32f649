from __future__ import annotations

import email.message
import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from bids_sr.bids import output_dataset
from bids_sr.bids.output_dataset import IGNORED, write_dataset_files
from bids_sr.errors import OutputError, UsageError
from bids_sr.resources import read_version


def description(out: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((out / "dataset_description.json").read_text())
    return content


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    root = tmp_path / "raw data"
    root.mkdir()
    content = {"Name": "Raw", "BIDSVersion": "1.9.0", "DatasetDOI": "doi:10.1/x"}
    (root / "dataset_description.json").write_text(json.dumps(content))
    return root


@pytest.mark.parametrize(
    ("urls", "code"),
    [
        (["Method, https://doi.org/10.1/x", "Source, https://example.org/code"], True),
        (["Method, https://doi.org/10.1/x"], False),
        (None, False),
    ],
)
def test_code_url_is_the_address_of_the_source_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, urls: list[str] | None, code: bool
) -> None:
    message = email.message.Message()
    for url in urls or []:
        message["Project-URL"] = url
    monkeypatch.setattr(output_dataset, "metadata", lambda name: message)
    write_dataset_files(tmp_path, sources={})
    found = description(tmp_path)["GeneratedBy"][0].get("CodeURL")
    assert found == ("https://example.org/code" if code else None)


def test_new_dataset(tmp_path: Path, raw: Path) -> None:
    out = tmp_path / "new" / "out"
    write_dataset_files(out, sources={"raw": raw}, container={"Type": "docker", "Tag": "x:1"})
    found = description(out)
    # the validator does not miss these two
    assert found["Name"]
    assert found["GeneratedBy"][0]["Name"] == "bids_sr"
    assert found["GeneratedBy"][0]["Version"] == read_version()
    assert found["GeneratedBy"][0]["Container"] == {"Type": "docker", "Tag": "x:1"}
    assert found["DatasetType"] == "derivative"
    assert found["DatasetLinks"] == {"raw": raw.as_uri()}
    assert found["SourceDatasets"] == [{"URL": raw.as_uri(), "DOI": "doi:10.1/x"}]
    assert "arXiv:2605.15895" in found["HowToAcknowledge"]
    assert (out / ".bidsignore").read_text().splitlines() == list(IGNORED)
    rows = [line.split("\t") for line in (out / "descriptions.tsv").read_text().splitlines()]
    assert rows[0] == ["desc_id", "description"]
    assert {row[0] for row in rows[1:]} == {
        "desc-sr",
        "desc-brain",
        "desc-input",
        "desc-srsd",
    }
    assert (out / "README.md").exists()
    assert not list(out.glob(".tmp-*"))


def test_second_call_touches_nothing(tmp_path: Path, raw: Path) -> None:
    write_dataset_files(tmp_path / "out", sources={"raw": raw})
    files = list((tmp_path / "out").iterdir())
    assert len(files) == 6, "and no lock is left"
    before = {path: path.stat().st_ino for path in files}
    write_dataset_files(tmp_path / "out", sources={"raw": raw})
    assert {path: path.stat().st_ino for path in files} == before


def test_other_sources_and_hand_made_changes_stay(tmp_path: Path, raw: Path) -> None:
    out = tmp_path / "out"
    write_dataset_files(out, sources={"qsiprep": tmp_path / "pre"})
    edited = description(out) | {"Name": "Mine", "License": "CC0"}
    edited["GeneratedBy"] = [{"Name": "Manual"}, {"Name": "bids_sr", "Version": "0.0.0"}]
    (out / "dataset_description.json").write_text(json.dumps(edited))
    (out / ".bidsignore").write_text("mine.txt\nlogs\n")
    (out / "descriptions.tsv").write_text(
        "desc_id\tdescription\tmore\ndesc-mine\tMy own\tyes\ndesc-sr\tMy words\tno\n"
    )
    (out / "README.md").write_text("mine")
    write_dataset_files(out, sources={"raw": raw})
    found = description(out)
    assert (found["Name"], found["License"]) == ("Mine", "CC0")
    assert set(found["DatasetLinks"]) == {"qsiprep", "raw"}
    assert len(found["SourceDatasets"]) == 2
    versions = {entry["Name"]: entry.get("Version") for entry in found["GeneratedBy"]}
    assert versions == {"bids_sr": read_version(), "Manual": None}
    lines = (out / ".bidsignore").read_text().splitlines()
    assert lines[:2] == ["mine.txt", "logs"]
    assert sorted(lines) == sorted({*IGNORED, "mine.txt"})
    table = (out / "descriptions.tsv").read_text().splitlines()
    assert table[0] == "desc_id\tdescription\tmore"
    assert "desc-mine\tMy own\tyes" in table
    assert "desc-sr\tMy words\tno" in table
    assert any(line.startswith("desc-input\t") and line.endswith("\tn/a") for line in table)
    assert (out / "README.md").read_text() == "mine"


def test_source_that_moved_is_not_listed_twice(tmp_path: Path, raw: Path) -> None:
    out = tmp_path / "out"
    write_dataset_files(out, sources={"raw": tmp_path / "before"})
    write_dataset_files(out, sources={"raw": raw})
    found = description(out)
    assert found["DatasetLinks"] == {"raw": raw.as_uri()}
    assert [source["URL"] for source in found["SourceDatasets"]] == [raw.as_uri()]


def authored(root: Path, *names: str) -> Path:
    root.mkdir()
    content = {"Name": "x", "BIDSVersion": "1.9.0", "Authors": list(names)}
    (root / "dataset_description.json").write_text(json.dumps(content))
    return root


def test_authors_are_those_of_the_sources(tmp_path: Path, raw: Path) -> None:
    out = tmp_path / "out"
    one, other = authored(tmp_path / "one", "Ada", "Bo"), authored(tmp_path / "two", "Bo", "Cy")
    write_dataset_files(out, sources={"raw": raw})
    assert "Authors" not in description(out), "nobody is made up"
    write_dataset_files(out, sources={"raw": raw, "one": one})
    write_dataset_files(out, sources={"two": other})
    assert description(out)["Authors"] == ["Ada", "Bo", "Cy"]


def test_authors_that_were_edited_stay(tmp_path: Path) -> None:
    out, one = tmp_path / "out", authored(tmp_path / "one", "Ada", "Bo")
    write_dataset_files(out, sources={"one": one})
    edited = description(out) | {"Authors": ["Me"]}
    (out / "dataset_description.json").write_text(json.dumps(edited))
    write_dataset_files(out, sources={"one": one})
    assert description(out)["Authors"] == ["Me"]


def test_a_citation_file_replaces_authors(tmp_path: Path) -> None:
    """BIDS makes both an error."""
    out, one = tmp_path / "out", authored(tmp_path / "one", "Ada", "Bo")
    out.mkdir()
    (out / "CITATION.cff").write_text("cff-version: 1.2.0\n")
    write_dataset_files(out, sources={"one": one})
    assert "Authors" not in description(out)


@pytest.mark.parametrize(
    "content", ['{"Name": "Raw", "BIDSVersion": "1.9.0"}', '{"DatasetType": "raw"}', "{", "[]"]
)
def test_what_is_no_derivative_is_left_alone(tmp_path: Path, raw: Path, content: str) -> None:
    path = tmp_path / "dataset_description.json"
    path.write_text(content)
    with pytest.raises(UsageError, match=r"dataset_description\.json"):
        write_dataset_files(tmp_path, sources={"raw": raw})
    assert path.read_text() == content


def test_folder_that_cannot_be_made(tmp_path: Path, raw: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        write_dataset_files(tmp_path / "file" / "out", sources={"raw": raw})


def _write(out: Path, number: int) -> None:
    write_dataset_files(out, sources={f"source{number}": Path(f"/data/{number}")})


@pytest.mark.slow
def test_many_processes_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=_write, args=(tmp_path, number)) for number in range(8)]
    for worker in workers:
        worker.start()
    while any(worker.is_alive() for worker in workers):
        if (tmp_path / "dataset_description.json").exists():
            assert description(tmp_path)["DatasetType"] == "derivative"
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    assert len(description(tmp_path)["DatasetLinks"]) == 8
    assert len(description(tmp_path)["SourceDatasets"]) == 8
