"""Input, output and work folder held against each other: what is refused, and what is not."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from bids_sr.app.parser import parse_arguments
from bids_sr.app.real_paths import lies_in, stations
from bids_sr.app.settings import make_settings
from bids_sr.errors import UsageError

CLEAN = "--clean-workdir"


def describe(folder, **content):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dataset_description.json").write_text(json.dumps({"Name": "x", **content}))
    return folder


def derivative(folder, *names):
    return describe(folder, DatasetType="derivative", GeneratedBy=[{"Name": n} for n in names])


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Settings from a command line in a folder with a small dataset ``in/raw``."""
    folder = describe(tmp_path / "in/raw") / "sub-01/dwi"
    folder.mkdir(parents=True)
    (folder / "sub-01_dwi.nii.gz").write_text("")
    monkeypatch.chdir(tmp_path)

    def build(*options, bids="in/raw", out="out", level="participant"):
        return make_settings(parse_arguments([str(bids), str(out), level, *map(str, options)]))

    return build


@pytest.fixture
def bind():
    """A function that shows a folder under another name."""
    mounted = []

    def mount(folder, point):
        point.mkdir()
        line = ["mount", "--bind", str(folder), str(point)]
        if os.getuid() != 0 or subprocess.run(line, capture_output=True, check=False).returncode:
            pytest.skip("nothing may be mounted here")
        mounted.append(point)
        return point

    yield mount
    for point in reversed(mounted):
        subprocess.run(["umount", str(point)], check=True)


def refused(make, *options, words="so --clean-workdir is refused", **folders):
    with pytest.raises(UsageError, match=words) as error:
        make(*options, **folders)
    assert error.value.exit_code == 2


def test_a_work_folder_that_holds_the_input(make):
    """Nothing would be deleted without --clean-workdir: ours is a folder of its own in it."""
    assert make("-w", "in").work_dir
    refused(make, "-w", "in", CLEAN, words="holds the input dataset")


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["-d", "pre=in/pre"], "the derivatives 'pre'"),
        (["--bids-filter-file", "in/filter.json"], "the filter file"),
        (["--use-plugin", "in/plugin.yml"], "the plugin file"),
        (["--config-file", "in/config.toml"], "the configuration file"),
        (["--bids-database-dir", "in/database"], "the PyBIDS database"),
        (["--model", "in/model"], "the network"),
    ],
)
@pytest.mark.parametrize(
    "kind", ["itself", "a link in it", "a link to it", "through a linked folder"]
)
def test_a_work_folder_that_holds_what_was_named(make, tmp_path, options, what, kind):
    describe(tmp_path / "raw"), (tmp_path / "in/pre").mkdir(), (tmp_path / "in/model").mkdir()
    (tmp_path / "in/filter.json").write_text("{}")
    (tmp_path / "in/plugin.yml").write_text("plugin: SLURM\n")
    (tmp_path / "in/config.toml").write_text("scale = 3\n")
    (tmp_path / "in/database").mkdir()
    flag, value = options
    target = Path(value.removeprefix("pre="))
    named = target
    if kind == "a link in it":
        target.rename(named := target.with_name("moved" + target.name))
        named.rename(outside := tmp_path / named.name)
        target.symlink_to(outside)
        named = target
    elif kind == "a link to it":
        named = tmp_path / ("link" + target.suffix)
        named.symlink_to(target)
    elif kind == "through a linked folder":
        (tmp_path / "other").symlink_to("in")
        named = Path("other", target.name)
    value = f"pre={named}" if flag == "-d" else str(named)
    assert make("-w", "in", flag, value, bids="raw")
    refused(make, "-w", "in", CLEAN, flag, value, bids="raw", words=what)


def test_a_file_of_the_network_that_is_a_link_into_it(make, tmp_path):
    describe(tmp_path / "raw"), (tmp_path / "scratch").mkdir(), (tmp_path / "model").mkdir()
    (tmp_path / "scratch/weights.safetensors").write_text("")
    (tmp_path / "model/weights.safetensors").symlink_to("../scratch/weights.safetensors")
    refused(make, "-w", "scratch", CLEAN, "--model", "model", bids="raw", words="the network")


@pytest.mark.parametrize("name", ["sub-01", "sub-01/dwi", "sub-01/dwi/sub-01_dwi.nii.gz"])
def test_input_that_is_links_into_it(make, tmp_path, name):
    link, target = tmp_path / "in/raw" / name, tmp_path / "work/store"
    target.parent.mkdir()
    link.rename(target)
    link.symlink_to(target)
    assert make("-w", "work").work_dir
    refused(make, "-w", "work", CLEAN, words="the input dataset")
    refused(make, "-w", "work", CLEAN, "--participant-label", "01", words="the input dataset")


def test_links_within_the_dataset_are_as_good_as_files(make, tmp_path):
    scan = tmp_path / "in/raw/sub-01/dwi/sub-01_dwi.nii.gz"
    (tmp_path / "in/raw/.git/annex").mkdir(parents=True)
    scan.rename(tmp_path / "in/raw/.git/annex/object")
    scan.symlink_to("../../.git/annex/object")
    assert make("-w", "work", CLEAN).work_dir


