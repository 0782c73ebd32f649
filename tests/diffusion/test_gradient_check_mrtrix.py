"""The gradient check against MRtrix3's dwigradcheck, which tracks streamlines for each table."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.diffusion.axis_permutations import signed_permutations
from bids_sr.diffusion.gradient_check import check_gradients
from bids_sr.images.runs import open_run

STEM = "sub-canon01/dwi/sub-canon01_acq-ax_run-3_dwi"
DATA = Path(__file__).parents[3] / "shared" / "data" / "dwi-open"

pytestmark = pytest.mark.skipif(
    not shutil.which("dwigradcheck") or not DATA.is_dir(), reason="needs MRtrix3 and ../shared"
)


@pytest.mark.slow
@pytest.mark.parametrize("words", ["as expected", "x flipped", "z flipped, x and y exchanged"])
def test_both_choose_the_same_table(tmp_path, words):
    stem = DATA / STEM
    image, bval, bvec = (Path(f"{stem}{end}") for end in (".nii.gz", ".bval", ".bvec"))
    (fault,) = (one for one in signed_permutations() if one.words == words)
    truth = np.loadtxt(bvec).T
    np.savetxt(tmp_path / "wrong.bvec", (truth @ fault.matrix).T)
    run = open_run(DwiFiles(image, bval, tmp_path / "wrong.bvec", None, {}, {"sub": "x"}, DATA))
    check = check_gradients(run)
    assert check.verdict == words
    theirs = _dwigradcheck(tmp_path, image, bval)
    ours = check.corrected(run).gradients.bvecs
    weighted = np.linalg.norm(ours, axis=1) > 0.5
    likeness = np.abs((ours * theirs).sum(axis=1))[weighted]
    assert likeness.min() > 0.999


def _dwigradcheck(folder: Path, image: Path, bval: Path) -> np.ndarray:
    """Return the directions (V, 3) that MRtrix3 finds best."""
    words = [
        "dwigradcheck", image, "-fslgrad", "wrong.bvec", bval, "-number", "500", "-nthreads", "1",
        "-export_grad_fsl", "best.bvec", "best.bval", "-scratch", folder,
    ]  # fmt: skip
    done = subprocess.run(
        list(map(str, words)), cwd=folder, check=True, capture_output=True, text=True
    )
    assert re.search(r"Mean length", done.stderr + done.stdout)
    return np.loadtxt(folder / "best.bvec").T
