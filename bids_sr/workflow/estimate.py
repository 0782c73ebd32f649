"""Estimate of what a run will write; for `--dry-run` and docs/hpc.md.

Pure functions of a `Task`: nothing is read or measured here. ``make benchmark-sizing`` compares the
estimates with measurements.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from attrs import frozen

from bids_sr.bids.names import (
    ENSEMBLE_SD,
    GQI_PARAMS,
    TENSOR_PARAMS,
    param_label,
    parse_entities,
    parse_suffix,
)
from bids_sr.diffusion.tensor import FIT_WIDTH
from bids_sr.evaluation.sampling import (
    MAX_B0S,
    MAX_DIRECTIONS,
    MAX_NOISY_SLICES,
    MAX_OTHER,
    MAX_OTHER_SHELLS,
    MAX_SLICES,
)
from bids_sr.superres.defaults import DEFAULT_ENSEMBLE, LARGE_DETAIL, detail_bytes

_FLOAT, _HALF = 4, 2
_FEW_VOLUMES = MAX_B0S + MAX_DIRECTIONS + MAX_OTHER * MAX_OTHER_SHELLS
HEADER = 352
"""Bytes of a NIfTI-1 file before its voxels."""
COMPONENTS = {"colorfa": 3, "v1": 3, "diffusivity": 6}
"""Values per voxel of maps that have more than one, by label of ``param``."""

SERIES_SHARE = {"float32": 0.85, "int16": 0.26}
"""Size of a compressed series by data type, relative to uncompressed float32: 0.70 to 0.91 and 0.19
to 0.27, depending on how much of the background is zero; noise hardly compresses."""
MAP_SHARE = 0.93
"""The same for a map, relative to its size within the brain: it is zero outside."""
BRAIN = 0.24
"""Fraction of voxels in the brain, 0.15 to 0.31: unknown before there is a mask."""
MASK_SHARE = 0.017
"""Size of a compressed mask, in bytes per voxel."""
VOLUMES_3D = 0.9
"""Bytes per voxel of the volumes of the 3D view ..."""
VOLUMES_3D_MOST = 5_000_000
"""... of so many voxels at most."""
PICTURES = 550_000
"""Pictures of a run's report and its part of the page, bytes ..."""
PICTURES_PER_PIXEL = 11
"""... and so many more for each pixel of a slice of the output."""
TEXT = 700
"""A sidecar or a gradient file, bytes."""
_TEXT_PER_VOLUME = 8
CURVES = 35_000
"""Curves of the report, bytes."""
KINDS = ("series", "maps", "ensemble_sd", "report")
"""Of outputs."""
PAGE = 170_000
"""Report of a participant without pictures: its page and the methods text."""
VIEWER = 2_300_000
"""The 3D viewer, once for all participants."""
PROGRAM_GB = 0.5
"""Memory of the program in addition to its largest step: libraries, and a reserve."""
NODES = 150_000
"""What nipype keeps of a run in the work folder, bytes."""


@frozen
class Task:
    """Everything about a run that its cost depends on."""

    shape: tuple[int, int, int, int]
    """Of the input at its acquired matrix (x, y, z, volumes)."""
    factor: int
    """In-plane factor."""
    details: int = 0
    """Images of detail that it returns for the whole series: b0, mean and l = 2 of each shell."""
    members: int = DEFAULT_ENSEMBLE
    """Rotations and flips of a slice that go through it."""
    tensor_volumes: int = 0
    """Volumes that the tensor is fitted to; 0: no tensor."""
    gqi_volumes: int = 0
    """Volumes of GQI; 0: none."""
    maps: bool = True
    """Whether diffusion maps are written; otherwise they stay in the work folder."""
    uncertainty: bool = False
    """Whether the standard deviation over the self-ensemble is written."""
    self_check: str = "auto"
    """``auto``, ``full`` or ``off``."""
    output_dtype: str = "float32"
    """Of the series on disk."""
    stored: tuple[int, int, int] | None = None
    """Voxels of a stored volume, if that is finer: the series is then copied."""

    @property
    def fine(self) -> int:
        """Voxels of a volume of the output."""
        return math.prod(self.shape[:3]) * self.factor**2


def file_bytes(name: str, task: Task) -> int:
    """Estimate how large an output file becomes.

    Parameters
    ----------
    name : str
        Of one of the files of `bids_sr.workflow.outputs.expected_outputs`, without folders.
    task : Task
        The run.

    Returns
    -------
    int
    """
    if not name.endswith(".nii.gz"):
        return CURVES if "_desc-curves_" in name else TEXT + _TEXT_PER_VOLUME * task.shape[3]
    suffix, entities = parse_suffix(name), parse_entities(name)
    raw = _FLOAT * task.fine
    if suffix == "dwi":
        dtype = task.output_dtype if kind_of(name) == "series" else "float32"
        return round(SERIES_SHARE[dtype] * raw * task.shape[3])
    if suffix == "mask":
        return round(MASK_SHARE * task.fine)
    if entities.get("desc") == "input":
        raw //= task.factor**2
    return round(MAP_SHARE * BRAIN * raw * COMPONENTS.get(entities.get("param", ""), 1))


