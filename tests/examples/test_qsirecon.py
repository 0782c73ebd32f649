"""QSIPrep's output in, a folder for QSIRecon out: found by QSIRecon's own queries."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
STEM = "sub-01_ses-a_space-ACPC_res-x2"


def load(name, path):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def writers():
    return load("writers", REPOSITORY / "tests" / "conftest.py")


@pytest.fixture(scope="module")
def linker():
    return load("linker", REPOSITORY / "examples" / "qsirecon" / "link_for_qsirecon.py")


@pytest.fixture(scope="module")
def qsiprep(writers, tmp_path_factory):
    """What QSIPrep 1 leaves of a participant with one session; the image is stored LPS+."""
    root = writers.write_dataset(tmp_path_factory.mktemp("pre") / "qsiprep", ("01",))
    description = {"Name": "x", "BIDSVersion": "1.9.0", "DatasetType": "derivative"}
    description["GeneratedBy"] = [{"Name": "qsiprep", "Version": "1.0.1"}]
    (root / "dataset_description.json").write_text(json.dumps(description))
    (root / "sub-01" / "ses-a").mkdir()
    folder = (root / "sub-01" / "dwi").rename(root / "sub-01" / "ses-a" / "dwi")
    stem = "sub-01_ses-a_space-ACPC"
    for path in list(folder.iterdir()):
        path.rename(path.with_name(path.name.replace("sub-01_dwi", f"{stem}_desc-preproc_dwi")))
    dwi = folder / f"{stem}_desc-preproc_dwi.nii.gz"
    image = nib.load(dwi)
    affine = np.diag([-2.0, -2, 3, 1])  # LPS+, as QSIPrep stores it
    affine[:3, 3] = (24, 22, -6)
    data = np.asanyarray(image.dataobj)
    nib.Nifti1Image(data, affine).to_filename(dwi)
    inside = np.zeros(image.shape[:3], np.uint8)
    inside[6:18, 5:17] = 1
    for name in ("desc-brain_mask", "dwiref"):
        content = inside if "mask" in name else data[..., 0]
        nib.Nifti1Image(content, affine).to_filename(folder / f"{stem}_{name}.nii.gz")
    for name in (
        f"{stem}_desc-preproc_dwi.b",
        f"{stem}_desc-preproc_dwi.b_table.txt",
        "sub-01_ses-a_desc-confounds_timeseries.tsv",
        "sub-01_ses-a_desc-preproc_dwi_confounds.tsv",
        "sub-01_ses-a_desc-ImageQC_dwi.csv",
        "sub-01_ses-a_desc-image_qc.tsv",
        "sub-01_ses-a_desc-slice_qc.json",
    ):
        (folder / name).write_text("1\n")
    anat = root / "sub-01" / "anat"
    anat.mkdir()
    for name in (
        "sub-01_space-ACPC_desc-preproc_T1w.nii.gz",
        "sub-01_space-ACPC_desc-brain_mask.nii.gz",
        "sub-01_from-ACPC_to-MNI152NLin2009cAsym_mode-image_xfm.h5",
    ):
        (anat / name).write_text("1\n")
    return root


@pytest.fixture(scope="module")
def ours(qsiprep, writers, tmp_path_factory):
    """Our output of it."""
    from bids_sr.app.main import main

    folder = tmp_path_factory.mktemp("sr")
    model = writers.write_model(folder / "tiny")
    words = [qsiprep, folder / "out", "participant", "--model", model, "--nprocs", "1"]
    words += ["--device", "cpu", "--self-check", "off", "--uncertainty"]
    assert main([str(word) for word in words]) == 0
    return folder / "out"


@pytest.fixture(scope="module")
def linked(ours, qsiprep, linker, tmp_path_factory):
    new = tmp_path_factory.mktemp("new") / "linked"
    assert linker.main([str(ours), str(qsiprep), str(new)]) == 0
    return new


def test_of_qsiprep_the_series_and_its_mask_are_taken(ours):
    """What lies beside them is left alone, and the names are QSIPrep's but for desc and res."""
    series = [path.name for path in ours.rglob("*_desc-sr_dwi.nii.gz")]
    assert series == [f"{STEM}_desc-sr_dwi.nii.gz"]
    mask = nib.load(ours / f"sub-01/ses-a/dwi/{STEM}_desc-brain_mask.nii.gz")
    assert int(np.asanyarray(mask.dataobj).sum()) == 12 * 12 * 4 * 4
    sidecar = json.loads((ours / f"sub-01/ses-a/dwi/{STEM}_desc-sr_dwi.json").read_text())
    assert any("space-ACPC_desc-preproc_dwi.nii.gz" in source for source in sidecar["Sources"])


def layout_of(folder):
    """The index as QSIRecon 1.x makes it."""
    from bids.layout import BIDSLayout
    from bids.layout.index import BIDSLayoutIndexer

    return BIDSLayout(
        str(folder), indexer=BIDSLayoutIndexer(validate=False), config=["bids", "derivatives"]
    )


def queried(layout):
    """The series as QSIRecon 1.x asks for them."""
    from bids.layout import Query

    return layout.get(
        suffix="dwi",
        session=Query.OPTIONAL,
        space=["T1w", "ACPC"],
        extension=["nii", "nii.gz"],
    )


