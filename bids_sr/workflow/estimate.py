"""What a run will cost before it is begun: files, time; for `--dry-run` and docs/hpc.md.

Pure functions of a `Task`: nothing is read, nothing measured here. The figures in
`REFERENCE` and the shares below were measured by ``benchmarks/sizing.py``; whoever makes
the program faster measures them again with ``make benchmark-sizing``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from attrs import frozen

from bids_sr.bids.names import ENSEMBLE_SD, parse_entities, parse_suffix
from bids_sr.diffusion.tensor import FIT_WIDTH
from bids_sr.evaluation.sampling import (
    MAX_B0S,
    MAX_DIRECTIONS,
    MAX_NOISY_SLICES,
    MAX_OTHER,
    MAX_OTHER_SHELLS,
    MAX_SLICES,
)
from bids_sr.superres.defaults import DEFAULT_ENSEMBLE

_FLOAT, _HALF = 4, 2
_FEW_VOLUMES = MAX_B0S + MAX_DIRECTIONS + MAX_OTHER * MAX_OTHER_SHELLS
COMPONENTS = {"colorfa": 3, "v1": 3, "tensor": 6}
"""Values per voxel of maps that have more than one."""

SERIES_SHARE = {"float32": 0.85, "int16": 0.26}
"""Size of a compressed series by its data type, in the size of float32 without compression: 0.70
to 0.91 and 0.19 to 0.27, by how much of the background is zero; noise hardly compresses."""
MAP_SHARE = 0.93
"""The same of a map, in its size within the brain: outside, it is zero."""
BRAIN = 0.24
"""Share of the voxels that lie in the brain, 0.15 to 0.31: not known before there is a mask."""
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
PAGE = 2_450_000
"""Report of a participant without runs: mostly the 3D viewer, which is kept once."""
PROGRAM_GB = 0.5
"""Memory of the program beside its largest step: other steps' libraries, what is kept free."""
NODES = 150_000
"""What nipype keeps of a run in the work folder, bytes."""


@frozen
class Task:
    """All of a run that its cost depends on."""

    shape: tuple[int, int, int, int]
    """Of the input at its acquired matrix (x, y, z, volumes)."""
    factor: int
    """In-plane factor."""
    macs: float
    """Multiplications of the network per pixel of the input, each time that it sees a slice
    (`bids_sr.networks.cost`)."""
    shells: int = 0
    """How often a network for the series sees each slice; 0: it sees each volume."""
    details: int = 0
    """Images of detail that it gives of the whole series: b0, mean and l = 2 of each shell."""
    copies: int = DEFAULT_ENSEMBLE
    """Turned copies of a slice that go through it."""
    tensor_volumes: int = 0
    """Volumes that the tensor is fitted to; 0: no tensor."""
    gqi_volumes: int = 0
    """Volumes of GQI; 0: none."""
    uncertainty: bool = False
    """Whether the standard deviation over the self-ensemble is written."""
    self_check: str = "auto"
    """``auto``, ``full`` or ``off``."""
    output_dtype: str = "float32"
    """Of the series on disk."""
    gradient_check: bool = True
    """Whether the gradient table is checked."""
    stored: tuple[int, int, int] | None = None
    """A volume as it is stored, if that is finer: a copy is made of the series."""

    @property
    def fine(self) -> int:
        """Voxels of a volume of the output."""
        return math.prod(self.shape[:3]) * self.factor**2