def test_the_program_s_own_networks(make):
    from bids_sr.resources import resource

    refused(make, "-w", resource("models").parent, CLEAN, words="the networks of this program")
    refused(make, "-w", resource("models") / "work", CLEAN, words="lies in the networks")


@pytest.mark.parametrize(
    "work", ["in/raw", "in/raw/work", "in/raw/sub-01", "in/../in/raw/x", "link"]
)
@pytest.mark.parametrize("options", [[], [CLEAN]])
def test_a_work_folder_in_the_dataset_is_always_refused(make, tmp_path, work, options):
    (tmp_path / "link").symlink_to("in/raw/sub-01")
    refused(make, "-w", work, *options, words="inside the input dataset")


def test_a_work_folder_and_the_output(make, tmp_path):
    for options in ([], [CLEAN]):
        refused(make, "-w", "out", *options, words="is the output folder")
    assert make("-w", ".").work_dir and make("-w", "out/work").work_dir
    refused(make, "-w", ".", CLEAN)
    assert make("-w", "out/work", CLEAN).clean_work_dir
    (tmp_path / "out").mkdir()
    (tmp_path / "link").symlink_to("out")
    refused(make, "-w", "link", CLEAN, words="is the output folder")
    assert make("-w", "work", CLEAN).clean_work_dir


@pytest.mark.parametrize("options", [[], [CLEAN]])
def test_input_in_our_own_folder(make, tmp_path, options):
    raw = describe(tmp_path / "work/bids_sr_work/raw")
    refused(make, "-w", "work", *options, bids=raw, words="bids-sr keeps its own files there")


def test_bind_mounts_are_seen_through(make, tmp_path, bind):
    shown = bind(tmp_path / "in", tmp_path / "shown")
    refused(make, "-w", shown, CLEAN, words="holds the input dataset")
    inner = bind(tmp_path / "in/raw/sub-01", tmp_path / "inner")
    refused(make, "-w", inner / "work", words="inside the input dataset")
    refused(make, out=bind(tmp_path / "in/raw", tmp_path / "again"), words="both input and output")


def test_where_folders_really_are(tmp_path, bind):
    (tmp_path / "a/b c").mkdir(parents=True), (tmp_path / "ab").mkdir()
    a, inner = tmp_path / "a", tmp_path / "a/b c"
    assert lies_in(a, a) and lies_in(inner, a) and lies_in(inner / "new/x", a)
    assert not lies_in(a, inner) and not lies_in(tmp_path / "ab", a)
    shown = bind(inner, tmp_path / "shown")
    assert lies_in(shown, a) and lies_in(shown / "new", inner) and lies_in(inner, shown)
    assert not lies_in(a, shown) and not lies_in(tmp_path / "ab", shown)


