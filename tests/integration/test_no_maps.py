"""Without maps: metrics, pictures and pages as with them; no map in the output; calls agree."""

from __future__ import annotations

import json

import pytest

from bids_sr.report.group import write_group

TIMES = ("seconds", "selfcheck_seconds", "slices_per", "peak_memory", "maps_written")


@pytest.fixture(scope="module")
def dataset(writers, tmp_path_factory):
    return writers.write_dataset(tmp_path_factory.mktemp("no-maps") / "raw", ("01",))


@pytest.fixture(scope="module")
def with_maps(process, dataset, tmp_path_factory):
    out = tmp_path_factory.mktemp("no-maps") / "with"
    outcome = process(dataset, out, "--uncertainty", "-w", out.parent / "work-with")
    assert outcome.status == 0, outcome.told
    return out


@pytest.fixture(scope="module")
def without(process, dataset, tmp_path_factory):
    out = tmp_path_factory.mktemp("no-maps") / "without"
    outcome = process(dataset, out, "--no-maps", "--uncertainty", "-w", out.parent / "work")
    assert outcome.status == 0, outcome.told
    return out


def record_of(out):
    (path,) = out.glob("sub-01/dwi/*_quality.json")
    record = json.loads(path.read_text())
    return {key: value for key, value in record.items() if not key.startswith(TIMES)}


def names(out, pattern):
    return {path.name for path in out.rglob(pattern)}


def test_metrics_and_pictures_are_the_same(with_maps, without):
    assert names(with_maps, "*_dwimap.*") and not names(without, "*_dwimap.*")
    kept = {name for name in names(with_maps, "*") if "_dwimap." not in name}
    assert {n for n in kept if n.startswith("sub-")} == {
        n for n in names(without, "*") if n.startswith("sub-")
    }
    assert record_of(with_maps) == record_of(without)
    for picture in with_maps.glob("sub-01/figures/*.png"):
        same = without / picture.relative_to(with_maps)
        assert same.read_bytes() == picture.read_bytes(), picture.name
    assert "tensor" in (without / "sub-01/figures/sub-01_desc-methods.md").read_text()
    sd = (without / "sub-01/dwi/sub-01_res-x2_desc-srsd_dwi.nii.gz").is_file()
    assert sd, "the series' own is no map"


def test_the_group_misses_no_map(without):
    page = write_group(without)[1].read_text()
    assert '"incomplete"' not in page.split('id="data">')[1].split('"tones"')[0]


def test_a_run_with_its_maps_is_complete_without(process, dataset, with_maps):
    before = {p: p.stat().st_mtime_ns for p in with_maps.rglob("*_dwimap.*")}
    outcome = process(dataset, with_maps, "--no-maps", "--uncertainty")
    assert outcome.status == 0 and outcome.lines("complete already"), outcome.told
    assert before == {p: p.stat().st_mtime_ns for p in with_maps.rglob("*_dwimap.*")}


def test_maps_can_be_had_later_from_the_work_folder(process, dataset, with_maps, without):
    """The last test of these: the run has its maps then."""
    series = without / "sub-01/dwi/sub-01_res-x2_desc-sr_dwi.nii.gz"
    made = series.stat().st_mtime_ns
    outcome = process(dataset, without, "--uncertainty", "-w", without.parent / "work")
    assert outcome.status == 0, outcome.told
    assert names(without, "*_dwimap.*") == names(with_maps, "*_dwimap.*")
    assert series.stat().st_mtime_ns == made, "the series is not made again"
    again = process(dataset, without, "--no-maps", "--ensemble", "1")
    assert again.status == 0, again.told
    assert not names(without, "*_dwimap.*"), "those of another series do not stay"
