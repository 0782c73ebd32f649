"""Files at the top of the output: description, ignore list, labels, README."""

from __future__ import annotations

import csv
import io
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

from bids_sr.bids.atomic import write_json, write_text
from bids_sr.bids.uris import bids_uri, own_uri
from bids_sr.errors import OutputError
from bids_sr.resources import read_version

__all__ = ["IGNORED", "bids_uri", "own_uri", "write_dataset_files"]

_LOGGER = logging.getLogger("bids_sr")

_NAME = "bids_sr"
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
"""Lines of ``.bidsignore``: outputs that BIDS has no names for yet."""

_DESCRIPTIONS = {
    "desc-sr": "Super-resolved in the plane of acquisition",
    "desc-brain": "Brain mask",
    "desc-input": "Fitted to the input, on its own grid, for comparison",
    "desc-srsd": "Standard deviation over turned copies that were super-resolved one by one",
}

_CITATION = (
    "Please cite Lohr & Werner, Layer Selection in Feature-Based Losses Affects Image Quality and "
    "Microstructural Consistency in Deep Learning Super-Resolution of Brain Diffusion MRI, 2026, "
    "arXiv:2605.15895, and the source datasets."
)

_README = """\
# Super-resolved diffusion MRI

Written by bids_sr. Each diffusion run of the source has here

- `*_desc-sr_dwi.nii.gz` with `.bval`, `.bvec` and `.json`: the super-resolved series;
- `*_desc-brain_mask.nii.gz`: the brain mask on its grid;
- `*_model-tensor_param-*_dwimap.nii.gz`, `*_model-gqi_param-*_dwimap.nii.gz`: diffusion maps
  (with `desc-input`: the same fit on the input, for comparison);
- `*_desc-srsd_dwi.nii.gz`, `*_param-fa_desc-srsd_dwimap.nii.gz` (if asked for): by how much the
  output changes when the slices are turned, as a standard deviation; it is less than the error;
- `*_desc-sr_quality.json`: figures of merit.

`sub-*.html` are reports to look at. What the names mean stands in the JSON files beside the
images. Super-resolved images are estimates: look at the reports before relying on them.
"""


def write_dataset_files(
    out_dir: Path, *, sources: Mapping[str, Path], container: Mapping[str, Any] | None = None
) -> None:
    """Write or complete the files at the top of a derivative dataset.

    Many processes may call this at once on one folder: a lock lets them take
    turns, each file appears whole, and what is said of other sources stays.
    A file that is complete already is not touched.

    Parameters
    ----------
    out_dir : pathlib.Path
        Top of the output; made if need be.
    sources : mapping of str to pathlib.Path
        Names (as in ``bids:`` URIs) and folders of the source datasets.
    container : mapping, optional
        ``Type``, ``Tag`` and ``URI`` of the container this runs in.

    Raises
    ------
    OutputError
        If the folder holds a dataset that is no derivative, a damaged
        description, or cannot be written.
    """
    with _locked(out_dir):
        _write_description(out_dir, sources, container)
        _write_ignore_list(out_dir / ".bidsignore")
        if not any(out_dir.glob("README*")):
            write_text(out_dir / "README.md", _README)
        # last: who finds it finds the others, too
        _write_descriptions(out_dir / "descriptions.tsv")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".dataset.lock", timeout=_LOCK_SECONDS, mode=0o666)
        lock.acquire()
    except (Timeout, NotImplementedError) as error:
        # a stale lock, or a file system without locks: files still appear whole
        _LOGGER.warning("%s: going on without its lock (%s).", folder, error)
        yield
        return
    except OSError as error:
        raise OutputError(
            f"cannot be written ({error.strerror or error}).",
            file=folder,
            remedy="Check free space and permissions of the output folder.",
        ) from error
    try:
        yield
    finally:
        lock.release()


def _write_description(
    out_dir: Path, sources: Mapping[str, Path], container: Mapping[str, Any] | None
) -> None:
    path = out_dir / "dataset_description.json"
    old = _read_description(path)
    links = old.get("DatasetLinks") or {}
    new_links = {name: root.absolute().as_uri() for name, root in sources.items()}
    replaced = {links.get(name) for name in new_links}
    described = [
        source
        for source in _entries(old, "SourceDatasets")
        if source.get("URL") not in replaced | set(new_links.values())
    ]
    described += [_source(root) for root in sources.values()]
    others = [entry for entry in _entries(old, "GeneratedBy") if entry.get("Name") != _NAME]
    new = {
        "Name": "Super-resolved diffusion MRI",
        "BIDSVersion": "1.10.0",
        "DatasetType": "derivative",
        "HowToAcknowledge": _CITATION,
        **old,
        "GeneratedBy": [_generated_by(container), *others],
        "SourceDatasets": described,
        "DatasetLinks": links | new_links,
    }
    if new != old:
        write_json(path, new)


def _read_description(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise OutputError(
            f"cannot be read as JSON ({error}).",
            file=path,
            remedy="Repair or remove it, or choose another output folder.",
        ) from error
    if not isinstance(content, dict) or content.get("DatasetType") != "derivative":
        raise OutputError(
            "does not describe a derivative dataset.",
            file=path,
            remedy="Choose an output folder that is new or holds derivatives.",
        )
    return content


def _entries(description: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    entries = description.get(key)
    return [e for e in entries if isinstance(e, dict)] if isinstance(entries, list) else []


def _generated_by(container: Mapping[str, Any] | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"Name": _NAME, "Version": read_version()}
    if url := _code_url():
        entry["CodeURL"] = url
    if container:
        entry["Container"] = dict(container)
    return entry


def _code_url() -> str | None:
    try:
        urls = metadata(_NAME).get_all("Project-URL") or []
    except PackageNotFoundError:  # run from a checkout
        return None
    return urls[0].partition(",")[2].strip() if urls else None


def _source(root: Path) -> dict[str, str]:
    source = {"URL": root.absolute().as_uri()}
    try:
        description = json.loads((root / "dataset_description.json").read_text("utf-8-sig"))
        doi = description.get("DatasetDOI")
    except (OSError, ValueError, AttributeError):
        return source
    return source | ({"DOI": doi} if isinstance(doi, str) else {})


def _write_ignore_list(path: Path) -> None:
    old = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    missing = [line for line in IGNORED if line not in old]
    if missing:
        write_text(path, "\n".join([*old, *missing]) + "\n")


def _write_descriptions(path: Path) -> None:
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
