"""Whether a GPU driver is present, found without importing torch.

Importing torch takes seconds and half a gigabyte: too much for a process that only
distributes work, on a machine without a GPU.
"""

from __future__ import annotations

import ctypes
import logging
import shutil
from pathlib import Path

_CUDA_DRIVER = "libcuda.so.1"
_ROCM_DRIVER = Path("/dev/kfd")
_NVIDIA_MODULE = Path("/proc/driver/nvidia/version")
"""Of the kernel, which containers share: there even if the container was not given the GPUs."""
_NVIDIA_PROGRAM = "nvidia-smi"

_LOG = logging.getLogger("bids_sr")


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
        `bids_sr.superres.device.choose_device` has to decide. If there is a part of an NVIDIA
        driver only, a warning is logged.
    """
    if name == "cpu":
        return "cpu"
    if name != "auto" or has_gpu_driver():
        return None
    if (found := nvidia_trace()) is not None:
        _LOG.warning(
            "There is an NVIDIA driver (%s), but its library %s cannot be loaded. Going on with"
            " the CPU. To use the GPU, start the container with 'docker run --gpus all' or"
            " 'apptainer run --nv', or install the driver completely; --device cpu turns this"
            " warning off.",
            found,
            _CUDA_DRIVER,
        )
    return "cpu"


def gpu_expected() -> bool:
    """Return whether this process might be expected to use a GPU, so that it is worth a warning.

    A library of the driver alone is no sign of one: machines without a GPU have it as well.
    """
    return _ROCM_DRIVER.exists() or nvidia_trace() is not None


def nvidia_trace() -> str | None:
    """Return what shows that the machine has an NVIDIA driver, or None."""
    if _NVIDIA_MODULE.exists():
        return str(_NVIDIA_MODULE)
    return shutil.which(_NVIDIA_PROGRAM)


def has_gpu_driver() -> bool:
    """Return whether a GPU driver, CUDA or ROCm, can be loaded."""
    if _ROCM_DRIVER.exists():
        return True
    try:
        ctypes.CDLL(_CUDA_DRIVER)
    except OSError:
        return False
    return True
