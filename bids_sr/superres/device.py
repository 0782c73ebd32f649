"""Choosing the compute device, with an error if it is not available."""

from __future__ import annotations

import torch

from bids_sr.errors import DeviceError

_CPU_BATCH_PIXELS = 1 << 16
_CUDA_BATCH_PIXELS = 1 << 20


def choose_device(name: str) -> torch.device:
    """Return the device a user requested.

    Parameters
    ----------
    name : str
        ``auto`` (CUDA if available, else CPU), ``cpu``, ``cuda`` or ``cuda:N``.

    Returns
    -------
    torch.device

    Raises
    ------
    DeviceError
        If the name is unknown, or names a GPU that is not visible. There
        is no silent fallback to the CPU.
    """
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    if name == "cpu":
        return torch.device("cpu")
    kind, _, number = name.partition(":")
    if kind != "cuda" or (number and not number.isdecimal()):
        raise DeviceError(
            f"--device {name}: no such device.", remedy="Give auto, cpu, cuda or cuda:N."
        )
    if not torch.cuda.is_available():
        raise DeviceError(
            f"--device {name}: no CUDA GPU is visible.",
            remedy="Start the container with 'docker run --gpus all' or 'apptainer run --nv',"
            " check 'nvidia-smi', or give --device cpu.",
        )
    index = int(number or 0)
    count = torch.cuda.device_count()
    if index >= count:
        raise DeviceError(
            f"--device {name}: {count} GPU{'s are' if count > 1 else ' is'} visible,"
            f" counted from cuda:0.",
            remedy="Give a lower number, or check CUDA_VISIBLE_DEVICES.",
        )
    return torch.device("cuda", index)


def choose_devices(name: str) -> tuple[torch.device, ...]:
    """Return all devices to distribute runs over.

    Parameters
    ----------
    name : str
        As for `choose_device`; ``auto`` and ``cuda`` mean every visible GPU.

    Returns
    -------
    tuple of torch.device
        The CPU alone, or one or more GPUs.

    Raises
    ------
    DeviceError
        As `choose_device`.
    """
    first = choose_device(name)
    if first.type != "cuda" or ":" in name:
        return (first,)
    return tuple(torch.device("cuda", index) for index in range(torch.cuda.device_count()))


def describe_device(device: torch.device) -> str:
    """Return the device's name for reports, for example ``cuda:0 (NVIDIA A100)``."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    threads = torch.get_num_threads()
    return f"cpu ({threads} {'thread' if threads == 1 else 'threads'})"


def default_batch_size(device: torch.device, pixels: int) -> int:
    """Return the batch size for low-resolution slices of `pixels` pixels.

    At least two: a single slice is rounded differently from several.
    """
    limit = _CUDA_BATCH_PIXELS if device.type == "cuda" else _CPU_BATCH_PIXELS
    return max(2, limit // pixels)
