"""Which part of a scan stands for the whole."""

from __future__ import annotations

import numpy as np
import pytest

from bids_sr.bids.gradients import GradientTable
from bids_sr.diffusion.ensemble_sd import subset
from bids_sr.diffusion.volume_selection import dti_volumes
from bids_sr.evaluation.sampling import MAX_SLICES, few_volumes, middle_slices, well_spread


def table(*shells, b0s=3):
    """Shells of (b, directions), b0s first."""
    generator = np.random.default_rng(1)
    vectors = generator.normal(size=(sum(n for _, n in shells), 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    bvals = [0] * b0s + [b for b, n in shells for _ in range(n)]
    return GradientTable(np.array(bvals, float), np.vstack([np.zeros((b0s, 3)), vectors]))


@pytest.mark.parametrize("gapless", [True, False])
@pytest.mark.parametrize("brain", [(0, 1), (3, 7), (10, 70), (0, 200), (5, 26)])
def test_slices_lie_in_the_middle_of_the_brain(brain, gapless):
    occupied = np.zeros(brain[1] + 9, bool)
    occupied[slice(*brain)] = True
    found = np.arange(occupied.size)[middle_slices(occupied, gapless=gapless)]
    assert 1 <= found.size <= MAX_SLICES
    assert occupied[found].all()
    assert abs((found[0] + found[-1]) - (brain[0] + brain[1] - 1)) <= 2
    if gapless and found.size > 1:
        assert set(np.diff(found)) == {1}


def test_slices_without_gaps_are_only_taken_where_they_must():
    assert middle_slices(np.ones(60, bool), gapless=False).step == 3


def test_few_volumes_still_determine_a_tensor():
    gradients = table((1000, 64), (2000, 64), (3000, 64))
    chosen = few_volumes(gradients)
    assert chosen == sorted(set(chosen))
    part = subset(gradients, chosen)
    assert int(part.is_b0.sum()) == 2
    assert [len(shell.indices) for shell in part.shells] == [12, 3, 3]
    assert not dti_volumes(part).reason


def test_directions_are_of_one_shell_where_one_is_enough():
    part = subset(table((500, 9), (1000, 30)), few_volumes(table((500, 9), (1000, 30))))
    assert [len(shell.indices) for shell in part.shells] == [3, 12]
    # neither shell has six directions: those of both are needed
    few = table((500, 4), (1000, 5))
    assert not dti_volumes(few).reason
    assert len(few_volumes(few)) == 2 + 9


def test_fewer_slices_lie_in_the_middle_too():
    assert middle_slices(np.ones(12, bool), gapless=True, most=6) == slice(3, 9, 1)


@pytest.mark.parametrize(
    ("gradients", "count"),
    [
        (table((1000, 16)), 14),
        (table((1000, 16), b0s=0), 6),
        (table((1000, 3), b0s=1), 4),
        (table(b0s=4), 2),
        (table(*((b, 3) for b in range(500, 9000, 500))), 20),
    ],
)
def test_as_many_volumes_as_there_are_reasons_for(gradients, count):
    assert len(few_volumes(gradients)) <= count
    assert few_volumes(gradients) == few_volumes(gradients)


def test_well_spread_directions():
    axes = np.repeat(np.eye(3), 5, axis=0) * np.resize([1, -1], 15)[:, None]
    assert sorted(index // 5 for index in well_spread(axes, 3)) == [0, 1, 2]
    assert well_spread(axes[:2], 3) == [0, 1]
