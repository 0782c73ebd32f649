"""BIDS URIs: names for files across datasets."""

from __future__ import annotations

from pathlib import Path

from bids_sr.bids.dwi_run import DwiFiles


def bids_uri(files: DwiFiles, path: Path) -> str:
    """Return the ``bids:`` URI of a source file.

    Parameters
    ----------
    files : DwiFiles
        The run whose dataset holds the file.
    path : pathlib.Path
        A file below ``files.dataset_root``.

    Returns
    -------
    str
        For example ``bids:raw:sub-01/dwi/sub-01_dwi.nii.gz``; the name is
        explained by ``DatasetLinks`` in the derivative's dataset_description.json. Of a
        run outside any dataset, the name of the file alone.

    Raises
    ------
    ValueError
        If the file lies elsewhere.
    """
    if not files.dataset_name:
        return path.name
    return f"bids:{files.dataset_name}:{path.relative_to(files.dataset_root).as_posix()}"


def own_uri(out_dir: Path, path: Path) -> str:
    """Return the ``bids:`` URI of a file of the derivative dataset `out_dir` itself."""
    return f"bids::{path.relative_to(out_dir).as_posix()}"
