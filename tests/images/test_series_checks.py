"""What is odd about voxels is counted and put into sentences."""

from __future__ import annotations

import numpy as np
import pytest

from bids_sr.errors import InputError
from bids_sr.images.series_checks import SeriesChecks

VOLUME = np.arange(24, dtype=np.float32).reshape(2, 3, 4)


def test_nothing_odd():
    checks = SeriesChecks()
    checks.add(0, VOLUME)
    assert checks.warnings({}) == ()


def test_all_of_it():
    checks = SeriesChecks()
    for index in range(8):
        checks.add(index, VOLUME if index == 0 else np.full_like(VOLUME, index))
    checks.add(8, VOLUME - 2)
    nothing, constant, negative = checks.warnings({3: 2, 1: 5})
    assert nothing.startswith("7 of 216 voxels are NaN or infinite (volumes 1, 3);")
    assert constant.startswith("Volumes 1, 2, 3, 4, 5 and 2 more hold a single value;")
    assert negative.startswith("2 of 216 voxels are negative (lowest -2);")


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_one_constant_volume(value):
    checks = SeriesChecks()
    checks.add(4, np.full_like(VOLUME, value))
    (warning,) = checks.warnings({})
    assert warning.startswith("Volumes 4 hold")


def test_the_largest_value():
    checks = SeriesChecks()
    checks.add(0, VOLUME - 100)
    assert checks.largest == 0
    checks.add(1, VOLUME)
    checks.add(2, VOLUME - 3)
    assert checks.largest == 23


def signed(sigma, tissue, seed=0):
    """Real part of a head of 100 in air: half of the volume, or all, is tissue."""
    generator = np.random.default_rng(seed)
    volume = np.where(np.arange(20)[:, None, None] < 20 * tissue, 100.0, 0)
    return (volume + generator.normal(0, sigma, (20, 20, 20))).astype(np.float32)


@pytest.mark.parametrize(
    ("volumes", "expected"),
    [
        ([signed(5, 0.3, i) for i in range(4)], True),  # noise about zero in the air
        ([signed(100, 1, i) for i in range(4)], True),  # none of it, but a ratio of 1 in tissue
        ([signed(20, 1, 0)] * 3 + [signed(80, 1, 1)], True),  # a shell of high b
        ([signed(30, 1, i) for i in range(4)], False),  # cutting off costs nothing
        ([np.abs(signed(5, 0.5, i)) for i in range(4)], False),
        ([np.abs(signed(5, 0.5, i)) for i in range(30)] + [signed(5, 0.5)], False),  # one of 31
        ([np.abs(signed(5, 0.3, i)) for i in range(9)] + [signed(5, 0.3)], True),  # one of ten
        ([np.abs(signed(5, 0.3, i)) for i in range(10)] + [signed(5, 0.3)], False),
        ([np.zeros((2, 2, 2), np.float32)], False),
    ],
)
def test_what_is_signed(volumes, expected, tmp_path):
    checks = SeriesChecks()
    for index, volume in enumerate(volumes):
        checks.add(index, volume)
    assert checks.signed is expected
    warning = " ".join(checks.warnings({}))
    assert ("keeps its sign" in warning) is expected
    if expected:
        assert "cut off" not in warning
        with pytest.raises(InputError, match=r"is signed .* trained on magnitudes"):
            checks.refuse_signed(tmp_path, "networks are trained on magnitudes")
    else:
        checks.refuse_signed(tmp_path, "networks are trained on magnitudes")


@pytest.mark.parametrize(
    ("component", "expected"), [("REAL", True), ("MAGNITUDE", False), (3, False)]
)
def test_the_sidecar_may_know(component, expected):
    for volume, told in ((signed(30, 1), expected), (np.abs(signed(30, 1)), False)):
        checks = SeriesChecks({"ComplexImageComponent": component})
        checks.add(0, volume)
        assert checks.signed is told


def test_interpolation_leaves_a_magnitude_a_magnitude():
    from scipy.ndimage import zoom

    head = np.abs(signed(3, 0.5))
    checks = SeriesChecks()
    checks.add(0, zoom(head, 1.3, order=3))
    assert not checks.signed
    masked = np.where(head > 50, head, 0)
    checks.add(1, zoom(masked, 1.3, order=3))
    assert "are negative" in checks.warnings({})[0]
    assert not checks.signed


@pytest.mark.parametrize("sigma", [2, 9])
def test_noise_of_a_signed_series(sigma):
    checks = SeriesChecks()
    for index in range(3):
        checks.add(index, signed(sigma, 0.5, index))
    assert checks.sigma == pytest.approx(sigma, rel=0.05)
