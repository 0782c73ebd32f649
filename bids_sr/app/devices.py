"""Choosing the devices of a call: as many GPUs as it can keep busy."""

from __future__ import annotations

import logging

from bids_sr.app.settings import Settings
from bids_sr.superres.gpu_driver import quick_device
from bids_sr.workflow.execute import runs_here

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
        If the device does not exist.
    """
    if not runs_here(settings.plugin):
        return (settings.device,)
    if (quick := quick_device(settings.device)) is not None:
        return (quick,)
    from bids_sr.superres.device import choose_devices

    devices = tuple(str(device) for device in choose_devices(settings.device))
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


def cores_in_all(settings: Settings) -> int:
    """Return the total cores of the steps that run in parallel on this machine."""
    plugin = settings.plugin or {}
    if plugin.get("plugin") == "Linear":
        return 1
    return int((plugin.get("plugin_args") or {}).get("n_procs", settings.nprocs))
