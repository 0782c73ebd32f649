"""The memory that each step of a run needs, and the chunk sizes that keep it below a limit."""

from __future__ import annotations

from attrs import evolve, frozen

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.diffusion.voxelwise import BLOCK_BYTES
from bids_sr.errors import InputError
from bids_sr.networks.card import WEIGHTS, ModelCard
from bids_sr.superres.defaults import AHEAD, LARGE_DETAIL, detail_bytes
from bids_sr.workflow.plan import RunPlan
from bids_sr.workflow.run_size import RunSize, expected_size, size_of, stored_size

NETWORK_STEPS = ("super_resolve", "self_check")
"""Steps that run the network, on a GPU if there is one."""
FITS = ("fit_input", "fit_tensor", "fit_gqi", "fit_input_gqi", "ensemble_sd")
"""Steps that fit a model block by block."""
BASE_GB = 0.8
"""Memory of a process for torch, dipy and other libraries; measured 0.6 in a worker, 0.77 with one
core, where it also finds the runs and writes the pages."""
PARENT_GB = 0.8
"""Memory of the main process while workers run."""

_FLOAT = 4
_CUDA_GB = 1.0
"""Memory that CUDA adds to a process."""
_CPU_BATCH_PIXELS = 1 << 16
"""Default pixels of a batch on the CPU, as in `bids_sr.superres.device`."""
_LEAST_BATCH = 2
"""Slices: a single one is rounded differently, so that results would depend on memory."""
_FRUGAL_BLOCK = 12 << 20
_BLOCKS, _BLOCKS_PER_THREAD, _THREAD_GB = 3.0, 0.7, 0.02
"""Memory of a fit: in blocks, in blocks per thread, and in addition per thread."""


@frozen
class ChunkSizes:
    """Chunk sizes of the steps; results do not depend on them."""

    batch_size: int | None = None
    """Slices that go through the network at once; None: the device's default."""
    block_bytes: int = BLOCK_BYTES
    """Size of the block of signals of a fit."""
    ahead: int = AHEAD
    """Volumes read ahead of the network, and written behind it."""
    on_disk: bool = False
    """Whether the result of a fit is kept in a file of the work folder."""


@frozen
class _Cost:
    """Volumes that a step holds, in addition to the base, its blocks and its batch."""

    stored: float = 0.0
    """Of the size in which the input is stored."""
    coarse: float = 0.0
    """Of the input's size, as it was acquired."""
    fine: float = 0.0
    """Of the output's size."""
    channels: float = 0.0
    """Of the input's size, for each channel that the network reads."""
    shells: float = 0.0
    """Of the input's size, for each shell."""
    images: float = 0.0
    """Of the input's size, for each image that a network for the series sees."""
    details: float = 0.0
    """Of the output's size, for each of them."""
    gb: float = 0.0
    """Libraries that no other step needs, GB."""


_COSTS = {
    "undo_filling": _Cost(stored=6, coarse=2),
    "super_resolve": _Cost(coarse=9, channels=0.7, fine=3, shells=8),
    "check_gradients": _Cost(coarse=24),
    "mask": _Cost(coarse=24, fine=1),
    "fit_input": _Cost(coarse=16),
    "fit_tensor": _Cost(fine=13),
    "fit_gqi": _Cost(fine=5),
    "fit_input_gqi": _Cost(coarse=5),
    "self_check": _Cost(coarse=16, shells=4),
    "compute_metrics": _Cost(coarse=3, fine=6, gb=0.15),
    "draw": _Cost(coarse=3, fine=4, gb=0.2),
}
_SERIES = {
    "super_resolve": _Cost(coarse=6, fine=3, details=0.5),
    "self_check": _Cost(coarse=16, images=0.75),
}
"""The same for a network for the series: images are collected, and their detail kept as float16. No
volume is made ahead of those being written, with or without --low-mem."""
_SERIES_ON_DISK = {"super_resolve": _Cost(coarse=6, fine=1, images=1)}
"""The same where that detail is in a file (`bids_sr.superres.defaults.LARGE_DETAIL`): the images of
all shells are held when the network begins, the volumes when it is done."""
_FRUGAL_NETWORK = {"super_resolve": _Cost(coarse=6, channels=0.6, fine=1.8, shells=8)}
"""The same where volumes are neither read ahead nor written behind."""
_FRUGAL_FITS = {
    "fit_input": _Cost(coarse=4),
    "fit_tensor": _Cost(fine=3),
    "fit_gqi": _Cost(fine=3),
    "fit_input_gqi": _Cost(coarse=4),
}
"""The same if the result of a fit is kept on disk."""
_MOST_GB, _MOST_VOLUMES = 1.5, 4
"""Without a limit, a run stays below this base plus this number of super-resolved volumes, whatever
its number of volumes: larger fits keep their results on disk."""
_MEMBERS = {"super_resolve": 22, "ensemble_sd": 22}
"""Additional super-resolved volumes while ensemble members are kept ..."""
_SERIES_MEMBERS = {"super_resolve": 40, "ensemble_sd": 8}
"""... and while their detail is, in files."""


