"""How often the gradient check finds a wrong table, on real scans with planted faults.

Every signed exchange of axes is planted in every scan of a BIDS dataset, with all of its
directions and with subsets of 6, 12 and 16, spread as evenly as the scan's directions allow;
tables in the world's frame are planted in oblique scans. Prints the tables of docs/quality.md.
A planted fault turns the fitted tensor, which is worked out without fitting again
(tests/diffusion/test_gradient_check.py shows that it is the same).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from attrs import frozen
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from bids_sr.bids.dwi_run import DwiRun
from bids_sr.bids.finding import find_dwi
from bids_sr.diffusion.axis_permutations import (
    EXPECTED,
    AxisPermutation,
    signed_permutations,
    world_frames,
)
from bids_sr.diffusion.coherence import Fibres, follow_fibres
from bids_sr.diffusion.ensemble_sd import subset
from bids_sr.diffusion.gradient_check import (
    NOT_DECIDED,
    check_gradients,
    fit_fibres,
    judge_table,
)
from bids_sr.diffusion.run_masks import brain_of
from bids_sr.diffusion.volume_selection import dti_volumes
from bids_sr.images.runs import open_run

SIZES = (6, 12, 16)


@frozen
class Outcome:
    """What was said of the tables of one scan with one set of directions."""

    run: str
    directions: int
    whole: bool
    """Whether these are all directions of the scan."""
    planted: tuple[str, ...]
    said: tuple[str, ...]
    """Verdicts, one for each planted fault."""
    margin: float
    """Of the scan as it is."""
    coherence: tuple[float, float]
    """Of the scan as it is, and of the best table."""
    world: tuple[tuple[str, str], ...]
    """Faults of the frame and verdicts."""
    seconds: float


def outcomes(run: DwiRun, repeats: int) -> Iterator[Outcome]:
    """Check a scan whole and with subsets of its directions."""
    mask = brain_of(run, quiet=True)
    whole = list(dti_volumes(run.gradients).indices)
    yield _outcome(run, mask, whole, whole=True)
    for size in SIZES:
        for seed in range(repeats):
            kept = spread_out(run, whole, size, seed)
            if kept is None or len(kept) == len(whole):
                continue
            if not dti_volumes(subset(run.gradients, kept)).reason:
                yield _outcome(run, mask, kept, whole=False)


def _outcome(run: DwiRun, mask: NDArray[np.bool_], volumes: list[int], *, whole: bool) -> Outcome:
    start = time.monotonic()
    if whole:
        check_gradients(run)
    seconds = time.monotonic() - start
    fibres, affine = fit_fibres(run, mask, volumes)
    if fibres is None:
        raise SystemExit(f"{run.files.label} has no fibres.")
    asis = judge_table(fibres, affine)
    faults = signed_permutations()
    return Outcome(
        run.files.label,
        subset(run.gradients, volumes).n_directions,
        whole,
        tuple(fault.words for fault in faults),
        tuple(_verdict(fibres, affine, fault) for fault in faults),
        float(asis.margin or 0),
        (float(asis.coherence or 0), float(asis.best or 0)),
        tuple((w.words, _verdict(fibres, affine, w)) for w in world_frames(affine)),
        seconds,
    )


def _verdict(fibres: Fibres, affine: NDArray[np.float64], fault: AxisPermutation) -> str:
    # a table with the fault is the right one turned back by what would undo it
    return judge_table(fibres, affine, fault.matrix.T).verdict


def spread_out(run: DwiRun, volumes: list[int], size: int, seed: int) -> list[int] | None:
    """Choose b0s and directions that keep away from each other; None if there are too few.

    From a first one by chance, each as far as can be from those before; then one is exchanged
    for another as long as that lowers the energy of charges at their ends.
    """
    table = run.gradients
    weighted = [i for i in volumes if not table.is_b0[i]]
    likeness = np.abs(table.bvecs[weighted] @ table.bvecs[weighted].T)
    picked = [int(np.random.default_rng(seed).integers(len(weighted)))]
    while len(picked) < size:
        nearest = likeness[picked].max(axis=0)
        if nearest.min() > 0.999:
            return None
        picked.append(int(nearest.argmin()))
    ends = 1 / np.sqrt(np.maximum(2 - 2 * likeness, 1e-6)) + 1 / np.sqrt(2 + 2 * likeness)
    np.fill_diagonal(ends, 0)
    improved = True
    while improved:
        improved = False
        for place in range(size):
            others = [one for i, one in enumerate(picked) if i != place]
            energy = ends[:, others].sum(axis=1)
            energy[others] = np.inf
            if energy.min() < energy[picked[place]] - 1e-9:
                picked[place], improved = int(energy.argmin()), True
    return sorted([i for i in volumes if table.is_b0[i]] + [weighted[i] for i in picked])


def noise_margins(fields: int = 20) -> list[tuple[float, float, int]]:
    """Judge fields of noise: smoothing in voxels, largest margin, and how many were decided."""
    generator, rows = np.random.default_rng(0), []
    shapes = ((40, 48, 30), (60, 60, 40), (24, 30, 16))
    sides = ((2.0, 2.0, 2.0), (1.75, 1.75, 3.0), (3.0, 3.0, 3.6))
    for smoothing in (0.0, 0.6, 1.5, 3.0):
        checks = []
        for number in range(fields):
            shape, zooms = shapes[number % 3], sides[number % 3]
            noise = generator.normal(size=(*shape, 6))
            if smoothing:
                sigma = smoothing * np.array([1.0, 1.3, 0.8])
                noise = np.stack([gaussian_filter(noise[..., i], sigma) for i in range(6)], axis=-1)
            noise *= 0.15 / noise.std()
            noise[..., [0, 2, 5]] += 0.8  # mean diffusivity
            fibres = follow_fibres(noise, np.ones(shape, bool), np.array(zooms))
            if fibres is not None:
                checks.append(judge_table(fibres, np.diag([-1.0, 1.0, 1.0, 1.0])))
        decided = sum(check.verdict != NOT_DECIDED for check in checks)
        rows.append((smoothing, max(check.margin or 0.0 for check in checks), decided))
    return rows


def main() -> None:
    """Plant, check, count."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="BIDS dataset with right gradient tables")
    parser.add_argument("--repeats", type=int, default=6, help="subsets of each size")
    options = parser.parse_args()
    found = []
    for files in find_dwi(options.data):
        run = open_run(files)
        if dti_volumes(run.gradients).reason:
            print(f"{files.label}: {dti_volumes(run.gradients).reason}\n")
            continue
        found += outcomes(run, options.repeats)
    print(_noise(noise_margins()))
    print()
    print(_counts(found))
    print()
    print(_scans(found))


