"""The record of a run: everything measured about it, as one flat dict for JSON."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from attrs import frozen
from numpy.typing import NDArray

from bids_sr.diffusion.ensemble_sd import EnsembleSdMaps
from bids_sr.diffusion.tensor import TensorMaps
from bids_sr.diffusion.volume_selection import dti_volumes, gqi_volumes
from bids_sr.images.nifti import DwiReader, load_volume
from bids_sr.quality.curves import plain
from bids_sr.quality.ensemble_sd import ensemble_sd_metrics
from bids_sr.quality.facts import grid_facts, network_facts
from bids_sr.quality.map_metrics import fa_lattice, map_histograms
from bids_sr.quality.series import series_metrics
from bids_sr.quality.shift import white_matter_shift
from bids_sr.superres.engine import SuperResolvedDwi
from bids_sr.superres.peak_memory import peak_memory_gb

Value = str | int | float | bool | None
Record = dict[str, Value]


@frozen
class RunMetrics:
    """All that was measured of a run."""

    record: Record
    """Flat; text, integers, finite floats, booleans; None where a metric could not be
    computed."""
    curves: dict[str, Any]
    """See `bids_sr.quality.curves`; fit for JSON."""


def compute_metrics(
    result: SuperResolvedDwi,
    *,
    input_mask: Path,
    output_mask: Path,
    input_maps: TensorMaps | None = None,
    output_maps: TensorMaps | None = None,
    qa: tuple[Path, Path] | None = None,
    ensemble_sd: EnsembleSdMaps | None = None,
) -> RunMetrics:
    """Compute the quality metrics of a run.

    Volumes are read one at a time; memory holds a few of them.

    Parameters
    ----------
    result : SuperResolvedDwi
        The run and its output.
    input_mask, output_mask : pathlib.Path
        Brain masks on the grids of the input and of the output.
    input_maps, output_maps : TensorMaps, optional
        Tensor fits (with ``fa``, ``md`` and ``v1``) of the input and of the
        output; None when they were skipped.
    qa : tuple of pathlib.Path, optional
        Maps of quantitative anisotropy of the input and of the output.
    ensemble_sd : EnsembleSdMaps, optional
        Standard deviation over the self-ensemble, if requested.

    Returns
    -------
    RunMetrics

    Raises
    ------
    InputError
        If a file cannot be read.
    """
    inside = load_volume(input_mask)[0] > 0
    fine_inside = load_volume(output_mask)[0] > 0
    gradients = result.run.gradients
    with DwiReader(result.run.files.dwi) as lr, DwiReader(result.dwi) as sr:
        series = series_metrics(
            lr, sr, gradients, inside, fine_inside, result.grid, signed=result.signed
        )
    metrics, curves = series.metrics, series.curves
    if output_maps is not None:
        metrics |= _fit(output_maps, "sr")
        grids, cells = fa_lattice(output_maps, fine_inside, result.grid)
        metrics |= grids
        curves.setdefault("lattice", {})["fa"] = cells
    if input_maps is not None:
        metrics |= _fit(input_maps, "input")
    if input_maps is not None and output_maps is not None:
        metrics |= white_matter_shift(input_maps, output_maps, fine_inside, result.grid, qa=qa)
        curves["histograms"] = map_histograms(input_maps, output_maps, inside, fine_inside)
    if ensemble_sd is not None:
        metrics |= ensemble_sd_metrics(ensemble_sd, gradients, fine_inside, result.scale)
    record: Record = {
        **_scan(result),
        **_processing(result),
        "brain_volume_ml": _millilitres(inside, result),
        **_safe(metrics),
        **series.texts,
        **_skipped(result),
        "notes": " ".join(result.notes),
        **_cost(result),
    }
    return RunMetrics(record, plain(curves))


def _millilitres(inside: NDArray[np.bool_], result: SuperResolvedDwi) -> float:
    return round(float(inside.sum()) * float(np.prod(result.grid.zooms)) / 1000, 1)


def _cost(result: SuperResolvedDwi) -> Record:
    """Wall time since super-resolution began, and the larger peak of its process and this one."""
    return _safe(
        {
            "seconds_total": round(time.time() - result.started, 1),
            "peak_memory_gb": round(max(peak_memory_gb(), result.peak_memory_gb), 2),
        }
    )


def _scan(result: SuperResolvedDwi) -> Record:
    files, gradients, grid = result.run.files, result.run.gradients, result.grid
    return {
        "run": files.label,
        "subject": files.subject,
        "session": files.session,
        "acquisition": files.entities.get("acq"),
        "n_volumes": gradients.n_volumes,
        "n_b0": int(gradients.is_b0.sum()),
        "n_directions": gradients.n_directions,
        "shells": ";".join(f"{shell.bval:.0f}" for shell in gradients.shells),
        "input_shape": "x".join(str(n) for n in grid.shape),
        **grid_facts(result.run, grid),
        "slice_axis": grid.slice_axis,
    }


def _processing(result: SuperResolvedDwi) -> Record:
    speed = result.slices / result.seconds if result.seconds > 0 else None
    return {
        **network_facts(result.card),
        "data_consistency": result.data_consistency,
        "signed": result.signed,
        "ensemble": result.ensemble,
        "uncertainty": result.ensemble_sd is not None,
        "input_band": "x".join(f"{share:.2f}" for share in result.band),
        "device": result.device,
        "precision": result.precision,
        "batch_size": result.batch_size,
        "seconds_superres": round(result.seconds, 2),
        "slices_per_second": None if speed is None else round(speed, 2),
    }


def _fit(maps: TensorMaps, side: str) -> dict[str, float]:
    names = ("negative_eigenvalue_fraction", "nonfinite_fraction", "unfitted_fraction")
    return {f"{name}_{side}": maps.summary[name] for name in names}


def _skipped(result: SuperResolvedDwi) -> Record:
    gradients = result.run.gradients
    return {
        "dti_skipped_reason": dti_volumes(gradients).reason or "",
        "gqi_skipped_reason": gqi_volumes(gradients).reason or "",
    }


def _safe(metrics: Mapping[str, float]) -> Record:
    """Round to six digits; what is not finite becomes None."""
    return {
        key: float(f"{value:.6g}") if math.isfinite(value) else None
        for key, value in metrics.items()
    }
