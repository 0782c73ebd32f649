"""Settings for training a network for single volumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import asdict, field, frozen

from bids_sr.networks.card import known_channels
from bids_sr.networks.channels import BASIC


def _names(value: str | Sequence[str]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


@frozen
class TrainingSettings:
    """Settings of one training; equal settings give equal results on the same machine."""

    factor: int = 2
    """In-plane factor."""
    degradation: tuple[str, ...] = field(default=("kspace",), converter=_names)
    """Degradations that make the low-resolution slices; each scan is prepared with all of them, and
    validation uses the first."""
    coarsening: tuple[float, ...] = field(default=(1.0,), converter=tuple)
    """In-plane voxel sizes to train on, relative to each scan's own."""
    zero_filled: float = 0.0
    """Fraction of patches made to look interpolated by the scanner."""
    channels: tuple[str, ...] = field(default=BASIC, converter=tuple, validator=known_channels)
    """Input channels of the network."""
    noise: float = 0.0
    """Largest level of Rician noise added to the low-resolution slices."""
    b0_share: float = 0.15
    """Fraction of patches that show a b0."""
    network: str = "SubPixelUNet"
    """Network class: ``SubPixelUNet``, or ``PaperSuperResolver``, which reads only the slice and
    uses only `width` of the sizes below."""
    width: int = 40
    """Feature maps at full (low) resolution."""
    depth: int = 3
    """Down-sampling steps in the UNet."""
    blocks: int = 1
    """Residual blocks per level."""
    taps: int = 0
    """Side of the predicted kernels; 0 for none."""
    filtered: int | None = None
    """Number of leading channels the kernels are applied to; None: as many as in `BASIC`."""
    layers: Mapping[str, float] = field(factory=lambda: {"relu1_2": 0.1}, converter=dict)
    """Weight of the feature loss per VGG16 layer; empty for a pure L1 loss."""
    feature_network: str = "vgg16"
    """Feature network: ``vgg16``, or ``vgg16_bn`` as in the article."""
    pool: str = "max"
    """Pooling of the feature network: ``max`` or ``average``."""
    roll: int = 0
    """Largest random shift of the images before the feature network, pixels."""
    relative_features: bool = True
    """Whether activation differences are divided by the rms of the target's activations."""
    normalise_features: bool = True
    """Whether images are normalised with ImageNet's mean and standard deviation for features."""
    feature_crop: int = 48
    """Side of the random crop on which features are compared, high-resolution pixels."""
    patch: int = 40
    """Side of a patch, low-resolution pixels."""
    batch_size: int = 16
    """Patches per step."""
    steps: int = 8000
    """Total number of optimiser steps."""
    learning_rate: float = 8e-4
    """Peak learning rate."""
    warmup: int = 200
    """Steps of linear warm-up before the cosine."""
    schedule: str = "cosine"
    """``cosine`` (warm-up, then decay to zero), ``one-cycle`` (up for 30 %, then down) or
    ``constant`` (decay over the last fifth)."""
    weight_decay: float = 1e-4
    """Weight decay of AdamW."""
    clip: float = 0.02
    """Largest gradient norm, about four times the usual one; without normalisation layers a rare
    large step can make training diverge. 0: twice its running average."""
    ema: float = 0.998
    """Decay of the running mean of the weights, which is the result."""
    subset: int = 15
    """Directions per smaller view of a run; 0 for none."""
    from_interpolation: bool = False
    """Whether a ``PaperSuperResolver`` starts as the identity on its interpolated input."""
    augment: bool = True
    """Whether patches are rotated, flipped and scaled, and their shared channels varied."""
    seed: int = 42
    """Seed for initial weights and patches."""
    init_from: str = ""
    """Model (name or folder) to take initial weights from; empty for none."""
    validate_every: int = 500
    """Steps between validations."""
    checkpoint_every: int = 250
    """Steps between checkpoints."""

    @property
    def loss(self) -> str:
        """Description of the loss for model cards."""
        network = self.feature_network.upper().replace("_", "-")
        how = ["L1 / rms" if self.relative_features else "L1"]
        how += ["average pooling"] if self.pool == "average" else []
        how += [f"rolled by up to {self.roll} pixels"] if self.roll else []
        how += [] if self.normalise_features else ["raw input"]
        terms = [
            f"{weight:g} x {network} {layer} ({', '.join(how)})"
            for layer, weight in self.layers.items()
        ]
        return " + ".join(["L1", *terms])

    @property
    def architecture(self) -> dict[str, Any]:
        """Network class and arguments, as in model cards."""
        if self.network == "PaperSuperResolver":
            return {"class": self.network, "factor": self.factor, "width": self.width}
        return {
            "class": self.network,
            "in_channels": len(self.channels),
            "factor": self.factor,
            "width": self.width,
            "depth": self.depth,
            "blocks": self.blocks,
            "taps": self.taps,
            "filtered": min(len(self.channels), self.filtered or len(BASIC)),
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as JSON-serialisable values."""
        lists = ("channels", "coarsening", "degradation")
        return {**asdict(self), **{name: list(getattr(self, name)) for name in lists}}
