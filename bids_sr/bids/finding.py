"""Finding the diffusion runs of a dataset."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve

from bids_sr.bids.dwi_folders import is_hidden, list_images
from bids_sr.bids.dwi_run import DwiFiles, Problem
from bids_sr.bids.filters import Filter, read_selection
from bids_sr.bids.index import is_ignored, list_files, open_database, open_layout, scan_dataset
from bids_sr.bids.inheritance import ambiguity, applicable, by_folder, merge_sidecars
from bids_sr.bids.input_dataset import (
    InputDataset,
    check_labels,
    natural_key,
    open_dataset,
    tell_odd_folders,
)
from bids_sr.bids.invalid_names import (
    is_beside,
    looks_like_dwi,
    name_problem,
    refuse,
    stem_of,
    subject_of,
    told_apart,
)
from bids_sr.bids.name_clashes import without_clashes
from bids_sr.bids.names import parse_entities, parse_suffix
from bids_sr.bids.pybids import load_pybids
from bids_sr.bids.run_query import RunQuery
from bids_sr.bids.unreadable import FolderScan, Unreadable
from bids_sr.errors import UsageError

if TYPE_CHECKING:
    from bids.layout import BIDSLayout

_LOGGER = logging.getLogger("bids_sr")

_TOLD = 10
"""How many of the images left out are named in the warning."""

_INSTEAD = (
    " -d names the dataset to process, not precomputed results to reuse:"
    " leave it out to process the runs of BIDS_DIR."
)


def find_dwi(
    bids_dir: Path,
    *,
    participants: Collection[str] = (),
    sessions: Collection[str] = (),
    filters: Mapping[str, Any] | None = None,
    database_dir: Path | None = None,
    derivatives: Mapping[str, Path] | None = None,
) -> list[DwiFiles]:
    """Find the diffusion runs to work on.

    From a raw dataset all ``dwi`` images are taken, except phase, real and imaginary parts. From a
    derivative dataset (`bids_dir` itself may be one) the ``desc-preproc`` images are taken, with
    their ``desc-brain`` mask. Output of this program (``desc-sr``, ``desc-srsd``) is never taken.

    Parameters
    ----------
    bids_dir : pathlib.Path
        Dataset with its ``dataset_description.json``.
    participants, sessions : collection of str
        Labels, with or without ``sub-`` and ``ses-``; empty means all. Other
        participants are not even indexed (unless into `database_dir`).
    filters : mapping, optional
        Content of a BIDS filter file; its ``dwi`` entry maps pybids entities to
        a label, a list of labels, None (entity absent) or ``"*"`` (present).
    database_dir : pathlib.Path, optional
        Folder of a pybids index to use, or to create.
    derivatives : mapping of str to pathlib.Path, optional
        Names and folders of derivative datasets from which to take the runs, instead of `bids_dir`.

    Returns
    -------
    list of DwiFiles
        In natural order of participants and names. Every image selected is among them. One that
        cannot be processed under its own name at its place has a ``problem``, which
        `bids_sr.images.runs.open_run` raises. Missing or broken gradient files and sidecars are
        reported there, too.

    Raises
    ------
    UsageError
        If a folder is not a BIDS dataset, a label or filter is unknown, or no diffusion run is
        left.
    """
    load_pybids()
    main = open_dataset(Path(bids_dir), None)
    datasets = [open_dataset(Path(path), name) for name, path in (derivatives or {}).items()]
    datasets = datasets or [main]
    query = RunQuery(
        frozenset(label.removeprefix("sub-") for label in participants),
        frozenset(label.removeprefix("ses-") for label in sessions),
        read_selection(filters),
    )
    scans = [scan_dataset(dataset.root, query.subjects, query.sessions) for dataset in datasets]
    tell_odd_folders(datasets)
    check_labels(datasets, set(query.subjects), set(query.sessions))
    runs: dict[Path, DwiFiles] = {}
    for dataset, scan in zip(datasets, scans, strict=True):
        database = _database_of(dataset, main, database_dir)
        for layout in _layouts(dataset, query, scan, database):
            for run in _runs_in(layout, dataset, query, scan):
                runs.setdefault(_place(run.dwi, run.dataset_root), run)
        for run in _in_wrong_hands(dataset, query, {run.subject for run in runs.values()}):
            runs.setdefault(_place(run.dwi, run.dataset_root), run)
    found = told_apart(without_clashes(list(runs.values())))
    found.sort(key=lambda run: (natural_key(f"sub-{run.subject}"), natural_key(run.dwi.name)))
    _check_found(found, datasets, set(query.subjects), in_place_of_input=main not in datasets)
    return found


def _database_of(dataset: InputDataset, main: InputDataset, folder: Path | None) -> Path | None:
    if folder is None or dataset is main:
        return folder
    return folder / dataset.name


def _place(image: Path, root: Path) -> Path:
    """Return a path in canonical form, without resolving links below the dataset's top."""
    return Path(os.path.realpath(root), image.relative_to(root))


