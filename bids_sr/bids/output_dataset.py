"""Files at the top of the output: description, ignore list, labels, README."""

from __future__ import annotations

import csv
import io
import json
import logging
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

from bids_sr.bids.atomic import TEMPORARY, write_json, write_text
from bids_sr.bids.locking import PATTERN, lock_path, locked
from bids_sr.bids.ownership import (
    DESCRIPTION,
    NAME,
    check_owner,
    entries,
    is_us,
    maker,
    read_description,
)
from bids_sr.bids.uris import bids_uri, own_uri
from bids_sr.errors import OutputError
from bids_sr.resources import read_version

__all__ = ["IGNORED", "bids_uri", "own_uri", "write_dataset_files"]

_LOGGER = logging.getLogger("bids_sr")

_LOCK_SECONDS = 60

IGNORED = (
    "*.html",
    "logs",
    "figures",
    "group_*.tsv",
    "group_*.json",
    "*_dwi.bval",
    "*_dwi.bvec",
    "*_dwimap.*",
    "*_quality.json",
    "*.lock",
)
"""Lines of ``.bidsignore``: outputs for which BIDS has no names yet."""

_NOT_VERSIONED = f"""\
# Left by {NAME} when it is killed; removed by the next call.
{TEMPORARY}*
{PATTERN}
"""
"""Content of ``.gitignore``."""

_DESCRIPTIONS = {
    "desc-sr": "Super-resolved in the plane of acquisition",
    "desc-brain": "Brain mask",
    "desc-input": "Fitted to the input, on its own grid, for comparison",
    "desc-srsd": "Standard deviation over a self-ensemble of rotations and flips",
}

_DICTIONARY = {
    "Description": "Meaning of the labels of the desc entity in the names of the outputs",
    "desc_id": {"Description": "Entity and label"},
    "description": {"Description": "What is in files with this label"},
}
"""Content of ``descriptions.json``."""

_CITATION = (
    "Please cite Lohr & Werner, Layer Selection in Feature-Based Losses Affects Image Quality and "
    "Microstructural Consistency in Deep Learning Super-Resolution of Brain Diffusion MRI, 2026, "
    "arXiv:2605.15895, and the source datasets."
)

_README = """\
# Super-resolved diffusion MRI

Written by bids_sr. Each diffusion run of the source has

- `*_desc-sr_dwi.nii.gz` with `.bval`, `.bvec` and `.json`: the super-resolved series;
- `*_desc-brain_mask.nii.gz`: the brain mask on its grid;
- `*_model-tensor_param-*_res-x2_dwimap.nii.gz`, `*_model-gqi_param-*_res-x2_dwimap.nii.gz`:
  diffusion maps (with `desc-input`: the same fit on the input, for comparison);
- `*_desc-srsd_dwi.nii.gz`, `*_desc-srsd_dwimap.nii.gz` (if requested): standard deviation
  of the output over rotations and flips of the slices; it is smaller than the error;
- `*_desc-sr_quality.json`: quality metrics.

`sub-*.html` are the reports. The JSON files next to the images explain the names. Super-resolved
images are estimates: read the reports before relying on them.
"""


def write_dataset_files(
    out_dir: Path, *, sources: Mapping[str, Path], container: Mapping[str, Any] | None = None
) -> None:
    """Write or complete the files at the top of a derivative dataset.

    Many processes may call this at once on one folder: they are serialized by a lock, each file is
    written atomically, and entries for other sources and programs are kept. A file that is already
    complete is not touched, nor is an existing ``.gitignore``.

    Parameters
    ----------
    out_dir : pathlib.Path
        Top of the output; made if necessary.
    sources : mapping of str to pathlib.Path
        Names (as in ``bids:`` URIs) and folders of the source datasets.
    container : mapping, optional
        ``Type``, ``Tag`` and ``URI`` of the container this runs in.

    Raises
    ------
    UsageError
        If the folder belongs to another program, or its description is damaged
        (`bids_sr.bids.ownership.check_owner`).
    OutputError
        If it cannot be written.
    """
    with _turn(out_dir):
        _write_description(out_dir, sources, container)
        _write_ignore_list(out_dir / ".bidsignore")
        if not os.path.lexists(out_dir / ".gitignore"):
            write_text(out_dir / ".gitignore", _NOT_VERSIONED)
        if not any(out_dir.glob("README*")):
            write_text(out_dir / "README.md", _README)
        if not os.path.lexists(out_dir / "descriptions.json"):
            write_json(out_dir / "descriptions.json", _DICTIONARY)
        # last: when it exists, the others do, too
        _write_descriptions(out_dir / "descriptions.tsv")