def step_memory_gb(plan: RunPlan) -> dict[str, float]:
    """Return the peak memory of each step of a run, in a process of its own.

    Parameters
    ----------
    plan : RunPlan
        The run; its first volume is read. If its image cannot be opened, only what does not
        depend on its size is counted: the first step will say what is wrong.

    Returns
    -------
    dict of str to float
        GB, by name of the step, with the `chunk_sizes` of the run.
    """
    size = expected_size(plan)
    return _steps(plan, size, _chunk_sizes(plan, size))


def least_memory_gb(plan: RunPlan, run: DwiRun) -> float:
    """Return the least memory, GB, with which the largest step of a run works.

    Parameters
    ----------
    plan : RunPlan
        The run.
    run : DwiRun
        The same, opened, at its acquired matrix (`bids_sr.workflow.expected_run`).

    Returns
    -------
    float
    """
    return max(_least(plan, size_of(plan, run)).values())


def fits(plan: RunPlan, limit_gb: float) -> bool:
    """Return whether all steps of a run fit into a memory limit.

    Parameters
    ----------
    plan : RunPlan
        The run. Only its headers are read, unless the size that they tell does not fit: then
        its first volume, too, for it may have been acquired with fewer voxels.
    limit_gb : float

    Returns
    -------
    bool
        Also true where the run cannot be opened.
    """
    sizes = (stored_size, expected_size) if plan.options.detect_band else (stored_size,)
    return any(max(_least(plan, size(plan)).values()) <= limit_gb for size in sizes)


def chunk_sizes(plan: RunPlan, run: DwiRun) -> ChunkSizes:
    """Return the chunk sizes of the steps of a run.

    Parameters
    ----------
    plan : RunPlan
        Its options say whether memory is to be spared, or how much there is; the
        usual chunk_sizes are taken if they fit.
    run : DwiRun
        The run, opened, at its acquired matrix.

    Returns
    -------
    ChunkSizes
    """
    return _chunk_sizes(plan, size_of(plan, run))


def refuse_too_large(plan: RunPlan) -> None:
    """Raise an error if a run needs more memory than available.

    Parameters
    ----------
    plan : RunPlan
        Its options give the available memory. For what is read, see `fits`.

    Raises
    ------
    InputError
        Giving the memory needed.
    """
    limit = plan.options.memory_gb
    if limit is None or fits(plan, limit):
        return
    needs = _least(plan, expected_size(plan))
    step = max(needs, key=lambda name: needs[name])
    ways = ["--uncertainty takes much of it"] if plan.options.uncertainty else []
    ways += ["--scale 2 needs less"] if plan.names.factor > 2 else []
    raise InputError(
        f"needs {needs[step]:.1f} GB of memory (step {step}) even with --low-mem, where "
        f"{max(limit, 0):.1f} GB are left for a step by --mem-mb or the limit of the machine, "
        "container or job.",
        file=plan.files.dwi,
        remedy=f"Give it more{'; ' if ways else ''}{', and '.join(ways)}.",
    )


def _chunk_sizes(plan: RunPlan, size: RunSize) -> ChunkSizes:
    options, usual = plan.options, _usual(plan, size)
    if options.low_mem:
        # a GPU has memory of its own, and waits for small batches
        least = None if options.device.startswith("cuda") else _LEAST_BATCH
        return _frugal(plan, options.batch_size or least)
    limit = options.memory_gb
    if limit is None or max(_steps(plan, size, usual).values()) <= limit:
        return usual
    if options.batch_size is not None:
        return _frugal(plan, options.batch_size)
    if options.device != "cpu" or not size.largest_slice:
        return evolve(_frugal(plan, _LEAST_BATCH), batch_size=None)
    # the rest is for the batch
    one = _least(plan, size)
    rest = limit - max(one[name] for name in NETWORK_STEPS)
    batch = _LEAST_BATCH + int(max(0, rest) / (_pixel_gb(options.card) * size.largest_slice))
    most = max(_LEAST_BATCH, int(_CPU_BATCH_PIXELS / size.largest_slice))
    return _frugal(plan, min(batch, most))


