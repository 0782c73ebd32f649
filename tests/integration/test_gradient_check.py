"""A gradient table that does not fit its image, from the command line to the pages."""

from __future__ import annotations

import html
import json
import re

import nibabel as nib
import numpy as np
import pytest


@pytest.fixture(scope="module")
def datasets(fibres, tmp_path_factory):
    """Folders of three datasets with one scan: right table, wrong, wrong in two participants."""
    root = tmp_path_factory.mktemp("fibres")

    def write(folder, labels, turn):
        for label in labels:
            where = folder / f"sub-{label}" / "dwi"
            fibres.write_scan(where, size=72.0, head=True, bvecs=fibres.directions(20) @ turn)
            (where / "mask.nii.gz").unlink()
            for path in list(where.iterdir()):
                path.rename(where / path.name.replace("sub-01", f"sub-{label}"))
        description = {"Name": "fibres", "BIDSVersion": "1.10.0", "License": "CC0"}
        (folder / "dataset_description.json").write_text(json.dumps(description))
        return folder

    flip = np.diag([1.0, -1.0, 1.0])
    return {
        "right": write(root / "right", ["01"], np.eye(3)),
        "wrong": write(root / "wrong", ["01"], flip),
        "both": write(root / "both", ["01", "02"], flip),
    }


@pytest.fixture(scope="module")
def network(writers, tmp_path_factory):
    """A network that reads what the tensor predicts for directions fixed to the slice."""
    channels = ("dwi", "mean_b0", "mean_dwi", "tensor", "tensor_diagonal")
    return writers.write_model(tmp_path_factory.mktemp("model") / "reads", channels=channels)


@pytest.fixture(scope="module")
def outcomes(datasets, network, process, tmp_path_factory):
    """Outcomes of calls, by dataset and mode; each is made once."""
    known = {}

    def get(dataset, mode, *options):
        if (dataset, mode) not in known:
            out = tmp_path_factory.mktemp("out")
            known[dataset, mode] = process(
                datasets[dataset], out, "--gradient-check", mode, "--self-check", "off",
                "--ensemble", "1", "--model", network, *options,
            )  # fmt: skip
            assert known[dataset, mode].status == 0, known[dataset, mode].told
        return known[dataset, mode]

    return get


def record(outcome, label="01"):
    (path,) = outcome.out.glob(f"sub-{label}/dwi/*_desc-sr_quality.json")
    return json.loads(path.read_text())


def series(outcome):
    (path,) = outcome.out.glob("sub-01/dwi/*_desc-sr_dwi.nii.gz")
    return path, nib.load(path).get_fdata()


def directions(path):
    return np.loadtxt(str(path).replace(".nii.gz", ".bvec")).T


def sidecar(path):
    return json.loads(path.with_name(path.name.replace(".nii.gz", ".json")).read_text())


def page(outcome):
    text = (outcome.out / "sub-01.html").read_text(encoding="utf-8")
    return html.unescape(re.sub(r"<[^>]+>", " ", text)), text


def test_a_right_table_is_said_to_be_right(outcomes):
    found = record(outcomes("right", "warn"))
    assert found["gradients_verdict"] == "as expected"
    assert found["gradients_coherence"] == found["gradients_coherence_best"]
    assert not list(outcomes("right", "warn").out.glob("sub-01/figures/*gradients*"))
    assert not outcomes("right", "warn").lines("gradient table")


def test_a_wrong_one_is_told_and_changes_nothing(outcomes, datasets):
    warned = outcomes("wrong", "warn")
    assert warned.lines("warning", "sub-01", "y flipped", "change the sign of y")
    found = record(warned)
    assert found["gradients_verdict"] == "y flipped"
    assert found["gradients_fixed"] is False
    assert found["gradients_coherence"] < found["gradients_coherence_best"]
    assert found["qc_status"] == "fail"
    assert "change the sign of y" in found["qc_reasons"]
    path, image = series(warned)
    given = directions(datasets["wrong"] / "sub-01/dwi/sub-01_dwi.nii.gz")
    assert np.allclose(directions(path), given)
    assert "GradientsCorrected" not in sidecar(path)["SuperResolution"]
    off = outcomes("wrong", "off")
    assert np.array_equal(image, series(off)[1])
    assert record(off)["gradients_verdict"] == "not checked"
    assert not off.lines("gradient table")


