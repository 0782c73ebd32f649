"""Whether a GPU driver is present, found without importing torch.

Importing torch takes seconds and half a gigabyte: too much for a process that only
distributes work, on a machine without a GPU.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

_CUDA_DRIVER = "libcuda.so.1"
_ROCM_DRIVER = Path("/dev/kfd")


def quick_device(name: str) -> str | None:
    """Return the requested device, if it can be determined without torch.

    Parameters
    ----------
    name : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Returns
    -------
    str or None
        ``cpu`` if requested, or if there is no GPU driver; None if
        `bids_sr.superres.device.choose_device` has to decide.
    """
    if name == "cpu" or (name == "auto" and not has_gpu_driver()):
        return "cpu"
    return None


def has_gpu_driver() -> bool:
    """Return whether a GPU driver, CUDA or ROCm, can be loaded."""
    if _ROCM_DRIVER.exists():
        return True
    try:
        ctypes.CDLL(_CUDA_DRIVER)
    except OSError:
        return False
    return True