def _usual(plan: RunPlan, size: RunSize) -> ChunkSizes:
    chunks = ChunkSizes(batch_size=plan.options.batch_size)
    needs = _steps(plan, size, chunks)
    largest = max(needs[name] for name in FITS)
    return evolve(chunks, on_disk=largest > _MOST_GB + _MOST_VOLUMES * size.fine_gb)


def _frugal(plan: RunPlan, batch_size: int | None) -> ChunkSizes:
    return ChunkSizes(batch_size, _FRUGAL_BLOCK // max(1, plan.options.threads), 0, on_disk=True)


def _least(plan: RunPlan, size: RunSize) -> dict[str, float]:
    """Return the memory of each step with the smallest chunks, GB."""
    return _steps(plan, size, _frugal(plan, _LEAST_BATCH))


def _steps(plan: RunPlan, size: RunSize, chunks: ChunkSizes) -> dict[str, float]:
    costs = _costs(plan, size, chunks)
    names = ("read", "describe", *_COSTS, "ensemble_sd")
    members = _SERIES_MEMBERS if plan.options.card.sees_series else _MEMBERS
    needs = {}
    for name in names:
        cost = costs.get(name, _Cost())
        coarse = cost.coarse + cost.shells * size.shells + cost.images * size.passes.images
        coarse += cost.channels * len(plan.options.card.channels)
        fine = cost.fine + cost.details * size.passes.images
        fine += members.get(name, 0.0) if plan.options.uncertainty else 0.0
        need = BASE_GB + cost.gb + coarse * size.coarse_gb + fine * size.fine_gb
        need += cost.stored * size.stored_gb
        if name in NETWORK_STEPS:
            need += _network_gb(plan, size, chunks)
        if name in FITS or name == "self_check":
            need += _blocks_gb(plan, chunks)
        needs[name] = round(need, 2)
    return needs


def _costs(plan: RunPlan, size: RunSize, chunks: ChunkSizes) -> dict[str, _Cost]:
    costs = _COSTS | (_FRUGAL_FITS if chunks.on_disk else {})
    if plan.options.card.sees_series:
        return costs | _SERIES | (_SERIES_ON_DISK if _in_file(plan, size) else {})
    return costs | ({} if chunks.ahead else _FRUGAL_NETWORK)


def _in_file(plan: RunPlan, size: RunSize) -> bool:
    """Return whether the detail of a series is in files."""
    copies = 1 + plan.options.ensemble * plan.options.uncertainty
    held = copies * detail_bytes(size.passes.images, round(size.fine_gb * 1e9 / _FLOAT))
    return held > LARGE_DETAIL


def _network_gb(plan: RunPlan, size: RunSize, chunks: ChunkSizes) -> float:
    card = plan.options.card
    weights = card.folder / WEIGHTS
    need = 2e-9 * weights.stat().st_size if weights.is_file() else 0.0
    if plan.options.device != "cpu":
        return need + _CUDA_GB  # its batches are on the GPU
    usual = max(_CPU_BATCH_PIXELS, _LEAST_BATCH * size.largest_slice) if size.largest_slice else 0.0
    pixels = usual if chunks.batch_size is None else chunks.batch_size * size.largest_slice
    return need + _pixel_gb(card) * pixels


def _pixel_gb(card: ModelCard) -> float:
    """Return the network's memory per low-resolution pixel of a batch on the CPU.

    Measured, bytes: 3400 for 60 feature maps and factor 2, 5500 for 120, 4400 for 40 and
    factor 3; 4600 for the article's network and factor 2.
    """
    width = card.architecture.get("width")
    fine = card.factor**2
    return 1e-9 * (50 * width + 280 * fine if isinstance(width, int) else 1300 * fine)


def _blocks_gb(plan: RunPlan, chunks: ChunkSizes) -> float:
    threads = plan.options.threads
    return (
        chunks.block_bytes * 1e-9 * (_BLOCKS + _BLOCKS_PER_THREAD * threads) + _THREAD_GB * threads
    )
