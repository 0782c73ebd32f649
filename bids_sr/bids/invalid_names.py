"""Images that cannot be processed under a name of their own: the reason, and a unique label."""

from __future__ import annotations

import os
import re
import zlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from urllib.parse import quote_from_bytes

from attrs import evolve

from bids_sr.bids.dwi_run import DwiFiles, Problem
from bids_sr.bids.input_dataset import InputDataset
from bids_sr.bids.names import is_label, parse_name

_LONGEST = 150
"""Longest label, characters: names of the files written must stay below 255."""
_IMAGES = (".nii.gz", ".nii")
_DIRECTIONS = ("AP", "PA", "LR", "RL", "IS", "SI")
# the word dwi, and not dwimap or dwiref
_DWI = re.compile(r"(?<![a-z0-9])dwi[0-9]*(?![a-z0-9])")
# an entity, which may have dwi in its label
_PAIR = re.compile(r"(?!dwi-)[a-z0-9]+-[a-z0-9+]+")
# derived from a series: not a run that was overlooked
_OTHERS = re.compile(r"(?<![a-z0-9])(sbref|mask|adc|fa|md|trace|b0|brain)$")


def stem_of(name: str) -> str | None:
    """Return an image's name without its extension, of any case; None for other files."""
    return next((name[: -len(e)] for e in _IMAGES if name.casefold().endswith(e)), None)


def looks_like_dwi(name: str) -> bool:
    """Return whether a file name suggests a diffusion series, even if it is not a BIDS name.

    Examples
    --------
    >>> [looks_like_dwi(f"sub-01_{end}.nii.gz") for end in ("dwi", "AP_dwi", "dwi (copy)", "DWI")]
    [True, True, True, True]
    >>> [looks_like_dwi(f"sub-01_{end}") for end in ("acq-dwi_sbref.nii.gz", "dwi.bval")]
    [False, False]
    """
    stem = stem_of(name)
    if stem is None:
        return False
    if parsed := parse_name(name):
        return _DWI.fullmatch(parsed.suffix.casefold()) is not None
    words = " ".join(part for part in stem.casefold().split("_") if not _PAIR.fullmatch(part))
    return bool(_DWI.search(words)) and not _OTHERS.search(words)


def name_problem(image: Path, root: Path) -> Problem | None:
    """Return why an image cannot be processed under its name and in its folder.

    Parameters
    ----------
    image : pathlib.Path
        An image that looks like a diffusion series.
    root : pathlib.Path
        Top of its dataset.

    Returns
    -------
    Problem or None
        None if its name is a BIDS name, and its folders match it.
    """
    inside = image.relative_to(root)
    for folder in inside.parts[:-1]:
        if folder.startswith(("sub-", "ses-")) and not is_label(folder[4:]):
            told = f"is not processed: {folder} has no label of letters and digits."
            return Problem(image, told, "Rename the folder and the files in it.", refused=True)
    parsed = parse_name(image.name)
    if parsed is None or parsed.suffix != "dwi" or "sub" not in parsed.entities:
        remedy = "Rename it, and the files that belong to it"
        better = _suggestion(image.name)
        remedy += f", to {better} for example." if better else ", such as sub-01_dwi.nii.gz."
        return Problem(image, _fault(image.name), remedy, refused=True)
    levels = [f"{key}-{parsed.entities[key]}" for key in ("sub", "ses") if key in parsed.entities]
    wanted = PurePosixPath(*levels, "dwi")
    if inside.parent == Path(wanted):
        return None
    return Problem(
        image,
        f"is in {inside.parent.as_posix()}, but by its name belongs in {wanted}.",
        "Move it there with the files that belong to it, or rename them.",
        refused=True,
    )


def is_beside(image: Path, root: Path) -> bool:
    """Return whether an image is in a folder where no runs are expected."""
    parent = image.relative_to(root).parent
    level = parent.name
    usual = (
        "dwi" in map(str.casefold, parent.parts)
        or level[:4] in ("sub-", "ses-")
        or (parent == Path() and is_label(subject_of(image.name)))
    )
    return not usual


