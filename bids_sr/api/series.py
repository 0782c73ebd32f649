"""Super-resolution of one file with the app's steps, without dataset, report or metrics."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import frozen

from bids_sr.api.inputs import AnyPath, find_files, sidecar_beside
from bids_sr.api.models import choose_card
from bids_sr.api.outputs import Outputs, StagedNames, check_free, choose_outputs, publish, staging
from bids_sr.bids.names import GQI_PARAMS, TENSOR_PARAMS
from bids_sr.diffusion.defaults import GRADIENT_CHECKS, WARN
from bids_sr.errors import UsageError
from bids_sr.images.storage import DTYPES
from bids_sr.superres.defaults import DEFAULT_ENSEMBLE, MOST_THREADS, PRECISIONS
from bids_sr.superres.gpu_driver import quick_device
from bids_sr.workflow import steps
from bids_sr.workflow.memory import refuse_too_large
from bids_sr.workflow.plan import RunOptions, RunPlan, fingerprint
from bids_sr.workflow.step_log import TITLES

if TYPE_CHECKING:
    from bids_sr.bids.dwi_run import DwiFiles
    from bids_sr.diffusion.gradient_check import CheckedRun
    from bids_sr.superres.engine import SuperResolvedDwi

ENSEMBLES = (1, 2, 4, 8)
"""Sizes of the self-ensemble."""
_log = logging.getLogger("bids_sr")


@frozen
class SuperResolvedFile:
    """A super-resolved series on disk, with its gradients, sidecar, mask and maps."""

    dwi: Path
    """4D image."""
    bval: Path
    """b-values, s/mm2, one row."""
    bvec: Path
    """Unit vectors, FSL's convention, three rows."""
    json: Path
    """Sidecar with sources and settings."""
    mask: Path | None
    """Brain mask on the grid of the series, if maps were requested."""
    maps: dict[str, Path]
    """Diffusion maps by parameter, without those that the gradients do not support."""
    notes: tuple[str, ...]
    """Notes and warnings about the result, in full sentences."""
    factor: int
    """In-plane factor."""
    model: str
    """Name of the network."""
    device: str
    """Compute device."""
    seconds: float
    """Wall time, s."""


