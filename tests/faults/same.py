"""Whether two output folders hold the same, and whether what they share is whole."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path

from bids_sr.bids.output_dataset_check import dataset_faults
from bids_sr.workflow.completeness import page_is_whole

TIMED = (
    "seconds_superres",
    "seconds_total",
    "slices_per_second",
    "peak_memory_gb",
    "selfcheck_seconds",
)
"""Metrics of the record that are of the machine, not of the scan: all that may differ."""

_LEFT_OUT = {"logs"}


def differences(one: Path, other: Path, *, moved: tuple[Path, Path] | None = None) -> list[str]:
    """Name the files that are not the same in two output folders, byte for byte.

    Logs are left out, and of records, pages and manifests what `TIMED` names.
    `moved` are the folders of the input datasets, where they are two.
    """
    names = {
        path.relative_to(top).as_posix()
        for top in (one, other)
        for path in top.rglob("*")
        if path.is_file() and path.relative_to(top).parts[0] not in _LEFT_OUT
    }
    found = []
    for name in sorted(names):
        pair = [top / name for top in (one, other)]
        if not all(path.is_file() for path in pair):
            found.append(f"{name} is in one folder only")
        elif _content(pair[0], moved) != _content(pair[1], moved):
            found.append(f"{name} differs")
    return found


def shared_faults(out: Path) -> list[str]:
    """Name what is wrong with shared files and pages, as far as they are there."""
    faults = dataset_faults(out) if (out / "descriptions.tsv").exists() else []
    faults += [page.name for page in out.glob("sub-*.html") if not page_is_whole(page)]
    for path in out.glob("logs/*_error.json"):
        try:
            json.loads(path.read_text())
        except FileNotFoundError:
            pass  # taken away meanwhile
        except ValueError:
            faults.append(path.name)
    return faults


def half_written(out: Path) -> list[str]:
    """Name files that were not finished."""
    return [path.relative_to(out).as_posix() for path in out.rglob(".tmp-*")]


def _content(path: Path, moved: tuple[Path, Path] | None) -> object:
    if path.name.endswith("_quality.json"):
        return _untimed(json.loads(path.read_text()))
    if path.name.endswith(".nii.gz"):
        # the same image may be packed in other bytes: seen once, with ISA-L's compressor
        return gzip.decompress(path.read_bytes())
    if path.name.endswith(("_desc-manifest_dwi.json", "_desc-manifest.json")):
        content = json.loads(path.read_text())
        for name, entry in content["Files"].items():
            if name.endswith(("_quality.json", ".nii.gz", "_desc-methods.html")):
                entry.clear()
        return content
    if path.name.startswith("sub-") and path.suffix == ".html":
        return _untimed_page(path.read_text())
    if moved and path.name == "dataset_description.json":
        return path.read_text().replace(str(moved[1]), str(moved[0]))
    return path.read_bytes()


def _untimed(record: dict) -> dict:
    return {key: value for key, value in record.items() if key not in TIMED}


def _untimed_page(text: str) -> str:
    text = re.sub(rf"&#34;({'|'.join(TIMED)})&#34;: [-0-9.e+null]+", "", text)
    text = re.sub(r"on \d{4}-\d\d-\d\d \d\d:\d\d UTC", "", text)
    return re.sub(r"<dd>[0-9.]+ (s|min|h|GB|slices/s)( [0-9.]+ (s|min))?</dd>", "", text)
