"""Meaning of the maps: descriptions, units and references for their sidecars."""

from __future__ import annotations

from typing import Any

from attrs import frozen

_WORLD = (
    "in world (scanner) coordinates: x to the patient's right, y to anterior, z to superior (RAS+)"
)


@frozen
class Param:
    """Meaning of one map."""

    description: str
    """Description, in words."""
    units: str
    """In BIDS notation; ``1`` if dimensionless, ``arbitrary`` for scanner units."""
    url: str
    """Reference for its definition."""
    encoding: str = ""
    """``Type`` of ``OrientationEncoding`` in BEP016; empty for scalars, which have none."""


@frozen
class Model:
    """Meaning of one signal model."""

    description: str
    """Description, in words."""
    url: str
    """Reference for its definition."""


MODELS: dict[str, Model] = {
    "tensor": Model("Diffusion tensor", "https://doi.org/10.1016/S0006-3495(94)80775-1"),
    "gqi": Model(
        "Generalized q-sampling imaging (GQI)", "https://doi.org/10.1109/TMI.2010.2045126"
    ),
}
"""By label of the ``model`` entity."""

_ANISOTROPY = "https://doi.org/10.1006/jmrb.1996.0086"
_AXIAL_RADIAL = "https://doi.org/10.1006/nimg.2002.1267"
_COLOUR = "https://doi.org/10.1002/(SICI)1522-2594(199909)42:3%3C526::AID-MRM15%3E3.0.CO;2-J"
_TENSOR = MODELS["tensor"].url

PARAMS: dict[str, Param] = {
    "fa": Param("Fractional anisotropy", "1", _ANISOTROPY),
    "md": Param("Mean diffusivity", "mm^2/s", _ANISOTROPY),
    "ad": Param("Axial diffusivity: the largest eigenvalue", "mm^2/s", _AXIAL_RADIAL),
    "rd": Param("Radial diffusivity: mean of the two smaller eigenvalues", "mm^2/s", _AXIAL_RADIAL),
    "s0": Param("Signal without diffusion weighting, as fitted", "arbitrary", _TENSOR),
    "colorfa": Param(
        "Direction-encoded colour: absolute components (red x, green y, blue z) of the principal "
        f"eigenvector times fractional anisotropy, {_WORLD}",
        "1",
        _COLOUR,
        "dec",
    ),
    "v1": Param(
        f"Principal eigenvector (x, y, z), its sign free, {_WORLD}", "1", _TENSOR, "unit3vector"
    ),
    "tensor": Param(
        "Diffusivity as a tensor, as fitted (eigenvalues may be negative), components D11, D12, "
        f"D13, D22, D23, D33 (the order of FSL), {_WORLD}",
        "mm^2/s",
        _TENSOR,
        "tensor",
    ),
    "qa": Param(
        "Quantitative anisotropy of the highest peak, in units of the largest isotropic part in "
        "the mask (its 99th percentile)",
        "1",
        "https://doi.org/10.1371/journal.pone.0080713",
    ),
    "gfa": Param("Generalized fractional anisotropy", "1", "https://doi.org/10.1002/mrm.20279"),
}
"""By map (`bids_sr.bids.names.TENSOR_PARAMS`, `bids_sr.bids.names.GQI_PARAMS`)."""


def orientation_encoding(param: str) -> dict[str, Any]:
    """Return ``OrientationEncoding`` of BEP016 for a map, empty for scalars.

    Parameters
    ----------
    param : str
        One of `PARAMS`.

    Returns
    -------
    dict
        ``Reference`` is ``xyz``: the axes of the scanner, RAS+ (`bids_sr.diffusion.frames`).

    Examples
    --------
    >>> orientation_encoding("colorfa")
    {'Type': 'dec', 'EncodingAxis': 3, 'Reference': 'xyz'}
    >>> orientation_encoding("fa")
    {}
    """
    kind = PARAMS[param].encoding
    if not kind:
        return {}
    encoding: dict[str, Any] = {"Type": kind, "EncodingAxis": 3, "Reference": "xyz"}
    if kind != "dec":  # a colour has no sign
        encoding["AntipodalSymmetry"] = True
    if kind == "tensor":
        encoding["TensorRank"] = 2
    if kind == "unit3vector":
        encoding["FillValue"] = 0.0  # outside the mask, and where the fit failed
    return encoding
