"""Directions on the half sphere: equal area, antipodes folded, one colour per shell."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from bids_sr.report.gradient_views import gradient_view


@pytest.fixture
def files(tmp_path):
    def write(bvals, vectors):
        bval, bvec = tmp_path / "a.bval", tmp_path / "a.bvec"
        bval.write_text(" ".join(map(str, bvals)))
        np.savetxt(bvec, np.array(vectors, float).T)
        return bval, bvec

    return write


def dots(view):
    circles = list(ElementTree.fromstring(view.picture).iter("circle"))
    return [
        (float(c.get("cx")) - 180, 180 - float(c.get("cy")), c.get("class").split()[-1])
        for c in circles
        if "dot" in c.get("class")
    ]


def test_places_of_directions(files):
    half = np.sqrt(0.5)
    vectors = [(0, 0, 0), (0, 0, 1), (1, 0, 0), (0, half, half), (0, -half, -half)]
    view = gradient_view(*files([0, 1000, 1000, 1000, 2000], vectors), 5)
    pole, side, slanted, opposite = dots(view)
    assert pole[:2] == pytest.approx((0, 0))
    assert side[:2] == pytest.approx((150, 0))
    # equal area: 45 degrees from the pole lies at sin(22.5) / sin(45) of the radius
    radius = 150 * np.sin(np.deg2rad(22.5)) / half
    assert slanted[:2] == pytest.approx((0, radius), abs=0.01)
    assert opposite[:2] == slanted[:2]  # folded, of another shell
    assert (slanted[2], opposite[2]) == ("c0", "c1")
    assert view.shells == (("b = 0", 1, -1), ("b = 1000", 3, 0), ("b = 2000", 1, 1))
    assert view.rows[2] == ("2", "1000", "1.0000", "0.0000", "0.0000")


def test_what_cannot_be_read_is_left_out(files, tmp_path):
    assert gradient_view(tmp_path / "no.bval", tmp_path / "no.bvec", 3) is None
    assert gradient_view(*files([0, 1000], [(0, 0, 0), (1, 0, 0)]), 5) is None
