"""Input that is odd but can be used: what is doubtful stands in the log and in the report."""

from __future__ import annotations

import gzip
import json

import nibabel as nib
import numpy as np
import pytest


def image(folder):
    (path,) = folder.glob("*.nii.gz")
    return path


def rewrite(folder, change, edit=None):
    path = image(folder)
    old = nib.load(path)
    new = nib.Nifti1Image(change(np.asanyarray(old.dataobj)), old.affine)
    if edit is not None:
        edit(new.header)
    new.to_filename(path)


def put(value, *where):
    def spoil(folder):
        def change(data):
            data = data.astype(np.float32)
            data[where] = value
            return data

        rewrite(folder, change)

    return spoil


def other_qform(folder):
    def edit(header):
        moved = header.get_best_affine()
        moved[:3, 3] += (0, 7, 0)
        header.set_qform(moved, 1)

    rewrite(folder, lambda data: data, edit)


def no_orientation(folder):
    def edit(header):
        header.set_sform(None, 0)
        header.set_qform(None, 0)

    path = image(folder)
    data = np.asanyarray(nib.load(path).dataobj)
    new = nib.Nifti1Image(data, None)
    new.header.set_zooms((2, 2, 3, 1))
    edit(new.header)
    new.to_filename(path)


def wrong_unit(folder):
    rewrite(folder, lambda data: data, lambda header: header.set_xyzt_units("micron", "sec"))


def one_slice(folder):
    rewrite(folder, lambda data: data[:, :, 1:2])


def long_matrix(folder):
    rewrite(folder, lambda data: np.concatenate([data, np.zeros((2976, *data.shape[1:]))]))


def b_of_1_3(folder):
    # as Philips writes b = 0
    path = next(folder.glob("*.bval"))
    path.write_text(" ".join(["1.3", *path.read_text().split()[1:]]))


def upright(folder):
    path = next(folder.glob("*.bvec"))
    np.savetxt(path, np.loadtxt(path).T)


def jitter(folder):
    path = next(folder.glob("*.bval"))
    table = np.loadtxt(path)
    path.write_text(" ".join(f"{b + 5 * (i % 3) if b else 0:g}" for i, b in enumerate(table)))


def qform_alone(folder):
    path = image(folder)
    old = nib.load(path)
    new = nib.Nifti1Image(np.asanyarray(old.dataobj), old.affine)
    new.header.set_qform(old.affine, 1)
    raw = bytearray(new.to_bytes())
    header = nib.Nifti1Header(bytes(raw[:348]), check=False)
    header["sform_code"], header["pixdim"][0] = 0, 0
    raw[:348] = header.binaryblock
    path.write_bytes(gzip.compress(bytes(raw)))


def directions(change):
    def spoil(folder):
        path = next(folder.glob("*.bvec"))
        np.savetxt(path, change(np.loadtxt(path)))

    return spoil


def amplitudes(folder):
    directions(lambda table: table * np.sqrt([1, *[0.5] * 8, *[1] * 8]))(folder)


def commas(folder):
    for path in (*folder.glob("*.bval"), *folder.glob("*.bvec")):
        rows = path.read_text().splitlines()
        text = "\r\n".join(", ".join(row.split()) for row in rows)
        path.write_bytes(b"\xef\xbb\xbf" + text.encode())


def sidecar(**fields):
    def spoil(folder):
        next(folder.glob("*.json")).write_text(json.dumps(fields))

    return spoil


def spheres(folder):
    directions(zero_last)(folder)  # weighted all ways alike: no direction
    sidecar(BDelta=[1] * 9 + [0] * 8)(folder)


def zero_last(table):
    table[:, 9:] = 0
    return table


def nothing(folder):
    pass


