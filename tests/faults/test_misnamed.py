"""Images with names or in places that BIDS does not know: one line each, the others finished."""

from __future__ import annotations

import json
import shutil

import pytest

QUICK = ("--self-check", "off", "--ensemble", "1")


def copy_run(dataset, source, target):
    """Copy all files of one run under another name."""
    (folder := (dataset / target).parent).mkdir(parents=True, exist_ok=True)
    for path in (dataset / source).parent.glob(f"{(dataset / source).name}_dwi.*"):
        ending = path.name.removeprefix((dataset / source).name)
        shutil.copy(path, folder / f"{(dataset / target).name}{ending}")


@pytest.fixture
def dataset(writers, tmp_path):
    """A good run of sub-02, and next to it whatever goes wrong with names."""
    raw = writers.write_dataset(tmp_path / "raw", ("02", "05"))
    good = "sub-05/dwi/sub-05"
    for wrong in (
        "sub-01/dwi/sub-01_AP",
        "sub-01/dwi/sub-01_PA",
        "sub-02/dwi/sub-01",
        "sub-0_2/dwi/sub-0_2",
        "sub-03/dwi/sub-03_acq-x",
        "sub-03/dwi/sub-03_acq-X",
    ):
        copy_run(raw, good, wrong)
    shutil.rmtree(raw / "sub-05")
    return raw


WRONG = {
    "sub-01/dwi/sub-01_AP_dwi.nii.gz": "dir-AP",
    "sub-01/dwi/sub-01_PA_dwi.nii.gz": "dir-PA",
    "sub-02/dwi/sub-01_dwi.nii.gz": "is in sub-02/dwi",
    "sub-0_2/dwi/sub-0_2_dwi.nii.gz": "no label",
    "sub-03/dwi/sub-03_acq-x_dwi.nii.gz": "collide",
    "sub-03/dwi/sub-03_acq-X_dwi.nii.gz": "collide",
}


def outputs(out):
    """Folders and files of participants in the output."""
    return sorted(path.relative_to(out).as_posix() for path in out.glob("sub-*/**/*_dwi.nii.gz"))


def test_each_fails_alone(dataset, process, call_here, tmp_path):
    out = tmp_path / "out"
    outcome = process(dataset, out, *QUICK)
    assert outcome.status == 1, outcome.told
    assert "Traceback" not in outcome.told
    for path, said in WRONG.items():
        assert outcome.lines("error: ", f"/{path}: ", said), (path, outcome.told)
    assert "1 of 7 runs done" in outcome.told
    assert outputs(out) == ["sub-02/dwi/sub-02_res-x2_desc-sr_dwi.nii.gz"]
    records = [json.loads(path.read_text()) for path in out.glob("logs/*_error.json")]
    assert sorted(record["source"] for record in records) == sorted(f"bids:raw:{p}" for p in WRONG)
    pages = sorted(path.name for path in out.glob("sub-*.html"))
    assert pages == ["sub-01.html", "sub-02.html", "sub-03.html"]
    page = (out / "sub-02.html").read_text()
    assert "sub-02/dwi/sub-01_dwi.nii.gz" in page and "sub-0_2" not in page
    assert "dir-AP" in (out / "sub-01.html").read_text()

    assert call_here(dataset, out, "group").status == 0
    group = (out / "group_dwi.html").read_text()
    assert all(path in group for path in WRONG)
    (out / "sub-02.html").unlink()
    assert call_here(dataset, out, "participant", "--reports-only").status == 0
    assert "sub-02/dwi/sub-01_dwi.nii.gz" in (out / "sub-02.html").read_text()
    assert not (out / "sub-0_2.html").exists()


