"""All settings of a training of a network for single volumes."""

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
    """Settings of one training; two runs with equal settings are equal on one machine."""

    factor: int = 2
    """In-plane factor."""
    degradation: tuple[str, ...] = field(default=("kspace",), converter=_names)
    """How low-resolution slices are made; each scan comes in all of these ways, and
    validation in the first."""
    coarsening: tuple[float, ...] = field(default=(1.0,), converter=tuple)
    """In-plane voxel sizes trained on, relative to each scan's own."""
    zero_filled: float = 0.0
    """Share of patches that look as if the scanner had interpolated them."""
    channels: tuple[str, ...] = field(default=BASIC, converter=tuple, validator=known_channels)
    """What the network reads."""
    noise: float = 0.0
    """Largest level of Rician noise added to the low-resolution slices."""
    b0_share: float = 0.15
    """Share of patches that show a b0."""
    network: str = "SubPixelUNet"
    """Class of the network: ``SubPixelUNet``, or ``PaperSuperResolver``, which reads only the slice
    and uses only `width` of the sizes below."""
    width: int = 40
    """Feature maps at full low resolution."""
    depth: int = 3
    """Halvings in the UNet."""
    blocks: int = 1
    """Residual blocks per level."""
    taps: int = 0
    """Side of the predicted kernels; 0 for none."""
    filtered: int | None = None
    """Channels, from the first, that these kernels are applied to; None: as many as `BASIC`."""
    layers: Mapping[str, float] = field(factory=lambda: {"relu1_2": 0.1}, converter=dict)
    """Weight of the feature loss per VGG16 layer; empty for L1 alone."""
    feature_network: str = "vgg16"
    """Whose activations: ``vgg16``, or ``vgg16_bn`` as in the article."""
    pool: str = "max"
    """The feature network's pooling: ``max`` or ``average``."""
    roll: int = 0
    """Largest random shift of the images before the feature network, pixels."""
    relative_features: bool = True
    """Whether differences of activations are divided by the rms of the target's."""
    normalise_features: bool = True
    """Whether the feature network gets ImageNet's mean and standard deviation."""
    feature_crop: int = 48
    """Side of the random sub-crop on which features are compared, high-resolution pixels."""
    patch: int = 40
    """Side of a patch, low-resolution pixels."""
    batch_size: int = 16
    """Patches per step."""
    steps: int = 8000
    """Optimiser steps in all."""
    learning_rate: float = 8e-4
    """Peak of the schedule."""
    warmup: int = 200
    """Steps of linear warm-up before the cosine."""
    schedule: str = "cosine"
    """``cosine`` (warm-up, then down to zero), ``one-cycle`` (up for 30 %, then down) or
    ``constant``, with a way down over the last fifth."""
    weight_decay: float = 1e-4
    """Of AdamW."""
    clip: float = 0.02
    """Largest norm of the gradient, some four times the usual one; without normalisation
    layers a rare steep step can make training diverge. 0: twice its running average."""
    ema: float = 0.998
    """Decay of the running mean of weights that is kept as the result."""
    subset: int = 15
    """Directions per smaller view of a run; 0 for none."""
    from_interpolation: bool = False
    """Whether a ``PaperSuperResolver`` begins as the interpolated slice it reads."""
    augment: bool = True
    """Whether patches are turned, flipped, scaled, and shown shared channels changed."""
    seed: int = 42
    """Of initial weights and patches."""
    init_from: str = ""
    """Model (name or folder) whose weights are the start; empty for none."""
    validate_every: int = 500
    """Steps between validations."""
    checkpoint_every: int = 250
    """Steps between checkpoints."""

    @property
    def loss(self) -> str:
        """The loss in words, for model cards."""
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
        """Network class and arguments, as model cards hold them."""
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
        """Return the settings as JSON-safe values."""
        lists = ("channels", "coarsening", "degradation")
        return {**asdict(self), **{name: list(getattr(self, name)) for name in lists}}
