"""Input that cannot be used: one line says which file, what is wrong and what to do."""

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


def link_to_nowhere(folder):
    path = image(folder)
    path.unlink()
    path.symlink_to("../../.git/annex/objects/nowhere.nii.gz")


def empty_file(folder):
    image(folder).write_bytes(b"")


def empty_bval(folder):
    next(folder.glob("*.bval")).write_text("")


def colours(folder):
    kind = [("R", "u1"), ("G", "u1"), ("B", "u1")]
    rewrite(folder, lambda data: np.zeros(data.shape, kind))


def complex_numbers(folder):
    rewrite(folder, lambda data: data.astype(np.complex64))


def five_dimensions(folder):
    rewrite(folder, lambda data: np.stack([data, data], axis=-1))


def with_affine(*diagonal):
    def change(folder):
        path = image(folder)
        data = np.asanyarray(nib.load(path).dataobj)
        new = nib.Nifti1Image(data, np.eye(4))
        new.header.set_qform(None, 0)
        new.header["sform_code"] = 1
        for row, name in enumerate(("srow_x", "srow_y", "srow_z")):
            new.header[name] = 0
            new.header[name][row] = diagonal[row]
        path.write_bytes(gzipped(new, data))

    return change


def gzipped(new, data):
    # to_filename would put the image's affine back into the header
    new.header["vox_offset"] = 352
    raw = new.header.binaryblock + bytes(4) + data.astype(new.get_data_dtype()).tobytes(order="F")
    return gzip.compress(raw)


def in_metres(folder):
    path = image(folder)
    old = nib.load(path)
    new = nib.Nifti1Image(np.asanyarray(old.dataobj), np.diag([0.002, 0.002, 0.003, 1]))
    new.header.set_xyzt_units("meter", "sec")
    new.to_filename(path)


def lies_about_its_size(folder):
    path = image(folder)
    header = nib.load(path).header.copy()
    header.set_data_shape((30000, 30000, 30000, 17))
    path.write_bytes(gzip.compress(header.binaryblock + bytes(1000)))


def bvals(text):
    def change(folder):
        next(folder.glob("*.bval")).write_text(text)

    return change


def bvec(change):
    def spoil(folder):
        path = next(folder.glob("*.bvec"))
        np.savetxt(path, change(np.loadtxt(path)))

    return spoil


def deep(folder):
    next(folder.glob("*.json")).write_text('{"a": ' * 50_000 + "1" + "}" * 50_000)


def no_object(folder):
    next(folder.glob("*.json")).write_text("[1, 2]")


def content(text, pattern="*.nii.gz"):
    def change(folder):
        path = next(folder.glob(pattern))
        path.unlink()
        path.write_bytes(text)

    return change


def offset_zero(folder):
    path = image(folder)
    raw = bytearray(gzip.decompress(path.read_bytes()))
    raw[108:112] = bytes(4)
    path.write_bytes(gzip.compress(bytes(raw)))


def not_compressed(folder):
    path = image(folder)
    path.write_bytes(gzip.decompress(path.read_bytes()))


def twice_compressed(folder):
    path = image(folder)
    path.write_bytes(gzip.compress(path.read_bytes()))


def dangling_sidecar(folder):
    path = next(folder.glob("*.json"))
    path.unlink()
    path.symlink_to("../../.git/annex/objects/KEY")


ANNEX = b"/annex/objects/MD5E-s4711--0123456789abcdef\n"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
PAGE = b"<!DOCTYPE html><html><title>Sign in</title></html>"

REFUSED = {
    "annex": (content(ANNEX), "is a git-annex pointer: its content is not here. Get it: datalad"),
    "annexbval": (content(ANNEX, "*.bval"), "is a git-annex pointer: its content is not here."),
    "annexjson": (content(ANNEX, "*.json"), "is a git-annex pointer: its content is not here."),
    "linkjson": (dangling_sidecar, "target does not exist. Get its content: datalad get"),
    "lfs": (content(LFS), "is a Git LFS pointer: its content is not here. Get it: 'git lfs pull'"),
    "lfsbvec": (content(LFS, "*.bvec"), "is a Git LFS pointer"),
    "page": (content(PAGE), "is a web page ('Sign in'). Download it again"),
    "pagejson": (content(PAGE, "*.json"), "is a web page ('Sign in'). Download it again"),
    "plainname": (not_compressed, "is not compressed, although its name ends in .gz."),
    "twice": (twice_compressed, "is compressed by gzip twice. Unpack it once: mv"),
    "offset": (offset_zero, "begin at byte 0 (vox_offset), inside its own header."),
    "link": (link_to_nowhere, "is a link whose target does not exist."),
    "empty": (empty_file, "cannot be read as an image"),
    "emptybval": (empty_bval, "holds no numbers."),
    "colours": (colours, "holds colours, but one real number per voxel is expected."),
    "complex": (complex_numbers, "holds complex numbers, but one real number per voxel"),
    "fived": (five_dimensions, "is a 5D image of 24x22x4x17x2 voxels"),
    "singular": (with_affine(2, 2, 0), "has a singular affine"),
    "notfinite": (with_affine(2, np.nan, 3), "has a singular affine"),
    "huge": (with_affine(2, 2, 3000), "has voxels of 2x2x3000 mm, which no scanner makes."),
    "metres": (in_metres, "has voxels of 0.002x0.002x0.003 metres, but lengths in mm"),
    "bomb": (lies_about_its_size, "is truncated: it holds"),
    "msum2": (bvals("0 " + "1 " * 16), "the largest b-value is 1, yet 16 directions go with it."),
    "sm2": (bvals("0 " + "1e9 " * 16), "the largest b-value is 1e+09, which no scanner reaches"),
    "negativeb": (bvals("0 " + "-1000 " * 16), "the b-value of volume 1 is -1000."),
    "words": (bvals("0 " + "b1000 " * 16), "is not a table of numbers"),
    "nodirection": (bvec(np.zeros_like), "volume 1 has b = 1000 but no direction."),
    "longbvec": (bvec(lambda table: 3 * table), "has length 3.000, not 1."),
    "deep": (deep, "cannot be read as JSON (nested too deeply)."),
    "list": (no_object, "does not hold a JSON object."),
}


@pytest.fixture(scope="module")
def outcome(process, writers, tmp_path_factory):
    """One call on all of them and a good one."""
    folder = tmp_path_factory.mktemp("refused")
    dataset = writers.write_dataset(folder / "raw", (*REFUSED, "good"))
    for label, (spoil, _) in REFUSED.items():
        spoil(dataset / f"sub-{label}" / "dwi")
    return process(dataset, folder / "out", "--self-check", "off", "--ensemble", "1")


def test_the_good_one_is_finished_and_no_traceback_shown(outcome):
    assert outcome.status == 1
    assert "Traceback" not in outcome.told
    assert outcome.lines(f"1 of {len(REFUSED) + 1} runs done")
    assert (outcome.out / "sub-good/dwi/sub-good_res-x2_desc-sr_quality.json").is_file()


@pytest.mark.parametrize("label", REFUSED)
def test_refused(outcome, label):
    (line,) = outcome.lines(f"error: sub-{label}: ")
    assert REFUSED[label][1] in line
    assert str(outcome.out.parent / "raw" / f"sub-{label}") in line
    record = json.loads((outcome.out / f"logs/sub-{label}_error.json").read_text())
    assert record["message"] in line
    assert "remove this sidecar" not in line
    assert not list((outcome.out / f"sub-{label}").glob("dwi/*_desc-sr_dwi.nii.gz"))
