"""The precision of a network's layers: float32, or lower where that is safe."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from attrs import frozen

_LOG = logging.getLogger("bids_sr")

FASTER = 1.1
"""Minimum speed of bfloat16 relative to float32."""
EQUAL = 0.05
"""Maximum RMS change of the detail by bfloat16, relative to the RMS of the detail.
The change is noise: its square, 0.0025, adds to the share of the detail left
unexplained, too little to show in the second digit."""
WORTH = 1 << 20
"""Minimum pixels over all passes of the network for the check to pay off: about ten seconds of a
shipped network, of which the check takes less than one."""
SIDE = 64
"""Side of the slices used for the check, pixels."""
_ROUNDS = 3

_TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


@frozen
class Precision:
    """The precision of a network's layers; everything else is float32."""

    name: str = "float32"
    """``float32``, ``bfloat16`` or ``float16``."""

    def layers(self, device: torch.device) -> torch.autocast:
        """Return a context in which layers use this precision."""
        lower = _TYPES.get(self.name)
        return torch.autocast(device.type, lower, enabled=lower is not None)


@contextmanager
def float32_is_exact(gpu_layers: str = "ieee") -> Iterator[None]:
    """Compute in float32 with all of its digits within a ``with`` block, and restore on exit.

    By default torch rounds what the convolutions of a GPU read to 10 binary digits (TF32), and a
    program may have allowed the same, or bfloat16, for matrix products [1]_. The settings are those
    of the whole process: on exit they are as the caller had them.

    Parameters
    ----------
    gpu_layers : str
        ``tf32`` to have TF32 in the convolutions of a GPU, for training.

    References
    ----------
    .. [1] PyTorch documentation, "CUDA semantics", section "TensorFloat-32 (TF32) on Ampere (and
       later) devices".
    """
    backends: Any = torch.backends
    exact = (backends.cuda.matmul, backends.mkldnn.matmul, backends.mkldnn.conv)
    asked = dict.fromkeys(exact, "ieee")
    asked |= dict.fromkeys((backends.cudnn.conv, backends.cudnn.rnn), gpu_layers)
    before = {backend: backend.fp32_precision for backend in asked}
    try:
        for backend, precision in asked.items():
            backend.fp32_precision = precision
        yield
    finally:
        for backend, precision in before.items():
            backend.fp32_precision = precision


Detail = Callable[[Precision], torch.Tensor]
"""Returns the detail that a network adds to a few slices of the scan, (slices, images, f a, f b)
float32, with its layers in the given precision."""
FLOAT32 = Precision()


def central(slices: int, rows: int, columns: int) -> tuple[slice, slice, slice]:
    """Return two slices of at most `SIDE` x `SIDE` pixels in the middle of a volume."""
    return (_middle(slices, 2), _middle(rows, SIDE), _middle(columns, SIDE))


def _middle(count: int, most: int) -> slice:
    start = max(0, (count - most) // 2)
    return slice(start, min(count, start + most))


def choose_precision(
    asked: str, device: torch.device, pixels: int, detail: Detail, images: slice = slice(None)
) -> Precision:
    """Choose the precision of a network's layers on a scan.

    Parameters
    ----------
    asked : str
        ``float32``, ``bfloat16`` or ``float16``: as given. ``auto``: float16 on a GPU; on a CPU
        bfloat16 if the CPU supports it and the check meets both `FASTER` and `EQUAL`.
    device : torch.device
        Device of the network.
    pixels : int
        Pixels of all its passes over the scan; below `WORTH` there is no check.
    detail : callable
        See `Detail`; called several times if the check is done.
    images : slice
        Images to compare, each separately.

    Returns
    -------
    Precision
    """
    if asked != "auto":
        if asked == "bfloat16" and not computes_in_bfloat16(device):
            _LOG.warning("%s has no instructions for bfloat16: it is imitated, slowly.", device)
        return Precision(asked)
    if device.type == "cuda":
        return Precision("float16")
    if not computes_in_bfloat16(device) or pixels < WORTH:
        return FLOAT32
    return _checked(detail, images)


def computes_in_bfloat16(device: torch.device) -> bool:
    """Return whether a device has instructions for bfloat16, rather than imitating it."""
    if device.type == "cuda":
        # torch.cuda.is_bf16_supported looks at the current GPU, whichever is meant
        return bool(torch.version.hip) or torch.cuda.get_device_capability(device) >= (8, 0)
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def _checked(detail: Detail, images: slice) -> Precision:
    lower = Precision("bfloat16")
    # the first call of each is slower, since it lays out the weights
    changed = _changed(detail(FLOAT32), detail(lower), images)
    if not changed <= EQUAL:  # also rejects NaN
        _LOG.info("precision float32: bfloat16 would change the detail by %.1f %%", 100 * changed)
        return FLOAT32
    times = [(_seconds(detail, FLOAT32), _seconds(detail, lower)) for _ in range(_ROUNDS)]
    whole, less = (min(each) for each in zip(*times, strict=True))
    found = lower if whole / less >= FASTER else FLOAT32
    _LOG.info(
        "precision %s: here bfloat16 is %.2f times as fast and changes the detail by %.1f %%",
        found.name,
        whole / less,
        100 * changed,
    )
    return found


def _changed(whole: torch.Tensor, less: torch.Tensor, images: slice) -> float:
    """Return the largest relative difference (root mean square) of any image."""
    dims = (0, -2, -1)
    power = whole[:, images].double().square().mean(dims)
    error = (less - whole)[:, images].double().square().mean(dims)
    there = power > 0
    if not there.any():
        return float("nan")  # nothing to compare
    return float((error[there] / power[there]).max().sqrt())


def _seconds(detail: Detail, precision: Precision) -> float:
    # processor time, so that other processes do not affect the check
    started = time.process_time()
    detail(precision)
    return time.process_time() - started
