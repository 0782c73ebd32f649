"""When a run counts as finished."""

from __future__ import annotations

import json

import pytest
from attrs import evolve

from bids_sr.bids.sidecars import FINGERPRINT
from bids_sr.errors import InputError
from bids_sr.workflow.outputs import (
    expected_outputs,
    is_complete,
    manifest_of,
    output_faults,
    write_run_manifest,
)


@pytest.fixture
def finished(plan):
    """The plan of a run whose outputs are all there, of no use but for the fingerprint."""
    for path in expected_outputs(plan):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.name)
    plan.names.dwi_json.write_text(json.dumps({FINGERPRINT: plan.fingerprint}))
    plan.names.quality.write_text(json.dumps({"selfcheck_mode": "auto"}))
    write_run_manifest(plan)
    return plan


def rewrite(plan, path, content):
    """Write as if the run had done so."""
    path.write_text(content)
    write_run_manifest(plan)


def test_all_there(finished):
    assert not output_faults(finished) and is_complete(finished)


def test_any_file_missing(finished):
    for path in expected_outputs(finished):
        content = path.read_bytes()
        path.unlink()
        assert not is_complete(finished), path
        assert output_faults(finished) == [f"{path.name} is missing"]
        path.write_bytes(content)


@pytest.mark.parametrize("content", ["{}", "[]", "{", '{"Fingerprint": "other"}'])
def test_made_otherwise(finished, content):
    rewrite(finished, finished.names.dwi_json, content)
    assert not is_complete(finished)


@pytest.mark.parametrize(
    ("done", "asked", "complete"),
    [
        ("auto", "off", True),
        ("full", "auto", True),
        ("off", "auto", False),
        ("auto", "full", False),
        (None, "off", False),
    ],
)
def test_a_self_check_of_more_than_is_asked_will_do(finished, done, asked, complete):
    rewrite(finished, finished.names.quality, json.dumps({"selfcheck_mode": done}))
    plan = evolve(finished, choices=evolve(finished.choices, self_check=asked))
    assert is_complete(plan) is complete


@pytest.mark.parametrize("content", ["[]", "{", ""])
def test_a_damaged_record_is_made_again(finished, content):
    rewrite(finished, finished.names.quality, content)
    assert not is_complete(finished)


def test_no_maps_are_expected_without_directions(make_plans):
    (plan,) = make_plans("01", directions=4)
    assert not [path for path in expected_outputs(plan) if "dwimap" in path.name]


def test_tensor_without_gqi(make_plans):
    (plan,) = make_plans("01", directions=8)
    names = [path.name for path in expected_outputs(plan)]
    assert any("model-tensor" in name for name in names)
    assert not any("model-gqi" in name for name in names)


def test_spread_is_expected_where_it_was_asked_for(make_plans):
    def ensemble_sd(**options):
        (plan,) = make_plans("01", **options)
        return {path.name for path in expected_outputs(plan) if "desc-srsd" in path.name}

    assert ensemble_sd() == set()
    stems = ("sub-01_res-x2_desc-srsd_dwi", "sub-01_res-x2_model-tensor_param-fa_desc-srsd_dwimap")
    both = {f"{stem}.{extension}" for stem in stems for extension in ("nii.gz", "json")}
    both |= {f"{stems[0]}.{extension}" for extension in ("bval", "bvec")}
    assert ensemble_sd(ensemble=8, uncertainty=True) == both


def test_no_spread_of_fa_without_a_tensor(make_plans):
    (plan,) = make_plans("01", directions=4, ensemble=8, uncertainty=True)
    names = {path.name for path in expected_outputs(plan) if "desc-srsd" in path.name}
    extensions = ("nii.gz", "json", "bval", "bvec")
    assert names == {f"sub-01_res-x2_desc-srsd_dwi.{extension}" for extension in extensions}


def test_a_run_that_cannot_be_used_is_not_complete(finished):
    finished.files.bval.unlink()
    assert not is_complete(finished)
    with pytest.raises(InputError):
        output_faults(finished)


@pytest.mark.parametrize("damage", [lambda b: b[:-1], lambda b: b"x" + b[1:], lambda b: b + b" "])
def test_damage_after_the_end_is_noticed(finished, damage):
    for path in expected_outputs(finished):
        if path != manifest_of(finished):
            content = path.read_bytes()
            path.write_bytes(damage(content))
            assert not is_complete(finished), path
            (fault,) = output_faults(finished)
            assert fault.startswith(path.name)
            path.write_bytes(content)
    assert is_complete(finished)


def test_an_empty_file_is_missing(finished):
    finished.names.mask.write_bytes(b"")
    assert output_faults(finished) == [f"{finished.names.mask.name} is missing"]


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"Fingerprint": 1, "Files": {}}'])
def test_a_manifest_of_no_use(finished, content):
    manifest_of(finished).write_text(content)
    assert output_faults(finished) and not is_complete(finished)


def test_pictures_are_in_the_manifest(finished):
    picture = finished.names.report_file("fa", "png")
    rewrite(finished, picture, "a picture")
    assert is_complete(finished)
    picture.unlink()
    assert output_faults(finished) == [f"{picture.name} is missing"]


def test_a_large_file_that_was_cut_and_filled_is_noticed(finished):
    path = finished.names.dwi
    rewrite(finished, path, "x" * 2_000_000 + "checksum")
    assert is_complete(finished)
    path.write_bytes(b"x" * 2_000_000 + bytes(8))
    assert output_faults(finished) == [f"{path.name} is not what was written"]
