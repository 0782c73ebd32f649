"""Options of super-resolution, grouped to be passed on; no heavy imports."""

from __future__ import annotations

from typing import Any

from attrs import fields_dict, frozen

from bids_sr.superres.defaults import DEFAULT_ENSEMBLE


@frozen(kw_only=True)
class SuperResolutionOptions:
    """How a series is super-resolved: arguments of `bids_sr.superres.engine.super_resolve`."""

    data_consistency: bool = True
    """Whether the input image's own spatial frequencies are kept."""
    detect_band: bool = True
    """Whether the input's measured band and acquired matrix are detected."""
    ensemble: int = DEFAULT_ENSEMBLE
    """Rotations and flips of a slice over which the network is averaged."""
    slice_axis: int | None = None
    """Voxel axis across the slices, 0 to 2; None: detected per run."""
    output_dtype: str = "float32"
    """Data type of the series on disk."""
    precision: str = "auto"
    """Precision of the network's layers (`bids_sr.superres.precision`)."""

    def engine_arguments(self) -> dict[str, Any]:
        """Return these options as keyword arguments of the engine."""
        return {name: getattr(self, name) for name in fields_dict(SuperResolutionOptions)}