def _layouts(
    dataset: InputDataset, query: RunQuery, scan: FolderScan, database: Path | None
) -> Iterator[BIDSLayout]:
    if database is None:
        yield open_layout(dataset.root, scan, query.subjects, query.sessions)
        return
    layout = open_database(dataset.root, database)
    yield layout
    # An index made earlier, or by a tool that left out participants or data types, may lack some
    # images: these are looked up in the folders.
    root = Path(layout.root)
    indexed = {path.relative_to(root) for path in list_files(layout, query.subjects)}
    there = (image.relative_to(dataset.root) for image in list_images(dataset.root, query.subjects))
    lacking = {
        path.parts[0].removeprefix("sub-")
        for path in there
        if path not in indexed and path.parent.name == "dwi" and not is_hidden(path)
    }
    if lacking:
        yield open_layout(dataset.root, scan, lacking, query.sessions)


def _runs_in(
    layout: BIDSLayout, dataset: InputDataset, query: RunQuery, scan: FolderScan
) -> list[DwiFiles]:
    for each in scan.unreadable:
        if each.is_folder and not each.is_level:
            _LOGGER.warning("%s: %s", each.path, each.text)
    unreadable = [
        evolve(each, path=Path(layout.root, each.path.relative_to(dataset.root)))
        for each in scan.unreadable
    ]
    passed = {Path(layout.root, each.relative_to(dataset.root)) for each in scan.passed_over}
    dataset = evolve(dataset, root=Path(layout.root))  # a database may spell the root differently
    chosen = Filter(query.selection, layout)
    files = list_files(layout, query.subjects)
    folders = by_folder(path for path in files if not is_ignored(path, dataset.root))
    images = {path for beside in folders.values() for path in beside if looks_like_dwi(path.name)}
    runs = [_refused(each, dataset) for each in unreadable if _counts(each, dataset, query, chosen)]
    aside = []
    # an index holds neither hidden images nor those in deeper folders
    for image in images.union(list_images(dataset.root, query.subjects)):
        if not passed.isdisjoint((image, *image.parents)):
            continue
        problem = name_problem(image, dataset.root)
        if problem is None and image in images:
            if query.takes(image, dataset) and chosen.takes(image):
                runs.append(_gather(image, folders, dataset))
            elif query.finds_odd(image, dataset) and chosen.takes(image):
                aside.append(image)
        elif problem and query.concerns(image, dataset) and chosen.takes(image, misnamed=True):
            if is_hidden(image) or is_beside(image, dataset.root):
                aside.append(image)
            else:
                runs.append(refuse(image, dataset, problem))
    _tell(aside)
    return runs


def _counts(unreadable: Unreadable, dataset: InputDataset, query: RunQuery, chosen: Filter) -> bool:
    """Return whether something unreadable may be, or contain, a run that is requested."""
    image = not unreadable.is_folder and looks_like_dwi(unreadable.path.name)
    concerns = unreadable.is_level or (image and query.concerns(unreadable.path, dataset))
    return concerns and chosen.takes(unreadable.path, misnamed=True)


