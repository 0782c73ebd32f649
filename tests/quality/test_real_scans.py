"""What is known to be wrong with one open scan is found in it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bids_sr.bids.gradients import read_gradients
from bids_sr.images.grid import SliceGrid, to_slices
from bids_sr.images.nifti import DwiReader
from bids_sr.quality.lines import BadParts
from bids_sr.quality.series_context import VolumePair, make_context

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "dwi-open" / "sub-prisma01" / "dwi"

pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="the open scans are not here")


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        (
            "sub-prisma01_acq-AP",
            [
                "volume 0, slice 46 (saturated line j = 80)",
                "volume 8, slice 15 (signal loss, 7 % of the expected brightness)",
            ],
        ),
        ("sub-prisma01_acq-HF", []),
    ],
)
def test_bad_parts(label, expected):
    path = FOLDER / f"{label}_dwi.nii.gz"
    with DwiReader(path) as reader:
        gradients = read_gradients(
            *(FOLDER / f"{label}_dwi.{kind}" for kind in ("bval", "bvec")), reader.shape[3]
        )
        shape = reader.shape[:3]
        mask = reader.volume(1) > 300  # a crude one will do
        context = make_context(gradients, SliceGrid(shape, reader.affine, 2, 1), mask, mask)
        parts = BadParts(context)
        for i in range(reader.shape[3]):
            slices = to_slices(reader.volume(i), 2)
            parts.add(VolumePair(i, context.shells[i], bool(gradients.is_b0[i]), slices, slices))
    found = [part.words for part in parts.found()]
    places = [text.split(",")[1].split("(")[0] for text in found]
    assert places == [text.split(",")[1].split("(")[0] for text in expected]
    assert found[:1] == expected[:1]
    assert np.all(["signal loss" in text for text in found[1:]])
