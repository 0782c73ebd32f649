from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest

from bids_sr.errors import InputError
from bids_sr.evaluation.defaults import REFERENCES
from bids_sr.evaluation.references import make_reference


@pytest.mark.parametrize("kind", REFERENCES)
def test_a_cut_is_a_cut_of_the_whole(make_run, tmp_path, kind):
    run = make_run(tmp_path)
    mask = np.zeros(run.shape[:3], bool)
    mask[4:-4, 4:-4] = True
    cut = slice(22), slice(None), slice(None, None, 2)
    whole = make_reference(run, mask, kind, tmp_path)
    part = make_reference(run, mask, kind, tmp_path, cut)
    assert part.scanned.shape == (22, 22, 2, 17)
    for name in ("scanned", "truth"):
        found, expected = getattr(part, name), getattr(whole, name)[cut]
        assert np.allclose(found, expected, rtol=1e-4, atol=0.1), name
    assert part.sigma == whole.sigma
    assert (part.sigma > 0) == (kind == "synthetic")


@pytest.mark.parametrize("kind", REFERENCES)
def test_signed_signal_is_refused(make_run, tmp_path, kind):
    run = make_run(tmp_path)
    image = nib.load(run.files.dwi)
    noise = np.random.default_rng(0).normal(0, 300, image.shape)
    nib.Nifti1Image(image.get_fdata() + noise, image.affine).to_filename(run.files.dwi)
    with pytest.raises(InputError, match=r"is signed .* makes magnitudes"):
        make_reference(run, np.ones(run.shape[:3], bool), kind, tmp_path)
