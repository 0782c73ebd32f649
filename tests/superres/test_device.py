"""Which device is taken, with CUDA faked where there is none."""

from __future__ import annotations

import pytest
import torch

from bids_sr.errors import DeviceError
from bids_sr.superres.device import choose_device, choose_devices, default_batch_size
from bids_sr.superres.gpu_proof import runs_on

CU128 = ("sm_70", "sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120")


def names(devices):
    return [str(device) for device in devices]


def test_auto_takes_what_is_there(gpus, caplog):
    gpus(0)
    assert choose_device("auto") == torch.device("cpu")
    gpus(2)
    assert choose_device("auto") == torch.device("cuda:0")
    assert choose_device("cpu") == torch.device("cpu")
    assert not caplog.text


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


@pytest.mark.parametrize("name", ["gpu", "cuda:x", "mps", "cuda:", "CUDA", "cuda:-1"])
def test_names_that_are_none(gpus, name):
    gpus(1)
    with pytest.raises(DeviceError, match="no such device"):
        choose_device(name)


def test_batch_follows_slice_size_and_free_memory(gpus):
    cpu, gpu = torch.device("cpu"), torch.device("cuda:0")
    assert default_batch_size(cpu, 128 * 128) == 4
    assert default_batch_size(cpu, 3000 * 3000) == 2, "one is rounded another way"
    gpus(1)
    assert default_batch_size(gpu, 128 * 128) == 64
    gpus.free = 4e9
    assert 8 < default_batch_size(gpu, 128 * 128) < 64
    gpus.free = 1e6
    assert default_batch_size(gpu, 128 * 128) == 2


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


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_the_runtimes_count_counts(gpus, name):
    """A process sees one instance of partitioned cards (MIG), whatever torch counted before."""
    gpus(1, cards=4)
    assert torch.cuda.device_count() == 4
    assert names(choose_devices(name)) == ["cuda:0"]
    gpus(1, cards=4)
    with pytest.raises(DeviceError, match="1 GPU is visible"):
        choose_device("cuda:1")


def test_each_gpu_computes_something_first(gpus):
    gpus(3)
    choose_devices("auto")
    assert gpus.proved == [0, 1, 2]
    choose_device("cuda:2")
    assert gpus.proved == [0, 1, 2, 2]


BUSY = "CUDA error: all CUDA-capable devices are busy or unavailable\nCUDA kernel errors might ..."


@pytest.mark.parametrize("broken", [0, 2])
def test_a_gpu_that_does_not_compute_is_left_out(gpus, broken, caplog):
    gpus(3).faults[broken] = BUSY
    left = [f"cuda:{number}" for number in range(3) if number != broken]
    assert names(choose_devices("cuda")) == left
    assert f"cuda:{broken} cannot be used (CUDA error: all CUDA-capable devices" in caplog.text
    assert "The other GPUs are used." in caplog.text
    assert choose_device("auto") == torch.device(left[0])
    with pytest.raises(DeviceError, match=rf"^cuda:{broken} cannot be used .*busy or unav"):
        choose_device(f"cuda:{broken}")


def test_no_gpu_computes(gpus, caplog):
    gpus(2).faults.update({0: BUSY, 1: BUSY})
    with pytest.raises(DeviceError, match="cuda:0 cannot be used"):
        choose_devices("cuda")
    assert names(choose_devices("auto")) == ["cpu"]
    assert caplog.text.count("Going on with the CPU.") == 1


def test_a_gpu_that_computes_wrongly(gpus, monkeypatch):
    gpus(1)
    monkeypatch.setattr("bids_sr.superres.gpu_proof._nine_ones", lambda gpu: 8.0)
    with pytest.raises(DeviceError, match="computes wrongly"):
        choose_device("cuda")


def test_a_gpu_for_which_this_torch_has_no_code(gpus, caplog):
    """A V100 with a build for CUDA 13; the same build for 12.8 has code for it."""
    gpus(1).capability[0] = (7, 0)
    with pytest.raises(DeviceError) as caught:
        choose_device("cuda")
    told = str(caught.value)
    assert "cuda:0 (Faked 0, compute capability 7.0) is not supported by this build" in told
    assert "sm_75, sm_80" in told and "pip install 'torch==2.9.1'" in told
    assert "index-url" not in told and not gpus.proved
    assert choose_device("auto") == torch.device("cpu")
    assert "compute capability 7.0" in caplog.text and "Going on with the CPU" in caplog.text
    gpus.built_for = CU128
    assert choose_device("cuda") == torch.device("cuda:0")


@pytest.mark.parametrize(
    ("capability", "line"),
    [((6, 1), "--index-url TORCH_INDEX_URL"), ((13, 0), "pip install --upgrade torch")],
)
def test_older_and_newer_gpus(gpus, capability, line):
    gpus(1).capability[0] = capability
    gpus.built_for = CU128
    with pytest.raises(DeviceError, match=line):
        choose_device("cuda:0")


def test_the_kernel_has_the_last_word(gpus):
    gpus(1).faults[0] = "CUDA error: no kernel image is available for execution on the device"
    with pytest.raises(DeviceError, match="is not supported by this build of torch"):
        choose_device("cuda")


@pytest.mark.parametrize(
    ("built_for", "capability", "runs"),
    [
        (["sm_80"], (8, 0), True),
        (["sm_80"], (8, 6), True),
        (["sm_86"], (8, 0), False),
        (["sm_75"], (7, 0), False),
        (["sm_80"], (9, 0), False),
        (["compute_80"], (9, 0), True),
        (["compute_90"], (8, 0), False),
        (["sm_90a"], (9, 0), True),
        (["sm_100f"], (10, 3), False),
        (["compute_90a"], (10, 0), False),
        (["sm_120"], (12, 1), True),
        ([], (5, 0), True),
    ],
)
def test_which_code_runs_where(built_for, capability, runs):
    assert runs_on(built_for, capability) is runs


def test_auto_says_why_there_is_no_cuda(gpus, monkeypatch, caplog):
    gpus(0, cards=1)
    gpus.no_start = RuntimeError(
        "The NVIDIA driver on your system is too old (found version 11040). Please update ..."
    )
    assert choose_device("auto") == torch.device("cpu")
    assert "too old (found version 11040)" in caplog.text and "Update the driver" in caplog.text
    caplog.clear()
    monkeypatch.setattr(torch.version, "cuda", None)
    assert choose_device("auto") == torch.device("cpu")
    assert f"this build of torch ({torch.__version__}) is for CPUs only" in caplog.text
    with pytest.raises(DeviceError, match="is for CPUs only"):
        choose_device("cuda")
