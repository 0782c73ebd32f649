"""Series with b-tensor encoding, where something would take volumes for linearly encoded."""

from __future__ import annotations

import numpy as np
import pytest
from attrs import evolve

from bids_sr.bids.dwi_run import refuse_not_linear
from bids_sr.diffusion.volume_selection import dti_volumes, gqi_volumes
from bids_sr.errors import InputError
from bids_sr.evaluation.references import make_reference
from bids_sr.networks.channels import SeriesConditioning
from bids_sr.quality.neighbours import neighbour_correlation

SAID = "the sidecar says BDelta: 0"


@pytest.fixture
def run(make_run, tmp_path):
    linear = make_run(tmp_path, directions=24)
    return evolve(linear, gradients=evolve(linear.gradients, not_linear=SAID))


def test_no_model_is_fitted(run):
    for choose in (dti_volumes, gqi_volumes):
        chosen = choose(run.gradients)
        assert not chosen.indices and SAID in chosen.reason
    assert not dti_volumes(run.gradients.subset(range(8))).indices


def test_the_network_sees_the_mean_of_the_shell(run):
    names = ["dwi", "tensor"]
    volumes = np.random.default_rng(0).uniform(1, 2, (25, 6, 6)).astype(np.float32)

    def channels(gradients):
        conditioning = SeriesConditioning(gradients)
        for index, volume in enumerate(volumes):
            conditioning.add(index, volume)
        return conditioning.channels(3, volumes[3], names)

    _, tensor = channels(run.gradients)
    np.testing.assert_allclose(tensor, volumes[1:].mean(axis=0), rtol=1e-5)
    assert not np.allclose(channels(evolve(run.gradients, not_linear=""))[1], tensor, rtol=1e-3)


def test_volumes_have_no_neighbours(run):
    signals = np.random.default_rng(1).normal(10, 1, (50, 24))
    weighted = run.gradients.subset(range(1, 25))
    assert np.isnan(neighbour_correlation(signals, weighted))
    assert np.isfinite(neighbour_correlation(signals, evolve(weighted, not_linear="")))


def test_scoring_needs_a_tensor(run, tmp_path):
    with pytest.raises(InputError, match="allows no tensor fit: the sidecar says BDelta: 0"):
        refuse_not_linear(run)
    mask = np.ones(run.shape[:3], bool)
    with pytest.raises(InputError, match="allows no tensor fit"):
        make_reference(run, mask, "scan", tmp_path, (slice(None),) * 3)