def super_resolve(
    dwi: AnyPath,
    out: AnyPath,
    *,
    bval: AnyPath | None = None,
    bvec: AnyPath | None = None,
    json: AnyPath | None = None,
    mask: AnyPath | None = None,
    factor: int | None = None,
    model: AnyPath | None = None,
    device: str = "auto",
    ensemble: int = DEFAULT_ENSEMBLE,
    maps: bool | Collection[str] = False,
    overwrite: bool = False,
    b0_threshold: float | None = None,
    gradient_check: str = WARN,
    slice_axis: int | None = None,
    data_consistency: bool = True,
    detect_band: bool = True,
    input_matrix: tuple[int, int] | None = None,
    output_dtype: str = "float32",
    precision: str = "auto",
    threads: int | None = None,
    batch_size: int | None = None,
    memory_gb: float | None = None,
    low_mem: bool = False,
) -> SuperResolvedFile:
    """Super-resolve one diffusion series, inside or outside a BIDS dataset.

    The result is bit-identical to that of ``bids-sr`` for the same input and options. The
    b-values, directions and sidecar are written beside the series (``sr.bval``, ``sr.bvec``,
    ``sr.json`` for ``sr.nii.gz``). Either all files are written or, on an error, none.

    Parameters
    ----------
    dwi : str or PathLike
        4D image (x, y, z, volumes), ``.nii`` or ``.nii.gz``, with two volumes or more.
    out : str or PathLike
        Image to write, ``.nii.gz`` or ``.nii``; its folder is created if missing.
    bval, bvec : str or PathLike, optional
        Gradients in FSL format; default: files beside the image with the same stem and ``.bval``,
        ``.bvec`` (or ``.bvals``, ``.bvecs``), or ``bvals``, ``bvecs`` beside a ``data.nii.gz``.
    json : str or PathLike, optional
        BIDS sidecar; default: the one beside the image, if any.
    mask : str or PathLike, optional
        Brain mask for maps and gradient check; default: ``nodif_brain_mask.nii.gz`` beside a
        ``data.nii.gz``, otherwise estimated.
    factor : int, optional
        In-plane factor, 2 or 3; default: that of `model`, or 2.
    model : str or PathLike, optional
        Name of a shipped network or path of a model folder; default: the shipped one for
        the factor.
    device : str
        ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:N``.
    ensemble : int
        Number of rotations and flips of a slice to average over: 1, 2, 4 or 8.
    maps : bool or collection of str
        Diffusion maps to write, with the brain mask: all (True), or some of ``fa``, ``md``,
        ``ad``, ``rd`` (mm2/s), ``s0``, ``colorfa``, ``v1``, ``tensor`` (six volumes: D11,
        D12, D13, D22, D23, D33), ``qa``, ``gfa``. They are named ``sr_fa.nii.gz`` and so on, each
        with a sidecar.
    overwrite : bool
        Replace existing outputs. Inputs are never overwritten.
    b0_threshold : float, optional
        b-values up to this one, s/mm2, count as b = 0; default: 50, or 100 where none is below.
    gradient_check : str
        ``warn``: log a gradient table that does not match the image; ``fix``: use and write a
        corrected one; ``off``: no check.
    slice_axis : int, optional
        Voxel axis across the slices, 0 to 2; default: detected.
    data_consistency : bool
        Keep the input image's own spatial frequencies.
    detect_band : bool
        Detect whether the scanner interpolated the slices, and apply the factor to the acquired
        matrix.
    input_matrix : tuple of int, optional
        Acquired in-plane matrix in pixels, if known.
    output_dtype : str
        ``float32`` or ``int16``.
    precision : str
        Precision of the network's layers: ``auto``, ``float32`` or ``bfloat16``.
    threads : int, optional
        CPU threads; default: one per available CPU, at most 8.
    batch_size : int, optional
        Slices per batch; default: by device and slice size.
    memory_gb : float, optional
        Memory limit, GB, kept by processing smaller pieces; default: no limit.
    low_mem : bool
        Use as little memory as possible; the result is the same.

    Returns
    -------
    SuperResolvedFile
        Paths of all files, and what should be known about the series.

    Raises
    ------
    UsageError
        If an argument is invalid, or an output already exists or is an input.
    DeviceError, ModelError
        If the device or the network is not available.
    DeviceLostError
        If the GPU fails; this process cannot use it any longer.
    InputError, OutputError
        If the input cannot be used or the output cannot be written.

    Notes
    -----
    Settings of torch (threads, precision of float32) are those of the caller again afterwards.

    Examples
    --------
    >>> import bids_sr
    >>> result = bids_sr.super_resolve(
    ...     "dwi.nii.gz", out="sr.nii.gz", maps=["fa", "md"]
    ... )  # doctest: +SKIP
    >>> result.maps["fa"].name  # doctest: +SKIP
    'sr_fa.nii.gz'
    """
    began = time.monotonic()
    outputs = choose_outputs(out, maps)
    _check("ensemble", ensemble, ENSEMBLES)
    _check("gradient_check", gradient_check, GRADIENT_CHECKS)
    _check("slice_axis", slice_axis, (None, 0, 1, 2))
    _check("output_dtype", output_dtype, DTYPES)
    _check("precision", precision, PRECISIONS)
    if input_matrix is not None and not detect_band:
        raise UsageError(
            "detect_band=False (--input-band full) takes all of the stored matrix, input_matrix "
            "(--input-matrix) a part of it.",
            remedy="Leave one of them out.",
        )
    for name, count in {"threads": threads, "batch_size": batch_size}.items():
        if count is not None and count < 1:
            raise UsageError(f"{name}: {count!r} is not a number of at least 1.")
    files = find_files(
        dwi, bval=bval, bvec=bvec, json=json, mask=mask, b0_threshold=b0_threshold
    )  # fmt: skip
    options = RunOptions(
        card=choose_card(model, factor),
        device=_device(device),
        ensemble=ensemble,
        gradient_check=gradient_check,
        slice_axis=slice_axis,
        data_consistency=data_consistency,
        detect_band=detect_band,
        input_matrix=input_matrix,
        output_dtype=output_dtype,
        precision=precision,
        threads=threads or min(MOST_THREADS, len(os.sched_getaffinity(0))),
        batch_size=batch_size,
        memory_gb=memory_gb,
        low_mem=low_mem,
        self_check="off",
    )
    read = _read(files, json)
    here = StagedNames(outputs.dwi.parent, files, options.card.factor)
    check_free(outputs.of(here).values(), read, overwrite=overwrite)
    with staging(outputs.dwi.parent) as folder, _threads_kept():
        names = StagedNames(
            folder, files, options.card.factor, extension=outputs.extension
        )  # fmt: skip
        plan = RunPlan(files, names, options, fingerprint(files, options))
        made, notes = _process(plan, folder / "work", outputs.maps)
        places = outputs.of(names)
        written = {place for path, place in places.items() if path.exists()}
        publish(names, places, overwrite=overwrite)
    return _result(outputs, written, made, notes, time.monotonic() - began)


