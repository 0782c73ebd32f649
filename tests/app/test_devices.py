"""How many GPUs a call uses, with CUDA faked."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch

from bids_sr.app.devices import choose_places
from bids_sr.app.settings import Settings
from bids_sr.errors import DeviceError
from bids_sr.superres import gpu_driver

POOL = {"plugin": "MultiProc", "plugin_args": {"n_procs": 2}}


@pytest.fixture
def places(monkeypatch):
    """Devices that a call with these settings uses where so many GPUs are visible."""

    def choose(count, device="auto", **settings):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        monkeypatch.setattr(gpu_driver, "has_gpu_driver", lambda: count > 0)
        return choose_places(
            Settings(Path("/in"), Path("/out"), "participant", device=device, **settings)
        )

    return choose


def test_every_visible_gpu_or_the_one_that_is_named(places):
    assert places(3, nprocs=8) == places(3, "cuda", nprocs=8) == ("cuda:0", "cuda:1", "cuda:2")
    assert places(3, "cuda:2", nprocs=8) == ("cuda:2",)
    assert places(3, "cpu", nprocs=8) == places(0, nprocs=8) == ("cpu",)


@pytest.mark.parametrize(
    ("settings", "used"),
    [
        ({"nprocs": 1}, 1),
        ({"nprocs": 3}, 3),
        ({"nprocs": 8, "plugin": POOL}, 2),
        ({"nprocs": 8, "plugin": {"plugin": "Linear"}}, 1),
    ],
)
def test_no_more_than_can_run_side_by_side(places, caplog, settings, used):
    with caplog.at_level(logging.WARNING, "bids_sr"):
        assert len(places(4, **settings)) == used
    assert f"4 GPUs are visible, {used} of them used" in caplog.text


def test_a_gpu_that_is_not_there(places):
    with pytest.raises(DeviceError, match="no CUDA GPU is visible"):
        places(0, "cuda", nprocs=8)


def test_other_machines_are_not_judged_by_this_one(places):
    slurm = {"plugin": "SLURM"}
    assert places(0, "cuda", plugin=slurm) == ("cuda",)
    assert places(2, "auto", plugin=slurm) == ("auto",)
