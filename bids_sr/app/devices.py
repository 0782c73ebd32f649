"""Choosing the devices of a call: as many GPUs as it can keep busy."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from bids_sr.app.settings import Settings
from bids_sr.errors import DeviceError
from bids_sr.superres.gpu_driver import quick_device
from bids_sr.workflow.execute import runs_here

_Result = TypeVar("_Result")

_log = logging.getLogger("bids_sr")


def choose_places(settings: Settings) -> tuple[str, ...]:
    """Return the devices over which runs are distributed.

    Parameters
    ----------
    settings : Settings
        What was requested.

    Returns
    -------
    tuple of str
        ``cpu``, or ``cuda:N`` for each GPU. If a plugin sends steps to other machines: the user's
        choice, since the GPUs are only known there.

    Raises
    ------
    DeviceError
        If the device does not exist or cannot be used.
    """
    if not runs_here(settings.plugin):
        return (settings.device,)
    if (quick := quick_device(settings.device)) is not None:
        return (quick,)
    devices, warnings = in_own_process(_find, settings.device)
    for warning in warnings:
        _log.warning("%s", warning)
    # a step that runs the network needs at least one core
    used = devices[: cores_in_all(settings)]
    if len(used) < len(devices):
        _log.warning(
            "%d GPUs are visible, %d of them used: --nprocs is %d. Allow at least one core per GPU,"
            " preferably four.",
            len(devices),
            len(used),
            cores_in_all(settings),
        )
    return used


def _find(name: str) -> tuple[tuple[str, ...], list[str]]:
    """Return the names of the devices, and what was warned of."""
    from bids_sr.superres.device import choose_devices

    warnings: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: warnings.append(record.getMessage())  # type: ignore[method-assign]
    _log.addHandler(handler)
    try:
        return tuple(str(device) for device in choose_devices(name)), warnings
    finally:
        _log.removeHandler(handler)


def in_own_process(function: Callable[[str], _Result], name: str) -> _Result:
    """Call a function that computes on GPUs in a process that ends then.

    Otherwise this process would hold memory of all GPUs as long as it runs, and keep its workers
    from GPUs that allow one process only. A GPU that is broken may end or block the process.

    Raises
    ------
    DeviceError
        If the process was ended by the GPU or its driver; or as `function`.
    """
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(function, name).result()
        except BrokenProcessPool as error:
            raise DeviceError(
                f"--device {name}: the process that tried the GPUs was ended.",
                remedy="Check them with 'nvidia-smi', or give --device cpu.",
            ) from error


def cores_in_all(settings: Settings) -> int:
    """Return the total cores of the steps that run in parallel on this machine."""
    plugin = settings.plugin or {}
    if plugin.get("plugin") == "Linear":
        return 1
    return int((plugin.get("plugin_args") or {}).get("n_procs", settings.nprocs))