def test_both_tables_are_drawn(outcomes):
    warned = outcomes("wrong", "warn")
    (picture,) = warned.out.glob("sub-01/figures/*_desc-gradients_dwi.png")
    words, text = page(warned)
    assert picture.name in text
    assert "made with the table as supplied" in words
    assert "change the sign of y in the bvec file, or use --gradient-check fix" in words


def test_fix_makes_what_the_right_table_makes(outcomes):
    fixed, right = outcomes("wrong", "fix"), outcomes("right", "warn")
    (path, image), (reference, expected) = series(fixed), series(right)
    assert np.allclose(image, expected, rtol=1e-4, atol=1e-3 * expected.max())
    lines = np.abs((directions(path) * directions(reference)).sum(axis=1))
    assert np.allclose(lines[1:], 1)
    for param in ("v1", "colorfa", "fa"):
        one, other = (
            nib.load(next(outcome.out.glob(f"sub-01/dwi/*param-{param}_res-x2_dwimap.nii.gz")))
            for outcome in (fixed, right)
        )
        apart = np.abs(np.abs(one.get_fdata()) - np.abs(other.get_fdata()))
        assert np.median(apart) < 1e-3, param
    off = series(outcomes("wrong", "off"))[1]
    assert not np.allclose(image, off, rtol=1e-4), "the network reads directions"


def test_fix_says_so_everywhere(outcomes):
    fixed = outcomes("wrong", "fix")
    assert fixed.lines("warning", "sub-01", "y flipped", "a corrected one is used")
    found = record(fixed)
    assert found["gradients_verdict"] == "y flipped"
    assert found["gradients_fixed"] is True
    assert "a corrected one is used" in found["qc_reasons"]
    assert "change the sign" not in found["qc_reasons"]
    told = sidecar(series(fixed)[0])
    assert told["SuperResolution"]["GradientsCorrected"] == "y flipped"
    assert told["SuperResolution"]["Settings"]["gradient_check"] == "fix"
    assert "gradient table was corrected (y flipped)" in told["Description"]
    words, _ = page(fixed)
    assert "a corrected one is used" in words
    assert "made with the corrected table" in words
    methods = next(fixed.out.glob("sub-01/figures/*desc-methods.md")).read_text()
    assert "did not fit (y flipped) and was corrected" in methods and "Aganj" in methods


def test_a_finished_run_is_made_anew_with_the_other_choice(outcomes, datasets, network, process):
    warned = outcomes("wrong", "warn")
    options = ("--self-check", "off", "--ensemble", "1", "--model", network)
    again = process(datasets["wrong"], warned.out, "--gradient-check", "warn", *options)
    assert again.lines("complete already")
    other = process(datasets["wrong"], warned.out, "--gradient-check", "fix", *options)
    assert not other.lines("complete already")
    assert record(other)["gradients_fixed"] is True


def test_the_group_page_knows_a_fault_of_all(outcomes, datasets, call_here):
    both = outcomes("both", "warn", "--output-dtype", "int16")
    done = call_here(datasets["both"], both.out, "group")
    assert done.status == 0
    table = (both.out / "group_dwi.tsv").read_text().splitlines()
    column = table[0].split("\t").index("gradients_verdict")
    assert [row.split("\t")[column] for row in table[1:]] == ["y flipped"] * 2
    text = html.unescape((both.out / "group_dwi.html").read_text(encoding="utf-8"))
    assert "comes from the protocol or from the conversion" in text
