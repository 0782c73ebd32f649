"""Which device is taken, with CUDA faked where there is none."""

from __future__ import annotations

import pytest
import torch

from bids_sr.errors import DeviceError
from bids_sr.superres.device import choose_device, choose_devices, default_batch_size


@pytest.fixture
def gpus(monkeypatch):
    """Pretend that so many GPUs are visible."""

    def pretend(count):
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)

    return pretend


def test_auto_takes_what_is_there(gpus):
    gpus(0)
    assert choose_device("auto") == torch.device("cpu")
    gpus(2)
    assert choose_device("auto") == torch.device("cuda:0")
    assert choose_device("cpu") == torch.device("cpu")


def test_numbered_gpu(gpus):
    gpus(2)
    assert choose_device("cuda:1") == torch.device("cuda:1")
    assert choose_device("cuda") == torch.device("cuda:0")
    with pytest.raises(DeviceError, match="2 GPUs are visible"):
        choose_device("cuda:2")


def test_no_silent_fallback(gpus):
    gpus(0)
    with pytest.raises(DeviceError, match=r"docker run --gpus all.*apptainer run --nv") as caught:
        choose_device("cuda")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "mps", "cuda:", "CUDA"])
def test_names_that_are_none(gpus, name):
    gpus(0)
    with pytest.raises(DeviceError):
        choose_device(name)


def test_batch_follows_slice_size():
    cpu = torch.device("cpu")
    assert default_batch_size(cpu, 128 * 128) == 4
    assert default_batch_size(cpu, 3000 * 3000) == 2, "one is rounded another way"
    assert default_batch_size(torch.device("cuda:0"), 128 * 128) == 64


def test_all_gpus(gpus):
    gpus(2)
    both = (torch.device("cuda:0"), torch.device("cuda:1"))
    assert choose_devices("auto") == choose_devices("cuda") == both
    assert choose_devices("cuda:1") == (torch.device("cuda:1"),)
    assert choose_devices("cpu") == (torch.device("cpu"),)
    gpus(0)
    assert choose_devices("auto") == (torch.device("cpu"),)
    with pytest.raises(DeviceError):
        choose_devices("cuda")
