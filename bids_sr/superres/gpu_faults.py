"""Telling errors of a GPU apart: short of memory, lost, or neither. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from bids_sr.errors import BidsSrError, DeviceError, DeviceLostError

_NO_MEMORY = re.compile(
    r"out of memory"  # torch.OutOfMemoryError, and "CUDA error: out of memory" of the runtime
    r"|STATUS_ALLOC_FAILED|CUFFT_ALLOC_FAILED"  # cuBLAS, cuDNN and others allocate themselves
    r"|can't allocate memory|not enough memory: you tried to allocate",  # on a CPU
    re.IGNORECASE,
)
_PERHAPS_NO_MEMORY = re.compile(
    r"CUDNN_STATUS_NOT_SUPPORTED|unable to find an engine to execute this computation",
    re.IGNORECASE,
)
"""cuDNN found no algorithm: usually none whose work space fits into memory, or that can index
so large a tensor."""
_LOST = re.compile(
    r"(?:CUDA|HIP)(?: driver)? error: [^\n]+"
    r"|cu(?:DNN|BLAS|FFT|SOLVER) error: \w*(?:EXECUTION_FAILED|INTERNAL_ERROR)\w*"
    r"|GPU is lost|no CUDA GPU is visible",
    re.IGNORECASE,
)
_ERRORS = re.compile(r"^\s*bids_sr\.errors\.(\w+): .*$", re.MULTILINE)
_OF_DEVICES = (DeviceLostError.__name__, DeviceError.__name__)


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether a device, a GPU or the CPU, had too little memory."""
    return bool(_NO_MEMORY.search(str(error)))


def is_perhaps_out_of_memory(error: BaseException) -> bool:
    """Return whether the error may be due to lack of memory, so that a smaller batch may help."""
    return is_out_of_memory(error) or bool(_PERHAPS_NO_MEMORY.search(str(error)))


def lost_gpu(text: str) -> str | None:
    """Return what a GPU reported, if it cannot be used any longer by the process.

    An illegal memory access, a failed assertion of a kernel, an uncorrectable ECC error and the
    like leave the CUDA context of the process unusable: every later call fails as well [1]_.

    Parameters
    ----------
    text : str
        Message of an exception, or a traceback.

    Returns
    -------
    str or None
        For example ``CUDA error: an illegal memory access was encountered``; None if the error
        is of another kind, including lack of memory.

    References
    ----------
    .. [1] NVIDIA, "CUDA Runtime API", section "Data types used by CUDA Runtime", cudaError_t.
    """
    ours = list(_ERRORS.finditer(text))
    if ours:  # what led to an error of ours stands in the same traceback
        if ours[-1][1] not in _OF_DEVICES:
            return None
        text = ours[-1][0]
    found = next((each for each in _LOST.finditer(text) if not _NO_MEMORY.search(each[0])), None)
    return found[0].strip().rstrip(").") if found else None


def is_lost(error: BaseException) -> bool:
    """Return whether an exception means that the process cannot use the GPU any longer."""
    if isinstance(error, BidsSrError) and not isinstance(error, DeviceError | DeviceLostError):
        return False
    return isinstance(error, DeviceLostError) or lost_gpu(str(error)) is not None


def lost(device: str, what: str) -> DeviceLostError:
    """Return the error for a GPU that failed, with what it reported."""
    return DeviceLostError(
        f"{device} failed ({what}).",
        remedy="Run again: if it fails at the same run only, please report it; otherwise check the"
        " GPU (nvidia-smi, dmesg), or give --device with another one.",
    )


@contextmanager
def loss_told(device: str, for_memory: str = "") -> Iterator[None]:
    """Turn the failure of a GPU within a ``with`` block into an error for the user.

    Parameters
    ----------
    device : str
        Its name.
    for_memory : str
        What to do if its memory is too small; empty: such an error is not turned.

    Raises
    ------
    DeviceLostError
        If the GPU cannot be used any longer by this process.
    DeviceError
        If the memory of the device is too small.
    """
    try:
        yield
    except RuntimeError as error:
        if for_memory and is_out_of_memory(error):
            raise DeviceError(f"The memory of {device} is too small.", remedy=for_memory) from error
        if (what := lost_gpu(str(error))) is None:
            raise
        raise lost(device, what) from error
