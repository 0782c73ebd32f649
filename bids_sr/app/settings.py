"""The settings of a call, checked once and never changed afterwards."""

from __future__ import annotations

import json
import os
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import field, fields_dict, frozen

from bids_sr.app import types
from bids_sr.app.config import effective_options
from bids_sr.app.folder_checks import check_folders
from bids_sr.app.memory_limits import memory_gb
from bids_sr.app.work_check import OUTPUT
from bids_sr.bids.file_kind import JSON, refuse_foreign
from bids_sr.errors import UsageError
from bids_sr.superres.defaults import (
    DEFAULT_ENSEMBLE,
    MOST_THREADS,
    SLOPPY_ENSEMBLE,
    UNCERTAINTY_ENSEMBLE,
)
from bids_sr.workflow.options import MethodOptions

_DEFAULT_MEMORY = 0.9
"""Fraction of the available memory that is used by default."""


@frozen
class Settings(MethodOptions):
    """All settings of the command line; all paths are absolute.

    Those with the same name in the parser are taken over unchanged (`make_settings`).
    """

    bids_dir: Path
    """Input dataset."""
    output_dir: Path
    """Derivative dataset that is written."""
    level: str
    """``participant`` or ``group``."""
    participants: tuple[str, ...] = ()
    """Labels without ``sub-``; none means all."""
    sessions: tuple[str, ...] = ()
    """Labels without ``ses-``; none means all."""
    filters: Mapping[str, Any] | None = None
    """Content of the filter file."""
    database_dir: Path | None = None
    """PyBIDS database."""
    derivatives: tuple[tuple[str, Path], ...] = ()
    """Derivative datasets whose runs are processed: (name, folder)."""
    skip_bids_validation: bool = False
    """Whether the validator is skipped."""
    factor: int = 2
    """In-plane factor."""
    model: str | None = None
    """Name or folder of the network; None: the factor's default."""
    fail_on_qc: bool = False
    """Whether a run of quality ``fail`` makes the exit status 1."""
    device: str = "auto"
    """``auto``, ``cpu``, ``cuda`` or ``cuda:N``."""
    batch_size: int | None = None
    """Slices per batch; None: the device's default."""
    nprocs: int = 1
    """CPU cores in all."""
    threads: int = 1
    """CPU cores per step."""
    memory_gb: float | None = None
    """Memory of the whole program, or of a step where another plugin runs them; None: no limit."""
    low_mem: bool = False
    """Whether to use as little memory as possible."""
    resource_monitor: bool = False
    """Whether memory and CPU use of each step are recorded."""
    work_dir: Path | None = None
    """Work folder; None: a temporary one."""
    clean_work_dir: bool = False
    """Whether to empty the work folder first."""
    stop_on_first_crash: bool = False
    """Whether to stop at the first failure."""
    plugin: Mapping[str, Any] | None = None
    """Content of the plugin file: ``plugin`` and ``plugin_args``."""
    write_graph: bool = False
    """Whether to draw the graph of the workflow."""
    reports_only: bool = False
    """Whether to write only the pages."""
    boilerplate_only: bool = False
    """Whether to write only the methods texts."""
    dry_run: bool = False
    """Whether to only list what would be done."""
    verbosity: int = 0
    """0: progress and warnings; 1: details; 2: nipype's messages too."""
    options: Mapping[str, Any] = field(factory=dict, eq=False, repr=False)
    """The same settings as content of a configuration file."""


def make_settings(arguments: Namespace) -> Settings:
    """Check the parsed arguments against each other and the file system.

    Parameters
    ----------
    arguments : argparse.Namespace
        From `bids_sr.app.parser.parse_arguments`.

    Returns
    -------
    Settings

    Raises
    ------
    UsageError
        If folders are missing or must not be inside one another, or a file given as an option
        cannot be used.
    """
    nprocs = arguments.nprocs or len(os.sched_getaffinity(0))
    threads = min(arguments.threads or MOST_THREADS, nprocs)
    given = {name: v for name, v in vars(arguments).items() if name in fields_dict(Settings)}
    found = {
        "bids_dir": arguments.bids_dir.resolve(),
        "output_dir": arguments.output_dir.resolve(),
        "level": arguments.analysis_level,
        "participants": tuple(dict.fromkeys(arguments.participants)),
        "sessions": tuple(dict.fromkeys(arguments.sessions)),
        "filters": _read_filters(arguments.bids_filter_file),
        "database_dir": _absolute(arguments.bids_database_dir),
        "derivatives": _derivatives(arguments.derivatives),
        "factor": arguments.scale,
        "detect_band": arguments.input_band == "auto",
        "input_matrix": types.sides(arguments.input_matrix),
        "ensemble": _ensemble(arguments.ensemble, arguments.uncertainty, arguments.sloppy),
        "self_check": arguments.self_check or ("off" if arguments.sloppy else "auto"),
        "nprocs": nprocs,
        "threads": threads,
        "memory_gb": usable_memory_gb(arguments.memory_mb, here=arguments.use_plugin is None),
        "work_dir": _absolute(arguments.work_dir),
        "clean_work_dir": arguments.clean_workdir,
        "plugin": _read_plugin(arguments.use_plugin),
        "verbosity": arguments.verbose,
        "options": effective_options(arguments, nprocs=nprocs, threads=threads),
    }
    settings = Settings(**{**given, **found})
    _check_matrix(settings)
    check_folders(settings, _named(arguments))
    return settings


