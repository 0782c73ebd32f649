"""The command for one file: its exit statuses, its one line of error, its guide."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import bids_sr
from bids_sr.api import series
from bids_sr.app.file import add_options, build_parser, main

REPOSITORY = Path(__file__).resolve().parents[2]
GUIDE = REPOSITORY / "docs" / "python.md"


@pytest.fixture(autouse=True)
def environment():
    """The command sets variables for its process, and the loggers."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def call(make_run, tiny_series_model, tmp_path, capsys):
    """Call the command on a tiny scan; exit status and standard error."""
    make_run(tmp_path)

    def go(*options, dwi="sub-01_dwi.nii.gz", out="sr.nii.gz"):
        paths = [str(tmp_path / dwi), str(tmp_path / out)]
        always = ["--model", str(tiny_series_model), "--device", "cpu", "--nthreads", "1"]
        status = main([*paths, *always, *options])
        return status, capsys.readouterr().err

    return go


def test_it_does_what_the_function_does(call, tiny_series_model, tmp_path):
    status, told = call("--maps", "fa,qa", "--ensemble", "2", "--output-dtype", "int16")
    assert status == 0, told
    assert f"{tmp_path / 'sr.nii.gz'}: done with tiny-series (factor 2) on cpu" in told
    made = bids_sr.super_resolve(
        tmp_path / "sub-01_dwi.nii.gz", tmp_path / "other.nii.gz", model=tiny_series_model,
        device="cpu", threads=1, ensemble=2, output_dtype="int16", maps=["fa", "qa"],
    )  # fmt: skip
    assert made.maps.keys() == {"fa", "qa"}
    for path in sorted(tmp_path.glob("other*")):
        if path.suffix != ".json":
            ours = path.with_name(path.name.replace("other", "sr"))
            assert ours.read_bytes() == path.read_bytes(), path
    settings = json.loads((tmp_path / "sr.json").read_text())["SuperResolution"]["Settings"]
    assert settings["ensemble"] == 2 and settings["output_dtype"] == "int16"


def test_each_option_arrives(call, tmp_path, monkeypatch):
    given = {}

    def note(**options):
        given.update(options)
        raise bids_sr.BidsSrError("enough.")

    monkeypatch.setattr(series, "super_resolve", note)
    words = (
        "--bval b --bvec v --json j --mask m --maps all --overwrite --scale 3 --ensemble 8"
        " --slice-axis j --no-data-consistency --input-band full --input-matrix 96x110"
        " --b0-threshold 70 --gradient-check fix --output-dtype int16 --precision float32"
        " --batch-size 3 --nthreads 2 --mem-mb 3G --low-mem"
    )
    status, told = call(*words.split())
    assert status == 1 and told.endswith("bids-sr-file: error: enough.\n")
    del given["model"], given["dwi"], given["out"]
    assert given == {
        "bval": Path("b"), "bvec": Path("v"), "json": Path("j"), "mask": Path("m"), "maps": True,
        "overwrite": True, "factor": 3, "ensemble": 8, "slice_axis": 1, "data_consistency": False,
        "detect_band": False, "input_matrix": (96, 110), "b0_threshold": 70.0,
        "gradient_check": "fix", "output_dtype": "int16", "precision": "float32", "batch_size": 3,
        "threads": 2, "memory_gb": 3.0, "low_mem": True, "device": "cpu",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "options", "status", "words"),
    [
        (None, {"dwi": "no.nii.gz"}, 2, "no.nii.gz: there is no such file. Correct the path."),
        (None, {"out": "sr.mif"}, 2, "sr.mif: is not a name for the output."),
        ("exists", {}, 2, "sr.bval: is there already."),
        ("no bvec", {}, 1, "sub-01_dwi.nii.gz: there is no .bvec file for this image"),
        ("damaged", {}, 1, "sub-01_dwi.nii.gz: "),
    ],
)
def test_errors_are_one_line(call, tmp_path, change, options, status, words):
    if change == "exists":
        (tmp_path / "sr.bval").write_text("mine")
    elif change == "no bvec":
        (tmp_path / "sub-01_dwi.bvec").unlink()
    elif change == "damaged":
        image = tmp_path / "sub-01_dwi.nii.gz"
        image.write_bytes(image.read_bytes()[:-2000])
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    found, told = call(**options)
    errors = [line for line in told.splitlines() if "bids-sr-file: error: " in line]
    assert found == status and len(errors) == 1 and words in errors[0], told
    assert {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()} == before


def test_mistyped_calls(call):
    for words in (("--maps", "fa,xy"), ("--scale", "4"), ("--device", "gpu"), ("--mapz", "all")):
        with pytest.raises(SystemExit) as ended:
            call(*words)
        assert ended.value.code == 2


def test_the_guide_has_a_row_for_every_option_with_its_default():
    text = GUIDE.read_text(encoding="utf-8")
    cells = [line.replace("\\|", "/").split("|") for line in text.splitlines()]
    rows = {
        tuple(re.findall(r"--([a-z0-9-]+)", c[1])): c[2].strip()
        for c in cells
        if len(c) == 5 and c[1].strip().startswith("`-")
    }
    wanted, actions = {}, build_parser()._actions
    added = {option.dest: option for option in add_options(argparse.ArgumentParser())}
    for action in actions:
        if action.help == argparse.SUPPRESS or not action.option_strings:
            continue
        long = tuple(name[2:] for name in action.option_strings if name.startswith("--"))
        option = added.get(action.dest)
        flag = option is not None and option.flag is not None
        wanted[long] = "off" if flag else action.default
    assert rows.keys() == wanted.keys()
    for names, default in wanted.items():
        if default not in (None, argparse.SUPPRESS):
            assert rows[names] == str(default), names


@pytest.fixture
def example(tmp_path, monkeypatch):
    """A folder with two slices of the example as ``dwi``, to run what the guide says."""
    source = REPOSITORY / "examples" / "dwi-small" / "sub-philips02" / "dwi" / "sub-philips02_dwi"
    image = nib.load(f"{source}.nii.gz").slicer[:, :, 9:11]
    nib.save(image, tmp_path / "dwi.nii.gz")
    for kind in ("bval", "bvec", "json"):
        shutil.copy(f"{source}.{kind}", tmp_path / f"dwi.{kind}")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("page", ["README.md", "docs/python.md"])
def test_the_examples_of_the_guide_run(page, example, capsys):
    blocks = re.findall(r"```python\n(.*?)```", (REPOSITORY / page).read_text(), re.S)
    assert blocks and "super_resolve(" in blocks[0]
    scope = {}
    for block in blocks:
        exec(block, scope)
    assert capsys.readouterr().out.startswith(str(example / "sr.nii.gz"))
    assert nib.load("sr.nii.gz").shape == (256, 256, 2, 17)
    if "sr" in scope:
        np.testing.assert_array_equal(scope["sr"].data, nib.load("sr.nii.gz").get_fdata())


@pytest.mark.slow
def test_the_command_of_the_guide_runs(example):
    (line,) = {
        line
        for page in ("README.md", "docs/python.md")
        for line in (REPOSITORY / page).read_text().splitlines()
        if line.startswith("bids-sr-file dwi")
    }
    assert main(line.split()[1:]) == 0
    made = {path.name for path in example.iterdir()}
    assert {"sr.nii.gz", "sr.bval", "sr.json", "sr_fa.nii.gz", "sr_md.json"} <= made