def _noise(rows: list[tuple[float, float, int]]) -> str:
    lines = ["| noise smoothed by, voxels | largest margin of 20 | decided |", "|---|---|---|"]
    lines += [f"| {smoothing} | {margin:.1f} | {decided} |" for smoothing, margin, decided in rows]
    return "\n".join(lines)


def _counts(found: list[Outcome]) -> str:
    lines = [
        "| directions | scans and subsets | faults planted | found | not decided | another fault "
        "named | passed as right | right tables called wrong |",
        "|---|---|---|---|---|---|---|---|",
    ]
    groups: list[tuple[str, list[Outcome]]] = [("all", [one for one in found if one.whole])]
    groups += [
        (str(size), [one for one in found if not one.whole and one.directions == size])
        for size in SIZES
    ]
    for name, group in groups:
        pairs = [pair for one in group for pair in zip(one.planted, one.said, strict=True)]
        lines.append(_line(name, len(group), pairs))
    world = [pair for one in found if one.whole for pair in one.world]
    lines.append(_line("all, world's frame", len({o.run for o in found if o.world}), world))
    return "\n".join(lines)


def _line(name: str, scans: int, pairs: list[tuple[str, str]]) -> str:
    wrong = [pair for pair in pairs if pair[0] != EXPECTED]
    right = [said for planted, said in pairs if planted == EXPECTED]
    hit = sum(planted == said for planted, said in wrong)
    missed = sum(said == NOT_DECIDED for _, said in wrong)
    passed = sum(said == EXPECTED for _, said in wrong)
    alarms = sum(said not in (EXPECTED, NOT_DECIDED) for said in right)
    other = len(wrong) - hit - missed - passed
    alarm = f"{alarms} of {len(right)}" if right else "-"
    return f"| {name} | {scans} | {len(wrong)} | {hit} | {missed} | {other} | {passed} | {alarm} |"


def _scans(found: list[Outcome]) -> str:
    lines = [
        "| scan | directions | verdict | coherence | margin | s |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {one.run} | {one.directions} | {one.said[0]} | {one.coherence[0]:.2f} | "
        f"{one.margin:.1f} | {one.seconds:.1f} |"
        for one in found
        if one.whole
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