@frozen
class Rates:
    """How fast a machine is: seconds of one core.

    Those per voxel are per million voxels (of the grid and the volumes that a step
    goes through), the others per run.
    """

    macs_per_s: float
    """Multiplications of the network per second."""
    gather: float
    """First pass over the series, per million voxels of it."""
    stream: float
    """Interpolation, detail, compression: per million voxels of the output series."""
    channels: float
    """Preparing what a network for volumes reads, per million voxels of the input series."""
    mask: float
    """Masks, per million voxels of the output grid."""
    tensor: float
    """Tensor fit, per million voxels times volumes."""
    tensor_maps: float
    """Eigenvalues and compression of its maps, per million voxels."""
    gradients: float
    """Gradient check, per million voxels ..."""
    gradients_volume: float
    """... and per million voxels times volumes that it reads."""
    gqi: float
    """GQI, per million voxels times volumes."""
    coarsen: float
    """Reading and coarsening for the self-check, per million voxels of the input series."""
    compute_metrics: float
    """Quality metrics, per million voxels of the output series."""
    draw: float
    """Pictures and the 3D view, per million voxels of the output grid."""
    undo: float
    """Undoing zero-filling, per million voxels of the stored series."""
    start: float
    """Start of the program and its libraries."""
    per_run: float
    """What every run takes whatever its size: pictures, text, looking up."""


REFERENCE = Rates(
    macs_per_s=72e9,
    gather=0.04,
    stream=0.065,
    channels=0.11,
    mask=0.65,
    tensor=0.02,
    tensor_maps=0.4,
    gradients=1.2,
    gradients_volume=0.005,
    gqi=0.035,
    coarsen=0.03,
    compute_metrics=0.09,
    draw=0.6,
    undo=0.03,
    start=5.0,
    per_run=2.0,
)
"""Of the machine that the sizing table was measured on: one core of an AMD EPYC server CPU
with AVX2, its other core idle."""

SERIAL = (
    "read",
    "undo_filling",
    "check_gradients",
    "describe",
    "mask",
    "compute_metrics",
    "draw",
    "rest",
)
"""Steps that use one core whatever ``--omp-nthreads`` says."""


