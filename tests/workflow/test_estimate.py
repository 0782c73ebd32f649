"""What a run will cost: against what really was written, and against what must grow with what."""

from __future__ import annotations

import pytest
from attrs import evolve

from bids_sr.diffusion.tensor import FIT_WIDTH
from bids_sr.superres.defaults import LARGE_DETAIL
from bids_sr.workflow.estimate import (
    BRAIN,
    Task,
    file_bytes,
    kind_of,
    output_bytes,
    work_bytes,
)

TASK = Task((96, 96, 60, 33), 2, members=4, tensor_volumes=33, gqi_volumes=33)
VOXELS = 96 * 96 * 60


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sub-01_ses-a_res-x2_desc-sr_dwi.nii.gz", "series"),
        ("sub-01_res-x2_desc-sr_dwi.bval", "report"),
        ("sub-01_res-x2_desc-brain_mask.nii.gz", "maps"),
        ("sub-01_model-tensor_param-fa_res-x2_dwimap.nii.gz", "maps"),
        ("sub-01_model-tensor_param-fa_desc-input_dwimap.nii.gz", "maps"),
        ("sub-01_res-x2_desc-srsd_dwi.nii.gz", "ensemble_sd"),
        ("sub-01_model-tensor_param-fa_res-x2_desc-srsd_dwimap.nii.gz", "ensemble_sd"),
        ("sub-01_res-x2_desc-sr_quality.json", "report"),
    ],
)
def test_kinds_of_files(name, kind):
    assert kind_of(name) == kind


def test_a_series_is_nearly_as_large_as_its_numbers():
    size = file_bytes("sub-01_res-x2_desc-sr_dwi.nii.gz", TASK)
    assert 0.7 < size / (4 * 4 * VOXELS * 33) < 0.95


def test_int16_makes_the_series_smaller_and_nothing_else():
    short = evolve(TASK, output_dtype="int16")
    for name in ("res-x2_desc-sr_dwi", "res-x2_desc-srsd_dwi", "model-tensor_param-fa_dwimap"):
        before, after = (file_bytes(f"sub-01_{name}.nii.gz", task) for task in (TASK, short))
        assert after < 0.5 * before if "desc-sr_" in name else after == before


def test_maps_have_as_many_values_as_they_have():
    one, three, six = (
        file_bytes(f"sub-01_model-tensor_param-{param}_res-x2_dwimap.nii.gz", TASK)
        for param in ("fa", "v1", "diffusivity")
    )
    assert three == pytest.approx(3 * one, rel=1e-3) and six == pytest.approx(6 * one, rel=1e-3)


def test_maps_of_the_input_are_smaller_by_the_square_of_the_factor():
    name = "sub-01_model-tensor_param-fa_desc-input_dwimap.nii.gz"
    own = file_bytes("sub-01_model-tensor_param-fa_res-x3_dwimap.nii.gz", evolve(TASK, factor=3))
    assert own == pytest.approx(9 * file_bytes(name, evolve(TASK, factor=3)), rel=1e-3)


def test_all_files_count_once():
    files = {"sub-01_res-x2_desc-sr_dwi.nii.gz": 100, "sub-01_res-x2_desc-brain_mask.nii.gz": 10}
    more = output_bytes(files, TASK)
    assert (more["series"], more["maps"], more["ensemble_sd"]) == (100, 10, 0)
    assert more["report"] > 1e6, "pictures are counted, too"


SERIES = evolve(TASK, details=13)


def test_detail_of_turned_copies_is_kept_as_float16():
    members = evolve(SERIES, uncertainty=True, members=8, self_check="off")
    fit = work_bytes(evolve(members, uncertainty=False))[1]
    assert work_bytes(members)[1] - fit == pytest.approx(8 * 13 * 2 * 4 * VOXELS, abs=2)


def test_large_detail_is_in_the_work_folder_before_anything_is_fitted():
    size = 2 * 13 * 4 * VOXELS
    nothing = evolve(SERIES, self_check="off", tensor_volumes=0, gqi_volumes=0)
    assert size < LARGE_DETAIL and work_bytes(nothing)[1] == 0
    larger = evolve(nothing, shape=(288, 288, 60, 33))
    assert work_bytes(larger)[1] == 9 * size > LARGE_DETAIL
    few, many = (evolve(larger, tensor_volumes=n) for n in (6, 120))
    assert work_bytes(few)[1] == 9 * size < work_bytes(many)[1]
    copies = evolve(larger, uncertainty=True, members=8)
    assert work_bytes(copies)[1] == 9 * 9 * size


def test_copies_lie_in_the_work_folder_while_they_are_refitted():
    kept, passing = work_bytes(TASK)
    many = evolve(TASK, uncertainty=True, members=8)
    members, fit = 8 * 33 * 4 * VOXELS * 4, BRAIN * (33 + FIT_WIDTH) * 4 * VOXELS * 4
    assert work_bytes(many) == (kept, round(members + fit))
    assert kept < passing < members
    assert work_bytes(evolve(TASK, self_check="off"))[1] == round(fit)
    nothing = evolve(TASK, self_check="off", tensor_volumes=0, gqi_volumes=0)
    assert work_bytes(nothing)[1] == 0


def test_a_zero_filled_run_leaves_a_copy_in_the_work_folder():
    filled = evolve(TASK, stored=(256, 256, 60))
    assert work_bytes(filled)[0] - work_bytes(TASK)[0] == 4 * VOXELS * 33


def test_maps_that_are_not_kept_are_in_the_work_folder():
    with_maps, without = (work_bytes(task)[0] for task in (TASK, evolve(TASK, maps=False)))
    names = ["fa", "md", "ad", "rd", "s0", "colorfa", "v1", "diffusivity"]
    sizes = [file_bytes(f"sub-01_model-tensor_param-{p}_res-x2_dwimap.nii.gz", TASK) for p in names]
    assert without - with_maps > sum(sizes)
    assert without - with_maps < 1.5 * sum(sizes)