def refuse(image: Path, dataset: InputDataset, problem: Problem, subject: str = "") -> DwiFiles:
    """Return an image as a run that fails without touching the files of other runs.

    Parameters
    ----------
    image : pathlib.Path
    dataset : InputDataset
        The dataset that holds it.
    problem : Problem
        Why it cannot be processed.
    subject : str
        Label of the participant for whom it is reported; by default that of its folder.

    Returns
    -------
    DwiFiles
        Its label holds a comma, which no label made from a BIDS name does.
    """
    inside = image.relative_to(dataset.root).parts
    folder = inside[0].removeprefix("sub-") if len(inside) > 1 else ""
    label = ",".join(map(plain, inside))
    if not folder:  # at the top of the dataset
        subject = subject or plain(subject_of(image.name))
        label = f"sub-{subject},,{label}"
    if dataset.derivative:
        label += f",{dataset.name}"
    if len(label) > _LONGEST:
        label = f"{label[:_LONGEST]},{_digest(label)}"
    return DwiFiles(
        dwi=image,
        bval=None,
        bvec=None,
        mask=None,
        sidecar={},
        entities={"sub": subject or plain(folder)},
        dataset_root=dataset.root,
        dataset_name=dataset.name,
        problem=problem,
        name=label,
    )


def told_apart(runs: Iterable[DwiFiles]) -> list[DwiFiles]:
    """Make the labels of refused images unique if they differ only in case."""
    runs = list(runs)
    count = Counter(run.label.casefold() for run in runs)
    return [
        evolve(run, name=f"{run.label},{_digest(run.label)}")
        if run.refused and count[run.label.casefold()] > 1
        else run
        for run in runs
    ]


def plain(name: str) -> str:
    """Encode a file name, one to one, in characters that every file system allows.

    Examples
    --------
    >>> plain("0_1"), plain("01 (copy)")
    ('0_1', '01%20%28copy%29')
    """
    return quote_from_bytes(os.fsencode(name), safe="+")


def subject_of(label: str) -> str:
    """Return the participant, without ``sub-``, from a run's label.

    Examples
    --------
    >>> subject_of("sub-01_acq-AP"), subject_of("sub-0_1,dwi,sub-0_1_dwi.nii.gz")
    ('01', '0_1')
    """
    return re.split("," if "," in label else "_", label)[0].removeprefix("sub-")


def _digest(label: str) -> str:
    return f"{zlib.crc32(label.encode()):08x}"


def _fault(name: str) -> str:
    """Return in which respect a name is not a BIDS name."""
    stem = stem_of(name) or name
    parts = stem.split("_")
    keys = [part.split("-")[0] for part in parts[:-1]]
    odd = [p for p in parts[:-1] if p.count("-") != 1 or not all(map(is_label, p.split("-")))]
    if odd:
        why = f"'{odd[0]}' is not a key and a label of letters and digits, as in dir-AP"
    elif "." in stem or not name.endswith(_IMAGES):
        why = "its extension is not .nii or .nii.gz alone"
    elif len(set(keys)) < len(keys):
        twice = next(key for key in keys if keys.count(key) > 1)
        why = f"'{twice}-' occurs twice"
    elif keys[:1] != ["sub"]:
        why = "it does not begin with sub-LABEL"
    else:
        why = f"it ends in '{parts[-1]}' instead of 'dwi'"
    return f"is not processed: its name is not a valid BIDS name: {why}."


def _suggestion(name: str) -> str:
    """Return a valid name, or an empty string if none can be suggested."""
    stem = stem_of(name) or ""
    extension = name[len(stem) :].casefold()
    head, *rest = stem.split("_")
    if not rest or not re.fullmatch(r"sub-[A-Za-z0-9+]+", head):
        return ""
    parts = [head, *(_mended(part) for part in rest[:-1])]
    if rest[-1] != "dwi":
        return ""
    better = "_".join([*parts, "dwi"]) + extension
    return better if parse_name(better) else ""


def _mended(part: str) -> str:
    key, dash, label = part.partition("-")
    if not dash:
        key = "dir" if part.upper() in _DIRECTIONS else "run" if part.isdecimal() else "acq"
        label = part
    return f"{key}-{re.sub('[^A-Za-z0-9+]', '', label)}"
