"""Contents of the JSON sidecars of the output images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.bids.map_params import MODELS, PARAMS, orientation_encoding
from bids_sr.bids.uris import bids_uri

FINGERPRINT = "Fingerprint"
"""Key of the provenance in the series' sidecar."""

# Acquisition parameters that remain valid after super-resolution. A list of what to keep, so that
# dates and names that a converter left in a raw sidecar are not passed on.
_KEPT = (
    "Manufacturer",
    "ManufacturersModelName",
    "MagneticFieldStrength",
    "MRAcquisitionType",
    "PulseSequenceType",
    "EchoTime",
    "RepetitionTime",
    "FlipAngle",
    "PhaseEncodingDirection",
    "PhaseEncodingAxis",
    "TotalReadoutTime",
    "EstimatedTotalReadoutTime",
    "PartialFourier",
    "ParallelReductionFactorInPlane",
    "MultibandAccelerationFactor",
    "SliceEncodingDirection",
    "DiffusionScheme",
)
# valid only if their axis keeps its voxels
_KEPT_BY_SLICES = ("SliceThickness", "SpacingBetweenSlices", "SliceTiming")

_AXES = "ijk"

Zooms = Sequence[float]


def resolution_text(factor: int, in_zooms: Zooms, out_zooms: Zooms) -> str:
    """Describe what ``res-x2`` or ``res-x3`` means.

    Parameters
    ----------
    factor : int
        In-plane factor.
    in_zooms, out_zooms : sequence of float
        Voxel sides (x, y, z) in mm.

    Returns
    -------
    str
    """
    return (
        f"{_by(out_zooms)} mm voxels, super-resolved {factor}x{factor} in the plane of "
        f"acquisition from {_by(in_zooms)} mm"
    )


def source_resolution(files: DwiFiles) -> str | None:
    """Describe what the ``res`` of the source means; None if it has none."""
    label = files.entities.get("res")
    if label is None:
        return None
    said = files.sidecar.get("Resolution")
    if isinstance(said, Mapping):
        said = said.get(label)
    return said if isinstance(said, str) else f"That of {bids_uri(files, files.dwi)}"


def acquired_text(acquired_zooms: Zooms, stored_zooms: Zooms) -> str:
    """Describe the grid of a map of a zero-filled input."""
    return (
        f"{_by(acquired_zooms)} mm voxels, the acquired matrix; the input is stored with "
        f"{_by(stored_zooms)} mm"
    )


def dwi_sidecar(
    files: DwiFiles,
    *,
    factor: int,
    in_zooms: Zooms,
    out_zooms: Zooms,
    model: Mapping[str, Any],
    fingerprint: str,
    settings: Mapping[str, Any],
    stored_zooms: Zooms | None = None,
    skull_stripped: bool = False,
    corrected: str | None = None,
) -> dict[str, Any]:
    """Return the sidecar of a super-resolved series.

    Parameters
    ----------
    files : DwiFiles
        The source.
    factor : int
        In-plane factor.
    in_zooms, out_zooms : sequence of float
        Voxel sides (x, y, z) in mm.
    model : mapping
        Identity of the network: name, sha256, ...
    fingerprint : str
        Digest of everything the output depends on.
    settings : mapping
        Settings that change the output.
    stored_zooms : sequence of float, optional
        Voxel sides of the source as stored, if it is zero-filled; `in_zooms` are those of the
        acquired matrix.
    skull_stripped : bool
        Whether voxels outside the brain are zero; also true if the source is skull-stripped.
    corrected : str, optional
        The error in the source's gradient table, if the series comes with a corrected one.

    Returns
    -------
    dict
        JSON-safe.
    """
    used = [files.dwi, *(path for path in (files.bval, files.bvec) if path is not None)]
    sidecar = {
        "Description": f"Diffusion-weighted series super-resolved {factor}x{factor} in plane",
        "Sources": [bids_uri(files, path) for path in used],
        "Resolution": resolution_text(factor, in_zooms, out_zooms),
        "AcquiredVoxelSize": list(in_zooms),
        "StoredVoxelSize": list(stored_zooms or in_zooms),
        "SkullStripped": skull_stripped or files.sidecar.get("SkullStripped") is True,
        **_spatial_reference(files),
        **_acquisition(files.sidecar, in_zooms, out_zooms),
        "SuperResolution": {
            "InPlaneFactor": factor,
            "InputVoxelSize": list(in_zooms),
            "OutputVoxelSize": list(out_zooms),
            "Model": dict(model),
            "Settings": dict(settings),
        },
        FINGERPRINT: fingerprint,
    }
    if corrected:
        sidecar["Description"] += f"; its gradient table was corrected ({corrected})"
        sidecar["SuperResolution"]["GradientsCorrected"] = corrected
    return _plain(sidecar)


def mask_sidecar(
    files: DwiFiles,
    *,
    factor: int,
    in_zooms: Zooms,
    out_zooms: Zooms,
    given: Path | None = None,
) -> dict[str, Any]:
    """Return the sidecar of the brain mask on the super-resolved grid.

    Parameters
    ----------
    files : DwiFiles
        The source.
    factor : int
        In-plane factor.
    in_zooms, out_zooms : sequence of float
        Voxel sides (x, y, z) in mm.
    given : pathlib.Path, optional
        Mask from which it was resampled; otherwise it was computed from the series.

    Returns
    -------
    dict
        JSON-safe.
    """
    how = "resampled by nearest neighbour" if given else "computed from the mean b = 0 image"
    return _plain(
        {
            "Description": f"Brain mask, {how}",
            "Type": "Brain",
            "Sources": [bids_uri(files, given or files.dwi)],
            "Resolution": resolution_text(factor, in_zooms, out_zooms),
            "SpatialReference": "orig",  # of a mask BIDS recommends it in every space
            **_spatial_reference(files),
        }
    )


