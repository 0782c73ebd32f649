"""Finding the diffusion runs of a dataset."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve

from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.bids.index import list_files, open_database, open_layout
from bids_sr.bids.inheritance import applicable, by_folder, merge_sidecars
from bids_sr.bids.names import SPREAD, parse_entities, parse_suffix
from bids_sr.bids.source import Source, check_labels, natural_key, open_source
from bids_sr.errors import UsageError

if TYPE_CHECKING:
    from bids.layout import BIDSLayout

_LOGGER = logging.getLogger("bids_sr")

_IMAGES = (".nii", ".nii.gz")


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

    Of a raw dataset all ``dwi`` images count, except phase, real and imaginary
    parts. Of a derivative dataset (`bids_dir` itself may be one) the
    ``desc-preproc`` images count, with their ``desc-brain`` mask. What this
    program wrote (``desc-sr``, ``desc-srsd``) never counts.

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
        Folder of a pybids index to use, or to make.
    derivatives : mapping of str to pathlib.Path, optional
        Names and folders of derivative datasets to take the runs from, in place
        of the raw ones in `bids_dir`.

    Returns
    -------
    list of DwiFiles
        In natural order of their names. Gradient files or sidecars that are
        missing or broken do not show here but in
        `bids_sr.bids.dwi_run.open_run`.

    Raises
    ------
    UsageError
        If a folder is no BIDS dataset, a label or filter is unknown, or no
        diffusion run is left.
    """
    main = open_source(Path(bids_dir), None)
    datasets = [open_source(Path(path), name) for name, path in (derivatives or {}).items()]
    datasets = datasets or [main]
    wanted_subs = {label.removeprefix("sub-") for label in participants}
    wanted_sess = {label.removeprefix("ses-") for label in sessions}
    check_labels(datasets, wanted_subs, wanted_sess)
    selection = _dwi_filters(filters)
    runs: list[DwiFiles] = []
    for dataset in datasets:
        database = _database_of(dataset, main, database_dir)
        for layout in _layouts(dataset, wanted_subs, wanted_sess, database):
            runs += _runs_in(layout, dataset, wanted_subs, wanted_sess, selection)
    runs = sorted(_without_doubles(runs), key=lambda run: natural_key(run.dwi.name))
    _check_found(runs, datasets, wanted_subs)
    return runs


def _dwi_filters(filters: Mapping[str, Any] | None) -> dict[str, Any]:
    from bids.layout import Query

    chosen = (filters or {}).get("dwi", {})
    if not isinstance(chosen, Mapping):
        raise UsageError(
            "the 'dwi' entry of the BIDS filter is not an object.",
            remedy='Write for example {"dwi": {"acquisition": "AP"}}.',
        )
    if filters and not chosen:
        _LOGGER.warning("The BIDS filter has no 'dwi' entry: it selects nothing.")
    special = {None: Query.NONE, "*": Query.ANY}
    return {
        key: special.get(value, value) if isinstance(value, str | None) else value
        for key, value in chosen.items()
    }


def _database_of(dataset: Source, main: Source, folder: Path | None) -> Path | None:
    if folder is None or dataset is main:
        return folder
    return folder / dataset.name


def _layouts(
    dataset: Source, subs: set[str], sess: set[str], database: Path | None
) -> Iterator[BIDSLayout]:
    if database is None:
        yield open_layout(dataset.root, subs, sess)
        return
    layout = open_database(dataset.root, database)
    yield layout
    # An index made earlier, or by a tool that left participants or data types out, may
    # lack some: those are looked up afresh.
    indexed = {path.resolve() for path in by_folder(list_files(layout, subs))}
    lacking = {
        folder.relative_to(dataset.root).parts[0].removeprefix("sub-")
        for folder in _dwi_folders(dataset.root, subs)
        if folder.resolve() not in indexed
    }
    if lacking:
        yield open_layout(dataset.root, lacking, sess)


def _dwi_folders(root: Path, subs: set[str]) -> Iterator[Path]:
    for person in sorted(f"sub-{label}" for label in subs) or ["sub-*"]:
        for level in (f"{person}/dwi", f"{person}/ses-*/dwi"):
            yield from root.glob(level)


