"""Choosing the compute device, with an error if it is not available."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import torch

from bids_sr.errors import DeviceError
from bids_sr.superres.gpu_driver import gpu_expected
from bids_sr.superres.gpu_proof import gpu_count, prove

_CPU_BATCH_PIXELS = 1 << 16
_CUDA_BATCH_PIXELS = 1 << 20
_BYTES_PER_PIXEL = 6000
"""Memory of a network per low-resolution pixel of a batch: 5500 bytes for the largest in float32,
rounded up (`bids_sr.workflow.memory`)."""
_SHARE = 0.5
"""Share of the free memory of a GPU that a batch may take."""

_LOG = logging.getLogger("bids_sr")


def choose_device(name: str) -> torch.device:
    """Return the device a user requested, after a computation on it if it is a GPU.

    Parameters
    ----------
    name : str
        ``auto`` (the first GPU that can be used, else the CPU), ``cpu``, ``cuda`` or ``cuda:N``.

    Returns
    -------
    torch.device

    Raises
    ------
    DeviceError
        If the name is unknown, or names a GPU that is not visible or cannot be used. There
        is no silent fallback to the CPU: with ``auto``, a warning says why a GPU is not used.
    """
    return next(_devices(name))


def choose_devices(name: str) -> tuple[torch.device, ...]:
    """Return all devices to distribute runs over.

    Parameters
    ----------
    name : str
        As for `choose_device`; ``auto`` and ``cuda`` mean every visible GPU that can be used.

    Returns
    -------
    tuple of torch.device
        The CPU alone, or one or more GPUs.

    Raises
    ------
    DeviceError
        As `choose_device`.
    """
    return tuple(_devices(name))


def _devices(name: str) -> Iterator[torch.device]:
    if name == "cpu":
        yield torch.device("cpu")
        return
    kind, _, number = name.partition(":")
    if name != "auto" and (kind != "cuda" or (":" in name and not number.isdecimal())):
        raise DeviceError(
            f"--device {name}: no such device.", remedy="Give auto, cpu, cuda or cuda:N."
        )
    try:
        yield from [_numbered(name)] if number else _every(name)
    except DeviceError as error:
        if name != "auto":
            raise
        if gpu_expected():
            _LOG.warning("%s Going on with the CPU.", error)
        yield torch.device("cpu")


def _numbered(name: str) -> torch.device:
    """Return a GPU that is named by its number."""
    index, count = int(name.partition(":")[2]), gpu_count(f"--device {name}: ")
    if index >= count:
        raise DeviceError(
            f"--device {name}: {count} GPU{'s are' if count > 1 else ' is'} visible,"
            f" counted from cuda:0.",
            remedy="Give a lower number, or check CUDA_VISIBLE_DEVICES.",
        )
    device = torch.device("cuda", index)
    prove(device)
    return device


def _every(name: str) -> Iterator[torch.device]:
    """Yield all GPUs that can be used; those that cannot are warned of if another one can."""
    refused: list[DeviceError] = []
    one_works = False
    for index in range(gpu_count(f"--device {name}: ")):
        device = torch.device("cuda", index)
        try:
            prove(device)
        except DeviceError as error:
            refused.append(error)
            continue
        one_works = True
        _warn(refused)
        yield device
    if not one_works:
        raise refused[0]
    _warn(refused)


def _warn(refused: list[DeviceError]) -> None:
    while refused:
        _LOG.warning("%s The other GPUs are used.", refused.pop(0))


def describe_device(device: torch.device) -> str:
    """Return the device's name for reports, for example ``cuda:0 (NVIDIA A100)``."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    threads = torch.get_num_threads()
    return f"cpu ({threads} {'thread' if threads == 1 else 'threads'})"


def default_batch_size(device: torch.device, pixels: int) -> int:
    """Return the batch size for low-resolution slices of `pixels` pixels.

    At least two: a single slice is rounded differently from several. On a GPU as many as keep it
    busy, or fewer if its free memory is small.
    """
    limit = _CPU_BATCH_PIXELS
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        limit = min(_CUDA_BATCH_PIXELS, int(_SHARE * free / _BYTES_PER_PIXEL))
    return max(2, limit // pixels)
