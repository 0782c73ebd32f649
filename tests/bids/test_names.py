from __future__ import annotations

from pathlib import Path

import pytest
from attrs import evolve

from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.bids.entities import ORDER
from bids_sr.bids.names import OutputNames, build_name, parse_entities, parse_name, parse_suffix
from bids_sr.bids.sidecars import source_resolution


def names_for(name: str, factor: int = 2) -> OutputNames:
    image = Path("/data/somewhere") / name
    files = DwiFiles(image, None, None, None, {}, parse_entities(name), Path("/data"))
    return OutputNames(Path("/out"), files, factor)


def relative(path: Path) -> str:
    return path.relative_to("/out").as_posix()


def test_raw_run() -> None:
    names = names_for("sub-01_acq-AP_run-02_dwi.nii.gz")
    stem = "sub-01/dwi/sub-01_acq-AP_run-02_res-x2"
    assert relative(names.dwi) == f"{stem}_desc-sr_dwi.nii.gz"
    assert relative(names.dwi_json) == f"{stem}_desc-sr_dwi.json"
    assert relative(names.bval) == f"{stem}_desc-sr_dwi.bval"
    assert relative(names.bvec) == f"{stem}_desc-sr_dwi.bvec"
    assert relative(names.mask) == f"{stem}_desc-brain_mask.nii.gz"
    assert relative(names.mask_json) == f"{stem}_desc-brain_mask.json"
    assert relative(names.tensor("fa")) == (
        "sub-01/dwi/sub-01_acq-AP_run-02_model-tensor_param-fa_res-x2_dwimap.nii.gz"
    )
    assert relative(names.gqi("qa")) == (
        "sub-01/dwi/sub-01_acq-AP_run-02_model-gqi_param-qa_res-x2_dwimap.nii.gz"
    )
    assert relative(names.quality) == f"{stem}_desc-sr_quality.json"
    assert relative(names.input_tensor("fa")) == (
        "sub-01/dwi/sub-01_acq-AP_run-02_model-tensor_param-fa_desc-input_dwimap.nii.gz"
    )
    assert relative(names.report_file("b0", "png")) == (
        "sub-01/figures/sub-01_acq-AP_run-02_res-x2_desc-b0_dwi.png"
    )
    assert names.report_file("b0", ".png") == names.report_file("b0", "png")
    assert relative(names.error) == "logs/sub-01_acq-AP_run-02_error.json"


def test_session_folder_is_kept_and_figures_are_per_participant() -> None:
    names = names_for("sub-01_ses-pre_dwi.nii.gz", factor=3)
    assert relative(names.dwi) == "sub-01/ses-pre/dwi/sub-01_ses-pre_res-x3_desc-sr_dwi.nii.gz"
    assert relative(names.report_file("b0", "png")).startswith(
        "sub-01/figures/sub-01_ses-pre_res-x3"
    )


def test_preprocessed_run_trades_its_desc_for_ours() -> None:
    names = names_for("sub-01_run-1_space-ACPC_desc-preproc_dwi.nii.gz")
    stem = "sub-01/dwi/sub-01_run-1_space-ACPC_res-x2"
    assert relative(names.dwi) == f"{stem}_desc-sr_dwi.nii.gz"
    assert relative(names.mask) == f"{stem}_desc-brain_mask.nii.gz"
    assert relative(names.tensor("md")) == (
        "sub-01/dwi/sub-01_run-1_space-ACPC_model-tensor_param-md_res-x2_dwimap.nii.gz"
    )
    assert "space-ACPC_model-tensor" in relative(names.input_tensor("md"))


def test_entities_have_the_order_of_the_draft() -> None:
    """BEP016: space, model, param, split to seg, res, den, label, desc."""
    names = names_for("sub-01_ses-a_dir-AP_space-ACPC_chunk-1_den-32k_label-x_desc-preproc_dwi.nii")
    stem = "sub-01/ses-a/dwi/sub-01_ses-a_dir-AP_space-ACPC"
    assert relative(names.tensor("tensor")) == (
        f"{stem}_model-tensor_param-diffusivity_chunk-1_res-x2_den-32k_label-x_dwimap.nii.gz"
    )
    assert relative(names.fa_sd) == (
        f"{stem}_model-tensor_param-fa_chunk-1_res-x2_den-32k_label-x_desc-srsd_dwimap.nii.gz"
    )
    assert relative(names.dwi) == (f"{stem}_chunk-1_res-x2_den-32k_label-x_desc-sr_dwi.nii.gz")


def test_order_is_that_of_the_released_schema() -> None:
    schema = pytest.importorskip("bidsschematools.schema").load_schema()
    released = [schema.objects.entities[long].name for long in schema.rules.entities]
    assert [key for key in ORDER if key not in ("model", "param")] == released


def test_resolution_of_the_source_stands_in_ours() -> None:
    names = names_for("sub-01_space-ACPC_res-2mm_desc-preproc_dwi.nii.gz")
    assert relative(names.dwi) == "sub-01/dwi/sub-01_space-ACPC_res-2mmx2_desc-sr_dwi.nii.gz"
    assert relative(names.input_tensor("md")) == (
        "sub-01/dwi/sub-01_space-ACPC_model-tensor_param-md_res-2mm_desc-input_dwimap.nii.gz"
    )


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("2 mm", "2 mm"),
        ({"2mm": "two"}, "two"),
        ({"x": 1}, "That of bids:pre:sub-01_res-2mm_dwi.nii"),
        (None, "That of bids:pre:sub-01_res-2mm_dwi.nii"),
    ],
)
def test_resolution_of_the_source_in_words(said: object, told: str) -> None:
    image = Path("/data/sub-01_res-2mm_dwi.nii")
    entities = parse_entities(image.name)
    files = DwiFiles(image, None, None, None, {"Resolution": said}, entities, Path("/data"), "pre")
    assert source_resolution(files) == told
    assert source_resolution(evolve(files, entities={"sub": "01"})) is None


