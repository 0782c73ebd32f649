"""All methods on one degraded scan: interpolations, the reference's own noise, and the network."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

from bids_sr.evaluation.degraded_scan import DegradedScan, interpolated
from bids_sr.evaluation.detail import detail_left, fit_reference, reference_with_noise
from bids_sr.evaluation.goals import NOISE_ALONE, Row
from bids_sr.evaluation.scores import fidelity, fit_maps, map_errors
from bids_sr.networks.card import ModelCard
from bids_sr.quality.interpolation import METHODS
from bids_sr.superres.defaults import DEFAULT_ENSEMBLE
from bids_sr.superres.engine import super_resolve

_LOG = logging.getLogger("bids_sr")


def compare(
    degraded: DegradedScan,
    card: ModelCard,
    folder: Path,
    *,
    device: str = "auto",
    threads: int = 1,
    ensemble: int = DEFAULT_ENSEMBLE,
    detect_band: bool = True,
    precision: str = "auto",
) -> Iterator[Row]:
    """Score every method on a degraded scan, one after the other.

    Parameters
    ----------
    degraded : DegradedScan
        The scan.
    card : ModelCard
        The network, scored with and without data consistency.
    folder : pathlib.Path
        Folder for results, which are removed after scoring.
    device, threads, ensemble, detect_band, precision
        As `bids_sr.superres.engine.super_resolve` takes them.

    Yields
    ------
    dict of str to float or str
        ``method``, ``seconds``, and the scores by name; the network as run by
        the app comes last; rows of the network also have ``precision`` and
        ``superres_seconds``. The row of the reference's noise is omitted if that is unknown; it
        has the shares of noise in place of the detail left unexplained, which is zero.
    """
    reference, detail = fit_maps(degraded, degraded.truth, threads), fit_reference(degraded)
    methods = (*METHODS, NOISE_ALONE, f"{card.name}, no consistency", card.name)
    for number, method in enumerate(methods):
        _LOG.info("%s ...", method)
        more: Row = {}
        out, started = folder / f"method{number}.nii.gz", time.monotonic()
        if method in METHODS:
            interpolated(degraded, method, out)
        elif method == NOISE_ALONE:
            if not reference_with_noise(degraded, detail, out):
                _LOG.info("%s: not known", method)
                continue
        else:
            made = super_resolve(
                degraded.lr, card, out, device=device, threads=threads,
                data_consistency=method == card.name, ensemble=ensemble, detect_band=detect_band,
                slice_axis=degraded.grid.slice_axis, precision=precision, scratch=out.parent,
            )  # fmt: skip
            more = {"precision": made.precision, "superres_seconds": made.seconds}
        row: Row = {"method": method, "seconds": time.monotonic() - started, **more}
        maps = fit_maps(degraded, out, threads)
        row |= {**fidelity(degraded, out), **map_errors(degraded, reference, maps)}
        left = detail_left(degraded, detail, out)
        if method == NOISE_ALONE:
            row |= left.noise_shares()
        else:
            row |= {**left.metrics(), **left.by_shell()}
            row |= {"left_note": " ".join(notes)} if (notes := left.notes()) else {}
        yield row
        for path in (out, *maps.values()):
            path.unlink()
