"""Logging the steps of a run: start, progress and end."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from bids_sr.diffusion.defaults import OFF
from bids_sr.superres.durations import duration
from bids_sr.workflow.plan import RunOptions, RunPlan

TITLES = {
    "read": "reading",
    "undo_filling": "acquired matrix",
    "check_gradients": "gradient check",
    "super_resolve": "super-resolution",
    "describe": "sidecar",
    "mask": "brain mask",
    "fit_input": "tensor fit of the input",
    "fit_tensor": "tensor fit of the output",
    "fit_gqi": "GQI of the output",
    "fit_input_gqi": "GQI of the input",
    "ensemble_sd": "standard deviation over the self-ensemble",
    "self_check": "self-check",
    "compute_metrics": "quality metrics",
    "draw": "pictures of the report",
}
"""Titles of the steps, in the order of the workflow."""
_BRIEF = ("read", "describe")
"""Short steps, logged as details."""
_TELLS_ITSELF = "super_resolve"
"""The step that logs its own progress."""
_TENSOR = ("fit_input", "fit_tensor")
_GQI = ("fit_gqi", "fit_input_gqi")
_STILL_S = 120.0
"""Interval of the messages that a step is still running, s."""

_log = logging.getLogger("bids_sr")


@contextmanager
def step_told(
    plan: RunPlan, name: str, given: Mapping[str, Any], every_s: float = _STILL_S
) -> Iterator[None]:
    """Log the course of a step, until the end of a ``with`` block.

    Everything logged in between, by any thread, names the run: runs may be processed in parallel,
    with one step at a time in each process.

    Parameters
    ----------
    plan : RunPlan
        Its run, which each line names.
    name : str
        The step's function; one without a title is not logged.
    given : mapping
        Arguments of the function; ``sr`` shows whether there is anything to fit.
    every_s : float
        Interval of the messages that the step is still running.
    """
    if name not in TITLES:
        yield
        return
    naming = _Naming(plan.label)
    _log.addFilter(naming)
    try:
        if _has_work(name, plan.options, given):
            with _followed(plan, name, every_s):
                yield
        else:
            yield
    finally:
        _log.removeFilter(naming)


class _Naming(logging.Filter):
    """Prefixes messages with the run, unless they name it."""

    def __init__(self, label: str) -> None:
        super().__init__()
        self._label = label

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if self._label not in message:
            record.msg, record.args = f"{self._label}: {message}", ()
        return True


@contextmanager
def _followed(plan: RunPlan, name: str, every_s: float) -> Iterator[None]:
    """Log the start of a step, that it is still running, and its end."""
    title = TITLES[name]
    if name in _BRIEF:
        _log.debug("%s: %s", plan.label, title)
    else:
        _log.info("%s: %s %s", plan.label, _place(name, plan.options), title)
    began, over = time.monotonic(), threading.Event()

    def remind() -> None:
        while not over.wait(every_s):
            _log.info("%s: %s, %s so far", plan.label, title, duration(time.monotonic() - began))

    reminder = threading.Thread(target=remind, daemon=True)
    if name != _TELLS_ITSELF:
        reminder.start()
    try:
        yield
    finally:
        over.set()
        if reminder.is_alive():
            reminder.join()
        _log.debug("%s: %s ended after %s", plan.label, title, duration(time.monotonic() - began))


def tell_kept(plan: RunPlan, steps: Collection[str]) -> None:
    """Log which steps are kept from an earlier call.

    Parameters
    ----------
    plan : RunPlan
        The run.
    steps : collection of str
        Names of their functions.
    """
    told = [TITLES[name] for name in TITLES if name in steps and name in _told(plan.options)]
    if told:
        _log.info("%s: kept from an earlier call: %s", plan.label, ", ".join(told))


def _told(options: RunOptions) -> list[str]:
    return [name for name in TITLES if name not in _BRIEF and _is_wanted(name, options)]


def _place(name: str, options: RunOptions) -> str:
    """Return the number of a step among those that are logged, such as [3/8]."""
    told = _told(options)
    return f"[{told.index(name) + 1}/{len(told)}]"


def _is_wanted(name: str, options: RunOptions) -> bool:
    """Return whether a step is enabled."""
    return {
        "undo_filling": options.detect_band,
        "check_gradients": options.gradient_check != OFF,
        "ensemble_sd": options.uncertainty,
        "self_check": options.self_check != "off",
    }.get(name, True)


def _has_work(name: str, options: RunOptions, given: Mapping[str, Any]) -> bool:
    """Return whether a step is enabled, and the run has the directions for it."""
    from bids_sr.diffusion.volume_selection import dti_volumes, gqi_volumes

    if name in _TENSOR:
        return not dti_volumes(given["sr"].run.gradients).reason
    if name in _GQI:
        return not gqi_volumes(given["sr"].run.gradients).reason
    return _is_wanted(name, options)
