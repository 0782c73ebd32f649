"""Where prepared arrays are kept between trainings."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np

from bids_sr.bids.atomic import atomic_path
from bids_sr.bids.dwi_run import DwiRun

_FORMAT = 6
"""Increase when the arrays change, so that an old cache is not read."""


def cache_key(run: DwiRun, *parameters: object) -> str:
    """Return a name that changes with the run's image, its gradients and the parameters."""
    source, table = run.files.dwi.stat(), run.gradients
    gradients = [table.bvals.tolist(), table.bvecs.tolist(), table.b0_threshold]
    facts = [str(run.files.dwi), source.st_size, source.st_mtime_ns, gradients, _FORMAT]
    facts += parameters
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:12]


def save(path: Path, array: np.ndarray) -> None:
    """Write an array, whole or not at all."""
    with atomic_path(path) as temporary:
        np.save(temporary, array)