def _runs_in(
    layout: BIDSLayout,
    dataset: Source,
    subs: set[str],
    sess: set[str],
    selection: Mapping[str, Any],
) -> list[DwiFiles]:
    folders = by_folder(list_files(layout, subs))
    dataset = evolve(dataset, root=Path(layout.root))  # a database has its own spelling of it
    return [
        _gather(path, folders, dataset)
        for path in _images(layout, selection)
        if _counts(path, dataset, "desc" in selection) and _chosen(path, subs, sess)
    ]


def _images(layout: BIDSLayout, selection: Mapping[str, Any]) -> list[Path]:
    query = {"suffix": "dwi", "extension": list(_IMAGES), **selection}
    try:
        return [Path(path) for path in layout.get(return_type="file", **query)]
    except (TypeError, ValueError) as error:  # pybids' words for what it does not know
        raise UsageError(
            f"the BIDS filter cannot be used: {error}",
            remedy="Use entity names such as acquisition, direction, run, session.",
        ) from error


def _counts(path: Path, dataset: Source, any_desc: bool) -> bool:
    entities = parse_entities(path.name)
    desc = entities.get("desc")
    return (
        parse_suffix(path.name) == "dwi"
        and path.parent.name == "dwi"
        and "sub" in entities
        and entities.get("part", "mag") == "mag"
        and desc not in ("sr", SPREAD)
        and (any_desc or desc == ("preproc" if dataset.derivative else None))
    )


def _chosen(path: Path, subs: set[str], sess: set[str]) -> bool:
    # by file name: pybids takes the first "sub-" in the whole path, also one above the dataset
    entities = parse_entities(path.name)
    return (not subs or entities["sub"] in subs) and (not sess or entities.get("ses") in sess)


def _gather(image: Path, folders: Mapping[Path, list[Path]], dataset: Source) -> DwiFiles:
    sidecar, problem = merge_sidecars(applicable(image, folders, ".json"))
    return DwiFiles(
        dwi=image,
        bval=_nearest(image, folders, ".bval"),
        bvec=_nearest(image, folders, ".bvec"),
        mask=_mask(image, folders[image.parent]) if dataset.derivative else None,
        sidecar=sidecar,
        entities=parse_entities(image.name),
        dataset_root=dataset.root,
        dataset_name=dataset.name,
        sidecar_problem=problem,
    )


def _nearest(image: Path, folders: Mapping[Path, list[Path]], extension: str) -> Path | None:
    found = applicable(image, folders, extension)
    return found[-1] if found else None


def _mask(image: Path, beside: Iterable[Path]) -> Path | None:
    brain = parse_entities(image.name) | {"desc": "brain"}
    found = [
        path
        for path in beside
        if path.name.endswith(_IMAGES)
        and parse_suffix(path.name) == "mask"
        and parse_entities(path.name).get("desc") == "brain"
        # a mask of another space would not fit
        and parse_entities(path.name).get("space") == brain.get("space")
        and parse_entities(path.name).items() <= brain.items()
    ]
    return max(found, key=lambda path: len(parse_entities(path.name)), default=None)


def _without_doubles(runs: Iterable[DwiFiles]) -> list[DwiFiles]:
    kept: dict[str, DwiFiles] = {}
    for run in sorted(runs, key=lambda run: run.dwi.name, reverse=True):  # .nii.gz before .nii
        other = kept.setdefault(run.label, run)
        if other.dwi.parent == run.dwi.parent and other.dwi != run.dwi:
            _LOGGER.warning("%s: used in place of %s beside it.", other.dwi, run.dwi.name)
        elif other.dwi != run.dwi:
            raise UsageError(
                f"has the same name as {other.dwi}: their outputs would collide.",
                file=run.dwi,
                remedy="Work on one dataset at a time.",
            )
    return list(kept.values())


def _check_found(runs: list[DwiFiles], datasets: list[Source], subs: set[str]) -> None:
    where = ", ".join(str(dataset.root) for dataset in datasets)
    if not runs:
        kind = "preprocessed (desc-preproc) " if datasets[0].derivative else ""
        raise UsageError(
            f"no {kind}diffusion run found"
            + (f" for {', '.join(sorted(subs, key=natural_key))}." if subs else "."),
            file=where,
            remedy="Looked for sub-*/[ses-*/]dwi/*_dwi.nii[.gz]; check labels and filters.",
        )
    for label in sorted(subs - {run.subject for run in runs}, key=natural_key):
        _LOGGER.warning("%s: sub-%s has no diffusion run that was asked for.", where, label)
