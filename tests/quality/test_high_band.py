"""What is left unexplained comes out as planted, whatever the noise; or nothing is said."""

from __future__ import annotations

import numpy as np
import pytest
from attrs import evolve

from bids_sr.networks.angular_parts import angular_models, harmonics
from bids_sr.quality.high_band import (
    Left,
    high_band,
    left_unexplained,
    pooled,
)


def mean_magnitude(signal, sigma):
    """Expected value of the signal's magnitude with noise of sigma per channel (Rice)."""
    from scipy.special import ive

    x = signal.astype(float) ** 2 / (4 * sigma**2)
    value = (1 + 2 * x) * ive(0, x) + 2 * x * ive(1, x)
    return (sigma * np.sqrt(np.pi / 2) * value).astype(np.float32)


def planted_result(truth, seen, gradients, factor, *, b0=0.5, mean=0.5, apart=0.3, own=0.1):
    """The measured band of what was seen, and so much of the truth's high band; own detail."""
    generator = np.random.default_rng(5)
    detail = np.stack([high_band(volume, factor) for volume in truth])
    shared = detail.copy()
    for shell in gradients.shells:
        shared[shell.indices] = detail[shell.indices].mean(axis=0)
    found = []
    for index, volume in enumerate(seen):
        level = b0 if gradients.is_b0[index] else mean
        new = generator.normal(0, own * detail[index].std(), volume.shape).astype(np.float32)
        known = level * shared[index] + apart * (detail[index] - shared[index])
        found.append(volume - high_band(volume, factor) + known + high_band(new, factor))
    return found


def shares(found):
    return {(left.shell, left.part): left.share for left in found}


@pytest.mark.parametrize("factor", [2, 3])
@pytest.mark.parametrize("rician", [False, True])
@pytest.mark.parametrize("snr", [5, 10, 20, 50])
@pytest.mark.parametrize(
    ("directions", "b0s", "shells"),
    [(12, 1, (1000.0,)), (16, 3, (1000.0,)), (30, 1, (700.0, 2000.0)), (64, 5, (1000.0,))],
)
def test_the_estimate_is_unbiased(planted, directions, b0s, shells, snr, rician, factor):
    gradients = planted.table(directions, shells, b0s)
    shape = (4, 60, 60)
    inside = np.zeros(shape, bool)
    inside[:, 6:-6, 6:-6] = True
    signal = planted.phantom(gradients, shape)
    seen = planted.noisy(signal, snr, rician=rician)
    truth = mean_magnitude(signal, planted.S0 / snr) if rician else signal
    result = planted_result(truth, seen, gradients, factor)
    fits = [planted.fitted(series, gradients, inside, factor) for series in (truth, seen, result)]
    exact = shares(left_unexplained(fits[0], fits[2], noiseless=True))
    found = left_unexplained(fits[1], fits[2])
    assert {left.part for left in found} >= {"b0", "mean", "l2"}
    for left in found:
        # the little that is left of a noisy metric: its own uncertainty is divided by that
        tolerance = 0.03 + 0.04 * (left.noise_share or 0) / (1 - (left.noise_share or 0))
        if left.share is None:
            assert left.noise_share > (0.4 if left.noise_from != left.shell else 0.8), left
        else:
            assert left.share == pytest.approx(exact[left.shell, left.part], abs=tolerance), left
    told = shares(found)
    if snr >= 10:
        assert None not in [told[shell, part] for shell, part in told if part in ("b0", "mean")]
    if snr >= 20:
        assert None not in [told[shell, part] for shell, part in told if part == "l2"]


def test_sinc_leaves_all_and_the_truth_nothing(planted):
    gradients = planted.table(16, b0s=2)
    truth = planted.phantom(gradients)
    seen = planted.noisy(truth, 20, rician=False)
    low = [volume - high_band(volume, 2) for volume in seen]
    perfect = [a + high_band(b, 2) for a, b in zip(low, truth, strict=True)]
    reference = planted.fitted(seen, gradients)
    sinc, ideal, same = (planted.fitted(each, gradients) for each in (low, perfect, seen))
    for left in left_unexplained(reference, sinc):
        assert left.share == pytest.approx(1, abs=1e-3)
    for left in left_unexplained(reference, ideal):
        assert left.share == pytest.approx(0, abs=0.03)
    # who copied the noise knew more than there is to know
    assert max(left.share for left in left_unexplained(reference, same)) < 0


CONE = [[np.sin(0.35) * np.cos(a), np.sin(0.35) * np.sin(a), np.cos(0.35)] for a in range(40)]
PLANE = [[np.cos(a), np.sin(a), 0] for a in 0.05 * np.arange(40)]


