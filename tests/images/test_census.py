"""What is odd about voxels is counted and put into sentences."""

from __future__ import annotations

import numpy as np
import pytest

from bids_sr.images.census import Census

VOLUME = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def test_nothing_odd():
    census = Census()
    census.add(0, VOLUME)
    assert census.doubts({}) == ()


def test_all_of_it():
    census = Census()
    for index in range(8):
        census.add(index, VOLUME if index == 0 else np.full_like(VOLUME, index))
    census.add(8, VOLUME - 2)
    nothing, constant, negative = census.doubts({3: 2, 1: 5})
    assert nothing.startswith("7 of 216 voxels are NaN or infinite (volumes 1, 3);")
    assert constant.startswith("Volumes 1, 2, 3, 4, 5 and 2 more hold one value only;")
    assert negative.startswith("2 of 216 voxels are negative (lowest -2);")


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_one_constant_volume(value):
    census = Census()
    census.add(4, np.full_like(VOLUME, value))
    (doubt,) = census.doubts({})
    assert doubt.startswith("Volumes 4 hold")


def test_the_largest_value():
    census = Census()
    census.add(0, VOLUME - 100)
    assert census.largest == 0
    census.add(1, VOLUME)
    census.add(2, VOLUME - 3)
    assert census.largest == 23
