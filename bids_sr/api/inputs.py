"""The files of one series outside a BIDS dataset: given, or found beside the image."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any

from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.bids.file_kind import JSON, refuse_foreign
from bids_sr.bids.json_file import read_json
from bids_sr.bids.names import parse_entities
from bids_sr.errors import InputError, UsageError

_FSL_STEM, _FSL_MASK = "data", "nodif_brain_mask.nii.gz"
"""FSL's file name for a series; ``bvals``, ``bvecs`` and the mask are beside it."""

AnyPath = str | PathLike[str]


def stem_of(image: Path) -> str:
    """Return the name of an image without ``.nii`` or ``.nii.gz``.

    Examples
    --------
    >>> stem_of(Path("scan.2/b.1000.nii.gz"))
    'b.1000'
    """
    return image.name.removesuffix(".gz").removesuffix(".nii")


def find_files(
    dwi: AnyPath,
    *,
    bval: AnyPath | None = None,
    bvec: AnyPath | None = None,
    json: AnyPath | None = None,
    mask: AnyPath | None = None,
    b0_threshold: float | None = None,
) -> DwiFiles:
    """Collect the files of one series.

    Parameters
    ----------
    dwi : str or PathLike
        4D image.
    bval, bvec : str or PathLike, optional
        Gradients; default: files beside the image with the same stem and ``.bval``, ``.bvec``
        (or ``.bvals``, ``.bvecs``), or ``bvals``, ``bvecs`` beside a ``data.nii.gz``.
    json : str or PathLike, optional
        Sidecar; default: the one beside the image, if any.
    mask : str or PathLike, optional
        Brain mask; default: ``nodif_brain_mask.nii.gz`` beside a ``data.nii.gz``, if there.
    b0_threshold : float, optional
        b-values up to this one, s/mm2, count as b = 0.

    Returns
    -------
    DwiFiles
        Without a dataset.

    Raises
    ------
    UsageError
        If the image or another given file does not exist.
    InputError
        If gradients are not found, or the sidecar cannot be read.
    """
    image = _given(dwi)
    if mask is None and stem_of(image) == _FSL_STEM:
        beside = image.with_name(_FSL_MASK)
        mask = beside if beside.exists() or beside.is_symlink() else None
    return DwiFiles(
        dwi=image,
        bval=_gradients(image, bval, "bval"),
        bvec=_gradients(image, bvec, "bvec"),
        mask=None if mask is None else _given(mask),
        sidecar=_sidecar(image, json),
        entities=parse_entities(image.name),
        dataset_root=image.parent,
        dataset_name="",
        b0_threshold=b0_threshold,
        name=stem_of(image).removesuffix("_dwi") or None,
    )


def sidecar_beside(image: Path) -> Path:
    """Return the path of an image's sidecar, which need not exist."""
    return image.with_name(f"{stem_of(image)}.json")


def _given(path: AnyPath) -> Path:
    found = Path(path).absolute()
    if not found.exists() and not found.is_symlink():
        raise UsageError("there is no such file.", file=path, remedy="Correct the path.")
    return found


def _gradients(image: Path, given: AnyPath | None, kind: str) -> Path:
    if given is not None:
        return _given(given)
    names = [f"{stem_of(image)}.{kind}", f"{stem_of(image)}.{kind}s"]
    names += [f"{kind}s"] if stem_of(image) == _FSL_STEM else []
    for name in names:
        path = image.with_name(name)
        if path.exists() or path.is_symlink():
            return path
    raise InputError(
        f"there is no .{kind} file for this image: {' or '.join(names)} beside it.",
        file=image,
        remedy=f"Put it there, or name it ({kind}=..., --{kind}).",
    )


def _sidecar(image: Path, given: AnyPath | None) -> dict[str, Any]:
    path = sidecar_beside(image) if given is None else _given(given)
    if given is None and not path.exists() and not path.is_symlink():
        return {}
    refuse_foreign(path, JSON)
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise InputError(
            f"cannot be read as JSON ({reason}).", file=path, remedy="Correct or remove it."
        ) from error
    if not isinstance(content, dict):
        raise InputError(
            "holds no fields: a sidecar is a JSON object.",
            file=path,
            remedy="Correct or remove it.",
        )
    return content