@contextmanager
def _turn(folder: Path) -> Iterator[None]:
    try:
        with locked(lock_path(folder, "dataset"), _LOCK_SECONDS) as reason:
            if reason:  # files are still written atomically
                _LOGGER.warning("%s: continuing without its lock (%s).", folder, reason)
            yield
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror or error}).",
            file=folder,
            remedy="Check free space and permissions of the output folder.",
        ) from error


def _write_description(
    out_dir: Path, sources: Mapping[str, Path], container: Mapping[str, Any] | None
) -> None:
    check_owner(out_dir)  # another process may have written it since the first check
    old = read_description(out_dir) or {}
    links = _mapping(old.get("DatasetLinks"))
    new_links = {name: root.absolute().as_uri() for name, root in sources.items()}
    replaced = [*(links[name] for name in new_links if name in links), *new_links.values()]
    known = old.get("SourceDatasets")
    described = [
        source
        for source in (known if isinstance(known, list) else [])
        if _mapping(source).get("URL") not in replaced
    ]
    described += [_source(root) for root in sources.values()]
    new = {
        "Name": "Super-resolved diffusion MRI",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "HowToAcknowledge": _CITATION,
        **old,
        **_authors(out_dir, old, (root for name, root in sources.items() if name not in links)),
        "GeneratedBy": _programs(old, _generated_by(container)),
        "SourceDatasets": described,
        "DatasetLinks": links | new_links,
    }
    if new != old:
        write_json(out_dir / DESCRIPTION, new)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _programs(old: Mapping[str, Any], own: dict[str, Any]) -> list[Any]:
    """Replace our entry, or append it; other entries are left as they are."""
    listed = entries(old)
    ours = [is_us(maker(entry)) for entry in listed]
    place = ours.index(True) if any(ours) else len(listed)
    others = [entry for entry, mine in zip(listed, ours, strict=True) if not mine]
    return [*others[:place], own, *others[place:]]


def _generated_by(container: Mapping[str, Any] | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"Name": NAME, "Version": read_version()}
    if url := _code_url():
        entry["CodeURL"] = url
    if container:
        entry["Container"] = dict(container)
    return entry


def _code_url() -> str | None:
    """Return the address of the source code in the installed package's metadata."""
    try:
        urls = metadata(NAME).get_all("Project-URL") or []
    except PackageNotFoundError:  # run from a checkout
        return None
    labels = {label.strip(): url.strip() for label, _, url in (url.partition(",") for url in urls)}
    return labels.get("Source")


def _authors(
    out_dir: Path, old: Mapping[str, Any], sources: Iterable[Path]
) -> dict[str, list[str]]:
    """Return the authors, to whom those of sources that are new are added.

    With a citation file BIDS forbids the field: the authors are named there.
    """
    if (out_dir / "CITATION.cff").exists():
        return {}
    known = old.get("Authors")
    names = list(known) if isinstance(known, list) else []
    for root in sources:
        said = _described(root).get("Authors")
        names += [name for name in said if isinstance(name, str)] if isinstance(said, list) else []
    return {"Authors": list(dict.fromkeys(names))} if names else {}


def _source(root: Path) -> dict[str, str]:
    source = {"URL": root.absolute().as_uri()}
    doi = _described(root).get("DatasetDOI")
    return source | ({"DOI": doi} if isinstance(doi, str) else {})


def _described(root: Path) -> dict[str, Any]:
    """Return the description of a source; empty if it has none, or none that can be read."""
    try:
        return _mapping(json.loads((root / DESCRIPTION).read_text("utf-8-sig")))
    except (OSError, ValueError, RecursionError):
        return {}


def _write_ignore_list(path: Path) -> None:
    if is_dangling(path):
        return
    old = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    missing = [line for line in IGNORED if line not in old]
    if missing:
        write_text(path, "\n".join([*old, *missing]) + "\n")


def _write_descriptions(path: Path) -> None:
    if is_dangling(path):
        return
    rows = {key: {"desc_id": key, "description": text} for key, text in _DESCRIPTIONS.items()}
    columns = ["desc_id", "description"]
    if path.exists():
        with path.open(encoding="utf-8", newline="") as stream:
            table = csv.DictReader(stream, delimiter="\t")
            old = [row for row in table if row.get("desc_id")]
            columns = list(table.fieldnames or columns)
        if {row["desc_id"] for row in old} >= rows.keys():
            return
        rows |= {row["desc_id"]: row for row in old}
    text = io.StringIO()
    writer = csv.DictWriter(
        text, columns, delimiter="\t", lineterminator="\n", restval="n/a", extrasaction="ignore"
    )
    writer.writeheader()
    writer.writerows(rows[key] for key in sorted(rows))
    write_text(path, text.getvalue())


def is_dangling(path: Path) -> bool:
    """Return whether a file's content is elsewhere, as after ``datalad drop``.

    Such a shared file is left as it is, since its content is unknown.
    """
    return path.is_symlink() and not path.exists()
