"""Images that cannot be processed under a name of their own are told, and harm no other run."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from bids_sr.bids.finding import find_dwi
from bids_sr.bids.invalid_names import looks_like_dwi
from bids_sr.bids.names import OutputNames
from bids_sr.bids.training_runs import find_training_runs
from bids_sr.errors import InputError, UsageError
from bids_sr.evaluation.degraded_scan import choose_run
from bids_sr.images.runs import open_run

_spec = importlib.util.spec_from_file_location(
    "finding", Path(__file__).with_name("test_finding.py")
)
_finding = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_finding)
DERIVATIVE, PREPROC_FILES = _finding.DERIVATIVE, _finding.PREPROC_FILES
make_dataset, run_files, write_file = _finding.make_dataset, _finding.run_files, _finding.write_file

GOOD = run_files("sub-01/dwi/sub-01")


def sorted_out(root, **options):
    """Return labels of usable runs, and what is said of each of the others, by its path."""
    good, bad = [], {}
    for run in find_dwi(root, **options):
        try:
            open_run(run)
            good.append(run.label)
        except InputError as error:
            bad[run.dwi.relative_to(run.dataset_root).as_posix()] = str(error)
    return good, bad


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("sub-01_AP_dwi.nii.gz", "to sub-01_dir-AP_dwi.nii.gz for example"),
        ("sub-01_2_dwi.nii", "to sub-01_run-2_dwi.nii for example"),
        ("sub-01_acq-a.b_dwi.nii.gz", "to sub-01_acq-ab_dwi.nii.gz for example"),
        ("sub-01_acq-a_b_dwi.nii.gz", "'b' is not a key and a label"),
        ("sub-01_acq-a_acq-b_dwi.nii.gz", "'acq-' occurs twice"),
        ("acq-a_sub-01_dwi.nii.gz", "does not begin with sub-LABEL"),
        ("dwi.nii.gz", "does not begin with sub-LABEL"),
        ("sub-01_DWI.nii.gz", "ends in 'DWI'"),
        ("sub-01_dwi2.nii.gz", "ends in 'dwi2'"),
        ("sub-01_dwi.NII.GZ", "extension is not"),
        ("sub-01_dwi.orig.nii.gz", "extension is not"),
        ("sub-01_dwi (copy).nii.gz", "ends in 'dwi (copy)'"),
        ("sub-01-dwi.nii.gz", "does not begin with sub-LABEL"),
        ("sub-01_dwi_AP.nii.gz", "'dwi' is not a key and a label"),
        ("sub-01_acq-\u00e9_dwi.nii.gz", "letters and digits"),
    ],
)
def test_a_name_that_does_not_go_together_again(make_dataset, name, said) -> None:
    gradients = [name.replace(".nii.gz", kind) for kind in (".bval", ".bvec")]
    root = make_dataset(*GOOD, *(f"sub-01/dwi/{each}" for each in (name, *gradients)))
    good, bad = sorted_out(root)
    assert good == ["sub-01"]
    assert list(bad) == [f"sub-01/dwi/{name}"]
    assert said in bad[f"sub-01/dwi/{name}"]


def test_two_directions_without_their_key(make_dataset) -> None:
    root = make_dataset(*(f for d in ("AP", "PA") for f in run_files(f"sub-01/dwi/sub-01_{d}")))
    good, bad = sorted_out(root)
    assert good == [] and len(bad) == 2
    runs = find_dwi(root)
    records = {OutputNames(root, run, 2).error for run in runs}
    assert len(records) == 2
    assert all(run.subject == "01" for run in runs)


@pytest.mark.parametrize(
    "where",
    [
        "sub-02/dwi/sub-01_run-2_dwi.nii.gz",
        "sub-02/ses-a/dwi/sub-02_ses-b_dwi.nii.gz",
        "sub-02/ses-a/dwi/sub-02_dwi.nii.gz",
        "sub-02/dwi/sub-02_ses-a_dwi.nii.gz",
        "sub-02/sub-02_dwi.nii.gz",
        "sub-02/extra/dwi/sub-02_dwi.nii.gz",
        "sub-02/DWI/sub-02_dwi.nii.gz",
        "sub-02/dwi/ses-a/sub-02_ses-a_dwi.nii.gz",
        "sub-02/dwi/first/sub-02_dwi.nii.gz",
        "sub-02_dwi.nii.gz",
    ],
)
def test_a_run_in_the_wrong_place(make_dataset, where) -> None:
    stem = where.removesuffix("_dwi.nii.gz")
    root = make_dataset(*GOOD, *run_files(stem), *run_files("sub-03/dwi/sub-03"))
    good, bad = sorted_out(root)
    assert good == ["sub-01", "sub-03"]
    assert list(bad) == [where] and "belongs in" in bad[where]


def test_misplaced_run_is_told_whoever_is_asked_for(make_dataset, tmp_path) -> None:
    root = make_dataset(*run_files("sub-02/dwi/sub-01"), *run_files("sub-03/dwi/sub-03"))
    (root / "sub-01").mkdir()
    for options in ({}, {"database_dir": tmp_path / "db"}):
        for asked in ("01", "02"):
            (run,) = find_dwi(root, participants=[asked], **options)
            assert run.refused and run.subject == asked
        assert sorted_out(root, participants=["03"], **options) == (["sub-03"], {})


def test_session_that_lies_in_another(make_dataset) -> None:
    root = make_dataset(
        *run_files("sub-01/ses-a/dwi/sub-01_ses-b"),
        *run_files("sub-01/ses-a/dwi/sub-01_ses-a"),
        "sub-01/ses-b/anat/sub-01_ses-b_T1w.json",
    )
    assert sorted_out(root, sessions=["a"])[0] == ["sub-01_ses-a"]
    for session in "ab":
        assert list(sorted_out(root, participants=["01"], sessions=[session])[1]) == [
            "sub-01/ses-a/dwi/sub-01_ses-b_dwi.nii.gz"
        ]


@pytest.mark.parametrize("label", ["0_1", "01.old", "01 (copy)", "[01]", "*", "\u00e9", "01-b"])
def test_labels_that_are_none(make_dataset, label) -> None:
    paths = [*run_files(f"sub-{label}/dwi/sub-{label}"), *run_files(f"sub-{label}/dwi/sub-01")]
    root = make_dataset(*GOOD, *paths, *run_files("sub-0/dwi/sub-0"))
    good, bad = sorted_out(root)
    assert good == ["sub-0", "sub-01"] and len(bad) == 2
    assert all("has no label of letters and digits" in said for said in bad.values())
    refused = [run for run in find_dwi(root) if run.refused]
    assert {run.subject for run in refused}.isdisjoint({"0", "01"})
    assert all(OutputNames(root, run, 2).error.parent == root / "logs" for run in refused)


def test_folder_of_a_session_without_a_label(make_dataset) -> None:
    root = make_dataset(*run_files("sub-01/ses-a_b/dwi/sub-01_ses-a_b"))
    assert "ses-a_b has no label" in str(sorted_out(root)[1])


def test_folder_in_capitals_is_told(make_dataset, caplog) -> None:
    root = make_dataset(*GOOD, *run_files("Sub-02/dwi/Sub-02"), *run_files("03/dwi/sub-03"))
    (root / "derivatives").mkdir()
    assert sorted_out(root) == (["sub-01"], {})
    assert "Sub-02: ignored" in caplog.text and "/03: ignored" in caplog.text
    assert len(caplog.records) == 2


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("sub-01/dwi/sub-01_dwi.nii", "sub-01/dwi/sub-01_dwi.nii.gz"),
        ("sub-01/dwi/sub-01_acq-x_dwi.nii.gz", "sub-01/dwi/sub-01_acq-X_dwi.nii.gz"),
        ("sub-01/dwi/sub-01_acq-x_run-1_dwi.nii.gz", "sub-01/dwi/sub-01_run-1_acq-x_dwi.nii.gz"),
        ("sub-a/dwi/sub-a_run-1_dwi.nii.gz", "sub-A/dwi/sub-A_run-2_dwi.nii.gz"),
    ],
)
def test_runs_that_would_share_outputs(make_dataset, first, second) -> None:
    root = make_dataset(first, second, *run_files("sub-02/dwi/sub-02"))
    good, bad = sorted_out(root)
    assert good == ["sub-02"]
    assert set(bad) == {first, second}
    assert second in bad[first] and first in bad[second] and "would collide" in bad[first]
    records = {str(OutputNames(root, run, 2).error).lower() for run in find_dwi(root)}
    assert len(records) == 3


def test_two_sources_of_one_name(make_dataset) -> None:
    roots = {name: make_dataset(*PREPROC_FILES, name=name) for name in ("a", "b")}
    write_file(roots["a"] / "sub-01/dwi/sub-01_run-3_desc-preproc_dwi.nii.gz")
    runs = find_dwi(roots["a"], derivatives=roots)
    assert [run.refused for run in runs] == [True, True, False]
    assert len({run.label for run in runs}) == 3
    with pytest.raises(InputError, match="outputs would collide with those of"):
        open_run(runs[0])


def test_several_resolutions_are_several_outputs(make_dataset) -> None:
    stems = [f"sub-01/dwi/sub-01_space-ACPC_res-{r}_desc-preproc" for r in "ab"]
    root = make_dataset(*(f for s in stems for f in run_files(s)), description=DERIVATIVE)
    assert sorted_out(root) == ([Path(stem).name for stem in stems], {})


STRAY = ["sub-01_orig_dwi{}", "sub-01_dwi{}.bak", "sub-01_dwi (copy){}", "._sub-01_dwi{}"]
STRAY += ["sub-01_dwi.orig{}", "sub-01_dwi{}~", "Sub-01_dwi{}", "sub-01_DWI{}", "sub-01-dwi{}"]


@pytest.mark.parametrize("name", STRAY)
@pytest.mark.parametrize("kind", [".bval", ".bvec", ".json"])
def test_a_stray_file_is_not_used(make_dataset, name, kind) -> None:
    stray = f"sub-01/dwi/{name.format(kind)}"
    root = make_dataset(*GOOD, stray)
    (root / stray).write_text('{"EchoTime": 666}')
    (run,) = find_dwi(root)
    assert (run.bval, run.bvec) == (root / GOOD[1], root / GOOD[2])
    assert run.sidecar == {} and run.problem is None
    (root / f"sub-01/dwi/sub-01_dwi{kind}").unlink()
    (run,) = find_dwi(root)
    assert None in (run.bval, run.bvec) or run.sidecar == {}


@pytest.mark.parametrize("kind", [".bval", ".bvec", ".json"])
def test_two_that_apply_alike(make_dataset, kind) -> None:
    image = "sub-01/dwi/sub-01_acq-x_dir-AP_dwi.nii.gz"
    root = make_dataset(image, "dwi.bval", "dwi.bvec", *run_files("sub-02/dwi/sub-02"))
    for entity in ("acq-x", "dir-AP"):
        write_file(root / f"sub-01/dwi/sub-01_{entity}_dwi{kind}")
    good, bad = sorted_out(root)
    assert good == ["sub-02"]
    assert f"sub-01_acq-x_dwi{kind}: and sub-01_dir-AP_dwi{kind} next to it" in bad[image]
    # one with the entities of both says which is meant
    write_file(root / image.replace(".nii.gz", kind))
    assert "next to it" in sorted_out(root)[1][image], "BIDS allows one at each level"
    (root / f"sub-01/dwi/sub-01_dir-AP_dwi{kind}").unlink()
    assert sorted_out(root) == (["sub-01_acq-x_dir-AP", "sub-02"], {})


def test_two_masks_that_apply_alike(make_dataset) -> None:
    stem = "sub-01/dwi/sub-01_acq-x_run-1_space-ACPC"
    masks = [f"sub-01/dwi/sub-01_{e}_space-ACPC_desc-brain_mask.nii.gz" for e in ("acq-x", "run-1")]
    root = make_dataset(*run_files(f"{stem}_desc-preproc"), *masks, description=DERIVATIVE)
    ((_, said),) = sorted_out(root)[1].items()
    assert all(Path(mask).name in said for mask in masks)
    (root / masks[0]).unlink()
    (run,) = find_dwi(root)
    assert run.problem is None and run.mask == root / masks[1]


def test_hidden_images_and_such_elsewhere_are_told(make_dataset, caplog) -> None:
    aside = ["sub-01/dwi/._sub-01_dwi.nii.gz", "sub-01/extra/sub-01_dwi.nii.gz"]
    aside += ["sub-01/dwi/sub-01_desc-denoised_dwi.nii.gz"]
    root = make_dataset(*GOOD, *aside, "sub-01/dwi/sub-01_res-x2_desc-sr_dwi.nii.gz")
    assert sorted_out(root) == (["sub-01"], {})
    assert all(str(root / path) in caplog.text for path in aside)
    assert "desc-sr" not in caplog.text


@pytest.mark.parametrize(
    "name",
    ["acq-dwi_sbref", "acq-dwi+a_sbref", "dwiref", "FA", "acq-dwi.a_sbref", "dwi_mask", "dwimap"],
)
def test_what_is_no_series(name) -> None:
    assert not looks_like_dwi(f"sub-01_{name}.nii.gz")


def test_misnamed_images_follow_the_filter_as_far_as_they_say(make_dataset) -> None:
    names = ["sub-01_acq-x_AP_dwi.nii.gz", "sub-01_acq-y_AP_dwi.nii.gz", "sub-01_PA_dwi.nii.gz"]
    root = make_dataset(*(f"sub-01/dwi/{name}" for name in names))
    for chosen in ({"acquisition": "x"}, {"acquisition": ["x"], "suffix": "dwi"}):
        _, bad = sorted_out(root, filters={"dwi": chosen})
        assert [Path(path).name for path in bad] == [names[2], names[0]]
    assert len(sorted_out(root, filters={"dwi": {"direction": "AP"}})[1]) == 3


def test_index_that_does_not_know_an_image(make_dataset, tmp_path) -> None:
    root = make_dataset(*GOOD)
    find_dwi(root, database_dir=tmp_path / "db")
    for path in run_files("sub-01/dwi/sub-01_run-2"):
        write_file(root / path)
    good, bad = sorted_out(root, database_dir=tmp_path / "db")
    assert (good, bad) == (["sub-01", "sub-01_run-2"], {})


def test_training_names_the_image(make_dataset) -> None:
    root = make_dataset("sub-01/dwi/sub-01_AP_dwi.nii.gz")
    (run,) = find_training_runs(root, ["01"])
    with pytest.raises(InputError, match="dir-AP"):
        open_run(run)


def test_evaluation_takes_what_can_be_used(make_dataset, caplog) -> None:
    root = make_dataset(*GOOD, "sub-01/dwi/sub-01_AP_dwi.nii.gz")
    assert choose_run(root, "01").files.label == "sub-01"
    assert "sub-01_AP_dwi.nii.gz: is not processed" in caplog.text
    with pytest.raises(UsageError, match="There is no run"):
        choose_run(root, "01", "sub-01_AP")


def test_hcp_folders_of_one_participant(make_dataset, tmp_path) -> None:
    for name in ("100610", "sub-100610"):
        (tmp_path / "hcp" / name / "T1w/Diffusion_7T").mkdir(parents=True)
    with pytest.raises(UsageError, match="are both participant 100610"):
        find_training_runs(tmp_path / "hcp")
