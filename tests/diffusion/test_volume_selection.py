from __future__ import annotations

import numpy as np

from bids_sr.bids.gradients import GradientTable
from bids_sr.diffusion.volume_selection import dti_volumes, gqi_volumes


def test_one_shell_takes_everything_and_b0_need_not_come_first(table):
    gradients = table((1000, 12), (0, 1))
    assert dti_volumes(gradients).indices == tuple(range(13))
    assert dti_volumes(gradients).reason is None


def test_high_shells_are_left_out_when_low_ones_suffice(table):
    gradients = table((0, 2), (1000, 20), (3000, 40))
    assert dti_volumes(gradients).indices == tuple(range(22))


def test_shell_just_above_1500_counts_as_1500(table):
    gradients = table((0, 1), (1503, 12), (3000, 40))
    assert dti_volumes(gradients).indices == tuple(range(13))


def test_all_shells_up_to_1500_are_taken(table):
    gradients = table((0, 1), (300, 6), (700, 15), (1200, 20), (2500, 20))
    assert len(dti_volumes(gradients).indices) == 42


def test_lowest_sufficient_shell_above_1500(table):
    gradients = table((0, 1), (2000, 15), (3000, 30))
    assert dti_volumes(gradients).indices == tuple(range(16))


def test_too_small_low_shell_is_joined_by_the_next(table):
    gradients = table((0, 1), (700, 3), (2000, 15), (3000, 30))
    assert dti_volumes(gradients).indices == tuple(range(19))


def test_reasons(table):
    only_b0 = dti_volumes(table((0, 4)))
    assert only_b0.indices == ()
    assert "only b0 volumes" in only_b0.reason
    assert "no b0" in dti_volumes(table((1000, 30))).reason
    few = dti_volumes(table((0, 1), (1000, 5)))
    assert few.indices == ()
    assert "5 distinct directions, 6 needed" in few.reason
    assert "only b0 volumes" in gqi_volumes(table((0, 4))).reason


def test_repeats_and_opposites_are_not_new_directions():
    once = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    bvecs = np.vstack([np.zeros(3), once, -once, once])
    selection = dti_volumes(GradientTable(np.r_[0, np.full(9, 1000)], bvecs))
    assert "3 distinct directions" in selection.reason


def test_directions_in_one_plane_do_not_determine_a_tensor():
    angle = np.linspace(0, np.pi, 12, endpoint=False)
    flat = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=1)
    gradients = GradientTable(np.r_[0, np.full(12, 1000)], np.vstack([np.zeros(3), flat]))
    assert "do not determine" in dti_volumes(gradients).reason


def test_gqi_wants_fifteen_directions(table):
    assert "14 distinct directions, 15" in gqi_volumes(table((0, 1), (1000, 14))).reason
    assert gqi_volumes(table((0, 1), (1000, 15))).indices == tuple(range(16))


def test_six_directions_are_enough_only_if_they_determine_a_tensor():
    """Six on one cone do not: what is told is that, not their number."""
    angle = np.arange(6) * np.pi / 3
    cone = np.stack([np.cos(angle), np.sin(angle), np.full(6, 0.7)], axis=1)
    cone /= np.linalg.norm(cone, axis=1, keepdims=True)
    table = GradientTable([0, *[1000] * 6], np.vstack([np.zeros(3), cone]))
    assert dti_volumes(table).indices == ()
    assert dti_volumes(table).reason == "DTI skipped: the 6 directions do not determine a tensor."
