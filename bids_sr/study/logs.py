"""The files of a study, readable without scans or weights."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from attrs import field, frozen

from bids_sr.bids.atomic import atomic_path
from bids_sr.errors import UsageError
from bids_sr.study.rows import Row

ROWS, BASELINES = "rows", "baselines"
"""Folders of a study."""
SCORES, ARRAYS = "scores.json", "arrays.npz"
"""Files of a row or a baseline."""
LOG, VALIDATION = "log.csv", "validation.csv"
"""Files written by training for a row."""


@frozen(eq=False)
class Result:
    """A scored row or baseline."""

    name: str
    """Name of the row or baseline."""
    scores: Mapping[str, Any]
    """See `bids_sr.study.score.Scorer.score`."""
    folder: Path = field()
    """Its folder."""

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The data of its figures; empty if not saved."""
        path = self.folder / ARRAYS
        if not path.exists():
            return {}
        with np.load(path, allow_pickle=False) as stored:
            return {key: stored[key] for key in stored.files}

    def last_logged(self) -> dict[str, str]:
        """Return the last row of the training log; empty if there is none."""
        path = self.folder / LOG
        if not path.exists():
            return {}
        with path.open(newline="") as stream:
            return list(csv.DictReader(stream))[-1]


@frozen(eq=False)
class Results:
    """All scores of a study."""

    rows: Mapping[str, Result]
    """By name of the row; unfinished rows are missing."""
    baselines: Mapping[str, Result]
    """By ``METHOD-xFACTOR-noiseSIGMA``."""


def read_results(out: Path, rows: list[Row]) -> Results:
    """Read the scores of a study so far.

    Parameters
    ----------
    out : pathlib.Path
        Output folder of a study, or a copy of its logs.
    rows : list of Row
        Rows of its recipe.

    Returns
    -------
    Results

    Raises
    ------
    UsageError
        If nothing has been scored yet.
    """
    found = {row.name: _result(out / ROWS / row.name) for row in rows}
    scored = {name: result for name, result in found.items() if result}
    if not scored:
        raise UsageError(
            "holds no scored row of this recipe.",
            file=out,
            remedy="Run the study first, or give the folder of its logs.",
        )
    baselines = {p.parent.name: _result(p.parent) for p in (out / BASELINES).glob(f"*/{SCORES}")}
    return Results(scored, {name: each for name, each in sorted(baselines.items()) if each})


def keep_logs(results: Results, folder: Path) -> None:
    """Copy the data of tables and figures: no scans, no weights, a few MB.

    Parameters
    ----------
    results : Results
        Results of a study.
    folder : pathlib.Path
        Folder for the copies; `read_results` reads it like the study's own folder.
    """
    for kind, results_of_kind in ((ROWS, results.rows), (BASELINES, results.baselines)):
        for name, result in results_of_kind.items():
            for file in (SCORES, ARRAYS, LOG, VALIDATION):
                source, target = result.folder / file, folder / kind / name / file
                if source.exists() and source.resolve() != target.resolve():
                    with atomic_path(target) as temporary:
                        shutil.copyfile(source, temporary)


def read_json(path: Path) -> dict[str, Any]:
    """Return the content of a JSON file.

    Raises
    ------
    UsageError
        If it is damaged.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return content
    except ValueError as error:
        raise UsageError(
            f"is damaged ({error}).", file=path, remedy="Remove it and run the study again."
        ) from error


def _result(folder: Path) -> Result | None:
    if not (folder / SCORES).exists():
        return None
    return Result(folder.name, read_json(folder / SCORES)["scores"], folder)
