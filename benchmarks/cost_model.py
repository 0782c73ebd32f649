"""What a subject, and 10,000 of them, cost on a CPU core and, estimated, on GPUs.

    python benchmarks/cost_model.py

CPU rows are those of ``bids-sr --dry-run``, whose rates `sizing.py` measured. GPU rows are
**estimates that no GPU has confirmed**: the time of the network is the larger of its operations by
the share of the peak rate that convolutions of this size usually reach, and of the memory its
layers read and write by the bandwidth; all other steps stay on one core.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pages
import torch
from attrs import evolve, frozen
from sizing_rows import SCHEMES
from torch import nn

from bids_sr.networks.card import ModelCard
from bids_sr.networks.cost import multiply_adds
from bids_sr.networks.loading import load_network
from bids_sr.networks.registry import load_card
from bids_sr.networks.series_network import SLICES
from bids_sr.networks.series_parts import L2_PARTS, PARTS
from bids_sr.superres.defaults import DEFAULT_ENSEMBLE
from bids_sr.workflow.estimate import REFERENCE, Task, step_seconds

_SIDE = 128
SUBJECTS = 10_000
COPIES = tuple(dict.fromkeys((1, DEFAULT_ENSEMBLE)))


@frozen
class Gpu:
    """Data sheet of a GPU."""

    name: str
    tflops: float
    """float16 with float32 sums, dense."""
    gb_per_s: float


GPUS = (
    Gpu("V100 SXM2", 125, 900),
    Gpu("A100 SXM 40 GB", 312, 1555),
    Gpu("H100 SXM", 989, 3350),
)
REACHED, STREAMED = 0.25, 0.6
"""Shares of peak rate and of bandwidth that are counted on: assumptions."""


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--page", type=Path, help="documentation that has room for the tables")
    given = parser.parse_args()
    text = "\n".join(rows())
    if given.page:
        pages.put(given.page, {"cost": text})
    print(text)


def rows() -> Iterator[str]:
    """Yield its lines."""
    heads = "".join(f" {gpu.name} (estimate) |" for gpu in GPUS)
    yield f"| scan | copies | CPU, one core | of it network | all but network |{heads}"
    yield "|---|---|---|---|---|" + "---|" * len(GPUS)
    card = load_card(None, 2)
    for scan in SCHEMES:
        for copies in COPIES:
            task = _task(scan, card, copies)
            whole = _seconds(task)
            rest = _seconds(evolve(task, macs=0.0))
            cells = [_hours(whole), f"{1 - rest / whole:.0%}", _hours(rest)]
            cells += [_hours(rest + gpu_seconds(card, gpu, _pixels(task))) for gpu in GPUS]
            yield f"| {scan} | {copies} | " + " | ".join(cells) + " |"
    yield ""
    yield f"{SUBJECTS:,} subjects, one run each:"
    yield ""
    yield "| scan | copies | core hours | core hours with a GPU | H100 hours (estimate) |"
    yield "|---|---|---|---|---|"
    for scan in SCHEMES:
        task = _task(scan, card, DEFAULT_ENSEMBLE)
        hours = [
            SUBJECTS * seconds / 3600
            for seconds in (
                _seconds(task),
                _seconds(evolve(task, macs=0.0)),
                gpu_seconds(card, GPUS[-1], _pixels(task)),
            )
        ]
        yield f"| {scan} | {DEFAULT_ENSEMBLE} | " + " | ".join(f"{h:,.0f}" for h in hours) + " |"


def _pixels(task: Task) -> float:
    """Return the low-resolution pixels that go through the network."""
    return math.prod(task.shape[:3]) * (task.shells or task.shape[3]) * task.copies


def _task(scan: str, card: ModelCard, copies: int) -> Task:
    matrix, volumes = SCHEMES[scan]
    count = sum(volumes.values())
    fitted = sum(n for b, n in volumes.items() if b <= 1500)
    return Task(
        shape=(*matrix, count), factor=2, macs=multiply_adds(card), copies=copies,
        tensor_volumes=fitted, gqi_volumes=count, **_seen(card, volumes),
    )  # fmt: skip


def _seen(card: ModelCard, volumes: Mapping[int, int]) -> dict[str, int]:
    if not card.sees_series:
        return {}
    shells = sum(b > 0 for b in volumes)
    return {"shells": shells, "details": 1 + (1 + L2_PARTS) * shells}


def _seconds(task: Task) -> float:
    return REFERENCE.start + sum(step_seconds(task).values())


def gpu_seconds(card: ModelCard, gpu: Gpu, pixels: float) -> float:
    """Return the seconds of a network for so many low-resolution pixels.

    Parameters
    ----------
    card : ModelCard
        The network.
    gpu : Gpu
        The device.
    pixels : float
        Of all slices and copies, and all shells or volumes that the network sees.

    Returns
    -------
    float
    """
    computing = 2 * multiply_adds(card) / (gpu.tflops * 1e12 * REACHED)
    moving = moved_bytes(card) / (gpu.gb_per_s * 1e9 * STREAMED)
    return pixels * max(computing, moving)


def moved_bytes(card: ModelCard) -> float:
    """Return what the layers of a network read and write per pixel in float16, bytes.

    Convolutions read their input and write their output; what lies between them (sums, leaky
    ReLUs, joins) is counted as twice that again.
    """
    network = load_network(card)
    moved = 0

    def count(_layer: nn.Module, given: tuple[torch.Tensor, ...], made: torch.Tensor) -> None:
        nonlocal moved
        moved += 2 * (given[0].numel() + made.numel())

    hooks: list[Any] = [
        layer.register_forward_hook(count)
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d)
    ]
    with torch.inference_mode():
        if card.sees_series:
            network(torch.zeros(1, SLICES * PARTS, _SIDE, _SIDE))
        else:
            network.detail(torch.zeros(1, len(card.channels), _SIDE, _SIDE))  # type: ignore[operator]
    for hook in hooks:
        hook.remove()
    return 3 * moved / _SIDE**2


def _hours(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


if __name__ == "__main__":
    main()