def test_qsirecon_finds_one_series_and_the_anatomy(linked):
    layout = layout_of(linked)
    assert [Path(found.path).name for found in queried(layout)] == [
        f"{STEM}_desc-preproc_dwi.nii.gz"
    ]
    anatomy = layout.get(suffix=["T1w", "T2w"], space="ACPC", extension=["nii", "nii.gz"])
    assert [Path(found.path).name for found in anatomy] == [
        "sub-01_space-ACPC_desc-preproc_T1w.nii.gz"
    ]
    xfm = layout.get(**{"from": "ACPC", "suffix": "xfm", "extension": ".h5"})
    assert len(xfm) == 1
    assert json.loads((linked / "dataset_description.json").read_text())["DatasetType"] == (
        "derivative"
    )


def test_our_output_itself_would_not_do(ours):
    """It has more in that space than the series, and no names that QSIRecon cuts endings off."""
    assert len(queried(layout_of(ours))) > 1


def test_what_qsirecon_looks_for_beside_the_series(linked):
    """Its ingress cuts a fixed number of letters off the name, and globs."""
    (found,) = queried(layout_of(linked))
    root, name = Path(found.path).parent, Path(found.path).name.removesuffix(".nii.gz")
    for pattern in (
        f"{name}.bval",
        f"{name}.bvec",
        f"{name}.b",
        f"{name[:-11]}brain_mask.nii*",
        f"{name[:-16]}dwiref.nii*",
        "*confounds.tsv",
        "sub-01_ses-a_desc-ImageQC_dwi.csv",
    ):
        assert len(list(root.glob(pattern))) == 1, pattern
    reference = nib.load(root / f"{STEM}_dwiref.nii.gz")
    series = nib.load(found.path)
    assert np.array_equal(reference.affine, series.affine)
    assert np.allclose(reference.get_fdata(), series.get_fdata()[..., 0], rtol=1e-6)


def test_what_newer_qsiprep_says_of_the_series_comes_along(linked):
    """QSIPrep 26 has other names; the globs of older QSIRecon do not match these."""
    folder = linked / "sub-01" / "ses-a" / "dwi"
    assert {path.name for path in folder.iterdir() if "_qc." in path.name} == {
        "sub-01_ses-a_desc-image_qc.tsv",
        "sub-01_ses-a_desc-slice_qc.json",
    }
    assert (folder / "sub-01_ses-a_desc-confounds_timeseries.tsv").exists()
    assert len(list(folder.glob("*confounds.tsv"))) == 1


@pytest.mark.skipif(not shutil.which("mrinfo"), reason="needs MRtrix3")
def test_the_gradients_are_those_mrtrix_makes_of_ours(linked, tmp_path):
    stem = linked / f"sub-01/ses-a/dwi/{STEM}_desc-preproc_dwi"
    subprocess.run(
        [
            *("mrinfo", f"{stem}.nii.gz", "-fslgrad", f"{stem}.bvec", f"{stem}.bval", "-quiet"),
            *("-export_grad_mrtrix", str(tmp_path / "theirs.b")),
        ],
        check=True,
        capture_output=True,
    )
    assert np.allclose(np.loadtxt(f"{stem}.b"), np.loadtxt(tmp_path / "theirs.b"), atol=1e-5)


def test_again_and_for_one_participant(ours, qsiprep, linker, linked):
    before = {path: path.stat().st_ino for path in linked.rglob("*_desc-preproc_dwi.nii.gz")}
    words = [str(ours), str(qsiprep), str(linked), "--participant-label", "sub-01"]
    assert linker.main(words) == 0
    after = {path: path.stat().st_ino for path in linked.rglob("*_desc-preproc_dwi.nii.gz")}
    assert before == after, "hard links to the same files"


def test_raw_series_are_refused(linker, tmp_path, capsys):
    folder = tmp_path / "out" / "sub-01" / "dwi"
    folder.mkdir(parents=True)
    (folder / "sub-01_res-x2_desc-sr_dwi.nii.gz").write_text("")
    assert linker.main([str(tmp_path / "out"), str(tmp_path), str(tmp_path / "new")]) == 2
    assert "1 super-resolved series, but none in space ACPC" in capsys.readouterr().err


def test_nothing_of_others_is_replaced(linker, ours, qsiprep, linked, tmp_path, capsys):
    """Not even what has the name of a link to be made."""
    before = {path: path.lstat().st_ino for path in qsiprep.rglob("*")}
    theirs = tmp_path / "theirs"
    (theirs / "sub-01").mkdir(parents=True)
    for new in (qsiprep, ours, qsiprep.parent, qsiprep / "sub-01", theirs):
        assert linker.main([str(ours), str(qsiprep), str(new)]) == 2, new
    told = capsys.readouterr().err
    assert "is or holds" in told and "was not made by this script" in told
    assert {path: path.lstat().st_ino for path in qsiprep.rglob("*")} == before
    assert linker.main([str(ours), str(qsiprep), str(linked)]) == 0, "its own is added to"


def test_labels_given_in_parts_add_up(linker, ours, qsiprep, tmp_path):
    labels = ("--participant-label", "01", "--participant-label", "99")
    assert linker.main([str(ours), str(qsiprep), str(tmp_path / "new"), *labels]) == 0
    assert list((tmp_path / "new").glob("sub-01/**/*_desc-preproc_dwi.nii.gz"))
