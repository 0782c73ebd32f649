"""Participants and runs missing from the group: no output, unfinished, incomplete."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from attrs import frozen

from bids_sr.bids.atomic import final_name
from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.bids.entities import output_entities, with_entities
from bids_sr.bids.input_dataset import natural_key
from bids_sr.bids.invalid_names import looks_like_dwi, plain
from bids_sr.bids.names import (
    GQI_PARAMS,
    TENSOR_PARAMS,
    OutputNames,
    parse_entities,
    parse_label,
)
from bids_sr.report.records import FinishedRun

_SERIES = "_desc-sr_dwi.nii.gz"
_RES = re.compile("(?P<source>.*)x(?P<factor>[23])")
"""Label of ``res`` in our names: that of the source, if any, and the factor."""


@frozen
class Roster:
    """Participants of the input datasets without output."""

    looked_in: tuple[Path, ...]
    """Input datasets that are available."""
    without_output: tuple[str, ...]
    """Labels, without ``sub-``, of those with a diffusion run there but no output here."""
    without_dwi: tuple[str, ...]
    """Labels of those without a diffusion run and without output here."""


def roster(out_dir: Path, told: Collection[str], datasets: Iterable[Path] = ()) -> Roster:
    """Compare the output with its input datasets.

    Parameters
    ----------
    out_dir : pathlib.Path
        Top folder of the derivative dataset. Its description names further
        datasets, and its ``participants.tsv`` may list participants.
    told : collection of str
        Labels of participants with a run, finished or not.
    datasets : iterable of pathlib.Path
        Input datasets; anything that is not a folder, and the output itself, is skipped.

    Returns
    -------
    Roster
    """
    found = dict.fromkeys(p.resolve() for p in [*datasets, *_described(out_dir)] if p.is_dir())
    found.pop(out_dir.resolve(), None)
    people = {d: _folders(d) | _listed(d / "participants.tsv") for d in found}
    at_hand = [dataset for dataset, labels in people.items() if labels]
    everybody = set().union(*people.values(), _listed(out_dir / "participants.tsv"))
    absent = {label for label in everybody if plain(label) not in told}
    scanned = {label for label in absent if any(_has_dwi(d / f"sub-{label}") for d in at_hand)}
    if not at_hand:
        scanned = absent  # not known
    return Roster(
        tuple(at_hand),
        tuple(sorted(scanned, key=natural_key)),
        tuple(sorted(absent - scanned, key=natural_key)),
    )


def missing_files(run: FinishedRun) -> list[str]:
    """Return the names of the files that a finished run lacks.

    Parameters
    ----------
    run : FinishedRun

    Returns
    -------
    list of str
        Also empty if the record's name does not tell which files to expect.
    """
    entities = parse_entities(run.path.name)
    found = _RES.fullmatch(entities.get("res", ""))
    if found is None or "sub" not in entities:
        return []
    there = set(_names(run.path.parent))
    # maps named otherwise, by an older version, are not missing
    older = any(name.startswith(f"{run.key}_model-") for name in there)
    no_maps = run.values.get("maps_written") is False or older
    source = {key: label for key, label in entities.items() if key not in ("res", "desc")}
    if found["source"]:
        source = with_entities(source, {"res": found["source"]})
    templates = _templates(
        tuple(source),
        int(found["factor"]),
        bool(run.values.get("dti_skipped_reason")) or no_maps,
        bool(run.values.get("gqi_skipped_reason")) or no_maps,
        run.values.get("uncertainty") is True,
    )
    names = [template.format_map(source) for template in templates]
    gone = [name for name in names if name not in there]
    return gone if run.index.is_file() else [*gone, run.index.name]


@lru_cache(maxsize=64)
def _templates(
    keys: tuple[str, ...], factor: int, no_tensor: bool, no_gqi: bool, ensemble_sd: bool
) -> tuple[str, ...]:
    """Return a run's file names with ``{sub}`` and the like in place of the source's labels."""
    entities = {key: f"{{{key}}}" for key in keys}
    source = DwiFiles(Path("source.nii"), None, None, None, {}, entities, Path())
    tensor = () if no_tensor else TENSOR_PARAMS
    gqi = () if no_gqi else GQI_PARAMS
    names = OutputNames(Path(), source, factor)
    expected = names.expected(tensor=tensor, gqi=gqi, input_tensor=tensor, ensemble_sd=ensemble_sd)
    return tuple(path.name for path in expected)


def begun(out_dir: Path, told: Collection[str]) -> list[str]:
    """Return the names of runs with a series but no record.

    Parameters
    ----------
    out_dir : pathlib.Path
    told : collection of str
        Names of runs, of outputs or of sources, that finished or failed.

    Returns
    -------
    list of str
        File names up to ``_desc-sr``: in progress, with a series complete or being written, or
        interrupted.
    """
    finished = {frozenset(parse_label(name).items()) for name in told}
    failed = {frozenset(output_entities(parse_label(name)).items()) for name in told}
    names = {final_name(path.name) for path in _series(out_dir)}
    keys = {name.removesuffix(_SERIES) for name in names if name.startswith("sub-")}
    # finished runs are listed with their factor, failed ones by the source's name
    left = [
        key
        for key in keys
        if frozenset(parse_label(key).items()) not in finished and _source(key) not in failed
    ]
    return sorted(left, key=natural_key)


def _series(out_dir: Path) -> list[Path]:
    patterns = (f"sub-*/dwi/*{_SERIES}", f"sub-*/ses-*/dwi/*{_SERIES}")
    return [path for pattern in patterns for path in out_dir.glob(pattern)]


def _source(key: str) -> frozenset[tuple[str, str]]:
    """Return the entities of an output's name that come from its source."""
    entities = parse_label(key)
    if found := _RES.fullmatch(entities.pop("res", "")):
        entities |= {"res": found["source"]} if found["source"] else {}
    return frozenset(entities.items())


