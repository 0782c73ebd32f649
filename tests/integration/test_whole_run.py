"""A good dataset from end to end: what is written, and what a second call does."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import pytest

from bids_sr.app.validation import _find_program
from bids_sr.workflow.manifest import write_manifest

QUALITY = "sub-01_res-x2_desc-sr_quality.json"
EXPECTED = Path(__file__).with_name("expected_outputs.txt")


@pytest.fixture(scope="module")
def dataset(writers, tmp_path_factory):
    return writers.write_dataset(tmp_path_factory.mktemp("good") / "raw", ("01",))


@pytest.fixture(scope="module")
def appeared():
    """Files in the order in which the first call moved them to their names."""
    return []


@pytest.fixture(scope="module")
def first(process, dataset, tmp_path_factory, appeared):
    """The first call, with a work folder."""
    folder, replace = tmp_path_factory.mktemp("first"), Path.replace

    def watched(self, target):
        appeared.append(Path(target))
        return replace(self, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "replace", watched)
        return process(dataset, folder / "out", "-w", folder / "work")


@pytest.fixture
def copy(first, tmp_path):
    """A copy of what the first call left, to be tampered with."""
    shutil.copytree(first.out.parent, tmp_path / "copy")
    return tmp_path / "copy" / "out"


def list_anew(out):
    """Rewrite the manifest as if the run had left the files as they are now."""
    (path,) = out.rglob("*_desc-manifest_dwi.json")
    content = json.loads(path.read_text())
    files = [out / name for name in content["Files"]]
    write_manifest(path, out, files, content["Fingerprint"])


def series(out):
    return out / "sub-01/dwi/sub-01_res-x2_desc-sr_dwi.nii.gz"


def test_it_works(first):
    assert first.status == 0, first.told
    assert "Traceback" not in first.told
    assert first.lines("1 of 1 runs done")


def test_exactly_the_expected_files(first):
    found = {
        path.relative_to(first.out).as_posix()
        for path in first.out.rglob("*")
        if path.is_file() and not {"logs", "figures"} & set(path.relative_to(first.out).parts)
    }
    assert sorted(found) == EXPECTED.read_text().split()


def test_a_sidecar_appears_when_all_that_it_speaks_of_is_there(first, appeared):
    """Who stops the program at any moment finds no JSON without its image; the report is last."""
    order = {path: number for number, path in enumerate(appeared)}
    written = [path for path in first.out.rglob("*") if path.is_file()]
    sidecars = [path for path in written if path.with_suffix("").with_suffix(".nii.gz") in written]
    sidecars = [path for path in sidecars if path.suffix == ".json"]
    assert len(sidecars) == len([path for path in written if path.name.endswith(".nii.gz")]) > 10
    for path in sidecars:
        beside = [path.with_suffix(kind) for kind in (".nii.gz", ".bval", ".bvec")]
        for other in set(beside) & set(written):
            # of a file that is written twice, the last time counts for it, the first for others
            assert order[other] < appeared.index(path), (path.name, other.name)
    (index,) = first.out.rglob("*_desc-index_dwi.json")
    (manifest,) = first.out.rglob("*_desc-manifest_dwi.json")
    (record,) = first.out.rglob(QUALITY)
    images = [order[path] for path in written if path.name.endswith(".nii.gz")]
    assert max(images) < order[record] < order[index] < order[manifest]
    assert order[manifest] < order[first.out / "sub-01.html"]


def test_pictures_and_page_are_there(first):
    assert (first.out / "sub-01.html").stat().st_size > 1000
    assert list((first.out / "sub-01/figures").glob("*.png"))
    assert list((first.out / "sub-01/figures").glob("*_desc-curves_dwi.json"))


def test_nothing_but_the_log_and_the_settings_in_the_log_folder(first):
    (folder,) = (first.out / "logs").iterdir()  # the lock of the run is gone as well
    assert sorted(path.name for path in folder.iterdir()) == ["config.toml", "log.txt"]
    assert "Traceback" not in (folder / "log.txt").read_text()


def test_the_dataset_describes_itself(first):
    description = json.loads((first.out / "dataset_description.json").read_text())
    assert description["Name"] and description["DatasetType"] == "derivative"
    assert description["GeneratedBy"][0]["Name"] == "bids_sr"


def test_sidecars_of_maps_have_what_the_draft_requires(first):
    """BEP016: ``Model``; how directions are encoded where there are four axes, and only there."""
    images = sorted(first.out.rglob("*_dwimap.nii.gz"))
    assert len(images) == 18
    encoded = {}
    for path in images:
        sidecar = json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())
        fit = sidecar["Model"]["Parameters"]
        assert fit["FitMethod"] == "wls" if "model-tensor" in path.name else fit["SamplingLength"]
        assert sidecar["Model"]["Description"] and sidecar["Units"] and sidecar["ParameterURL"]
        encoding = sidecar.get("OrientationEncoding", {})
        shape = nib.load(path).shape
        assert bool(encoding) is (len(shape) > 3), path.name
        if encoding:
            assert (encoding["EncodingAxis"], encoding["Reference"]) == (3, "xyz")
            encoded[encoding["Type"]] = shape[3]
    assert encoded == {"tensor": 6, "unit3vector": 3, "dec": 3}


@pytest.mark.skipif(_find_program() is None, reason="no BIDS validator is installed")
def test_the_validator_finds_no_error_and_one_warning_at_most(first):
    """The one that docs/standards.md explains."""
    done = subprocess.run(
        [_find_program(), str(first.out), "--json"], capture_output=True, text=True, check=False
    )
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert not [issue for issue in issues if issue["severity"] == "error"]
    assert {issue["code"] for issue in issues} <= {"TOO_FEW_AUTHORS"}


def test_a_second_call_touches_nothing(process, dataset, copy):
    # the state of the first call is found by time of change
    before = {path: path.stat().st_mtime_ns for path in copy.rglob("*.nii.gz")}
    again = process(dataset, copy)
    assert again.status == 0
    assert again.lines("sub-01", "complete already")
    assert before == {path: path.stat().st_mtime_ns for path in copy.rglob("*.nii.gz")}


def test_other_settings_make_it_anew(process, dataset, copy):
    old = series(copy).read_bytes()
    assert process(dataset, copy, "--no-data-consistency").status == 0
    assert series(copy).read_bytes() != old


def test_a_changed_input_makes_it_anew(process, first, copy, tmp_path, dataset):
    changed = tmp_path / "raw"
    shutil.copytree(dataset, changed)
    bval = changed / "sub-01/dwi/sub-01_dwi.bval"
    bval.write_text(bval.read_text().replace("1000", "990"))
    assert not process(changed, copy).lines("complete already")
    assert "990" in series(copy).with_name("sub-01_res-x2_desc-sr_dwi.bval").read_text()


def test_what_is_missing_is_made_again_and_the_rest_is_kept(process, dataset, first):
    out = first.out
    missing = out / "sub-01/dwi/sub-01_model-tensor_param-md_res-x2_dwimap.nii.gz"
    content, time = missing.read_bytes(), series(out).stat().st_mtime_ns
    missing.unlink()
    assert process(dataset, out, "-w", out.parent / "work").status == 0
    assert missing.read_bytes() == content
    assert series(out).stat().st_mtime_ns == time, "the work folder remembers the series"


def test_a_work_folder_does_not_vouch_for_files_of_another_call(process, dataset, first, copy):
    # other settings wrote over the series meanwhile, with another work folder
    good = series(first.out).read_bytes()
    process(dataset, copy, "--no-data-consistency", "-w", copy.parent / "other-work")
    assert series(copy).read_bytes() != good
    assert process(dataset, copy, "-w", copy.parent / "work").status == 0
    assert series(copy).read_bytes() == good


def test_reports_only_writes_the_page_and_nothing_else(process, dataset, copy):
    page = copy / "sub-01.html"
    page.unlink()
    time = series(copy).stat().st_mtime_ns
    assert process(dataset, copy, "--reports-only").status == 0
    assert page.is_file() and series(copy).stat().st_mtime_ns == time


def test_the_self_check_is_on_record(first):
    record = json.loads(series(first.out).with_name(QUALITY).read_text())
    assert record["selfcheck_verdict"] in ("harmed", "no gain")
    assert record["qc_status"] in ("fail", "warn") and record["qc_reasons"]
    assert f'class="answer is-{record["qc_status"]}"' in (first.out / "sub-01.html").read_text()


def test_a_network_that_harms_fails_if_asked(call_here, writers, dataset, tmp_path):
    bad = writers.write_model(tmp_path / "bad", detail=1.0)
    options = ("participant", "--model", bad, "--nprocs", "1", "--device", "cpu", "--fail-on-qc")
    outcome = call_here(dataset, tmp_path / "out", *options, "--skip-bids-validation")
    assert outcome.status == 1
    assert outcome.lines("quality: sub-01: fail", "worse than the best interpolation")
    assert outcome.lines("1 of 1 runs done"), "everything is written nevertheless"
    assert 'class="answer is-fail"' in (tmp_path / "out/sub-01.html").read_text()


@pytest.mark.parametrize("more", [(), ("--reports-only",)])
def test_finished_runs_are_judged_too(process, dataset, copy, more):
    path = series(copy).with_name(QUALITY)
    bad = {"qc_status": "fail", "qc_reasons": "There is a grid"}
    path.write_text(json.dumps(json.loads(path.read_text()) | bad))
    list_anew(copy)
    assert process(dataset, copy, *more).status == 0
    outcome = process(dataset, copy, "--fail-on-qc", *more)
    assert outcome.status == 1
    assert outcome.lines("quality: sub-01: fail (There is a grid)")


def test_another_self_check_leaves_the_series(process, dataset, copy):
    assert process(dataset, copy, "--self-check", "off").lines("complete already")
    fresh = copy.parent / "fresh"
    shutil.copytree(dataset, copy.parent / "raw")
    options = ("-w", copy.parent / "fresh-work", "--self-check")
    assert process(copy.parent / "raw", fresh, *options, "off").status == 0
    time = series(fresh).stat().st_mtime_ns
    record = series(fresh).with_name(QUALITY)
    assert "switched off" in json.loads(record.read_text())["selfcheck_reason"]
    assert process(copy.parent / "raw", fresh, *options, "full").status == 0
    assert series(fresh).stat().st_mtime_ns == time, "only the record is made anew"
    assert json.loads(record.read_text())["selfcheck_volumes"] == 17


def test_group_level(call_here, dataset, copy):
    shutil.rmtree(copy.parent / "work")
    assert call_here(dataset, copy, "group").status == 0
    header, row = (copy / "group_dwi.tsv").read_text().splitlines()
    assert row.startswith("sub-01") or "sub-01" in row.split("\t")
    assert "dc_nrmse_b0" in header.split("\t")
    assert (copy / "group_dwi.html").is_file()


def test_group_level_of_nothing_is_a_usage_error(call_here, dataset, tmp_path):
    outcome = call_here(dataset, tmp_path, "group")
    assert outcome.status == 2
    assert len(outcome.told.splitlines()) == 1