def file_bytes(name: str, task: Task) -> int:
    """Return about how large an output file becomes.

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


def kind_of(name: str) -> str:
    """Return what kind of output a file is: ``series``, ``maps``, ``ensemble_sd`` or ``report``."""
    desc = parse_entities(name).get("desc")
    if desc == ENSEMBLE_SD:
        return "ensemble_sd"
    if not name.endswith(".nii.gz"):
        return "report"
    return "series" if desc == "sr" else "maps"


def output_bytes(files: Mapping[str, int], task: Task) -> dict[str, int]:
    """Return about how much disk the outputs of a run take, by kind.

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
        3D viewer (`PAGE`) is the participant's, not counted here.
    """
    sizes = dict.fromkeys(KINDS, 0)
    for name, size in files.items():
        sizes[kind_of(name)] += size
    pixels = task.fine // task.shape[2]
    sizes["report"] += PICTURES + PICTURES_PER_PIXEL * pixels
    sizes["report"] += round(VOLUMES_3D * min(task.fine, VOLUMES_3D_MOST))
    return sizes


def work_bytes(task: Task) -> tuple[int, int]:
    """Return about how much a run takes of the work folder.

    Parameters
    ----------
    task : Task
        The run.

    Returns
    -------
    kept : int
        Bytes that stay there to the end.
    passing : int
        Bytes beside them while it is worked on: the volumes of the self-check, or what a
        fit passes through a file, with what is kept of the turned copies, whichever is larger.
    """
    coarse = task.fine // task.factor**2
    kept = NODES + round(MASK_SHARE * coarse)
    if task.stored:
        kept += _FLOAT * coarse * task.shape[3]
    if task.gqi_volumes:
        kept += round(MAP_SHARE * BRAIN * _FLOAT * coarse)
    copies = task.copies * _kept_volumes(task) if task.uncertainty else 0
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
    return kept, round(_FLOAT * max((copies + fit) * task.fine, check))


def step_seconds(task: Task, rates: Rates = REFERENCE) -> dict[str, float]:
    """Return about how long each step takes with one core.

    Parameters
    ----------
    task : Task
        The run.
    rates : Rates
        How fast the machine is.

    Returns
    -------
    dict of str to float
        Seconds by name of the step; ``rest`` is what does not depend on the run's size.
    """
    fine, coarse = task.fine / 1e6, task.fine / task.factor**2 / 1e6
    volumes = task.shape[3]
    seconds = {
        "undo_filling": rates.undo * volumes * math.prod(task.stored or (0,)) / 1e6,
        "check_gradients": _gradients_s(task, coarse, rates),
        "super_resolve": _super_resolve_s(task, coarse, volumes, rates),
        "mask": rates.mask * fine,
        "fit_input": _tensor_s(task.tensor_volumes, coarse, rates),
        "fit_tensor": _tensor_s(task.tensor_volumes, fine, rates),
        "fit_gqi": rates.gqi * task.gqi_volumes * fine,
        "fit_input_gqi": rates.gqi * task.gqi_volumes * coarse,
        "ensemble_sd": 0.0,
        "self_check": _self_check_s(task, rates),
        "compute_metrics": rates.compute_metrics * volumes * fine,
        "draw": rates.draw * fine,
        "rest": rates.per_run,
    }
    if task.uncertainty:
        again = task.copies * task.tensor_volumes * fine
        seconds["ensemble_sd"] = task.copies * _tensor_s(task.tensor_volumes, fine, rates)
        # copies of a network for the series are put together from their detail when they are fitted
        seconds["ensemble_sd" if task.shells else "super_resolve"] += rates.stream * again
    return seconds


def wall_seconds(steps: Mapping[str, float], threads: int) -> float:
    """Return how long steps take one after the other, if threads cost nothing.

    Parameters
    ----------
    steps : mapping of str to float
        From `step_seconds`.
    threads : int
        Cores per step.

    Returns
    -------
    float
        Seconds; what several threads really bring is a little less.
    """
    return sum(s if name in SERIAL else s / threads for name, s in steps.items())


def _super_resolve_s(task: Task, voxels: float, made: int, rates: Rates) -> float:
    """Return the seconds of slices of so many million voxels of the input.

    Parameters
    ----------
    task : Task
        All of its volumes are gathered.
    voxels : float
        Of a volume.
    made : int
        Volumes that are super-resolved.
    rates : Rates
        How fast the machine is.
    """
    fine, volumes = voxels * task.factor**2, task.shape[3]
    seen = task.copies * (task.shells or made)
    network = seen * voxels * task.macs * 1e6 / rates.macs_per_s
    channels = 0.0 if task.shells else rates.channels * made * voxels
    return network + channels + rates.gather * volumes * voxels + rates.stream * made * fine


def _kept_volumes(task: Task) -> float:
    """Return how many volumes of float32 one turned copy leaves in the work folder."""
    # detail as float16, or whole volumes that a tensor is fitted to, uncompressed
    return task.details * _HALF / _FLOAT if task.shells else task.tensor_volumes


def _tensor_s(volumes: int, voxels: float, rates: Rates) -> float:
    return (rates.tensor * volumes + rates.tensor_maps) * voxels if volumes else 0.0


def _gradients_s(task: Task, voxels: float, rates: Rates) -> float:
    if not (task.gradient_check and task.tensor_volumes):
        return 0.0
    return (rates.gradients + rates.gradients_volume * task.tensor_volumes) * voxels


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


def _self_check_s(task: Task, rates: Rates) -> float:
    slices, volumes = _checked(task)
    if not volumes:
        return 0.0
    noisy, few = _checked_again(task)
    whole, part = (n * math.prod(task.shape[:2]) / 1e6 for n in (slices, noisy))
    seconds = rates.coarsen * math.prod(task.shape) / 1e6
    for voxels, made in ((whole, volumes), (part, few)):
        seconds += _super_resolve_s(task, voxels / task.factor**2, made, rates)
    # the scan, what four methods make of it, and what noise does to it; again without the last
    fits = 6 * _tensor_s(volumes, whole, rates) + 5 * _tensor_s(few, part, rates)
    return seconds + (fits if task.tensor_volumes else 0.0)