def map_sidecar(
    param: str,
    model: str,
    files: DwiFiles,
    *,
    sources: Sequence[str] = (),
    resolution: str | None = None,
    volumes: Sequence[int] | None = None,
    fit: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the sidecar of a map fitted inside the brain mask, as BEP016 drafts it.

    Parameters
    ----------
    param : str
        The map, one of `bids_sr.bids.map_params.PARAMS`.
    model : str
        Label of the ``model`` entity, one of `bids_sr.bids.map_params.MODELS`.
    files : DwiFiles
        The source run.
    sources : sequence of str
        ``bids:`` URIs of the images that it was fitted to; default: the source itself.
    resolution : str, optional
        `resolution_text`, for maps with a ``res`` entity.
    volumes : sequence of int, optional
        Volumes used for the fit, counted from 0.
    fit : mapping, optional
        ``Parameters`` of the model: how it was fitted.

    Returns
    -------
    dict
        JSON-safe.
    """
    meaning = PARAMS[param]
    sidecar: dict[str, Any] = {
        "Description": meaning.description,
        "Units": meaning.units,
        "Model": _model(model, fit or {}),
        "ParameterURL": meaning.url,
        "Sources": list(sources) or [bids_uri(files, files.dwi)],
        "SkullStripped": True,
        **_spatial_reference(files),
    }
    if encoding := orientation_encoding(param):
        sidecar["OrientationEncoding"] = encoding
    if resolution is not None:
        sidecar["Resolution"] = resolution
    if volumes is not None:
        sidecar["Volumes"] = list(volumes)
    return _plain(sidecar)


def ensemble_sd_sidecar(
    what: str,
    files: DwiFiles,
    *,
    ensemble: int,
    sources: Sequence[str],
    resolution: str,
    volumes: Sequence[int] | None = None,
    fit: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the sidecar of a standard deviation over the self-ensemble.

    `what` is ``dwi`` (of each volume) or ``fa``, `ensemble` the number of members; the others are
    as in `map_sidecar`. The members are no bootstrap: ``BootstrapParameters`` do not apply.
    """
    of, units = {
        "dwi": ("each volume, before negative values were set to zero", "arbitrary"),
        "fa": ("fractional anisotropy, the tensor being fitted to each version", "1"),
    }[what]
    sidecar: dict[str, Any] = {
        "Description": f"Standard deviation (n - 1) of {of}, over {ensemble} versions of the "
        "series super-resolved from rotated and flipped slices (a self-ensemble). It shows how "
        "much the network's output depends on orientation. It is not a confidence interval: errors "
        "common to all versions and measurement noise are not included, so actual errors "
        "are larger.",
        "Units": units,
        "Sources": list(sources),
        "Resolution": resolution,
        "SkullStripped": what == "fa" or files.sidecar.get("SkullStripped") is True,
        **_spatial_reference(files),
    }
    if what == "fa":
        sidecar["Model"] = _model("tensor", {**(fit or {}), "Samples": ensemble})
        sidecar["ParameterURL"] = PARAMS["fa"].url
    if volumes is not None:
        sidecar["Volumes"] = list(volumes)
    return _plain(sidecar)


def _model(model: str, fit: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``Model`` of BEP016; the reference under both names that its drafts have had."""
    meaning = MODELS[model]
    said: dict[str, Any] = {"Description": meaning.description}
    said |= {"TermURL": meaning.url, "URL": meaning.url}
    return said | ({"Parameters": dict(fit)} if fit else {})


def _spatial_reference(files: DwiFiles) -> dict[str, Any]:
    if "space" not in files.entities:
        return {}
    said = files.sidecar.get("SpatialReference")
    if said == "orig" or (isinstance(said, str) and "://" in said):
        return {"SpatialReference": said}
    if isinstance(said, str) and (said.startswith("bids::") or ":" not in said):
        # "here" is the source's dataset, not ours
        return {"SpatialReference": f"bids:{files.dataset_name}:{said.removeprefix('bids::')}"}
    # none, or a name from the source's own links: the image itself lies in that space
    return {"SpatialReference": bids_uri(files, files.dwi)}


def _acquisition(source: Mapping[str, Any], in_zooms: Zooms, out_zooms: Zooms) -> dict[str, Any]:
    slice_axis = _AXES.find(str(source.get("SliceEncodingDirection") or "k")[:1])
    untouched = slice_axis >= 0 and abs(out_zooms[slice_axis] - in_zooms[slice_axis]) < 1e-3
    keys = _KEPT + (_KEPT_BY_SLICES if untouched else ())
    return {key: source[key] for key in keys if source.get(key) is not None}


def _by(zooms: Zooms) -> str:
    return "x".join(f"{float(side):.2f}" for side in zooms)


def _plain(value: Any) -> Any:
    """Return a copy that JSON can hold: numpy numbers, tuples and paths converted."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return value.as_posix()
    if hasattr(value, "tolist"):
        return value.tolist()
    return value
