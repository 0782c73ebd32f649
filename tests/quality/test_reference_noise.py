"""What the reference's own noise does to FA, MD and V1 comes out as planted."""

from __future__ import annotations

import numpy as np
import pytest

from bids_sr.bids.gradients import GradientTable
from bids_sr.diffusion.tensor import fit_tensor
from bids_sr.images.nifti import DwiReader, load_volume, write_image
from bids_sr.quality.high_band import high_band
from bids_sr.quality.reference_noise import HighBandNoise, noise_deviation
from bids_sr.quality.tensor_errors import mean_absolute_error, v1_angle, white_matter


@pytest.fixture
def maps(planted, tmp_path):
    """Function: FA, MD, V1 of a series (V, slices, a, b)."""

    def fit(series, gradients: GradientTable):
        path = tmp_path / "series.nii"
        write_image(path, np.moveaxis(np.stack(series), 0, -1), np.eye(4))
        out = {name: tmp_path / f"{name}.nii" for name in ("fa", "md", "v1")}
        fit_tensor(path, gradients, planted.INSIDE, out, params=tuple(out), threads=1)
        with DwiReader(out["v1"]) as reader:
            v1 = np.stack([reader.volume(i) for i in range(3)], axis=-1)
        return load_volume(out["fa"])[0], load_volume(out["md"])[0], v1

    return fit


def errors(reference, other, inside):
    white = white_matter(reference[0], reference[1], inside)
    return np.array(
        [
            mean_absolute_error(reference[0], other[0], inside),
            mean_absolute_error(reference[1], other[1], inside),
            v1_angle(reference[2], other[2], white),
        ]
    )


@pytest.mark.parametrize(("directions", "b0s"), [(12, 1), (30, 4), (64, 1)])
@pytest.mark.parametrize("snr", [10, 20])
def test_a_perfect_result_has_the_errors_of_the_noise_alone(planted, maps, directions, b0s, snr):
    gradients = planted.table(directions, b0s=b0s)
    truth = planted.phantom(gradients)
    seen = planted.noisy(truth, snr)
    perfect = [s - high_band(s, 2) + high_band(t, 2) for s, t in zip(seen, truth, strict=True)]
    noise = HighBandNoise(planted.fitted(seen, gradients))
    assert noise.is_known
    again = [noise.added(index, volume) for index, volume in enumerate(seen)]
    reference = maps(seen, gradients)
    expected, found = (
        errors(reference, maps(each, gradients), planted.INSIDE) for each in (perfect, again)
    )
    assert found == pytest.approx(expected, rel=0.15)


def test_the_noise_lies_where_the_reference_is_noisy_and_in_its_high_band(planted):
    gradients = planted.table(20, b0s=2)
    generator = np.random.default_rng(2)
    level = np.where(np.arange(64) < 32, 10.0, 20.0)
    added = level * generator.normal(size=(22, *planted.INSIDE.shape))
    seen = (planted.S0 + added).astype(np.float32)
    noise = HighBandNoise(planted.fitted(seen, gradients), seed=1)
    more = np.stack([noise.added(i, volume) - volume for i, volume in enumerate(seen)])
    assert np.std(more[..., 8:26]) == pytest.approx(10 * np.sqrt(0.75), rel=0.1)
    assert np.std(more[..., 38:56]) == pytest.approx(20 * np.sqrt(0.75), rel=0.1)
    assert np.abs(more[0] - high_band(more[0], 2)).max() < 1e-3 * np.abs(more[0]).max()
    again = HighBandNoise(planted.fitted(seen, gradients), seed=1).added(0, seen[0])
    assert np.array_equal(again, seen[0] + more[0])


@pytest.mark.parametrize("factor", [2, 3])
def test_the_noise_of_all_of_the_band(planted, factor):
    gradients = planted.table(30, b0s=1)
    shape = (4, 60, 60)
    seen = planted.noisy(planted.phantom(gradients, shape), 25)
    inside = np.ones(shape, bool)
    sigma = noise_deviation(planted.fitted(seen, gradients, inside, factor))
    assert sigma == pytest.approx(planted.S0 / 25, rel=0.03)


def test_nothing_is_said_where_nothing_tells_of_the_noise(planted):
    gradients = planted.table(6)
    fit = planted.fitted(planted.noisy(planted.phantom(gradients), 20), gradients)
    noise = HighBandNoise(fit)
    assert not noise.is_known and noise_deviation(fit) is None
    with pytest.raises(ValueError, match="volume 3"):
        noise.added(3, np.zeros(planted.INSIDE.shape, np.float32))
    gradients = planted.table(12)
    fit = planted.fitted(planted.noisy(planted.phantom(gradients), 20), gradients)
    assert noise_deviation(fit) > 0
    assert noise_deviation(fit, band=(0.5, 0.5)) is None
