"""One file outside any dataset: the app's own result, whole or not at all."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

import bids_sr
from bids_sr.api import series
from bids_sr.bids.names import param_label
from bids_sr.errors import InputError, ModelError, OutputError, UsageError

SERIES = {"sr.nii.gz", "sr.bval", "sr.bvec", "sr.json"}


@pytest.fixture
def scan(make_run, tmp_path):
    """An image with a name that is no name of BIDS, and what belongs to it."""
    folder = tmp_path / "scan"
    folder.mkdir()
    make_run(folder)
    for path in list(folder.iterdir()):
        path.rename(folder / path.name.replace("sub-01_dwi", "my.scan"))
    (folder / "my.scan.json").write_text(json.dumps({"EchoTime": 0.08, "PatientName": "X"}))
    return folder / "my.scan.nii.gz"


@pytest.fixture
def call(scan, tiny_series_model, tmp_path):
    """Super-resolve that scan."""

    def go(dwi=scan, out=tmp_path / "out" / "sr.nii.gz", **options):
        given = {"model": tiny_series_model, "device": "cpu", "threads": 1, **options}
        return bids_sr.super_resolve(dwi, out, **given)

    return go


def names(folder):
    return {path.name for path in folder.iterdir()}


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_comes_out(call, scan, tmp_path):
    before = contents(scan.parent)
    made = call()
    assert names(tmp_path / "out") == SERIES
    assert made.dwi == tmp_path / "out" / "sr.nii.gz" and made.json.name == "sr.json"
    assert (made.factor, made.model, made.mask, made.maps) == (2, "tiny-series", None, {})
    image, source = nib.load(made.dwi), nib.load(scan)
    assert image.shape == (48, 44, 4, 17)
    np.testing.assert_allclose(image.header.get_zooms()[:3], (1, 1, 3))
    for written, kind in ((made.bval, ".bval"), (made.bvec, ".bvec")):
        old = np.loadtxt(scan.with_name(f"my.scan{kind}"))
        new = np.loadtxt(written)
        np.testing.assert_allclose(new.T if new.shape != old.shape else new, old, atol=1e-6)
    sidecar = json.loads(made.json.read_text())
    assert sidecar["EchoTime"] == 0.08 and "PatientName" not in sidecar
    assert sidecar["Sources"] == ["my.scan.nii.gz", "my.scan.bval", "my.scan.bvec"]
    assert sidecar["SuperResolution"]["InPlaneFactor"] == 2
    assert contents(scan.parent) == before
    assert source.shape == (24, 22, 4, 17)


@pytest.mark.parametrize("maps", [True, ("fa", "v1", "qa")])
def test_maps_have_sidecars_that_name_the_series(call, tmp_path, maps):
    made = call(maps=maps)
    wanted = set(maps) if maps is not True else set(bids_sr.api.outputs.MAPS)
    assert made.maps.keys() == wanted
    images = {*wanted, "mask"}
    told = {f"sr_{name}{kind}" for name in images for kind in (".nii.gz", ".json")}
    assert names(tmp_path / "out") == SERIES | told
    assert json.loads((tmp_path / "out" / "sr_fa.json").read_text())["Sources"] == ["sr.nii.gz"]
    assert nib.load(made.maps["fa"]).shape == nib.load(made.mask).shape == (48, 44, 4)


def test_too_few_directions_for_maps_are_told(make_run, call, tmp_path):
    folder = tmp_path / "few"
    folder.mkdir()
    run = make_run(folder, directions=3)
    made = call(run.files.dwi, maps="fa")
    assert made.maps == {} and any(note.startswith("No tensor maps: ") for note in made.notes)
    assert names(tmp_path / "out") == SERIES | {"sr_mask.nii.gz", "sr_mask.json"}


@pytest.mark.parametrize("ending", [".bvals", "data"])
def test_names_of_fsl(call, scan, tmp_path, ending):
    stem = "data." if ending == "data" else "my.scan."
    scan = scan.rename(scan.with_name(f"{stem}nii.gz"))
    for kind in ("bval", "bvec"):
        name = f"{kind}s" if ending == "data" else f"{stem}{kind}s"
        scan.with_name(f"my.scan.{kind}").rename(scan.with_name(name))
    mask = np.zeros((24, 22, 4), np.uint8)
    mask[6:-6, 6:-6] = 1
    affine = nib.load(scan).affine
    nib.save(nib.Nifti1Image(mask, affine), scan.with_name("nodif_brain_mask.nii.gz"))
    made = call(scan, maps="fa")
    taken = nib.load(made.mask).get_fdata().sum() == 4 * mask.sum()
    assert taken == (ending == "data")


def test_files_that_are_given(call, scan, tmp_path):
    for kind in ("bval", "bvec", "json"):
        scan.with_name(f"my.scan.{kind}").rename(tmp_path / f"other.{kind}")
    with pytest.raises(InputError, match=r"no \.bval file.*my\.scan\.bval or my\.scan\.bvals"):
        call()
    assert not (tmp_path / "out").exists()
    given = {kind: tmp_path / f"other.{kind}" for kind in ("bval", "bvec", "json")}
    made = call(**given)
    assert json.loads(made.json.read_text())["EchoTime"] == 0.08


def test_uncompressed_output_is_the_same(call, tmp_path):
    zipped, plain = call(maps="fa"), call(out=tmp_path / "plain.nii", maps="fa")
    assert plain.maps["fa"] == tmp_path / "plain_fa.nii"
    for one, other in ((zipped.dwi, plain.dwi), (zipped.maps["fa"], plain.maps["fa"])):
        np.testing.assert_array_equal(nib.load(one).get_fdata(), nib.load(other).get_fdata())


def test_what_is_there_stays_unless_it_is_to_be_replaced(call, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "sr.bvec").write_text("mine")
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"sr\.bvec: is there already.*overwrite=True"):
        call()
    assert contents(out) == {out / "sr.bvec": b"mine", out / "notes.txt": b"mine"}
    call(overwrite=True)
    assert names(out) == SERIES | {"notes.txt"} and (out / "notes.txt").read_text() == "mine"
    assert (out / "sr.bvec").read_text() != "mine"


@pytest.mark.parametrize("out", ["my.scan.nii.gz", "my.scan.nii"])
def test_inputs_are_never_overwritten(call, scan, out):
    before = contents(scan.parent)
    with pytest.raises(UsageError, match="is an input"):
        call(out=scan.with_name(out), overwrite=True)
    assert contents(scan.parent) == before


def test_an_input_under_another_name_is_not_overwritten(call, scan, tmp_path):
    (tmp_path / "sr.nii.gz").symlink_to(scan)
    with pytest.raises(UsageError, match="is an input"):
        call(out=tmp_path / "sr.nii.gz", overwrite=True)


@pytest.mark.parametrize("step", ["super_resolve", "describe", "fit_tensor"])
def test_a_failure_leaves_nothing(call, tmp_path, monkeypatch, step):
    def fail(*_):
        raise InputError("is bad.")

    monkeypatch.setattr(series.steps, step, fail)
    with pytest.raises(InputError, match="is bad"):
        call(out=tmp_path / "new" / "deep" / "sr.nii.gz", maps=True)
    assert not (tmp_path / "new").exists()


def test_a_failure_while_files_are_put_in_place_leaves_none(call, tmp_path, monkeypatch):
    rename = Path.replace

    def replace(path, target):
        if Path(target) == tmp_path / "out" / "sr.nii.gz":
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(OutputError, match="No space left"):
        call()
    assert not (tmp_path / "out").exists()


def test_what_a_killed_call_left_is_removed_and_nothing_else(call, tmp_path):
    out = tmp_path / "out"
    left, alike = out / ".tmp-bids_sr-0123", out / ".tmp-bids_sr-mine"
    for folder in (left, alike):
        folder.mkdir(parents=True)
        (folder / "x").write_text("")
    (left / "lock").write_text("")
    call()
    assert names(out) == SERIES | {alike.name}


def test_another_call_at_work_is_left_alone(call, tmp_path):
    from bids_sr.api.outputs import staging

    with staging(tmp_path / "out") as other:
        call()
        assert names(tmp_path / "out") == SERIES | {other.name}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"factor": 4}, "factor: 4 is neither 2 nor 3"),
        ({"ensemble": 3}, "ensemble: 3 is not one of 1, 2, 4, 8"),
        ({"maps": "ad,fa"}, "no map 'ad,fa'"),
        ({"device": "gpu"}, "device: 'gpu'"),
        ({"threads": 0}, "threads: 0"),
        ({"output_dtype": "int8"}, "output_dtype: 'int8'"),
        ({"precision": "half"}, "precision: 'half'"),
        ({"gradient_check": "yes"}, "gradient_check: 'yes'"),
        ({"slice_axis": 3}, "slice_axis: 3"),
        ({"input_matrix": (8, 8), "detect_band": False}, "Leave one of them out"),
        ({"dwi": "nowhere.nii.gz"}, "nowhere.nii.gz: there is no such file"),
        ({"mask": "nowhere.nii.gz"}, "nowhere.nii.gz: there is no such file"),
        ({"out": "sr.mif"}, "sr.mif: is not a name for the output"),
    ],
)
def test_arguments_that_cannot_be_used(call, options, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as raised:
        call(**options)
    assert words in str(raised.value)
    assert not (tmp_path / "out").exists()


def test_a_sidecar_that_is_none(call, scan):
    scan.with_name("my.scan.json").write_text("[1]")
    with pytest.raises(InputError, match=r"my\.scan\.json: holds no fields"):
        call()
    scan.with_name("my.scan.json").write_text("{")
    with pytest.raises(InputError, match=r"my\.scan\.json: .*JSON"):
        call()


def test_the_factor_is_the_networks(call, make_series_model, tmp_path):
    model = make_series_model(tmp_path / "tiny-x3", factor=3)
    assert call(model=model).factor == 3
    with pytest.raises(ModelError, match="factor 3, not 2"):
        call(model=model, factor=2, out=tmp_path / "other.nii.gz")


def test_the_callers_threads_and_environment_stay(call):
    import torch

    before, environment = torch.get_num_threads(), dict(os.environ)
    torch.set_num_threads(3)
    try:
        call(threads=1)
        assert torch.get_num_threads() == 3 and dict(os.environ) == environment
    finally:
        torch.set_num_threads(before)


def test_the_app_makes_the_same_to_the_bit(
    make_dataset, tiny_series_model, call_here, call, tmp_path
):
    dataset = make_dataset("01")
    outcome = call_here(
        dataset, tmp_path / "app", "participant", "--model", tiny_series_model, "--nprocs", "1",
        "--device", "cpu", "--skip-bids-validation", "--self-check", "off",
    )  # fmt: skip
    assert outcome.status == 0, outcome.told
    made = call(dataset / "sub-01" / "dwi" / "sub-01_dwi.nii.gz", maps=True)
    folder = tmp_path / "app" / "sub-01" / "dwi"
    stem = "res-x2_desc-sr_dwi"
    pairs = {made.dwi: f"{stem}.nii.gz", made.bval: f"{stem}.bval"}
    pairs |= {made.bvec: f"{stem}.bvec", made.mask: "res-x2_desc-brain_mask.nii.gz"}
    for param, path in made.maps.items():
        model = "gqi" if param in ("qa", "gfa") else "tensor"
        pairs[path] = f"model-{model}_param-{param_label(param)}_res-x2_dwimap.nii.gz"
    assert len(pairs) == 14
    for ours, name in pairs.items():
        assert ours.read_bytes() == (folder / f"sub-01_{name}").read_bytes(), name
    theirs = json.loads((folder / f"sub-01_{stem}.json").read_text())
    mine = json.loads(made.json.read_text())
    for sidecar in (theirs, mine):
        del sidecar["Sources"], sidecar["Fingerprint"]
    assert mine == theirs


def test_a_copy_of_the_folder_makes_the_same(call, scan, tmp_path):
    shutil.copytree(scan.parent, tmp_path / "copy")
    one = call()
    other = call(tmp_path / "copy" / scan.name, tmp_path / "other.nii.gz")
    assert one.dwi.read_bytes() == other.dwi.read_bytes()
