"""Whether the files at the top of the output are present and complete."""

from __future__ import annotations

from pathlib import Path

from bids_sr.bids.json_file import read_json
from bids_sr.bids.output_dataset import IGNORED, is_dangling

_NEEDED = ("Name", "BIDSVersion", "DatasetType", "GeneratedBy")
_COLUMNS = {"desc_id", "description"}


def dataset_faults(out_dir: Path) -> list[str]:
    """Return what is wrong with the files that all runs share.

    Parameters
    ----------
    out_dir : pathlib.Path
        Top of the derivative dataset.

    Returns
    -------
    list of str
        One for each file with a fault; usually none.
    """
    faults = []
    try:
        description = read_json(out_dir / "dataset_description.json")
        lacking = [key for key in _NEEDED if not description.get(key)]
        if lacking:
            faults.append(f"dataset_description.json lacks {', '.join(lacking)}")
    except (OSError, ValueError, AttributeError):
        faults.append("dataset_description.json is missing or damaged")
    ignored, labels = out_dir / ".bidsignore", out_dir / "descriptions.tsv"
    if not is_dangling(ignored) and not set(IGNORED) <= set(_lines(ignored)):
        faults.append(".bidsignore is missing or incomplete")
    if not is_dangling(labels) and not set("\t".join(_lines(labels)[:1]).split("\t")) >= _COLUMNS:
        faults.append("descriptions.tsv is missing or damaged")
    if not any(is_dangling(path) or path.stat().st_size for path in out_dir.glob("README*")):
        faults.append("README is missing or empty")
    return faults


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return []
