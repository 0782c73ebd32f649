from __future__ import annotations

import json

import numpy as np
import pytest

from bids_sr.quality.curves import plain
from bids_sr.quality.histograms import histogram, histogram_pair


def test_arrays_become_lists_and_what_is_not_finite_null():
    found = plain({"a": np.array([[1.23456789, np.nan]]), 2: (np.float32(1), np.inf, 3, "x", None)})
    assert json.loads(json.dumps(found, allow_nan=False)) == {
        "a": [[1.2346, None]],
        "2": [1.0, None, 3, "x", None],
    }


def test_shares_of_a_histogram():
    shares = histogram(np.array([0.01, 0.01, 0.99, 1.7, np.nan]), "fa")
    assert shares[0] == pytest.approx(0.5)
    assert shares[-1] == pytest.approx(0.5)  # beyond the range counts at its end
    assert shares.sum() == pytest.approx(1)
    assert histogram(np.array([np.nan]), "md").sum() == 0
    pair = histogram_pair(np.array([1e-3]), np.array([2e-3]), "md")
    assert len(pair["edges"]) == len(pair["sr"]) + 1
    assert pair["edges"][int(np.argmax(pair["sr"]))] == pytest.approx(2e-3, abs=6e-5)