def test_what_a_link_leads_through(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to("a")
    (tmp_path / "c").symlink_to("b")
    assert list(stations(tmp_path / "b/../c")) == [tmp_path / name for name in "cba"]
    (tmp_path / "round").symlink_to("round")
    assert set(stations(tmp_path / "round")) == {tmp_path / "round"}


# --- the output ----------------------------------------------------------------------------


@pytest.fixture(params=["participant", "group", "reports-only", "boilerplate-only", "dry-run"])
def call(make, request):
    """A function that asks for something into this output folder."""

    def go(out, *options):
        if request.param in ("participant", "group"):
            return make(*options, out=out, level=request.param)
        return make(f"--{request.param}", *options, out=out)

    return go


def into(call, out, words, *options):
    before = {path: path.lstat().st_mtime_ns for path in out.rglob("*")}
    with pytest.raises(UsageError, match=words) as error:
        call(out, *options)
    assert error.value.exit_code == 2
    assert {path: path.lstat().st_mtime_ns for path in out.rglob("*")} == before
    return str(error.value)


@pytest.mark.parametrize(
    "content",
    [
        {"GeneratedBy": [{"Name": "QSIPrep", "Version": "1"}]},
        {"GeneratedBy": [{"Name": "MRIQC"}, {"Name": "QSIPrep"}]},
        {"GeneratedBy": {"Name": "QSIPrep"}},
        {"GeneratedBy": ["QSIPrep"]},
        {"PipelineDescription": {"Name": "QSIPrep"}},
    ],
)
def test_an_output_folder_of_another_program(call, tmp_path, content):
    out = describe(tmp_path / "out", DatasetType="derivative", **content)
    told = into(call, out, "belongs to .*QSIPrep")
    assert f"{out}/bids_sr" in told
    assert call(out / "bids_sr").output_dir == out / "bids_sr", "as the remedy says"


def test_an_output_folder_that_is_a_raw_dataset(call, tmp_path):
    out = describe(tmp_path / "other")
    into(call, out, "does not describe a derivative")
    (tmp_path / "link").symlink_to(out)
    into(call, tmp_path / "link", "does not describe a derivative")


@pytest.mark.parametrize("name", ["sub-01.html", "sub-01/anat/sub-01_T1w.nii.gz", "dwi/x.nii.gz"])
def test_an_output_folder_without_description_with_files_of_others(call, tmp_path, name):
    out = tmp_path / "out"
    (out / name).parent.mkdir(parents=True)
    (out / name).write_text("theirs")
    into(call, out, f"holds {name}")


def test_a_description_that_cannot_be_read(call, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "dataset_description.json").write_text("{")
    into(call, out, "cannot be read as JSON")
    (out / "dataset_description.json").unlink()
    (out / "dataset_description.json").symlink_to("nowhere")
    into(call, out, "whose target does not exist")


def test_ours_is_taken_also_without_description(call, tmp_path):
    out = tmp_path / "out"
    (out / "sub-01/dwi").mkdir(parents=True)
    (out / "sub-01/dwi/sub-01_res-x2_desc-sr_dwi.nii.gz").write_text("")
    (out / "sub-01.html").write_text('<head><meta name="generator" content="bids_sr 0.1.0">')
    (out / "logs/slurm").mkdir(parents=True)
    assert call(out)
    derivative(out, "bids_sr")
    assert call(out)


def test_a_folder_that_an_older_version_mixed(make, tmp_path):
    out = derivative(tmp_path / "out", "bids_sr", "fMRIPrep")
    (out / "sub-01.html").write_text('<meta name="generator" content="bids_sr 0.1.0">')
    assert make(out="out")
    (out / "sub-02.html").write_text("<html>fMRIPrep</html>")
    refused(make, out="out", words=r"sub-02\.html: was not written by bids_sr")
    assert make("--participant-label", "01", out="out")
    refused(make, "--reports-only", "--participant-label", "02", out="out", words="sub-02")
    (out / "group_dwi.html").write_text("<html>MRIQC</html>")
    refused(make, out="out", level="group", words="group_dwi")


def test_a_page_of_another_program_in_our_folder(make, tmp_path):
    out = derivative(tmp_path / "out", "bids_sr")
    (tmp_path / "page").write_text("theirs")
    (out / "sub-01.html").symlink_to(tmp_path / "page")
    assert make(out="out"), "a link is replaced, its target stays"
    derivative(out, "bids_sr", "fMRIPrep")
    refused(make, out="out", words=r"sub-01\.html")
    derivative(out, "bids_sr")
    (out / "sub-01.html").unlink()
    (out / "sub-01.html").write_text("theirs")
    refused(make, out="out", words=r"sub-01\.html")


@pytest.mark.parametrize(
    "inner", ["sub-01", "sub-01/dwi/out", "sourcedata/out", "code", ".git/out"]
)
def test_an_output_folder_among_the_files_of_a_dataset(make, tmp_path, inner):
    out = tmp_path / "in/raw" / inner
    refused(make, out=out, words="is inside|holds")
    assert out.exists() == (inner == "sub-01")
    other = describe(tmp_path / "other")
    refused(make, out=other / inner, words="is inside")
    assert make(out="in/raw/derivatives/bids_sr")


def test_hcp_subjects_have_folders_of_their_own(make, tmp_path):
    (tmp_path / "hcp/100610/T1w").mkdir(parents=True)
    refused(make, bids="hcp", out="hcp/100610/out", words="is inside 100610")


def test_folders_of_participants_that_are_links(make, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "disk").mkdir()
    link = out / "sub-01"
    link.symlink_to(tmp_path / "disk")
    assert make(), "a participant may lie on another disk"
    link.unlink()
    derivative(out, "bids_sr")
    link.symlink_to(tmp_path / "in/raw/sub-01")
    refused(make, words=r"sub-01: is a link into the dataset .*raw")
    refused(make, "--reports-only", words="is a link into the dataset")
    assert make("--participant-label", "02")
    link.unlink()
    link.mkdir()
    (link / "dwi").symlink_to(tmp_path / "in/raw/sub-01/dwi")
    refused(make, words="is a link into the dataset")
    (link / "dwi").unlink()
    (derivative(tmp_path / "prep", "QSIPrep") / "sub-01").mkdir()
    (link / "dwi").symlink_to(tmp_path / "prep/sub-01")
    refused(make, words="is a link into the dataset .*prep")
    (link / "dwi").unlink()
    (link / "dwi").symlink_to("nowhere")
    refused(make, words="which is not a folder")


def test_an_output_folder_of_an_older_version(make, tmp_path):
    """Neither mixed nor changed, at any participant level; pages can still be made."""
    folder = derivative(tmp_path / "out", "bids_sr") / "sub-01/dwi"
    folder.mkdir(parents=True)
    (folder / "sub-01_res-x2_model-tensor_param-tensor_dwimap.nii.gz").write_text("older")
    before = sorted(tmp_path.rglob("*"))
    for options in ((), ("--dry-run",), ("--participant-label", "01")):
        with pytest.raises(UsageError, match="older version of bids_sr"):
            make(*options)
    assert sorted(tmp_path.rglob("*")) == before
    assert make("--reports-only").reports_only
    assert make(level="group").level == "group"