# what is told, in the log and in the notes of the record
ODD = {
    "nan": (put(np.nan, 5, 5, 1, 3), "1 of 35904 voxels are NaN or infinite (volumes 3)"),
    "inf": (put(-np.inf, slice(0, 3), 0, 0, 4), "3 of 35904 voxels are NaN or infinite"),
    "negative": (put(-70, 0, 0, 0, 0), "1 of 35904 voxels are negative (lowest -70)"),
    "constant": (put(9, ..., 6), "Volumes 6 hold a single value"),
    "emptyvolume": (put(0, ..., 16), "Volumes 16 hold a single value"),
    "forms": (other_qform, "Qform and sform lie up to 7.0 mm apart; the sform is used."),
    "nowhere": (no_orientation, "Neither qform nor sform is set"),
    "qfac": (qform_alone, "its qfac (pixdim[0]) is 0, not 1 or -1: 1 is assumed"),
    "short": (directions(lambda table: 0.92 * table), "lengths of 0.92; they are normalized"),
    "amplitudes": (amplitudes, "squares (1000 became 500 to 1000)"),
    "spheres": (spheres, "No tensor or GQI maps: the sidecar says BDelta: 0, so volumes"),
    "hint": (sidecar(SeriesDescription="FWF_STE"), "suggests spherical or planar encoding"),
    "unit": (wrong_unit, "The header gives lengths in micrometres, which is implausible"),
}
SILENT = {
    "slice": one_slice,
    "long": long_matrix,
    "philips": b_of_1_3,
    "upright": upright,
    "commas": commas,
    "jitter": jitter,
    "uint8": lambda folder: rewrite(folder, lambda d: (d // 16).clip(0, 255).astype(np.uint8)),
    "float64": lambda folder: rewrite(folder, lambda data: data.astype(np.float64)),
    "plain": nothing,
}


@pytest.fixture(scope="module")
def outcome(process, writers, tmp_path_factory):
    folder = tmp_path_factory.mktemp("odd")
    dataset = writers.write_dataset(folder / "raw", (*ODD, *SILENT))
    for label, spoil in {**{k: v[0] for k, v in ODD.items()}, **SILENT}.items():
        spoil(dataset / f"sub-{label}" / "dwi")
    options = ("--self-check", "off", "--ensemble", "1", "-w", folder / "work")
    return process(dataset, folder / "out", *options)


def record(outcome, label):
    (path,) = outcome.out.glob(f"sub-{label}/dwi/*_quality.json")
    return json.loads(path.read_text())


def test_all_are_done(outcome):
    assert outcome.status == 0, outcome.told
    assert "Traceback" not in outcome.told


@pytest.mark.parametrize("label", ODD)
def test_a_doubt_is_told_once_and_stands_in_the_report(outcome, label):
    words = ODD[label][1]
    assert len(outcome.lines("warning", f"sub-{label}/dwi", words)) == 1
    assert words in record(outcome, label)["notes"]
    assert words in (outcome.out / f"sub-{label}.html").read_text()


@pytest.mark.parametrize("label", SILENT)
def test_nothing_is_told_where_nothing_is_doubtful(outcome, label):
    assert not outcome.lines("warning", f"sub-{label}/dwi")
    assert record(outcome, label)["n_b0"] == 1


def series(outcome, label):
    (path,) = outcome.out.glob(f"sub-{label}/dwi/*_desc-sr_dwi.nii.gz")
    return nib.load(path)


def test_what_has_no_value_is_zero_and_the_rest_is_a_number(outcome):
    data = series(outcome, "nan").get_fdata()
    assert np.isfinite(data).all()
    maps = list(outcome.out.glob("sub-nan/dwi/*param-md*.nii.gz"))
    assert maps and all(np.isfinite(nib.load(path).get_fdata()).all() for path in maps)


def test_the_sform_is_used(outcome):
    made = series(outcome, "forms")
    assert made.affine[:3, 3] == pytest.approx((-0.5, -0.5, 0), abs=1e-3)


def test_one_slice_stays_one(outcome):
    assert series(outcome, "slice").shape == (48, 44, 1, 17)


def test_three_columns_are_the_same_as_three_rows(outcome):
    (upright,) = outcome.out.glob("sub-upright/dwi/*model-tensor_param-fa_res-x2_dwimap.nii.gz")
    assert np.nanmax(nib.load(upright).get_fdata()) > 0


def test_the_order_of_volumes_is_kept(outcome):
    (made,) = outcome.out.glob("sub-jitter/dwi/*_desc-sr_dwi.bval")
    raw = outcome.out.parent / "raw/sub-jitter/dwi/sub-jitter_dwi.bval"
    np.testing.assert_array_equal(np.loadtxt(made), np.loadtxt(raw))
    assert record(outcome, "jitter")["shells"] in ("1005", "1000")


def gradients(outcome, label):
    stem = outcome.out / f"sub-{label}/dwi/sub-{label}_res-x2_desc-sr_dwi"
    return [np.loadtxt(f"{stem}{extension}") for extension in (".bval", ".bvec")]


@pytest.mark.parametrize("label", ["upright", "commas", "short", "plain"])
def test_gradients_are_written_for_other_programs(outcome, label):
    raw = outcome.out.parent / "raw/sub-plain/dwi/sub-plain_dwi"
    bvals, bvecs = gradients(outcome, label)
    assert bvecs.shape == (3, 17)
    np.testing.assert_array_equal(bvals, np.loadtxt(raw.with_suffix(".bval")))
    lengths = np.linalg.norm(bvecs, axis=0)
    np.testing.assert_allclose(lengths, [0] + [1] * 16, atol=1e-12)
    own = np.loadtxt(given(outcome, label, ".bvec"))
    np.testing.assert_allclose(bvecs, own / np.maximum(np.linalg.norm(own, axis=0), 0.5))


def given(outcome, label, extension):
    """The lines of a gradient file of the input, as three rows with blanks."""
    path = outcome.out.parent / f"raw/sub-{label}/dwi/sub-{label}_dwi{extension}"
    rows = [line.replace(",", " ").split() for line in path.read_text("utf-8-sig").splitlines()]
    return [" ".join(row) for row in (zip(*rows, strict=True) if len(rows[0]) == 3 else rows)]


def test_scaled_b_values_are_written_and_fitted(outcome):
    bvals, bvecs = gradients(outcome, "amplitudes")
    np.testing.assert_allclose(bvals, [0] + [500] * 8 + [1000] * 8)
    np.testing.assert_allclose(np.linalg.norm(bvecs, axis=0), [0] + [1] * 16, atol=1e-12)
    assert record(outcome, "amplitudes")["shells"] == "500;1000"


def test_b_tensor_series_have_no_maps(outcome):
    assert series(outcome, "spheres").shape == (48, 44, 4, 17)
    assert not list(outcome.out.glob("sub-spheres/dwi/*dwimap*"))
    for model in ("dti", "gqi"):
        assert "the sidecar says BDelta: 0" in record(outcome, "spheres")[f"{model}_skipped_reason"]
    assert list(outcome.out.glob("sub-hint/dwi/*dwimap*"))
