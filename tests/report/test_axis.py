"""Ticks are round, enclose the values, and their labels fit into the margin."""

from __future__ import annotations

from itertools import pairwise

import pytest

from bids_sr.quality import registry
from bids_sr.quality.metric_spec import Per
from bids_sr.report.axis import label_room, nice_ticks, tick_texts
from bids_sr.report.distributions import plotted_families

RANGES = [
    (0, 1),
    (-3, 7),
    (1e-7, 2e-7),
    (5, 5),
    (0, 0),
    (9, 1e6),
    (1e-200, 1e200),
    (1e9, 1e9 + 1e-9),
    (-1e290, 1e290),
    (1e-290, 1e-290),
    (0.0016098, 0.0016098),
    (2315.51234, 2315.51234),
    (-0.3, -0.3),
]


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_ticks_enclose_the_values_evenly(low, high):
    marks = nice_ticks(low, high)
    assert marks[0] <= low and marks[-1] >= high
    assert 3 <= len(marks) <= 7
    steps = [b - a for a, b in pairwise(marks)]
    assert min(steps) == pytest.approx(max(steps), rel=1e-6) and min(steps) > 0


@pytest.mark.parametrize(("low", "high"), RANGES)
def test_labels_are_short_and_say_where_the_tick_is(low, high):
    marks = nice_ticks(low, high)
    texts = tick_texts(marks)
    assert len(set(texts)) == len(texts)
    assert max(map(len, texts)) <= 9
    step = marks[1] - marks[0]
    assert all(
        abs(float(text) - mark) <= 1e-6 * step for text, mark in zip(texts, marks, strict=True)
    )
    assert label_room(texts) > 7 * max(map(len, texts))


@pytest.mark.parametrize("value", [0.0016098, 1.4142135, 2315.51234, 0.0])
def test_a_single_value_gets_round_labels(value):
    texts = tick_texts(nice_ticks(value, value, least=0.05 * value))
    assert max(map(len, texts)) <= 8, texts


def test_an_axis_does_not_zoom_into_noise():
    marks = nice_ticks(0.41000, 0.41002, least=0.05)
    assert marks[-1] - marks[0] >= 0.05
    assert marks[0] < 0.41 < marks[-1]
    shares = nice_ticks(0.0001, 0.0002, least=0.01)
    assert shares[0] == 0  # no share is below 0


def test_every_metric_that_is_drawn_has_a_least_range():
    """But those whose unit is the image's own."""
    drawn = [
        spec
        for spec in registry.METRICS
        if spec.family in plotted_families() and not (spec.per == Per.SHELL and not spec.extreme)
    ]
    texts = ("verdict", "verdict_noisy", "reason", "note", "left_note", "seen", "mode")
    without = {s.key.removeprefix("selfcheck_") for s in drawn if s.least_range <= 0}
    assert without == {"sigma_mppca", "sigma_piesno", "sigma_note", *texts}
