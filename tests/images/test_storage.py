"""The step of whole numbers: fine enough, with room above, or not taken."""

from __future__ import annotations

import numpy as np
import pytest

from bids_sr.images.storage import choose_storage


def test_float32_says_nothing():
    storage = choose_storage("float32", 1e30, 1.0)
    assert (storage.dtype, storage.step, storage.warnings, storage.notes(0)) == (
        "float32", 1.0, (), (),
    )  # fmt: skip


@pytest.mark.parametrize(("largest", "scale"), [(3000.0, 900.0), (0.02, 0.004), (9.0, 9.0)])
def test_twice_the_largest_value_fits(largest, scale):
    storage = choose_storage("int16", largest, scale)
    assert storage.dtype == "int16" and not storage.warnings
    assert 2 * largest / storage.step <= np.iinfo(np.int16).max + 0.01
    assert storage.step / 12**0.5 <= 2e-4 * scale
    (fact,) = storage.notes(0)
    assert fact.startswith("Stored as int16 in steps of ")


def test_a_hot_voxel_does_not_cost_the_brain():
    """Steps that twice a value far above the brain fits into would round the brain away."""
    storage = choose_storage("int16", 1e6, 900.0)
    assert (storage.dtype, storage.step) == ("float32", 1.0)
    (warning,) = storage.warnings
    assert "Stored as float32, not int16" in warning and "(1e+06)" in warning
    assert storage.notes(0) == storage.warnings


def test_what_is_cut_off_is_told():
    storage = choose_storage("int16", 3000.0, 900.0)
    assert storage.notes(7)[-1].startswith("7 voxels of the series were above 6000,")
