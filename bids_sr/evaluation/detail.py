"""The share of the high band that a result leaves unexplained, computed from files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from pathlib import Path
from typing import Any

from attrs import frozen

from bids_sr.evaluation.degraded_scan import DegradedScan
from bids_sr.images.grid import from_slices, to_slices
from bids_sr.images.nifti import DwiReader, VolumeWriter
from bids_sr.networks.angular_parts import B0, L2, MEAN
from bids_sr.quality.high_band import PARTS, HighBandFit, Left, left_unexplained, pooled
from bids_sr.quality.reference_noise import HighBandNoise

_Value = Callable[[Left], float | None]
_SHARE: _Value = attrgetter("share")
_NOISE_SHARE: _Value = attrgetter("noise_share")


@frozen
class Detail:
    """The detail left unexplained, and its limits."""

    left: tuple[Left, ...]
    """Values for each part of each shell."""

    def metrics(self) -> dict[str, float]:
        """Return ``left_<part>``, over all shells, for the parts available."""
        return self._over_shells(_SHARE)

    def noise(self) -> dict[str, float]:
        """Return ``left_<part>``, the share of noise in the reference's part, over all shells."""
        return self._over_shells(_NOISE_SHARE)

    def by_shell(self) -> dict[str, float]:
        """Return ``left_<part>_<shell>``, for the parts available."""
        return _known(((_key(each), each) for each in self.left), _SHARE)

    def noise_shares(self) -> dict[str, float]:
        """Return ``noise_left_<part>_<shell>``, the share of noise in the reference's part."""
        return _known(((f"noise_{_key(each)}", each) for each in self.left), _NOISE_SHARE)

    def _over_shells(self, value: _Value) -> dict[str, float]:
        return _known(((f"left_{part}", pooled(self.left, part)) for part in PARTS), value)

    def notes(self) -> list[str]:
        """Note where noise is estimated from another shell, and what could not be measured."""
        borrowed = [
            f"The noise of the {_named(each.shell)} is that of the {_named(each.noise_from)}."
            for each in self.left
            if each.noise_from not in (None, each.shell) and each.part in (B0, MEAN)
        ]
        unknown = [
            f"{each.part} of the {_named(each.shell)}" if each.part != B0 else "b0s"
            for each in self.left
            if each.share is None
        ]
        missing = [f"Too noisy, or noise unknown: {', '.join(unknown)}."] if unknown else []
        shells = {each.shell for each in self.left} - {B0}
        flat = shells - {each.shell for each in self.left if each.part == L2}
        few = [f"Too few directions for l = 2: {', '.join(sorted(flat))}."] if flat else []
        return [*borrowed, *missing, *few]


def fit_series(degraded: DegradedScan, path: Path) -> HighBandFit:
    """Split the high bands of a series.

    Parameters
    ----------
    degraded : DegradedScan
        Provides gradients, mask, slice axis and factor.
    path : pathlib.Path
        4D image on the grid of the reference.

    Returns
    -------
    HighBandFit
    """
    axis = degraded.grid.slice_axis
    fit = HighBandFit(degraded.lr.gradients, to_slices(degraded.mask, axis), degraded.grid.factor)
    with DwiReader(path) as reader:
        for index in range(reader.shape[3]):
            fit.add(index, to_slices(reader.volume(index), axis))
    return fit


def fit_reference(degraded: DegradedScan) -> HighBandFit | None:
    """Split the high bands of the reference, once for all results compared with it.

    Parameters
    ----------
    degraded : DegradedScan
        Provides the reference.

    Returns
    -------
    HighBandFit or None
        None if it cannot be determined: the noise of a denoised reference is correlated
        between volumes, and cannot be separated from its signal.
    """
    return None if degraded.reference == "denoised" else fit_series(degraded, degraded.truth)


def detail_left(degraded: DegradedScan, reference: HighBandFit | None, path: Path) -> Detail:
    """Return the part of the reference's high band that a result leaves unexplained.

    Parameters
    ----------
    degraded : DegradedScan
        The degraded scan.
    reference : HighBandFit or None
        Fit of its reference (`fit_reference`).
    path : pathlib.Path
        4D image on the grid of the reference.

    Returns
    -------
    Detail
        Empty if it cannot be determined.
    """
    if reference is None:
        return Detail(())
    noiseless = degraded.reference == "synthetic"
    return Detail(left_unexplained(reference, fit_series(degraded, path), noiseless=noiseless))


def reference_with_noise(
    degraded: DegradedScan,
    reference: HighBandFit | None,
    out: Path,
    band: tuple[float, float] = (1.0, 1.0),
) -> bool:
    """Write the reference with a second realization of its high-band noise.

    Its metrics against the reference are about what those of a perfect result would be
    (`bids_sr.quality.reference_noise`).

    Parameters
    ----------
    degraded : DegradedScan
        Provides the reference.
    reference : HighBandFit or None
        Its fit (`fit_reference`).
    out : pathlib.Path
        4D image on its grid.
    band : tuple of float
        Share of the band to which the reference is, and the image will be, limited.

    Returns
    -------
    bool
        Whether it was written: the noise is known only if the reference is the scan itself, and
        has repeated directions or more directions than basis functions.
    """
    if reference is None or degraded.reference != "scan":
        return False
    noise = HighBandNoise(reference, band=band)
    if not noise.is_known:
        return False
    axis = degraded.grid.slice_axis
    with (
        DwiReader(degraded.truth) as reader,
        VolumeWriter(out, reader.shape, reader.affine, like=reader.meta) as writer,
    ):
        for index in range(reader.shape[3]):
            more = noise.added(index, to_slices(reader.volume(index), axis))
            writer.write(from_slices(more, axis))
    return True


def shell_keys(found: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the keys of `Detail.by_shell` in rows, ordered by part."""
    keys = dict.fromkeys(key for row in found for key in row if key.count("_") == 2)
    order = {f"left_{part}_": rank for rank, part in enumerate(PARTS)}
    return sorted(
        (key for key in keys if key.startswith(tuple(order))),
        key=lambda key: (order[key[: key.rindex("_") + 1]], float(key.rsplit("_b", 1)[1])),
    )


def _known(found: Iterable[tuple[str, Left | None]], value: _Value) -> dict[str, float]:
    values = {key: None if each is None else value(each) for key, each in found}
    return {key: metric for key, metric in values.items() if metric is not None}


def _key(each: Left) -> str:
    return f"left_{each.part}_{each.shell}"


def _named(shell: str | None) -> str:
    return "b0s" if shell == B0 else f"volumes at b = {str(shell).removeprefix('b')}"
