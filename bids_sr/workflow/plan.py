"""The plan of one run, passed to every step."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from attrs import Factory, field, frozen

from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.bids.names import LAYOUT, OutputNames
from bids_sr.networks.card import ModelCard
from bids_sr.resources import read_version
from bids_sr.workflow.options import MethodOptions


@frozen
class RunOptions(MethodOptions):
    """Method and resources; the same for all runs of a call."""

    card: ModelCard
    """The network."""
    device: str = "cpu"
    """``cpu`` or ``cuda:N``: the first if runs are distributed over several. If a plugin sends
    steps to other machines: as given by the user, and resolved there."""
    batch_size: int | None = None
    """Slices per batch; None: the device's default."""
    threads: int = 1
    """CPU cores per step."""
    network_threads: int = field(default=Factory(lambda self: self.threads, takes_self=True))
    """CPU cores of a step that runs the network: fewer if such steps run in parallel, one per
    GPU."""
    low_mem: bool = False
    """Whether to save memory in any case."""
    memory_gb: float | None = None
    """Memory limit of a step; None: no limit."""

    @property
    def settings(self) -> dict[str, Any]:
        """Those that change the output, as JSON content."""
        return {"factor": self.card.factor, "model": self.card.name, **self.recorded()}


@frozen
class RunPlan:
    """One run, its output names and its options."""

    files: DwiFiles
    """The input."""
    names: OutputNames
    """The output."""
    options: RunOptions
    """The same for all runs of a call."""
    fingerprint: str
    """Changes with anything that changes the output."""

    @property
    def label(self) -> str:
        """The run's name, for example ``sub-01_acq-AP``."""
        return self.files.label

    @property
    def state(self) -> str:
        """Fingerprint and locations, for which a step's result is valid."""
        return f"{self.fingerprint} {self.files.dataset_root} {self.names.out_dir}"


def make_plan(files: DwiFiles, out_dir: Path, options: RunOptions) -> RunPlan:
    """Make the plan of one run.

    Parameters
    ----------
    files : DwiFiles
        The run.
    out_dir : pathlib.Path
        Derivative dataset.
    options : RunOptions
        How it is super-resolved.

    Returns
    -------
    RunPlan
    """
    names = OutputNames(out_dir, files, options.card.factor)
    return RunPlan(files, names, options, fingerprint(files, options))


def fingerprint(files: DwiFiles, options: RunOptions) -> str:
    """Return a checksum of everything that determines a run's outputs.

    Parameters
    ----------
    files : DwiFiles
        Of its files, size, time and the path below the dataset are included, but not the content:
        containers mount datasets elsewhere.
    options : RunOptions
        Device, threads, batch size, memory and the result of ``auto`` precision are not included: a
        finished run remains finished on another machine.

    Returns
    -------
    str
        sha256, hexadecimal.
    """
    paths = (files.dwi, files.bval, files.bvec, files.mask)
    content = {
        "version": read_version(),
        "layout": LAYOUT,
        "weights": options.card.sha256,
        "settings": options.settings,
        "dataset": files.dataset_name,
        "sidecar": files.sidecar,
        "files": [_state(path, files.dataset_root) for path in paths],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _state(path: Path | None, root: Path) -> list[Any] | None:
    if path is None:
        return None
    name = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
    try:
        found = path.stat()
    except OSError:  # such as a broken link: reading it gives the error
        return [name]
    return [name, found.st_size, found.st_mtime_ns]