def _named(arguments: Namespace) -> dict[str, Path | None]:
    """Return the files and folders that are only read, as given, by description."""
    named = {
        "the input dataset": arguments.bids_dir,
        OUTPUT: arguments.output_dir,
        "the network": Path(arguments.model) if Path(arguments.model or "-").is_dir() else None,
        "the filter file": arguments.bids_filter_file,
        "the plugin file": arguments.use_plugin,
        "the configuration file": arguments.config_file,
        "the PyBIDS database": arguments.bids_database_dir,
    }
    return named | {f"the derivatives '{name}'": path for name, path in arguments.derivatives}


def _derivatives(given: Sequence[tuple[str, Path]]) -> tuple[tuple[str, Path], ...]:
    """Return names and folders without duplicates; a name belongs to one folder."""
    found: dict[str, Path] = {}
    for name, path in given:
        folder = path.resolve()
        if found.setdefault(name, folder) != folder:
            raise UsageError(
                f"--derivatives: '{name}' is both {found[name]} and {folder}.",
                remedy="Give each a name of its own: NAME=PATH.",
            )
    return tuple(found.items())


def usable_memory_gb(asked_mb: float | None, *, here: bool = True) -> float | None:
    """Return the memory that was asked for, or what may be taken `here`, GB; None: no limit."""
    if asked_mb is not None:
        return asked_mb / 1000
    # the resources of this machine are not those of a cluster's plugin
    return round(_DEFAULT_MEMORY * memory_gb(), 2) if here else None


def _ensemble(asked: int | None, uncertainty: bool, sloppy: bool) -> int:
    if not uncertainty:
        return asked or (SLOPPY_ENSEMBLE if sloppy else DEFAULT_ENSEMBLE)
    if asked not in (None, UNCERTAINTY_ENSEMBLE):
        raise UsageError(
            f"--uncertainty requires a self-ensemble of {UNCERTAINTY_ENSEMBLE}, not {asked}.",
            remedy=f"Leave out --ensemble {asked}.",
        )
    return UNCERTAINTY_ENSEMBLE


def _check_matrix(settings: Settings) -> None:
    if settings.input_matrix is not None and not settings.detect_band:
        raise UsageError(
            "--input-band full means the whole stored matrix, --input-matrix a part of it.",
            remedy="Leave one of them out.",
        )


def _read_filters(path: Path | None) -> Mapping[str, Any] | None:
    if path is None:
        return None
    try:
        content = json.loads(_read(path))
    except ValueError as error:
        raise UsageError(
            f"is not JSON ({error}).", file=path, remedy="Correct the filter file."
        ) from error
    if not isinstance(content, dict) or not all(isinstance(q, dict) for q in content.values()):
        raise UsageError(
            "does not hold a query per suffix.",
            file=path,
            remedy='Write it like {"dwi": {"acquisition": "multiband"}}.',
        )
    return content


def _read_plugin(path: Path | None) -> Mapping[str, Any] | None:
    if path is None:
        return None
    import yaml

    try:
        content = yaml.safe_load(_read(path))
    except yaml.YAMLError as error:
        raise UsageError(
            f"is not YAML ({str(error).splitlines()[0]}).", file=path, remedy="Correct the file."
        ) from error
    if not isinstance(content, dict) or not isinstance(content.get("plugin"), str):
        raise UsageError(
            "does not name a nipype plugin.",
            file=path,
            remedy="Write 'plugin: SLURM' and, below it, 'plugin_args:' with its arguments.",
        )
    return content


def _read(path: Path) -> str:
    refuse_foreign(path, JSON, UsageError)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        raise UsageError(
            f"cannot be read ({reason}).", file=path, remedy="Correct the path."
        ) from error


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.resolve()
