"""Draw streamlines on a slice of FA, without a display.

    python draw_tracts.py TRACTS.tck FA.nii.gz OUT.png [--slice K] [--thickness MM]

Colours are those of directions: red from left to right, green from back to front, blue from feet
to head. The picture has the image's own voxel axes, the first to the right and the second up.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib as mpl
import nibabel as nib
import numpy as np

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.collections import LineCollection


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tracts", type=Path, help="streamlines, .tck")
    parser.add_argument("fa", type=Path, help="FA map")
    parser.add_argument("out", type=Path, help="picture")
    parser.add_argument("--slice", type=int, help="along the third voxel axis; default: the middle")
    parser.add_argument("--thickness", type=float, default=4.0, help="of the slab, mm")
    given = parser.parse_args(arguments)
    image = nib.load(given.fa)
    number = image.shape[2] // 2 if given.slice is None else given.slice
    lines, colours = segments(given.tracts, image.affine, number, given.thickness)
    draw(image.get_fdata()[:, :, number], image.header.get_zooms()[:2], lines, colours, given.out)


def segments(
    tracts: Path, affine: np.ndarray, number: int, thickness: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the pieces of streamlines near a slice, (n, 2, 2) in voxels, and colours (n, 3)."""
    half = thickness / 2 / nib.affines.voxel_sizes(affine)[2]
    lines, colours = [np.empty((0, 2, 2))], [np.empty((0, 3))]
    for line in nib.streamlines.load(tracts).streamlines:
        voxels = nib.affines.apply_affine(np.linalg.inv(affine), line)
        pieces = np.stack([voxels[:-1], voxels[1:]], axis=1)
        near = np.abs(pieces[..., 2].mean(1) - number) < half
        steps = np.abs(np.diff(line, axis=0))
        lines.append(pieces[near, :, :2])
        colours.append((steps / np.linalg.norm(steps, axis=1, keepdims=True))[near])
    return np.concatenate(lines), np.concatenate(colours)


def draw(
    fa: np.ndarray,
    zooms: tuple[float, float],
    lines: np.ndarray,
    colours: np.ndarray,
    out: Path,
) -> None:
    """Write the picture, cropped to the brain."""
    rows, columns = (np.flatnonzero((fa > 0).any(axis)) for axis in (1, 0))
    figure, axes = plt.subplots(figsize=(5, 6), dpi=100)
    axes.imshow(fa.T, cmap="gray", vmin=0, vmax=1, origin="lower", aspect=zooms[1] / zooms[0])
    axes.add_collection(LineCollection(lines, colors=np.clip(colours, 0, 1), linewidths=0.6))
    axes.set(xlim=(rows[0], rows[-1]), ylim=(columns[0], columns[-1]))
    axes.axis("off")
    figure.savefig(out, bbox_inches="tight", pad_inches=0)


if __name__ == "__main__":
    main()