def test_another_desc_becomes_rec_where_bids_has_it() -> None:
    names = names_for("sub-01_acq-x_dir-AP_run-1_space-ACPC_desc-eddy_dwi.nii.gz")
    assert names.dwi.name == (
        "sub-01_acq-x_rec-eddy_dir-AP_run-1_space-ACPC_res-x2_desc-sr_dwi.nii.gz"
    )
    both = names_for("sub-01_rec-moco_desc-eddy_dwi.nii.gz")
    assert both.dwi.name == "sub-01_rec-mocoeddy_res-x2_desc-sr_dwi.nii.gz"


SOURCES = [
    "_".join(filter(None, ("sub-01", space, res, desc, "dwi.nii.gz")))
    for space in ("", "space-T1w", "space-ACPC")
    for res in ("", "res-a", "res-b", "res-x2", "res-ax2")
    for desc in ("desc-preproc", "desc-eddy", "desc-denoised")
]


def test_no_two_sources_share_an_output() -> None:
    everything = []
    for name in SOURCES:
        names = names_for(name)
        mine = {*names.expected(ensemble_sd=True), names.error, names.report_file("b0", "png")}
        everything += [str(path).lower() for path in mine]
    assert len(everything) == len(set(everything))


def test_expected_outputs_follow_what_was_asked_for() -> None:
    names = names_for("sub-01_dwi.nii.gz")
    bare = names.expected(tensor=(), gqi=(), input_tensor=())
    assert sorted(path.name for path in bare) == [
        "sub-01_res-x2_desc-brain_mask.json",
        "sub-01_res-x2_desc-brain_mask.nii.gz",
        "sub-01_res-x2_desc-sr_dwi.bval",
        "sub-01_res-x2_desc-sr_dwi.bvec",
        "sub-01_res-x2_desc-sr_dwi.json",
        "sub-01_res-x2_desc-sr_dwi.nii.gz",
        "sub-01_res-x2_desc-sr_quality.json",
    ]
    full = names.expected()
    assert len(full) == len(set(full)) == len(bare) + 2 * (8 + 2 + 8)
    # file systems that ignore case must not merge two of them
    assert len({path.name.lower() for path in full}) == len(full)
    assert [path.name for path in names.expected(ensemble_sd=True) if path not in full] == [
        "sub-01_res-x2_desc-srsd_dwi.nii.gz",
        "sub-01_res-x2_desc-srsd_dwi.json",
        "sub-01_res-x2_desc-srsd_dwi.bval",
        "sub-01_res-x2_desc-srsd_dwi.bvec",
        "sub-01_model-tensor_param-fa_res-x2_desc-srsd_dwimap.nii.gz",
        "sub-01_model-tensor_param-fa_res-x2_desc-srsd_dwimap.json",
    ]
    only = names.expected(tensor=("fa",), gqi=(), input_tensor=())
    assert set(only) - set(bare) == {
        names.tensor("fa"),
        names.tensor("fa").with_name("sub-01_model-tensor_param-fa_res-x2_dwimap.json"),
    }


def test_other_factors_are_refused() -> None:
    with pytest.raises(ValueError, match="factor"):
        names_for("sub-01_dwi.nii.gz", factor=4)


@pytest.mark.parametrize(
    "name",
    [
        "sub-01_orig_dwi.bvec",
        "sub-01_dwi.bvec.bak",
        "sub-01_dwi (copy).bvec",
        "._sub-01_dwi.bvec",
        "sub-01_dwi.orig.nii.gz",
        "sub-01_acq-a.b_dwi.nii.gz",
        "sub-01_acq-a_b_dwi.nii.gz",
        "sub-01__dwi.nii.gz",
        "sub-01_acq-_dwi.nii.gz",
        "sub-01_acq-a-b_dwi.nii.gz",
        "sub-01_acq-a_acq-b_dwi.nii.gz",
        "acq-a_sub-01_dwi.nii.gz",
        "sub-01_acq-\u00e9_dwi.nii.gz",
        "sub-01_run-\u0661_dwi.nii.gz",
        "sub-01_dwi",
        "sub-01_dwi.nii.gz\n",
        "sub-01_dwi.NII.GZ",
        "sub-01.json",
        "",
    ],
)
def test_other_names_are_not_guessed_at(name: str) -> None:
    assert parse_name(name) is None
    assert (parse_entities(name), parse_suffix(name)) == ({}, "")


@pytest.mark.parametrize(
    "name", ["dwi.json", "acq-x_dwi.bval", "sub-01_ses-a_acq-a+b_run-01_dwi.nii.gz", *SOURCES]
)
def test_what_is_taken_apart_goes_together_again(name: str) -> None:
    parsed = parse_name(name)
    assert parsed is not None
    assert build_name(parsed.entities, parsed.suffix, parsed.extension) == name


def test_parsing() -> None:
    assert list(parse_entities("sub-01_ses-a_desc-brain_mask.nii.gz").items()) == [
        ("sub", "01"),
        ("ses", "a"),
        ("desc", "brain"),
    ]
    assert parse_suffix("dwi.json") == "dwi"
    assert parse_suffix("sub-01.json") == ""