def _refused(unreadable: Unreadable, dataset: InputDataset) -> DwiFiles:
    problem = Problem(unreadable.path, unreadable.text, unreadable.remedy, refused=True)
    return refuse(unreadable.path, dataset, problem)


def _tell(aside: Sequence[Path]) -> None:
    """Warn of images that are not runs, although their names suggest it."""
    if aside:
        told = ", ".join(map(str, sorted(aside)[:_TOLD])) + (", ..." if len(aside) > _TOLD else "")
        _LOGGER.warning(
            "Not processed (hidden, not in a dwi folder, or with desc- in a raw dataset): %s.",
            told,
        )


def _in_wrong_hands(
    dataset: InputDataset, query: RunQuery, found: Collection[str]
) -> Iterator[DwiFiles]:
    """Look in the folders of other participants for runs of those who have none.

    Only then: with thousands of participants it takes long to search all folders.
    """
    lacking = set(query.subjects) - set(found)
    if not lacking:
        return
    for image in list_images(dataset.root):
        subject = subject_of(image.name)
        if subject not in lacking or not query.concerns(image, dataset):
            continue
        if problem := name_problem(image, dataset.root):
            yield refuse(image, dataset, problem, subject)


def _gather(image: Path, folders: Mapping[Path, list[Path]], dataset: InputDataset) -> DwiFiles:
    jsons = applicable(image, folders, ".json")
    sidecar, broken = merge_sidecars(jsons)
    bval, bvec = (_nearest(image, folders, kind) for kind in (".bval", ".bvec"))
    masks = _masks(image, folders[image.parent]) if dataset.derivative else []
    unclear = (ambiguity(image, found) for found in (bval, bvec, jsons, masks))
    return DwiFiles(
        dwi=image,
        bval=bval[-1] if bval else None,
        bvec=bvec[-1] if bvec else None,
        mask=masks[-1] if masks else None,
        sidecar=sidecar,
        entities=parse_entities(image.name),
        dataset_root=dataset.root,
        dataset_name=dataset.name,
        problem=next(filter(None, unclear), broken),
    )


def _nearest(image: Path, folders: Mapping[Path, list[Path]], extension: str) -> list[Path]:
    """Return the files that apply in the nearest folder that has any."""
    found = applicable(image, folders, extension)
    return [path for path in found if path.parent == found[-1].parent]


def _masks(image: Path, beside: Iterable[Path]) -> list[Path]:
    """Return the brain masks that match an image, the one with most of its entities last."""
    brain = parse_entities(image.name) | {"desc": "brain"}
    found = [
        (entities, path)
        for path in beside
        if stem_of(path.name)
        and parse_suffix(path.name) == "mask"
        and (entities := parse_entities(path.name)).get("desc") == "brain"
        # a mask of another space would not fit
        and entities.get("space") == brain.get("space")
        and entities.items() <= brain.items()
    ]
    return [path for _, path in sorted(found, key=lambda each: (len(each[0]), each[1].name))]


def _check_found(
    runs: list[DwiFiles], datasets: list[InputDataset], subs: set[str], *, in_place_of_input: bool
) -> None:
    where = ", ".join(str(dataset.root) for dataset in datasets)
    if not runs:
        kind = "preprocessed (desc-preproc) " if datasets[0].derivative else ""
        raise UsageError(
            f"no {kind}diffusion run found"
            + (f" for {', '.join(sorted(subs, key=natural_key))}." if subs else "."),
            file=where,
            remedy="Looked for sub-*/[ses-*/]dwi/*_dwi.nii[.gz]; check labels and filters."
            + (_INSTEAD if in_place_of_input else ""),
        )
    for label in sorted(subs - {run.subject for run in runs}, key=natural_key):
        _LOGGER.warning("%s: sub-%s has no diffusion run that matches the selection.", where, label)
