"""Choosing the devices of a call: as many GPUs as it can keep busy."""

from __future__ import annotations

import logging
import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar, cast

from bids_sr.app.settings import Settings
from bids_sr.errors import DeviceError
from bids_sr.superres.gpu_driver import quick_device
from bids_sr.workflow.execute import runs_here

_Result = TypeVar("_Result")
_HIDDEN = ("", "-1", "NoDevFiles")
"""Values with which the user hides all GPUs, or Slurm does in jobs that asked for none."""
_PATIENCE_S = 300.0
"""How long GPUs may take to start and to compute something."""

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
    if settings.device == "auto" and os.environ.get("CUDA_VISIBLE_DEVICES", "0") in _HIDDEN:
        return ("cpu",)
    if (quick := quick_device(settings.device)) is not None:
        return (quick,)
    try:
        devices, warnings = in_own_process(_find, settings.device)
    except DeviceError as error:
        if settings.device != "auto":
            raise
        devices, warnings = ("cpu",), [f"{error} Going on with the CPU."]
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
        If the process was ended by the GPU or its driver, or does not answer; or as `function`.
    """
    context = multiprocessing.get_context("spawn")
    answer, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(theirs, function, name))
    process.start()
    theirs.close()
    try:
        if not answer.poll(_PATIENCE_S):
            raise _broken(name, "does not answer")
        result, error = answer.recv()
    except EOFError:
        raise _broken(name, "was ended") from None
    finally:
        process.kill()  # it has answered, or never will
        process.join()
    if error is not None:
        raise error
    return cast("_Result", result)


def _answer(answer: Connection, function: Callable[[str], object], name: str) -> None:
    try:
        answer.send((function(name), None))
    except DeviceError as error:
        answer.send((None, error))


def _broken(name: str, what: str) -> DeviceError:
    return DeviceError(
        f"--device {name}: the process that tried the GPUs {what}.",
        remedy="Check them with 'nvidia-smi', or give --device cpu.",
    )


def cores_in_all(settings: Settings) -> int:
    """Return the total cores of the steps that run in parallel on this machine."""
    plugin = settings.plugin or {}
    if plugin.get("plugin") == "Linear":
        return 1
    return int((plugin.get("plugin_args") or {}).get("n_procs", settings.nprocs))
