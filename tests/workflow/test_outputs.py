"""When a run counts as finished."""

from __future__ import annotations

import json

import pytest
from attrs import evolve

from bids_sr.bids.sidecars import FINGERPRINT
from bids_sr.errors import InputError
from bids_sr.workflow.outputs import expected_outputs, is_complete, missing_outputs


@pytest.fixture
def finished(plan):
    """The plan of a run whose outputs are all there, empty but for the fingerprint."""
    for path in expected_outputs(plan):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    plan.names.dwi_json.write_text(json.dumps({FINGERPRINT: plan.fingerprint}))
    plan.names.quality.write_text(json.dumps({"selfcheck_mode": "auto"}))
    return plan


def test_all_there(finished):
    assert not missing_outputs(finished) and is_complete(finished)


def test_any_file_missing(finished):
    for path in expected_outputs(finished):
        content = path.read_bytes()
        path.unlink()
        assert not is_complete(finished), path
        assert missing_outputs(finished) == [path]
        path.write_bytes(content)


@pytest.mark.parametrize("content", ["{}", "[]", "{", '{"Fingerprint": "other"}'])
def test_made_otherwise(finished, content):
    finished.names.dwi_json.write_text(content)
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
    finished.names.quality.write_text(json.dumps({"selfcheck_mode": done}))
    plan = evolve(finished, choices=evolve(finished.choices, self_check=asked))
    assert is_complete(plan) is complete


@pytest.mark.parametrize("content", ["[]", "{", ""])
def test_a_damaged_record_is_made_again(finished, content):
    finished.names.quality.write_text(content)
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
    def spread(**options):
        (plan,) = make_plans("01", **options)
        return {path.name for path in expected_outputs(plan) if "desc-srsd" in path.name}

    assert spread() == set()
    stems = ("sub-01_res-x2_desc-srsd_dwi", "sub-01_res-x2_model-tensor_param-fa_desc-srsd_dwimap")
    both = {f"{stem}.{extension}" for stem in stems for extension in ("nii.gz", "json")}
    both |= {f"{stems[0]}.{extension}" for extension in ("bval", "bvec")}
    assert spread(ensemble=8, uncertainty=True) == both


def test_no_spread_of_fa_without_a_tensor(make_plans):
    (plan,) = make_plans("01", directions=4, ensemble=8, uncertainty=True)
    names = {path.name for path in expected_outputs(plan) if "desc-srsd" in path.name}
    extensions = ("nii.gz", "json", "bval", "bvec")
    assert names == {f"sub-01_res-x2_desc-srsd_dwi.{extension}" for extension in extensions}


def test_a_run_that_cannot_be_used_is_not_complete(finished):
    finished.files.bval.unlink()
    assert not is_complete(finished)
    with pytest.raises(InputError):
        missing_outputs(finished)
