"""The 3D page: volumes cut and placed rightly, light, with viewer and licence beside it."""

from __future__ import annotations

import base64
import gzip
import json
from concurrent.futures import ThreadPoolExecutor

import nibabel as nib
import numpy as np
import pytest

from bids_sr.report import volumes3d
from bids_sr.report.niivue import VERSION, write_viewer
from bids_sr.report.participant import write_participant_page
from bids_sr.report.threed import make_3d
from bids_sr.report.volumes3d import brain_crop, pack, widened


def read(data):
    return nib.Nifti1Image.from_bytes(gzip.decompress(data))


@pytest.fixture
def mask():
    mask = np.zeros((40, 40, 12), bool)
    mask[10:30, 12:20, 4:9] = True
    return mask


def test_block_encloses_the_brain_on_both_grids(mask):
    crop = brain_crop(mask, (2, 2, 1), 2)
    assert crop.start == (3, 4, 2) and crop.stop == (17, 12, 11)
    assert [part.start for part in crop.scaled((2, 2, 1))] == [6, 8, 2]


def test_large_brains_lose_outer_slices_only(mask, monkeypatch):
    monkeypatch.setattr(volumes3d, "MOST_VOXELS", 28 * 16 * 3)
    crop = brain_crop(mask, (2, 2, 1), 2)
    assert crop.stop[2] - crop.start[2] == 3
    assert crop.start[0] == 3 and crop.start[2] >= 4 and crop.stop[2] <= 9


def test_voxels_stay_where_they_are(mask):
    affine = np.array([[0, -2.0, 0, 7], [2.0, 0, 0, -5], [0, 0, 3, 1], [0, 0, 0, 1]])
    volume = np.random.default_rng(2).uniform(0, 100, mask.shape).astype(np.float32)
    block = brain_crop(mask, (2, 2, 1), 2).scaled((2, 2, 1))
    image = read(pack("a", "b", volume, affine, block, widened(mask), 100.0).data)
    place = affine @ [15, 14, 6, 1]
    i, j, k, _ = np.rint(np.linalg.inv(image.affine) @ place).astype(int)
    assert image.get_fdata()[i, j, k] == pytest.approx(volume[15, 14, 6], abs=0.3)
    assert image.get_data_dtype() == np.uint8
    assert image.get_fdata()[0, 0, 0] == 0  # outside the brain


def test_page_with_its_files(scan, maps):
    sr, names = scan()
    maps(sr, names)
    page = make_3d(sr, names, mask=names.mask, has_tensor=True)
    folder = names.figures_dir
    assert page.name == "sub-01_res-x2_desc-3d_dwi.html"
    text = page.read_text()
    viewer, licence = (f"../../figures/niivue-{VERSION}.{end}" for end in ("umd.js", "LICENSE.txt"))
    for name in (viewer, "sub-01_res-x2_desc-3dvolumes_dwi.js", licence):
        assert f'"{name}"' in text and (folder / name).is_file()
    assert not [path for path in folder.iterdir() if "niivue" in path.name]
    assert "http:" not in text and "https:" not in text and "default-src 'none'" in text
    licence = (folder / licence).read_text()
    assert f"niivue {VERSION}\n" in licence
    assert "Redistribution and use in source and binary forms" in licence
    data = (folder / "sub-01_res-x2_desc-3dvolumes_dwi.js").read_text()
    volumes = json.loads(data.removeprefix("window.bidsSrVolumes = ").removesuffix(";\n"))
    assert [v["label"] for v in volumes] == [
        "Acquired",
        "Super-resolved",
        "FA, input",
        "FA, output",
    ]
    images = [read(base64.b64decode(v["base64"])) for v in volumes]
    centres = [image.affine @ [*((n - 1) / 2 for n in image.shape), 1] for image in images]
    assert np.allclose(centres, centres[0])  # one field of view, on both grids
    assert images[1].shape[0] == 2 * images[0].shape[0]


def test_without_a_tensor(scan):
    sr, names = scan()
    make_3d(sr, names, mask=names.mask, has_tensor=False)
    (data,) = names.figures_dir.glob("*3dvolumes*")
    assert data.read_text().count("base64") == 2


def test_the_viewer_is_kept_once_and_whole(tmp_path):
    viewer = tmp_path / write_viewer(tmp_path)[0]
    content, number = viewer.read_bytes(), viewer.stat().st_ino
    older = viewer.with_name("niivue-0.1.0.umd.js")
    older.write_text("of another version")
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write_viewer, [tmp_path] * 8))
    assert viewer.stat().st_ino == number, "not written again"
    viewer.write_bytes(content[:1000])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write_viewer, [tmp_path] * 8))
    assert viewer.read_bytes() == content
    assert older.read_text() == "of another version"
    assert len(list(viewer.parent.iterdir())) == 3


def test_a_lost_viewer_comes_back_with_the_page_that_needs_it(output):
    out = output()
    (viewer,) = (out / "figures").glob("niivue-*.js")
    viewer.unlink()
    write_participant_page(out, "01")
    assert viewer.is_file()
    viewer.unlink()
    (page,) = (out / "sub-01" / "figures").glob("*_desc-3d_dwi.html")
    page.write_text(page.read_text().replace(VERSION, "0.1.0"))
    write_participant_page(out, "01")
    assert not viewer.exists(), "a page of another version has no use for this one"


def test_page_with_pictures_is_light(output):
    """All that a participant's page needs."""
    out = output()
    page = write_participant_page(out, "01")
    files = [page, *(out / "sub-01" / "figures").iterdir()]
    assert sum(path.stat().st_size for path in files) < 1e6