def _described(out_dir: Path) -> list[Path]:
    """Return the local datasets that the output's description names."""
    try:
        content = json.loads((out_dir / "dataset_description.json").read_text("utf-8-sig"))
        links = content.get("DatasetLinks") or {}
        urls = list(links.values()) if isinstance(links, Mapping) else []
        for source in content.get("SourceDatasets") or ():
            urls.append(source.get("URL"))
    except (OSError, ValueError, AttributeError, TypeError, RecursionError):
        return []
    return [path for url in urls if (path := _local(url))]


def _local(url: Any) -> Path | None:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
    except ValueError:
        return None
    if parts is None or parts.scheme != "file" or "\0" in unquote(parts.path):
        return None
    return Path(unquote(parts.path))


def _folders(dataset: Path) -> set[str]:
    return {
        name.removeprefix("sub-")
        for name in _names(dataset)
        if name.startswith("sub-") and (dataset / name).is_dir()
    }


def _listed(path: Path) -> set[str]:
    """Return the labels in the first column of a ``participants.tsv``."""
    try:
        lines = path.read_text("utf-8-sig", errors="replace").splitlines()
    except OSError:
        return set()
    if not lines or lines[0].split("\t")[0] != "participant_id":
        return set()
    labels = {line.split("\t")[0].strip().removeprefix("sub-") for line in lines[1:]}
    return {label for label in labels if re.fullmatch(r"[A-Za-z0-9]+", label)}


def _has_dwi(folder: Path) -> bool:
    names = _names(folder)
    visits = [folder / name for name in names if name.startswith("ses-")]
    where: Sequence[Path] = [folder, *visits] if "dwi" in names else visits
    return any(looks_like_dwi(name) for visit in where for name in _names(visit / "dwi"))


def _names(folder: Path) -> list[str]:
    try:
        return [path.name for path in folder.iterdir()]
    except OSError:
        return []
