"""Whether there can be a GPU at all, found out without torch.

torch takes seconds to import and its libraries half a gigabyte: too much for a program
that only deals out work, on the many machines that have no GPU.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

_CUDA_DRIVER = "libcuda.so.1"
_ROCM_DRIVER = Path("/dev/kfd")


def quick_device(name: str) -> str | None:
    """Return the device a user requested, if that is clear without torch.

    Parameters
    ----------
    name : str
        ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Returns
    -------
    str or None
        ``cpu`` if it was requested, or if there is no driver of a GPU; None if
        `bids_sr.superres.device.choose_device` has to look.
    """
    if name == "cpu" or (name == "auto" and not has_gpu_driver()):
        return "cpu"
    return None


def has_gpu_driver() -> bool:
    """Return whether the driver of a GPU can be loaded, CUDA's or ROCm's."""
    if _ROCM_DRIVER.exists():
        return True
    try:
        ctypes.CDLL(_CUDA_DRIVER)
    except OSError:
        return False
    return True