def test_again_when_they_were_renamed(dataset, process, tmp_path):
    out = tmp_path / "out"
    process(dataset, out, *QUICK)
    before = (out / "sub-02/dwi/sub-02_res-x2_desc-sr_dwi.nii.gz").read_bytes()
    shutil.rmtree(dataset / "sub-0_2")
    for path in dataset.glob("sub-01/dwi/sub-01_*"):
        path.rename(path.with_name(path.name.replace("sub-01_", "sub-01_dir-")))
    for path in [*dataset.glob("sub-03/dwi/*acq-X*"), *dataset.glob("sub-02/dwi/sub-01*")]:
        path.unlink()
    outcome = process(dataset, out, *QUICK)
    assert outcome.status == 0, outcome.told
    assert not list(out.glob("logs/*_error.json"))
    assert outputs(out) == [
        *(f"sub-01/dwi/sub-01_dir-{d}_res-x2_desc-sr_dwi.nii.gz" for d in ("AP", "PA")),
        "sub-02/dwi/sub-02_res-x2_desc-sr_dwi.nii.gz",
        "sub-03/dwi/sub-03_acq-x_res-x2_desc-sr_dwi.nii.gz",
    ]
    assert (out / "sub-02/dwi/sub-02_res-x2_desc-sr_dwi.nii.gz").read_bytes() == before
    assert "collide" not in (out / "sub-03.html").read_text()


def test_what_was_made_before_is_left_when_another_run_claims_its_name(writers, process, tmp_path):
    raw, out = writers.write_dataset(tmp_path / "raw"), tmp_path / "out"
    assert process(raw, out, *QUICK).status == 0
    made = {path: path.read_bytes() for path in out.glob("sub-01/**/*") if path.is_file()}
    shutil.copy(raw / "sub-01/dwi/sub-01_dwi.nii.gz", raw / "sub-01/dwi/sub-01_dwi.nii")
    outcome = process(raw, out, *QUICK)
    assert outcome.status == 1
    assert len(outcome.lines("sub-01_dwi.nii", ": failed (")) == 2
    assert not [path for path in made if not path.exists()]
    kept = [path for path, content in made.items() if path.read_bytes() == content]
    assert [path for path in made if path not in kept and "figures" not in path.parts] == []


def test_dry_run_and_methods(dataset, model, call_here, process, tmp_path, capsys):
    outcome = process(dataset, tmp_path / "out", "--dry-run")
    assert outcome.status == 1
    told = capsys.readouterr().out
    assert "7 runs: " in told and "6 unusable" in told
    assert all(path in told for path in WRONG)
    assert not (tmp_path / "out").exists()
    assert process(dataset, tmp_path / "out", "--boilerplate-only").status == 1


@pytest.mark.parametrize("asked", ["01", "02"])
def test_single_participants(dataset, process, tmp_path, asked):
    shutil.rmtree(dataset / "sub-01")
    (dataset / "sub-01").mkdir()
    outcome = process(dataset, tmp_path / "out", *QUICK, "--participant-label", asked)
    assert outcome.status == 1
    assert outcome.lines("error: ", "sub-02/dwi/sub-01_dwi.nii.gz: ", "is in sub-02/dwi")
    assert (tmp_path / "out" / f"sub-{asked}.html").is_file()
    assert len(outputs(tmp_path / "out")) == (asked == "02")


def test_several_resolutions(writers, process, call_here, tmp_path):
    data = writers.write_dataset(tmp_path / "raw", ("01", "02"))
    description = json.loads((data / "dataset_description.json").read_text())
    made_by = {"DatasetType": "derivative", "GeneratedBy": [{"Name": "other"}]}
    (data / "dataset_description.json").write_text(json.dumps(description | made_by))
    for subject, res in (("01", "a"), ("02", "b")):
        source = f"sub-{subject}/dwi/sub-{subject}"
        copy_run(data, source, f"sub-01/dwi/sub-01_space-ACPC_res-{res}_desc-preproc")
        for path in data.glob(f"{source}_dwi.*"):
            path.unlink()
    shutil.rmtree(data / "sub-02")
    out = tmp_path / "out"
    assert process(data, out, *QUICK).status == 0
    stems = [f"sub-01/dwi/sub-01_space-ACPC_res-{res}x2" for res in "ab"]
    assert outputs(out) == [f"{stem}_desc-sr_dwi.nii.gz" for stem in stems]
    tables = [(out / f"{stem}_desc-sr_dwi.bvec").read_text() for stem in stems]
    assert tables[0] != tables[1], "each has its own gradients"
    assert call_here(data, out, "group").status == 0
    assert "output files: process" not in (out / "group_dwi.html").read_text()
    again = process(data, out, *QUICK)
    assert again.status == 0 and "(0 now, 2 before)" in again.told
