"""Compare two output folders: the voxels of all images and the values of all quality records.

For changes that must not change results, for example of names:

    git archive REVISION | tar -x -C OLD
    PYTHONPATH=OLD python -P OLD/run.py DATASET OUT-OLD participant --precision float32
    python run.py DATASET OUT-NEW participant --precision float32
    python benchmarks/compare_outputs.py OUT-OLD OUT-NEW
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import nibabel as nib
import numpy as np

_OF_THE_MACHINE = ("seconds", "slices_per_second", "peak_memory")


def main() -> int:
    """Print what differs; the exit status is 1 if any image or shared value does."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("one", type=Path)
    parser.add_argument("other", type=Path)
    given = parser.parse_args()
    images = _pairs(given.one, given.other, "*.nii.gz")
    records = _pairs(given.one, given.other, "*_quality.json")
    different = [name for name, pair in images.items() if not _same_image(*pair)]
    values = 0
    for name, pair in records.items():
        one, other = (json.loads(path.read_text()) for path in pair)
        shared = [key for key in one.keys() & other.keys() if not _is_of_the_machine(key)]
        values += len(shared)
        different += [f"{name}: {key}" for key in sorted(shared) if one[key] != other[key]]
        print(f"{name}, keys of one alone: {' '.join(sorted(one.keys() ^ other.keys())) or 'none'}")
    print(f"{len(images)} images and {values} values compared; different: {different or 'none'}")
    return 1 if different or not images else 0


def _pairs(one: Path, other: Path, pattern: str) -> dict[str, tuple[Path, Path]]:
    names = {str(path.relative_to(top)) for top in (one, other) for path in top.rglob(pattern)}
    for name in sorted(names):
        if not ((one / name).is_file() and (other / name).is_file()):
            print(f"{name}: in one folder only")
    both = [name for name in sorted(names) if (one / name).is_file() and (other / name).is_file()]
    return {name: (one / name, other / name) for name in both}


def _same_image(one: Path, other: Path) -> bool:
    first, second = nib.load(one), nib.load(other)
    same = np.array_equal(np.asanyarray(first.dataobj), np.asanyarray(second.dataobj), True)
    return same and np.array_equal(first.affine, second.affine)


def _is_of_the_machine(key: str) -> bool:
    return any(word in key for word in _OF_THE_MACHINE)


if __name__ == "__main__":
    sys.exit(main())
