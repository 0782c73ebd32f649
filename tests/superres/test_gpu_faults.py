"""What a GPU reports is told apart: short of memory, lost, or neither."""

from __future__ import annotations

import gc
import weakref
from traceback import format_exc

import pytest
import torch

from bids_sr.errors import DeviceError, DeviceLostError, InputError
from bids_sr.superres import batches as module
from bids_sr.superres.batches import Batches
from bids_sr.superres.gpu_faults import is_lost, is_out_of_memory, loss_told, lost_gpu

GPU = torch.device("cuda:0")
TAIL = (
    "\nCUDA kernel errors might be asynchronously reported at some other API call, so the"
    " stacktrace below might be incorrect.\nFor debugging consider passing CUDA_LAUNCH_BLOCKING=1\n"
    "Compile with `TORCH_USE_CUDA_DSA` to enable device-side assertions.\n"
)
LOST = [
    "CUDA error: an illegal memory access was encountered",
    "CUDA error: device-side assert triggered",
    "CUDA error: uncorrectable ECC error encountered",
    "CUDA error: unspecified launch failure",
    "CUDA error: misaligned address",
    "cuDNN error: CUDNN_STATUS_EXECUTION_FAILED",
    "HIP error: an illegal memory access was encountered",
]
NO_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has ..."),
    torch.AcceleratorError("CUDA error: out of memory" + TAIL),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
    RuntimeError("cuFFT error: CUFFT_ALLOC_FAILED"),
    RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
]
PERHAPS = [
    "cuDNN error: CUDNN_STATUS_NOT_SUPPORTED. This error may appear if you passed in a"
    " non-contiguous input.",
    "GET was unable to find an engine to execute this computation",
]


@pytest.mark.parametrize("message", LOST)
def test_a_lost_gpu(message):
    assert lost_gpu(message + TAIL) == message
    assert is_lost(RuntimeError(message + TAIL))
    told = pytest.raises(DeviceLostError, match=rf"^cuda:1 failed \({message}\)\. ")
    with told as caught, loss_told("cuda:1"):
        raise RuntimeError(message + TAIL)
    assert caught.value.exit_code == 1
    assert is_lost(caught.value) and lost_gpu(str(caught.value)).startswith(message)


@pytest.mark.parametrize("error", NO_MEMORY, ids=str)
def test_short_of_memory_is_not_lost(error):
    assert is_out_of_memory(error)
    assert not is_lost(error) and lost_gpu(str(error)) is None


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (RuntimeError("shapes do not match"), False),
        (InputError("is of CUDA error: it is the file's fault."), False),
        (DeviceError("Not even one slice fits into the memory of cuda:0."), False),
        (DeviceError("cuda:0 cannot be used (CUDA error: unknown error)."), True),
    ],
)
def test_other_errors(error, lost):
    assert is_lost(error) is lost
    with pytest.raises(type(error)), loss_told("cuda:0"):
        raise error


def test_a_traceback_is_judged_by_its_last_error_of_ours():
    try:
        try:
            raise RuntimeError("CUDA error: an illegal memory access was encountered")
        except RuntimeError as error:
            raise InputError("is damaged.") from error
    except InputError:
        assert lost_gpu(format_exc()) is None
    try:
        with loss_told("cuda:0"):
            raise RuntimeError("CUDA error: unspecified launch failure")
    except DeviceLostError:
        assert lost_gpu(format_exc()).startswith("CUDA error: unspecified launch failure")


class Work:
    """Fails above so many slices."""

    def __init__(self, limit, error):
        self.limit, self.error, self.done, self.tried = limit, error, [], []

    def __call__(self, start, stop):
        self.tried.append(stop - start)
        if stop - start > self.limit:
            raise self.error
        self.done += range(start, stop)


@pytest.mark.parametrize("error", [*NO_MEMORY, *(RuntimeError(text) for text in PERHAPS)], ids=str)
def test_batches_halve(error):
    work, batches = Work(3, error), Batches(GPU, 64)
    batches.run(10, work)
    assert set(work.done) == set(range(10))
    assert work.tried[:3] == [10, 5, 2], "halved from what was tried"
    assert (batches.size, batches.largest) == (2, 2)
    assert len(batches.notes) == 2


@pytest.mark.parametrize("error", NO_MEMORY, ids=str)
def test_one_slice_that_does_not_fit(error):
    with pytest.raises(DeviceError, match="Not even one slice"):
        Batches(GPU, 4).run(10, Work(0, error))


@pytest.mark.parametrize("message", PERHAPS + LOST)
def test_what_is_not_due_to_memory_is_raised(message):
    with pytest.raises(RuntimeError, match=message[:20]) as caught:
        Batches(GPU, 4).run(10, Work(0, RuntimeError(message)))
    assert not isinstance(caught.value, DeviceError)


def test_the_largest_batch_that_ran_is_told():
    batches = Batches(GPU, 64)
    batches.run(10, Work(99, None))
    batches.run(7, Work(99, None))
    assert (batches.size, batches.largest) == (64, 10)


def test_tensors_of_a_failed_batch_are_free_before_the_cache_is_emptied(monkeypatch):
    made, alive = [], []
    monkeypatch.setattr(
        module.torch.cuda, "empty_cache", lambda: alive.append([one() is not None for one in made])
    )

    def work(start, stop):
        images = torch.zeros(stop - start, 2)
        made.append(weakref.ref(images))
        if stop - start > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")

    gc.disable()  # what is only collected by chance counts as alive
    monkeypatch.setattr(module.gc, "collect", lambda: 0)
    try:
        Batches(GPU, 8).run(8, work)
    finally:
        gc.enable()
    assert alive == [[False], [False, False]]


class Heavy(torch.nn.Module):
    """Does not fit on the device so many times."""

    def __init__(self, times, error):
        super().__init__()
        self.times, self.error, self.tried = times, error, 0

    def to(self, *where, **how):
        self.tried += 1
        if self.tried <= self.times:
            raise self.error
        return self


@pytest.mark.parametrize("error", NO_MEMORY, ids=str)
def test_a_network_that_does_not_fit(error, monkeypatch):
    emptied = []
    monkeypatch.setattr(module.torch.cuda, "empty_cache", lambda: emptied.append(1))
    network = Heavy(1, error)
    assert Batches(GPU, 4).place(network) is network
    assert emptied == [1]
    with pytest.raises(DeviceError, match="The network does not fit into the memory of cuda:0"):
        Batches(GPU, 4).place(Heavy(9, error))
    with pytest.raises(RuntimeError, match="boom"):
        Batches(GPU, 4).place(Heavy(9, RuntimeError("boom")))
