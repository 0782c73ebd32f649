"""Prepared arrays are found again, and not where something else is wanted."""

from __future__ import annotations

from attrs import evolve

from bids_sr.bids.cache import cache_key


def test_key_changes_with_image_gradients_and_parameters(make_run, tmp_path):
    run = make_run(tmp_path)
    key = cache_key(run, "some")
    assert cache_key(run, "some") == key
    assert cache_key(run, "other") != key
    mended = evolve(run.gradients, bvecs=run.gradients.bvecs * [-1, 1, 1])
    assert cache_key(evolve(run, gradients=mended), "some") != key
    scaled = evolve(run.gradients, bvals=run.gradients.bvals * 1.5)
    assert cache_key(evolve(run, gradients=scaled), "some") != key
    run.files.dwi.write_bytes(b"other")
    assert cache_key(run, "some") != key
