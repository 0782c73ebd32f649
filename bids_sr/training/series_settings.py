"""Settings for training a series network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import asdict, field, frozen

EDGES = {"means": 0.25, "l2": 0.3}
"""Charbonnier edge, relative to bright tissue and after the lift: smaller errors count squared."""
MEAN_WEIGHT = 4.0
"""Weight of errors of the mean: its detail is smaller than that of the b0, in which fluid is
bright."""
TRUNKS = ("means", "l2")
"""The two trunks of the network: b0 and mean, and l = 2."""
_SMALL = 3
"""In-plane factor from which patches are smaller and batches larger."""


@frozen
class SeriesSettings:
    """Settings of one training; equal settings give equal results on the same machine."""

    factor: int = 2
    """In-plane factor."""
    coarsening: tuple[float, ...] = field(default=(1.0, 1.12, 1.25, 1.4, 1.6), converter=tuple)
    """In-plane voxel sizes to train on, relative to each scan's own."""
    finest: float = 0.0
    """Smallest low-resolution in-plane voxel side to train on, mm."""
    subsets: int = 4
    """Number of additional inputs from subsets of 8 to 16 directions of each shell."""
    zero_filled: float = 0.1
    """Fraction of patches made to look interpolated by the scanner."""
    noise: float = 0.0
    """Largest noise added to the input's b0, mean and coefficients, relative to bright tissue."""
    trunks: tuple[str, ...] = field(default=TRUNKS, converter=tuple)
    """Trunks to train; the others keep their initial weights."""
    width: int = 60
    """Feature maps at full (low) resolution, b0 and mean."""
    depth: int = 3
    """Down-sampling steps, b0 and mean."""
    blocks: int = 1
    """Residual blocks per level."""
    widest: int = 240
    """Largest number of feature maps per level, b0 and mean."""
    taps: int = 3
    """Side of the kernels predicted for b0 and mean; 0 for none."""
    l2_width: int = 48
    """Feature maps at full (low) resolution, l = 2."""
    l2_depth: int = 3
    """Down-sampling steps, l = 2."""
    l2_widest: int = 192
    """Largest number of feature maps per level, l = 2."""
    l2_taps: int = 5
    """Side of the kernels shared by all l = 2 coefficients; 0 for none."""
    layers: Mapping[str, float] = field(factory=lambda: {"relu1_2": 0.1}, converter=dict)
    """Weight of the feature loss per VGG16 layer; empty for none."""
    feature_crop: int = 48
    """Side of the random crop on which features are compared, high-resolution pixels."""
    patch: int = field()
    """Side of a patch, low-resolution pixels: 40 for factor 2, 32 for factor 3."""
    batch_size: int = field()
    """Patches per step: 12 for factor 2, 16 for factor 3."""
    steps: int = 12000
    """Total number of optimiser steps."""
    learning_rate: float = 6e-4
    """Peak learning rate."""
    warmup: int = 200
    """Steps of linear warm-up."""
    schedule: str = "cosine"
    """``cosine`` (warm-up, then decay to zero), ``constant`` (decay over the last fifth) or
    ``one-cycle``."""
    clip: float = 0.0
    """Largest gradient norm; 0: twice its running average."""
    weight_decay: float = 1e-4
    """Weight decay of AdamW."""
    ema: float = 0.998
    """Decay of the running mean of the weights, which is the result."""
    precision: str = "float32"
    """Precision of the layers: ``float32``, or ``bfloat16`` (weights and loss stay float32)."""
    seed: int = 42
    """Seed for initial weights and patches."""
    init_from: str = ""
    """Model (name or folder) to take initial weights from; empty for none."""
    validate_every: int = 500
    """Steps between validations."""
    checkpoint_every: int = 250
    """Steps between checkpoints."""

    channels = ()
    """Always empty: a series network has a fixed input."""
    degradation = ("kspace",)
    """Degradation that makes the low-resolution images."""

    @patch.default
    def _patch(self) -> int:
        return 40 if self.factor < _SMALL else 32

    @batch_size.default
    def _batch_size(self) -> int:
        return 12 if self.factor < _SMALL else 16

    @property
    def loss(self) -> str:
        """Description of the loss for model cards."""
        terms = [
            f"Charbonnier ({EDGES['means']:g}) of b0 and {MEAN_WEIGHT:g} x mean",
            f"Charbonnier ({EDGES['l2']:g}) of l = 2",
            *(f"{w:g} x VGG16 {n} (L1 / rms) of one direction" for n, w in self.layers.items()),
        ]
        return " + ".join(terms)

    @property
    def architecture(self) -> dict[str, Any]:
        """Network class and arguments, as in model cards."""
        names = ("factor", "width", "depth", "blocks", "widest", "taps")
        l2 = ("l2_width", "l2_depth", "l2_widest", "l2_taps")
        return {"class": "SeriesNetwork", **{name: getattr(self, name) for name in (*names, *l2)}}

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-serialisable values."""
        return {**asdict(self), "coarsening": list(self.coarsening), "trunks": list(self.trunks)}
