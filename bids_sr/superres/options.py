"""Options of the super-resolution itself, passed on as a whole; nothing heavy is imported."""

from __future__ import annotations

from typing import Any

from attrs import fields_dict, frozen

from bids_sr.superres.defaults import DEFAULT_ENSEMBLE


@frozen(kw_only=True)
class SuperResolutionOptions:
    """How a series is super-resolved: arguments of `bids_sr.superres.engine.super_resolve`."""

    data_consistency: bool = True
    """The measured band of k-space is put back."""
    detect_band: bool = True
    """Whether the input's measured band and acquired matrix are found out."""
    ensemble: int = DEFAULT_ENSEMBLE
    """Rotations and flips of a slice over which the network is averaged."""
    slice_axis: int | None = None
    """Voxel axis 0 to 2; None: found per run."""
    output_dtype: str = "float32"
    """Data type of the series on disk."""
    precision: str = "auto"
    """Numbers in which the network's layers compute (`bids_sr.superres.precision`)."""

    def engine_arguments(self) -> dict[str, Any]:
        """Return these options as keyword arguments of the engine."""
        return {name: getattr(self, name) for name in fields_dict(SuperResolutionOptions)}
