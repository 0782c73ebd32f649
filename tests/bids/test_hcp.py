"""HCP folders are read as they come unpacked."""

from __future__ import annotations

import numpy as np
import pytest

from bids_sr.bids.hcp import find_hcp, is_hcp
from bids_sr.errors import InputError, UsageError
from bids_sr.images.runs import open_run


def test_all_subjects_are_found_in_order(make_hcp):
    root = make_hcp("102311", "100610")
    assert is_hcp(root)
    found = find_hcp(root)
    assert [files.label for files in found] == ["sub-100610", "sub-102311"]
    assert [files.subject for files in found] == ["100610", "102311"]
    assert found[0].mask.name == "nodif_brain_mask.nii.gz"
    assert found[0].session is None


@pytest.mark.parametrize("label", ["102311", "sub-102311"])
def test_one_subject(make_hcp, label):
    (files,) = find_hcp(make_hcp("100610", "102311"), [label])
    assert files.label == "sub-102311"


def test_unknown_subject(make_hcp):
    with pytest.raises(UsageError, match=r"no participant .* 999999.*Available: 100610"):
        find_hcp(make_hcp("100610"), ["999999"])


def test_shells_and_b0s_are_those_that_were_meant(make_hcp):
    (files,) = find_hcp(make_hcp())
    gradients = open_run(files).gradients
    assert np.flatnonzero(gradients.is_b0).tolist() == [0, 8]
    assert [len(shell.indices) for shell in gradients.shells] == [7, 8]
    assert [round(shell.bval, -2) for shell in gradients.shells] == [1000, 2000]


@pytest.mark.parametrize("name", ["data.nii.gz", "bvals", "bvecs"])
def test_a_missing_file_is_named(make_hcp, name):
    (files,) = find_hcp(make_hcp())
    (files.dwi.parent / name).unlink()
    with pytest.raises(InputError, match=f"Diffusion_7T/{name}"):
        open_run(files)


def test_the_mask_may_be_missing(make_hcp):
    root = make_hcp()
    (root / "100610" / "T1w" / "Diffusion_7T" / "nodif_brain_mask.nii.gz").unlink()
    assert find_hcp(root)[0].mask is None


def test_a_mask_that_is_not_fetched_is_not_passed_over(make_hcp):
    root = make_hcp("100610")
    mask = root / "100610/T1w/Diffusion_7T/nodif_brain_mask.nii.gz"
    mask.unlink()
    mask.symlink_to("../../../.git/annex/objects/KEY")
    (files,) = find_hcp(root)
    with pytest.raises(InputError, match=r"nodif_brain_mask.*Get its content: datalad get"):
        open_run(files)


def test_a_subject_that_cannot_be_looked_into_is_named(make_hcp):
    folder = make_hcp("100610", "102311")
    (folder / "lost+found").symlink_to("lost+found")
    (folder / "102311" / "T1w" / "Diffusion_7T").rename(folder / "away")
    (folder / "102311" / "T1w" / "Diffusion_7T").symlink_to("Diffusion_7T")
    good, closed = find_hcp(folder)
    assert good.problem is None and open_run(good)
    with pytest.raises(InputError, match="102311: cannot be listed"):
        open_run(closed)