def _result(
    outputs: Outputs,
    written: Collection[Path],
    made: SuperResolvedDwi,
    notes: tuple[str, ...],
    seconds: float,
) -> SuperResolvedFile:
    maps = {param: outputs.map(param) for param in outputs.maps}
    return SuperResolvedFile(
        dwi=outputs.dwi,
        bval=outputs.bval,
        bvec=outputs.bvec,
        json=outputs.json,
        mask=outputs.mask if outputs.mask in written else None,
        maps={param: path for param, path in maps.items() if path in written},
        notes=notes,
        factor=made.card.factor,
        model=made.card.name,
        device=made.device,
        seconds=seconds,
    )


def _process(
    plan: RunPlan, work: Path, maps: Collection[str]
) -> tuple[SuperResolvedDwi, tuple[str, ...]]:
    """Run the app's steps needed for the series and the maps; return the notes."""
    folder = work / "steps"
    folder.mkdir(parents=True)
    run = _step("read", plan)
    refuse_too_large(plan)
    run = _step("undo_filling", plan, run, folder)
    checked: CheckedRun = _step("check_gradients", plan, run)
    made: SuperResolvedDwi = _step("super_resolve", plan, checked, folder)
    steps.describe(plan, made, checked)
    notes = [*made.notes, *_gradient_notes(checked)]
    if maps:
        masks = _step("mask", plan, made, folder)
        notes += masks.warnings
        for name, params in {"fit_tensor": TENSOR_PARAMS, "fit_gqi": GQI_PARAMS}.items():
            if set(params) & set(maps) and _step(name, plan, made, masks, folder) is None:
                notes.append(_missing(made, name))
                _log.warning("%s: %s", plan.label, notes[-1])
    return made, tuple(notes)


def _step(name: str, plan: RunPlan, *arguments: Any) -> Any:
    _log.info("%s: %s", plan.label, TITLES[name])
    return getattr(steps, name)(plan, *arguments)


def _gradient_notes(checked: CheckedRun) -> list[str]:
    from bids_sr.diffusion.gradient_check import corrected_sentence, fault_sentence

    say = corrected_sentence if checked.fixed else fault_sentence
    return [sentence] if (sentence := say(checked.check.verdict)) else []


def _missing(made: SuperResolvedDwi, step: str) -> str:
    from bids_sr.diffusion.volume_selection import dti_volumes, gqi_volumes

    select = dti_volumes if step == "fit_tensor" else gqi_volumes
    what = "tensor" if step == "fit_tensor" else "GQI"
    return f"No {what} maps: {select(made.run.gradients).reason}"


def _check(name: str, value: object, allowed: Collection[object]) -> None:
    if value not in allowed:
        shown = ", ".join(str(each) for each in allowed if each is not None)
        raise UsageError(f"{name}: {value!r} is not one of {shown}.")


def _device(name: str) -> str:
    """Return ``cpu`` or ``cuda:N``, or raise; a GPU has computed something."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise UsageError(f"device: {name!r} is not auto, cpu, cuda or cuda:N.")
    if (quick := quick_device(name)) is not None:
        return quick
    from bids_sr.superres.device import choose_device

    return str(choose_device(name))


def _read(files: DwiFiles, json: AnyPath | None) -> list[Path]:
    """Return the paths of all input files."""
    sidecar = sidecar_beside(files.dwi) if json is None else Path(json).absolute()
    paths = (files.dwi, files.bval, files.bvec, files.mask, sidecar)
    return [path for path in paths if path is not None]


@contextmanager
def _threads_kept() -> Iterator[None]:
    """Restore the thread count of the calling process on exit."""
    import torch

    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
