"""Which devices a call computes on: as many GPUs as it can keep busy."""

from __future__ import annotations

import logging

from bids_sr.app.settings import Settings
from bids_sr.superres.gpu_driver import quick_device
from bids_sr.workflow.execute import runs_here

_log = logging.getLogger("bids_sr")


def choose_places(settings: Settings) -> tuple[str, ...]:
    """Return the devices that runs are dealt out among.

    Parameters
    ----------
    settings : Settings
        What was asked for.

    Returns
    -------
    tuple of str
        ``cpu``, or ``cuda:N`` for each GPU. If a plugin sends steps to other machines:
        what the user wrote, since only there it is known which GPUs there are.

    Raises
    ------
    DeviceError
        If the device is not there.
    """
    if not runs_here(settings.plugin):
        return (settings.device,)
    if (quick := quick_device(settings.device)) is not None:
        return (quick,)
    from bids_sr.superres.device import choose_devices

    devices = tuple(str(device) for device in choose_devices(settings.device))
    # a step that runs the network has a core at least
    used = devices[: cores_in_all(settings)]
    if len(used) < len(devices):
        _log.warning(
            "%d GPUs are visible, %d of them used: --nprocs is %d. Give it a core for each GPU"
            " at least, better four.",
            len(devices),
            len(used),
            cores_in_all(settings),
        )
    return used


def cores_in_all(settings: Settings) -> int:
    """Return the cores of all steps that run side by side on this machine."""
    plugin = settings.plugin or {}
    if plugin.get("plugin") == "Linear":
        return 1
    return int((plugin.get("plugin_args") or {}).get("n_procs", settings.nprocs))
