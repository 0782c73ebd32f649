"""All settings of a training of a network for the series."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import asdict, field, frozen

EDGES = {"means": 0.25, "l2": 0.3}
"""Below so much, of bright tissue and after the lift, errors count by their squares."""
MEAN_WEIGHT = 4.0
"""Errors of the mean count so many times: its detail is smaller than the b0's, whose fluid is
bright."""
TRUNKS = ("means", "l2")
"""The two parts of the network: for b0 and mean, and for l = 2."""
_SMALL = 3
"""In-plane factor from which patches are smaller, and more of them make a step."""


@frozen
class SeriesSettings:
    """Settings of one training; two runs with equal settings are equal on one machine."""

    factor: int = 2
    """In-plane factor."""
    coarsening: tuple[float, ...] = field(default=(1.0, 1.12, 1.25, 1.4, 1.6), converter=tuple)
    """In-plane voxel sizes trained on, relative to each scan's own."""
    finest: float = 0.0
    """Smallest low-resolution in-plane voxel side to train on, mm."""
    subsets: int = 4
    """Additional inputs made from subsets of 8 to 16 directions of each shell."""
    zero_filled: float = 0.1
    """Share of patches that look as if the scanner had interpolated them."""
    noise: float = 0.0
    """Largest noise added to the input's b0, mean and coefficients, of bright tissue."""
    trunks: tuple[str, ...] = field(default=TRUNKS, converter=tuple)
    """Parts of the network that are trained; the others keep the weights of the start."""
    width: int = 60
    """Feature maps at full low resolution, b0 and mean."""
    depth: int = 3
    """Halvings in their UNet."""
    blocks: int = 1
    """Residual blocks per level."""
    widest: int = 240
    """Most feature maps of a level."""
    taps: int = 3
    """Side of the kernels predicted for b0 and mean; 0 for none."""
    l2_width: int = 48
    """Feature maps, l = 2."""
    l2_depth: int = 3
    """Halvings, l = 2."""
    l2_widest: int = 192
    """Most feature maps of a level, l = 2."""
    l2_taps: int = 5
    """Side of the kernels that all coefficients of l = 2 share; 0 for none."""
    layers: Mapping[str, float] = field(factory=lambda: {"relu1_2": 0.1}, converter=dict)
    """Weight of the feature loss per VGG16 layer; empty for none."""
    feature_crop: int = 48
    """Side of the random sub-crop on which features are compared, high-resolution pixels."""
    patch: int = field()
    """Side of a patch, low-resolution pixels; of factor 2 it is 40, of factor 3 it is 32."""
    batch_size: int = field()
    """Patches per step: 12, of factor 3 16."""
    steps: int = 12000
    """Optimiser steps in all."""
    learning_rate: float = 6e-4
    """Peak of the schedule."""
    warmup: int = 200
    """Steps of linear warm-up."""
    schedule: str = "cosine"
    """``cosine`` (warm-up, then down to zero), ``constant`` (down over the last fifth) or
    ``one-cycle``."""
    clip: float = 0.0
    """Largest norm of the gradient; 0: twice its running average."""
    weight_decay: float = 1e-4
    """Of AdamW."""
    ema: float = 0.998
    """Decay of the running mean of weights that is kept as the result."""
    precision: str = "float32"
    """Of the layers: ``float32``, or ``bfloat16`` (weights and loss stay float32)."""
    seed: int = 42
    """Of initial weights and patches."""
    init_from: str = ""
    """Model (name or folder) whose weights are the start; empty for none."""
    validate_every: int = 500
    """Steps between validations."""
    checkpoint_every: int = 250
    """Steps between checkpoints."""

    channels = ()
    """A network for the series has none: what it reads is always the same."""
    degradation = ("kspace",)
    """How low-resolution images are made."""

    @patch.default
    def _patch(self) -> int:
        return 40 if self.factor < _SMALL else 32

    @batch_size.default
    def _batch_size(self) -> int:
        return 12 if self.factor < _SMALL else 16

    @property
    def loss(self) -> str:
        """The loss in words, for model cards."""
        terms = [
            f"Charbonnier ({EDGES['means']:g}) of b0 and {MEAN_WEIGHT:g} x mean",
            f"Charbonnier ({EDGES['l2']:g}) of l = 2",
            *(f"{w:g} x VGG16 {n} (L1 / rms) of one direction" for n, w in self.layers.items()),
        ]
        return " + ".join(terms)

    @property
    def architecture(self) -> dict[str, Any]:
        """Network class and arguments, as model cards hold them."""
        names = ("factor", "width", "depth", "blocks", "widest", "taps")
        l2 = ("l2_width", "l2_depth", "l2_widest", "l2_taps")
        return {"class": "SeriesNetwork", **{name: getattr(self, name) for name in (*names, *l2)}}

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-safe values."""
        return {**asdict(self), "coarsening": list(self.coarsening), "trunks": list(self.trunks)}
