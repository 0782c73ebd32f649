"""The open scans beside the checkout, where there are any."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_sr.images.grid import choose_slice_axis
from bids_sr.images.hot_voxels import find_hot_voxels
from bids_sr.images.intensity import robust_scale
from bids_sr.images.nifti import DwiReader

DATA = Path(__file__).parents[3] / "shared" / "data" / "dwi-open"
SCANS = ["sub-prisma01_acq-AP", "sub-philips03", "sub-uih01_acq-PA"]

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the open scans are not here")


def scan(label):
    return DATA / label.split("_")[0] / "dwi" / f"{label}_dwi.nii.gz"


@pytest.mark.parametrize("label", SCANS)
def test_as_nibabel_reads_it(label):
    image = nib.load(scan(label))
    with DwiReader(scan(label)) as reader:
        reader.check()
        assert reader.shape == image.shape
        assert np.array_equal(reader.affine, image.affine)
        last = image.shape[3] - 1
        expected = np.asarray(image.dataobj[..., last])
        assert np.allclose(reader.volume(last), expected, rtol=1e-6)


def test_sagittal_scan_is_cut_as_it_was_acquired():
    path = scan("sub-prisma01_acq-AP")
    sidecar = json.loads(path.with_name("sub-prisma01_acq-AP_dwi.json").read_text())
    assert sidecar["ImageOrientationText"] == "Sag"
    with DwiReader(path) as reader:
        axis = choose_slice_axis(
            reader.shape[:3], reader.zooms, sidecar, None, reader.meta.encoding_axes[2]
        )
        # a sagittal slice is crossed from left to right
        assert nib.aff2axcodes(reader.affine)[axis] in "LR"
        assert reader.shape[axis] == len(sidecar["SliceTiming"])


def test_saturated_line_does_not_move_the_scale():
    with DwiReader(scan("sub-prisma01_acq-AP")) as reader:
        volume = reader.volume(0)
    saturated = volume >= 65535
    assert saturated[:, :, 46].sum() > 10
    mended = np.where(saturated, np.median(volume), volume)
    assert robust_scale(volume) == pytest.approx(robust_scale(mended), rel=0.02)


@pytest.mark.parametrize("label", [*SCANS, "sub-philips02", "sub-canon01_acq-ax_run-3"])
def test_only_the_saturated_line_is_hot(label):
    with DwiReader(scan(label)) as reader:
        for index in range(reader.shape[3]):
            volume = reader.volume(index)
            hot = find_hot_voxels(volume, 2)
            if label == "sub-prisma01_acq-AP" and index == 0:
                np.testing.assert_array_equal(hot.places[0], 46)
                assert hot.count == np.count_nonzero(volume >= 65535)
            else:
                assert hot.count == 0, index
