"""How many GPUs a call uses, with CUDA faked."""

from __future__ import annotations

import logging
import os
import signal
from pathlib import Path

import pytest

from bids_sr.app import devices
from bids_sr.app.devices import choose_places, in_own_process
from bids_sr.app.settings import Settings
from bids_sr.errors import DeviceError
from bids_sr.superres import gpu_driver

POOL = {"plugin": "MultiProc", "plugin_args": {"n_procs": 2}}


@pytest.fixture
def places(gpus, monkeypatch):
    """Devices that a call with these settings uses where so many GPUs are visible.

    They are faked for this process, so that they are tried here and not in one beside it.
    """
    monkeypatch.setattr(gpu_driver, "has_gpu_driver", lambda: gpus.cards > 0)
    monkeypatch.setattr(devices, "in_own_process", lambda function, name: function(name))

    def choose(count, device="auto", **settings):
        gpus(count)
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


@pytest.mark.parametrize("value", ["", "-1", "NoDevFiles"])
def test_gpus_that_are_hidden_are_not_missed(gpus, places, monkeypatch, caplog, value):
    """By the user, or by Slurm in a job that asked for none."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert places(0) == ("cpu",) and not gpus.proved
    gpus(0, cards=1)
    assert choose_places(Settings(Path("/in"), Path("/out"), "participant")) == ("cpu",)
    assert not caplog.text
    with pytest.raises(DeviceError, match="CUDA_VISIBLE_DEVICES"):
        places(0, "cuda")


def test_what_is_warned_of_beside_this_process_is_logged_here(gpus, places, caplog):
    gpus.faults[1] = "CUDA error: uncorrectable ECC error encountered"
    assert places(3, nprocs=8) == ("cuda:0", "cuda:2")
    assert caplog.text.count("cuda:1 cannot be used") == 2, "there, and here"


def test_a_driver_without_cuda_is_warned_of(gpus, places, caplog):
    gpus(0, cards=1)
    gpus.no_start = RuntimeError("CUDA unknown error - this may be due to an incorrectly set up")
    assert choose_places(Settings(Path("/in"), Path("/out"), "participant")) == ("cpu",)
    assert "CUDA unknown error" in caplog.text and "Going on with the CPU." in caplog.text


@pytest.mark.slow
def test_gpus_are_tried_in_a_process_that_ends():
    assert in_own_process(os.getsid, 0) == os.getsid(0)
    with pytest.raises(DeviceError, match="no such device") as caught:
        in_own_process(devices._find, "cuda:x")
    assert caught.value.remedy.startswith("Give auto")
    with pytest.raises(DeviceError, match="the process that tried the GPUs was ended"):
        in_own_process(signal.raise_signal, signal.SIGKILL)


@pytest.mark.slow
def test_gpus_that_do_not_answer(monkeypatch):
    monkeypatch.setattr(devices, "_PATIENCE_S", 0.0)
    with pytest.raises(DeviceError, match="the process that tried the GPUs does not answer"):
        in_own_process(os.getsid, 0)


def test_auto_survives_gpus_that_end_the_process(places, monkeypatch, caplog):
    def end(function, name):
        raise devices._broken(name, "was ended")

    monkeypatch.setattr(devices, "in_own_process", end)
    assert places(1) == ("cpu",)
    assert "was ended" in caplog.text and "Going on with the CPU." in caplog.text
    with pytest.raises(DeviceError, match="was ended"):
        places(1, "cuda")
