"""Files that hold something else than their names promise."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile

import attrs
import nibabel as nib
import numpy as np
import pytest

from bids_sr.app.config import _load
from bids_sr.app.settings import _read
from bids_sr.bids.file_kind import IMAGE, JSON, OTHER, TEXT, find_foreign
from bids_sr.bids.inheritance import merge_sidecars
from bids_sr.bids.input_dataset import open_dataset
from bids_sr.errors import InputError, ModelError, UsageError
from bids_sr.images.nifti import DwiReader, load_volume
from bids_sr.images.runs import open_run
from bids_sr.networks.card import read_card
from bids_sr.networks.importing import read_state
from bids_sr.study.recipe import read_recipe

ANNEX = b"/annex/objects/MD5E-s4711--0123456789abcdef.nii.gz\n"
ANNEX_AS_TEXT = b"../../.git/annex/objects/x1/2y/MD5E-s4--01.nii.gz/MD5E-s4--01.nii.gz"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"
PAGE = b"\n<!DOCTYPE html>\n<html><head><title>Sign in - XNAT</title></head><body>...</body></html>"
XML = (
    b'<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'
)
BODY = b'{"error": "token expired"}'


def nifti():
    return nib.Nifti1Image(np.ones((4, 4, 4, 2), np.int16), np.eye(4)).to_bytes()


def zipped(content):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("a.nii", content)
    return stream.getvalue()


def tarred(content):
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo("a.nii")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def mgh():
    return nib.MGHImage(np.ones((4, 4, 4, 2), np.float32), np.eye(4)).to_bytes()


# content, what is said, what is advised
IMAGES = {
    "annex": (ANNEX, "is a git-annex pointer", "datalad get"),
    "annex as text": (ANNEX_AS_TEXT, "is a git-annex pointer", "datalad get"),
    "annex of Windows": (ANNEX.replace(b"/", b"\\"), "is a git-annex pointer", "datalad get"),
    "lfs": (LFS, "is a Git LFS pointer", "git lfs pull"),
    "page": (PAGE, "is a web page ('Sign in - XNAT')", "Download it again"),
    "xml": (XML, "is XML, perhaps a server's error ('AccessDenied Access Denied')", "Download"),
    "json": (BODY, "is JSON, perhaps a server's error", "Download it again"),
    "text": (b"404: Not Found", "not a NIfTI file but text ('404: Not Found')", "server"),
    "twice": (gzip.compress(gzip.compress(nifti())), "is compressed by gzip twice", "gunzip"),
    "zip": (zipped(nifti()), "is not NIfTI but a zip archive", "unzip"),
    "tar": (tarred(nifti()), "is not NIfTI but a tar archive", "tar -xf"),
    "tar.gz": (gzip.compress(tarred(nifti())), "is not NIfTI but a tar archive", "tar -xf"),
    "bz2": (bz2.compress(nifti()), "compressed by bzip2", "bunzip2"),
    "xz": (lzma.compress(nifti()), "compressed by xz", "unxz"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(99), "compressed by zstd", "unzstd"),
    "dicom": (bytes(128) + b"DICM" + bytes(999), "but a DICOM file", "dcm2niix"),
    "mgz": (gzip.compress(mgh()), "but a FreeSurfer image", "mri_convert"),
    "nrrd": (b"NRRD0004\n# Complete\n" + bytes(999), "but an NRRD image", "NIfTI"),
    "mif": (b"mrtrix image\ndim: 4,4,4,2\n" + bytes(999), "but an MRtrix3 image", "mrconvert"),
    "zeros": (bytes(5000), "it begins with zeros", "Copy or convert it again"),
    "zeros.gz": (gzip.compress(bytes(5000)), "it begins with zeros", "Copy or convert it again"),
    "empty": (b"", "it is empty, 0 bytes", "Copy or convert it again"),
    "page.gz": (gzip.compress(PAGE), "is a web page", "Download it again"),
    "lfs.gz": (gzip.compress(LFS), "is a Git LFS pointer", "git lfs pull"),
}


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("kind", IMAGES)
def test_images(tmp_path, kind, name):
    content, said, advice = IMAGES[kind]
    path = tmp_path / name
    path.write_bytes(content)
    found = find_foreign(path, IMAGE)
    assert said in found.problem and advice in found.remedy


@pytest.mark.parametrize("kind", IMAGES)
@pytest.mark.parametrize("open_it", [DwiReader, load_volume])
def test_readers_say_so(tmp_path, kind, open_it):
    content, said, _ = IMAGES[kind]
    path = tmp_path / "a.nii.gz"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        open_it(path)
    assert said in caught.value.problem


def test_an_image_is_an_image(tmp_path):
    for name, content in {"a.nii": nifti(), "b.nii.gz": gzip.compress(nifti())}.items():
        (tmp_path / name).write_bytes(content)
        assert find_foreign(tmp_path / name, IMAGE) is None
    nifti2 = nib.Nifti2Image(np.ones((4, 4, 4, 2), np.int16), np.eye(4)).to_bytes()
    (tmp_path / "c.nii").write_bytes(nifti2)
    assert find_foreign(tmp_path / "c.nii", IMAGE) is None


@pytest.mark.parametrize("of", [nib.Nifti1Image, nib.Nifti2Image])
def test_names_that_lie_about_compression(tmp_path, of):
    plain = of(np.ones((4, 4, 4, 2), np.int16), np.eye(4)).to_bytes()
    path = tmp_path / "my a.nii.gz"
    path.write_bytes(plain)
    found = find_foreign(path, IMAGE)
    assert found.problem == "is not compressed, although its name ends in .gz."
    assert "mv 'my a.nii.gz' 'my a.nii' && gzip 'my a.nii'" in found.remedy
    path = tmp_path / "a.nii"
    path.write_bytes(gzip.compress(plain))
    found = find_foreign(path, IMAGE)
    assert found.problem == "is compressed by gzip, but its name does not end in .gz."
    assert "mv a.nii a.nii.gz" in found.remedy


def test_what_is_advised_for_gzip_twice_helps(tmp_path):
    import subprocess

    path = tmp_path / "a.nii.gz"
    path.write_bytes(gzip.compress(gzip.compress(nifti())))
    command = find_foreign(path, IMAGE).remedy.removeprefix("Unpack it once: ").rstrip(".")
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    assert DwiReader(path).shape == (4, 4, 4, 2)


@pytest.mark.parametrize(
    ("target", "advice"),
    [
        ("../.git/annex/objects/a/b/KEY/KEY", "Get its content: datalad get"),
        ("nowhere", "if it is of a DataLad dataset: datalad get"),
    ],
)
@pytest.mark.parametrize("wanted", [IMAGE, TEXT, JSON, OTHER])
def test_links_to_nowhere(tmp_path, target, advice, wanted):
    path = tmp_path / "a.nii.gz"
    path.symlink_to(target)
    found = find_foreign(path, wanted)
    assert found.problem == "is a link whose target does not exist."
    assert advice in found.remedy and str(path) in found.remedy


POINTERS = {"annex": ANNEX, "lfs": LFS, "page": PAGE, "xml": XML}


@pytest.mark.parametrize("kind", POINTERS)
@pytest.mark.parametrize("extension", [".bval", ".bvec"])
def test_gradients(make_run, tmp_path, kind, extension):
    run = make_run(tmp_path)
    path = run.files.dwi.with_name(f"sub-01_dwi{extension}")
    path.write_bytes(POINTERS[kind])
    with pytest.raises(InputError) as caught:
        open_run(run.files)
    assert caught.value.file == str(path)
    assert IMAGES[kind][1] in caught.value.problem and IMAGES[kind][2] in caught.value.remedy


@pytest.mark.parametrize("kind", POINTERS)
def test_sidecars_are_never_to_be_removed(make_run, tmp_path, kind):
    run = make_run(tmp_path)
    path = tmp_path / "sub-01_dwi.json"
    path.write_bytes(POINTERS[kind])
    _, problem = merge_sidecars([path])
    with pytest.raises(InputError) as caught:
        open_run(attrs.evolve(run.files, problem=problem))
    assert IMAGES[kind][1] in caught.value.problem and IMAGES[kind][2] in caught.value.remedy
    assert "remove" not in str(caught.value)


def test_a_dangling_sidecar(make_run, tmp_path):
    run = make_run(tmp_path)
    path = tmp_path / "sub-01_dwi.json"
    path.symlink_to("../.git/annex/objects/KEY")
    _, problem = merge_sidecars([path])
    with pytest.raises(InputError, match=r"target does not exist\. Get its content: datalad get"):
        open_run(attrs.evolve(run.files, problem=problem))


def test_a_damaged_sidecar_is_to_be_corrected(make_run, tmp_path):
    run = make_run(tmp_path)
    path = tmp_path / "sub-01_dwi.json"
    path.write_text('{"EchoTime": 0.1,}')
    _, problem = merge_sidecars([path])
    with pytest.raises(InputError, match="cannot be read as JSON") as caught:
        open_run(attrs.evolve(run.files, problem=problem))
    assert "remove" not in str(caught.value)


@pytest.mark.parametrize("kind", POINTERS)
def test_description_filters_and_configuration(tmp_path, kind):
    path = tmp_path / "dataset_description.json"
    path.write_bytes(POINTERS[kind])
    readers = (lambda _: open_dataset(tmp_path, None), _read, _load, read_recipe)
    for read in readers:
        with pytest.raises(UsageError) as caught:
            read(path)
        assert IMAGES[kind][2] in caught.value.remedy and caught.value.file == str(path)


@pytest.mark.parametrize("kind", POINTERS)
@pytest.mark.parametrize("name", ["card.json", "weights.safetensors"])
def test_networks(tiny_model, kind, name):
    (tiny_model / name).write_bytes(POINTERS[kind])
    with pytest.raises(ModelError) as caught:
        read_card(tiny_model)
    assert IMAGES[kind][2] in caught.value.remedy
    assert caught.value.file == str(tiny_model / name)


@pytest.mark.parametrize("name", ["card.json", "weights.safetensors"])
def test_a_network_of_links_to_nowhere(tiny_model, name):
    (tiny_model / name).unlink()
    (tiny_model / name).symlink_to("../.git/annex/objects/KEY")
    with pytest.raises(ModelError, match="datalad get"):
        read_card(tiny_model)


@pytest.mark.parametrize("kind", POINTERS)
def test_weights_to_be_imported(tmp_path, kind):
    (tmp_path / "a.pth").write_bytes(POINTERS[kind])
    with pytest.raises(ModelError) as caught:
        read_state(tmp_path / "a.pth")
    assert IMAGES[kind][2] in caught.value.remedy


def test_a_whole_network_passes(tiny_model):
    assert read_card(tiny_model).factor == 2


def test_gzipped_text(tmp_path):
    path = tmp_path / "a.bval"
    path.write_bytes(gzip.compress(b"0 1000"))
    assert find_foreign(path, TEXT).problem == "is compressed by gzip."
    path.write_text(json.dumps({"a": 1}))
    assert find_foreign(path, JSON) is None
    assert "is JSON" in find_foreign(path, TEXT).problem
