"""The example dataset is what its README says."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from bids_sr.bids.finding import find_dwi
from bids_sr.images.runs import open_run

REPOSITORY = Path(__file__).parents[2]
EXAMPLE = REPOSITORY / "examples" / "dwi-small"
SOURCE = REPOSITORY.parent / "shared" / "data" / "dwi-open"
FIRST = 40


def test_it_is_found_and_opens() -> None:
    (files,) = find_dwi(EXAMPLE)
    run = open_run(files)
    assert run.shape == (128, 128, 20, 17)
    assert run.gradients.is_b0.nonzero()[0].tolist() == [0]
    assert [(shell.bval, len(shell.indices)) for shell in run.gradients.shells] == [(1000, 16)]
    assert run.gradients.n_directions == 16
    assert "SliceTiming" not in files.sidecar
    assert "BSD 2-Clause" in (EXAMPLE / "LICENSE").read_text()
    size = sum(path.stat().st_size for path in EXAMPLE.rglob("*"))
    assert size < 6_000_000


@pytest.mark.skipif(not SOURCE.is_dir(), reason="the scan it was cut from is not here")
def test_it_is_an_exact_cut() -> None:
    name = "sub-philips02/dwi/sub-philips02_dwi.nii.gz"
    whole, cut = nib.load(SOURCE / name), nib.load(EXAMPLE / name)
    np.testing.assert_array_equal(
        np.asarray(whole.dataobj[:, :, FIRST : FIRST + 20, 3]), np.asarray(cut.dataobj[..., 3])
    )
    for form in ("get_qform", "get_sform"):
        of_whole, of_cut = getattr(whole, form)(), getattr(cut, form)()
        landmark = np.array([30, 70, FIRST + 7, 1])
        np.testing.assert_allclose(
            of_whole @ landmark, of_cut @ (landmark - [0, 0, FIRST, 0]), atol=1e-3
        )
