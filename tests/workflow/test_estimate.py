"""What a run will cost: against what really was written, and against what must grow with what."""

from __future__ import annotations

import pytest
from attrs import evolve

from bids_sr.diffusion.tensor import FIT_WIDTH
from bids_sr.workflow.estimate import (
    BRAIN,
    Rates,
    Task,
    file_bytes,
    kind_of,
    output_bytes,
    step_seconds,
    wall_seconds,
    work_bytes,
)

TASK = Task((96, 96, 60, 33), 2, macs=6e5, copies=4, tensor_volumes=33, gqi_volumes=33)
VOXELS = 96 * 96 * 60


def seconds(task):
    return sum(step_seconds(task).values())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sub-01_ses-a_res-x2_desc-sr_dwi.nii.gz", "series"),
        ("sub-01_res-x2_desc-sr_dwi.bval", "report"),
        ("sub-01_res-x2_desc-brain_mask.nii.gz", "maps"),
        ("sub-01_res-x2_model-tensor_param-fa_dwimap.nii.gz", "maps"),
        ("sub-01_model-tensor_param-fa_desc-input_dwimap.nii.gz", "maps"),
        ("sub-01_res-x2_desc-srsd_dwi.nii.gz", "ensemble_sd"),
        ("sub-01_res-x2_model-tensor_param-fa_desc-srsd_dwimap.nii.gz", "ensemble_sd"),
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
    for name in ("desc-sr_dwi", "desc-srsd_dwi", "model-tensor_param-fa_dwimap"):
        before, after = (file_bytes(f"sub-01_res-x2_{name}.nii.gz", task) for task in (TASK, short))
        assert after < 0.5 * before if "desc-sr_" in name else after == before


def test_maps_have_as_many_values_as_they_have():
    one, three, six = (
        file_bytes(f"sub-01_res-x2_model-tensor_param-{param}_dwimap.nii.gz", TASK)
        for param in ("fa", "v1", "tensor")
    )
    assert three == pytest.approx(3 * one, rel=1e-3) and six == pytest.approx(6 * one, rel=1e-3)


def test_maps_of_the_input_are_smaller_by_the_square_of_the_factor():
    name = "sub-01_model-tensor_param-fa_desc-input_dwimap.nii.gz"
    own = file_bytes("sub-01_res-x3_model-tensor_param-fa_dwimap.nii.gz", evolve(TASK, factor=3))
    assert own == pytest.approx(9 * file_bytes(name, evolve(TASK, factor=3)), rel=1e-3)


def test_all_files_count_once():
    files = {"sub-01_res-x2_desc-sr_dwi.nii.gz": 100, "sub-01_res-x2_desc-brain_mask.nii.gz": 10}
    more = output_bytes(files, TASK)
    assert (more["series"], more["maps"], more["ensemble_sd"]) == (100, 10, 0)
    assert more["report"] > 1e6, "pictures are counted, too"


def test_the_network_is_most_of_the_time_and_grows_with_copies_and_volumes():
    steps = step_seconds(TASK)
    network = steps["super_resolve"]
    assert network > sum(steps.values()) / 2
    eight = step_seconds(evolve(TASK, copies=8))["super_resolve"]
    assert 1.7 < eight / network < 2
    longer = evolve(TASK, shape=(96, 96, 60, 66))
    assert step_seconds(longer)["super_resolve"] == pytest.approx(2 * network)


SERIES = evolve(TASK, shells=2, details=13)


def test_a_network_for_the_series_costs_the_same_for_any_number_of_volumes():
    longer = evolve(SERIES, shape=(96, 96, 60, 66))
    free = evolve(SERIES, macs=0.0), evolve(longer, macs=0.0)
    once, more = (
        step_seconds(with_it)["super_resolve"] - step_seconds(without)["super_resolve"]
        for with_it, without in zip((SERIES, longer), free, strict=True)
    )
    assert more == pytest.approx(once) and once > 0
    three = evolve(SERIES, shells=3)
    per_shell = [step_seconds(task)["super_resolve"] for task in (SERIES, three)]
    assert per_shell[1] - per_shell[0] > once / 2.01


def test_detail_of_turned_copies_is_kept_as_float16():
    copies = evolve(SERIES, uncertainty=True, copies=8, self_check="off")
    fit = work_bytes(evolve(copies, uncertainty=False))[1]
    assert work_bytes(copies)[1] - fit == pytest.approx(8 * 13 * 2 * 4 * VOXELS, abs=2)


def test_half_the_speed_takes_twice_as_long():
    fast = Rates(1e11, *[1] * 15)
    slow = Rates(5e10, *[2] * 15)
    once, twice = (sum(step_seconds(TASK, rates).values()) for rates in (fast, slow))
    assert twice == pytest.approx(2 * once)


def test_what_is_left_out_takes_no_time():
    bare = step_seconds(evolve(TASK, tensor_volumes=0, gqi_volumes=0, self_check="off"))
    left_out = ("fit_input", "fit_tensor", "fit_gqi", "fit_input_gqi", "ensemble_sd", "self_check")
    assert all(bare[name] == 0 for name in left_out)
    assert bare["check_gradients"] == 0 < step_seconds(TASK)["check_gradients"]
    assert step_seconds(evolve(TASK, gradient_check=False))["check_gradients"] == 0


def test_a_full_self_check_takes_longer_than_a_short_one():
    assert seconds(evolve(TASK, self_check="full")) > seconds(TASK)


def test_two_cores_help_only_where_steps_use_them():
    steps = step_seconds(TASK)
    assert wall_seconds(steps, 1) == pytest.approx(sum(steps.values()))
    serial = sum(
        steps[name] for name in ("check_gradients", "mask", "compute_metrics", "draw", "rest")
    )
    assert wall_seconds(steps, 2) == pytest.approx(serial + (sum(steps.values()) - serial) / 2)


def test_copies_lie_in_the_work_folder_while_they_are_refitted():
    kept, passing = work_bytes(TASK)
    many = evolve(TASK, uncertainty=True, copies=8)
    copies, fit = 8 * 33 * 4 * VOXELS * 4, BRAIN * (33 + FIT_WIDTH) * 4 * VOXELS * 4
    assert work_bytes(many) == (kept, round(copies + fit))
    assert kept < passing < copies
    assert work_bytes(evolve(TASK, self_check="off"))[1] == round(fit)
    nothing = evolve(TASK, self_check="off", tensor_volumes=0, gqi_volumes=0)
    assert work_bytes(nothing)[1] == 0


def test_a_zero_filled_run_leaves_a_copy_in_the_work_folder_and_takes_longer():
    filled = evolve(TASK, stored=(256, 256, 60))
    assert work_bytes(filled)[0] - work_bytes(TASK)[0] == 4 * VOXELS * 33
    more = seconds(filled) - seconds(TASK)
    assert more == pytest.approx(step_seconds(filled)["undo_filling"])
    assert more > 0