@pytest.mark.parametrize(
    ("vectors", "parts"),
    [
        (lambda even: even(5), {"mean"}),
        (lambda even: even(6), {"mean", "l2"}),
        (lambda even: even(27), {"mean", "l2"}),
        (lambda even: even(28), {"mean", "l2", "l4"}),
        # on a cone, or in a plane, or the same few again and again
        (lambda even: CONE, {"mean"}),
        (lambda even: PLANE, {"mean"}),
        (lambda even: np.repeat(even(3), 10, axis=0), {"mean"}),
        (lambda even: np.vstack([even(14), -even(14)]), {"mean", "l2"}),
    ],
)
def test_what_directions_can_tell(planted, vectors, parts):
    vectors = np.asarray(vectors(planted.directions))
    model = angular_models(planted.table(0, vectors=vectors, b0s=0))[0]
    assert set(model.parts) == parts
    assert model.design.shape[0] == len(vectors)
    assert np.linalg.matrix_rank(model.design) == model.design.shape[1]


def test_six_directions_have_no_noise_of_their_own(planted):
    gradients = planted.table(6, b0s=1)
    truth = planted.phantom(gradients)
    seen = planted.noisy(truth, 20)
    found = left_unexplained(planted.fitted(seen, gradients), planted.fitted(truth, gradients))
    assert [left.noise for left in found] == [None] * 3
    assert [left.share for left in found] == [None] * 3
    # repeats of b = 0 tell it
    gradients = planted.table(6, b0s=4)
    truth = planted.phantom(gradients)
    seen = planted.noisy(truth, 30)
    low = [volume - high_band(volume, 2) for volume in seen]
    perfect = [a + high_band(b, 2) for a, b in zip(low, truth, strict=True)]
    found = left_unexplained(planted.fitted(seen, gradients), planted.fitted(perfect, gradients))
    assert [left.noise_from for left in found] == ["b0"] * 3
    assert all(left.share == pytest.approx(0, abs=0.03) for left in found)


def test_few_directions_again_and_again_tell_the_noise_but_no_l2(planted):
    vectors = np.repeat(planted.directions(3), 6, axis=0)
    gradients = planted.table(0, vectors=vectors, b0s=1)
    truth = planted.phantom(gradients)
    seen = planted.noisy(truth, 20)
    result = planted_result(truth, seen, gradients, 2)
    fits = [planted.fitted(series, gradients) for series in (truth, seen, result)]
    exact = shares(left_unexplained(fits[0], fits[2], noiseless=True))
    found = left_unexplained(fits[1], fits[2])
    assert {left.part for left in found} == {"b0", "mean"}
    for left in found:
        assert left.noise_from == "b1000"
        assert left.share == pytest.approx(exact[left.shell, left.part], abs=0.03)


def test_noise_is_the_nearest_shells_where_a_shell_has_none(planted):
    vectors = np.vstack(
        [np.zeros((1, 3)), planted.directions(12), planted.directions(2), planted.directions(20)]
    )
    bvals = np.repeat([0.0, 500, 1400, 3000], [1, 12, 2, 20])
    gradients = evolve(planted.table(2), bvals=bvals, bvecs=vectors)
    seen = planted.noisy(planted.phantom(gradients), 20)
    found = left_unexplained(planted.fitted(seen, gradients), planted.fitted(seen, gradients))
    source = {left.shell: left.noise_from for left in found}
    assert source == {"b0": "b500", "b500": "b500", "b1400": "b500", "b3000": "b3000"}


def test_too_much_noise_is_told_as_such(planted):
    gradients = planted.table(12)
    truth = planted.phantom(gradients)
    seen = planted.noisy(truth, 2)
    found = left_unexplained(planted.fitted(seen, gradients), planted.fitted(truth * 0, gradients))
    by_part = {left.part: left for left in found}
    assert by_part["l2"].noise_share > 0.8 and by_part["l2"].share is None
    assert pooled(found, "l2") == by_part["l2"]


def test_l2_does_not_depend_on_the_frame(planted):
    generator = np.random.default_rng(3)
    turn, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    plain = planted.table(20, b0s=1)
    turned = evolve(plain, bvecs=plain.bvecs @ turn.T)
    truth = planted.phantom(plain)
    seen = planted.noisy(truth, 20)
    result = planted_result(truth, seen, plain, 2)
    one, other = (
        shares(left_unexplained(planted.fitted(seen, each), planted.fitted(result, each)))
        for each in (plain, turned)
    )
    assert one == pytest.approx(other, rel=1e-3)


def test_harmonics_have_root_mean_square_one():
    vectors = np.random.default_rng(0).normal(size=(200_000, 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    values, degrees = harmonics(vectors, 4)
    assert degrees.tolist() == [0, *[2] * 5, *[4] * 9]
    assert np.allclose(values.T @ values / len(vectors), np.eye(15), atol=0.02)


def test_shells_add_up_by_their_power():
    one = Left("b700", "mean", power=10.0, error=6.0, noise=2.0, noise_from="b700")
    other = Left("b2000", "mean", power=3.0, error=2.0, noise=1.0, noise_from="b2000")
    noise = Left("b3000", "mean", power=3.0, error=9.0, noise=2.9, noise_from="b3000")
    assert pooled([one, other, noise], "mean").share == pytest.approx((4 + 1) / (8 + 2))
    assert pooled([one], "l2") is None
    assert Left("b0", "b0", 0.0, 0.0, 0.0, None).share is None
