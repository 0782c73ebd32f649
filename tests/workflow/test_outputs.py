"""What a run leaves follows from its gradients and from what was asked for."""

from __future__ import annotations

from bids_sr.workflow.outputs import expected_outputs


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
    stems = ("sub-01_res-x2_desc-srsd_dwi", "sub-01_model-tensor_param-fa_res-x2_desc-srsd_dwimap")
    both = {f"{stem}.{extension}" for stem in stems for extension in ("nii.gz", "json")}
    both |= {f"{stems[0]}.{extension}" for extension in ("bval", "bvec")}
    assert ensemble_sd(ensemble=8, uncertainty=True) == both


def test_no_spread_of_fa_without_a_tensor(make_plans):
    (plan,) = make_plans("01", directions=4, ensemble=8, uncertainty=True)
    names = {path.name for path in expected_outputs(plan) if "desc-srsd" in path.name}
    extensions = ("nii.gz", "json", "bval", "bvec")
    assert names == {f"sub-01_res-x2_desc-srsd_dwi.{extension}" for extension in extensions}


def test_no_maps_are_expected_where_none_were_wanted(make_plans):
    (plan,) = make_plans("01", maps=False, ensemble=8, uncertainty=True)
    (other,) = make_plans("01", ensemble=8, uncertainty=True)
    files, with_maps = set(expected_outputs(plan)), set(expected_outputs(other))
    assert files == {path for path in with_maps if "_dwimap." not in path.name}
    assert plan.fingerprint == other.fingerprint, "the rest is the same"
    assert {path for path in with_maps if "_dwimap." in path.name} == set(other.names.maps())