def image_bytes(name: str, task: Task) -> int | None:
    """Return how large an output file is before compression: exact, by its grid and data type.

    Parameters
    ----------
    name : str
        Of an output file, as `file_bytes` takes it.
    task : Task
        The run.

    Returns
    -------
    int or None
        None if it is no image: then nothing tells before it is written.
    """
    if not name.endswith(".nii.gz"):
        return None
    suffix, entities = parse_suffix(name), parse_entities(name)
    voxels, size = task.fine, _FLOAT
    if suffix == "dwi":
        voxels *= task.shape[3]
        if kind_of(name) == "series" and task.output_dtype == "int16":
            size = _HALF
    elif suffix == "mask":
        size = 1
    else:
        voxels *= COMPONENTS.get(entities.get("param", ""), 1)
    if entities.get("desc") == "input":
        voxels //= task.factor**2
    return HEADER + size * voxels


def kind_of(name: str) -> str:
    """Return what kind of output a file is: ``series``, ``maps``, ``ensemble_sd`` or ``report``."""
    desc = parse_entities(name).get("desc")
    if desc == ENSEMBLE_SD:
        return "ensemble_sd"
    if not name.endswith(".nii.gz"):
        return "report"
    return "series" if desc == "sr" else "maps"


def output_bytes(files: Mapping[str, int], task: Task) -> dict[str, int]:
    """Estimate how much disk the outputs of a run take, by kind.

    Parameters
    ----------
    files : mapping of str to int
        Names of all files that the run leaves, and their sizes from `file_bytes`.
    task : Task
        The run.

    Returns
    -------
    dict of str to int
        By `kind_of` the file; ``report`` holds its pictures and all text, too. The page's
        texts (`PAGE`) and the 3D viewer (`VIEWER`) are not counted here.
    """
    sizes = dict.fromkeys(KINDS, 0)
    for name, size in files.items():
        sizes[kind_of(name)] += size
    pixels = task.fine // task.shape[2]
    sizes["report"] += PICTURES + PICTURES_PER_PIXEL * pixels
    sizes["report"] += round(VOLUMES_3D * min(task.fine, VOLUMES_3D_MOST))
    return sizes


def work_bytes(task: Task) -> tuple[int, int]:
    """Estimate how much a run takes of the work folder.

    Parameters
    ----------
    task : Task
        The run.

    Returns
    -------
    kept : int
        Bytes that stay there to the end.
    passing : int
        Bytes beside them while it is worked on, whichever is larger: the volumes of the self-check,
        or what is kept of the ensemble members, with detail that is in a file or what a fit passes
        through one.
    """
    coarse = task.fine // task.factor**2
    kept = NODES + round(MASK_SHARE * coarse)
    if task.stored:
        kept += _FLOAT * coarse * task.shape[3]
    if task.gqi_volumes:
        kept += round(MAP_SHARE * BRAIN * _FLOAT * coarse)
    if not task.maps:
        kept += round(MAP_SHARE * BRAIN * _FLOAT * _map_values(task))
    members = task.members * _kept_volumes(task) if task.uncertainty else 0
    detail = detail_bytes(task.details, task.fine)
    in_file = (1 + task.members * task.uncertainty) * detail > LARGE_DETAIL
    # signals of the brain's voxels, and the fit; not if all is small, but then it is little
    fitted = max(task.tensor_volumes, task.gqi_volumes)
    fit = BRAIN * (fitted + FIT_WIDTH) if fitted else 0
    slices, volumes = _checked(task)
    noisy, few = _checked_again(task)
    whole = task.shape[3] * bool(volumes)
    # truth and few volumes coarse, the whole series coarse, what one method made of it; the same
    # of fewer slices with noise
    check = math.prod(task.shape[:2]) * (
        slices * (2 * volumes + (volumes + whole) / task.factor**2)
        + noisy * (2 * few + (few + whole) / task.factor**2)
    )
    passing = max(_FLOAT * fit * task.fine, detail * in_file)
    return kept, round(max(_FLOAT * members * task.fine + passing, _FLOAT * check))


def _map_values(task: Task) -> int:
    """Return how many numbers all diffusion maps of the run hold, outside the brain as well."""
    each = sum(COMPONENTS.get(param_label(param), 1) for param in TENSOR_PARAMS)
    tensor = each * (task.fine + task.fine // task.factor**2) if task.tensor_volumes else 0
    return tensor + (len(GQI_PARAMS) * task.fine if task.gqi_volumes else 0)


def _kept_volumes(task: Task) -> float:
    """Return how many volumes of float32 one ensemble member leaves in the work folder."""
    # detail as float16, or whole volumes that a tensor is fitted to, uncompressed
    return task.details * _HALF / _FLOAT if task.details else task.tensor_volumes


def _checked(task: Task) -> tuple[int, int]:
    """Return how many slices and volumes the self-check looks at."""
    slices, volumes = task.shape[2:]
    if task.self_check == "off":
        return 0, 0
    if task.self_check == "full":
        return slices, volumes
    return min(slices, MAX_SLICES), min(volumes, _FEW_VOLUMES)


def _checked_again(task: Task) -> tuple[int, int]:
    """Return at how many of them it looks once more, with the scan's noise put back."""
    slices, volumes = _checked(task)
    return min(slices, MAX_NOISY_SLICES), min(volumes, _FEW_VOLUMES)
