"""The tiny run, prepared for training."""

from __future__ import annotations

import pytest


@pytest.fixture
def prepared(make_run, tmp_path):
    """The tiny run at factor 2, with views of about 8 directions."""
    from bids_sr.training.prepare import Recipe, prepare_run

    return prepare_run(make_run(tmp_path), tmp_path / "prepared", Recipe(subset=8))
