from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from bids_sr.bids.finding import find_dwi
from bids_sr.errors import InputError, UsageError
from bids_sr.images.runs import open_run

MakeDataset = Callable[..., Path]


@pytest.fixture
def make_dataset(tmp_path: Path) -> MakeDataset:
    """Write a dataset: files by path, images and gradients get something plausible."""

    def make(*paths: str, name: str = "ds", description: dict | None = None) -> Path:
        root = tmp_path / name
        root.mkdir(parents=True)
        described = {"Name": "Test", "BIDSVersion": "1.10.0"} | (description or {})
        (root / "dataset_description.json").write_text(json.dumps(described))
        for path in paths:
            write_file(root / path)
        return root

    return make


def write_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.name.endswith((".nii", ".nii.gz")):
        shape = (4, 4, 3) if "mask" in path.name else (4, 4, 3, 2)
        nib.save(nib.Nifti1Image(np.ones(shape, np.int16), np.eye(4)), path)
    elif path.suffix == ".bval":
        path.write_text("0 1000\n")
    elif path.suffix == ".bvec":
        path.write_text("0 1\n0 0\n0 0\n")
    elif path.suffix == ".json":
        path.write_text("{}")
    else:
        path.write_text("")


def run_files(stem: str) -> list[str]:
    return [f"{stem}_dwi.{ext}" for ext in ("nii.gz", "bval", "bvec", "json")]


DERIVATIVE = {"DatasetType": "derivative", "GeneratedBy": [{"Name": "QSIPrep"}]}
DWI_OPEN = Path(__file__).parents[2].parent / "shared" / "data" / "dwi-open"


def labels(root: Path, **options: Any) -> list[str]:
    return [files.label for files in find_dwi(root, **options)]


def test_all_runs_in_natural_order(make_dataset: MakeDataset) -> None:
    stems = ["sub-02/ses-b/dwi/sub-02_ses-b", "sub-02/ses-a/dwi/sub-02_ses-a"]
    stems += [f"sub-01/dwi/sub-01_run-{n}" for n in (10, 2)]
    root = make_dataset(*(path for stem in stems for path in run_files(stem)))
    assert labels(root) == ["sub-01_run-2", "sub-01_run-10", "sub-02_ses-a", "sub-02_ses-b"]
    first = find_dwi(root)[0]
    assert first.dwi == root / "sub-01/dwi/sub-01_run-2_dwi.nii.gz"
    assert first.entities == {"sub": "01", "run": "2"}
    assert (first.dataset_name, first.dataset_root, first.mask) == ("raw", root, None)
    assert open_run(first).shape == (4, 4, 3, 2)


def test_what_is_no_diffusion_series_is_left_alone(make_dataset: MakeDataset) -> None:
    root = make_dataset(
        *run_files("sub-01/dwi/sub-01_part-mag"),
        *(f"sub-01/dwi/sub-01_part-{part}_dwi.nii.gz" for part in ("phase", "real", "imag")),
        "sub-01/dwi/sub-01_sbref.nii.gz",
        "sub-01/dwi/sub-01_ADC.nii.gz",
        "sub-01/dwi/sub-01_FA.nii.gz",
        "sub-01/dwi/sub-01_trace.nii.gz",
        "sub-01/dwi/sub-01_desc-preproc_dwi.nii.gz",
        "sub-01/dwi/sub-01_res-x2_desc-sr_dwi.nii.gz",
        "sub-01/anat/sub-01_dwi.nii.gz",
        "sub-01/fmap/sub-01_dir-AP_dwi.nii.gz",
        "derivatives/other/sub-01/dwi/sub-01_acq-der_dwi.nii.gz",
        "sourcedata/sub-01/dwi/sub-01_acq-src_dwi.nii.gz",
        "out/sub-01/dwi/sub-01_acq-out_dwi.nii.gz",
        "sub-01/dwi/.hidden/sub-01_acq-hid_dwi.nii.gz",
        "sub-01/dwi/.tmp-x-sub-01_acq-tmp_dwi.nii.gz",
    )
    assert labels(root) == ["sub-01_part-mag"]


def test_participants_with_and_without_prefix(make_dataset: MakeDataset) -> None:
    subjects = ("1", "01", "010", "02", "101")
    root = make_dataset(*(p for s in subjects for p in run_files(f"sub-{s}/dwi/sub-{s}")))
    assert labels(root, participants=["01"]) == ["sub-01"]
    assert labels(root, participants=["sub-01", "101"]) == ["sub-01", "sub-101"]


def test_sessions(make_dataset: MakeDataset) -> None:
    visits = ("pre", "prelim", "post")
    root = make_dataset(
        *(p for v in visits for p in run_files(f"sub-01/ses-{v}/dwi/sub-01_ses-{v}"))
    )
    assert labels(root, sessions=["pre"]) == ["sub-01_ses-pre"]
    assert labels(root, sessions=["ses-pre", "post"]) == ["sub-01_ses-post", "sub-01_ses-pre"]


def test_other_participants_are_not_even_listed(
    make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_dataset(
        *run_files("sub-01/ses-a/dwi/sub-01_ses-a"),
        *run_files("sub-01/ses-b/dwi/sub-01_ses-b"),
        *run_files("sub-012/dwi/sub-012"),
    )
    entered = _spy_on_walk(monkeypatch)
    assert labels(root, participants=["01"], sessions=["a"]) == ["sub-01_ses-a"]
    assert str(root) in entered
    assert any(path.endswith("sub-01/ses-a/dwi") for path in entered)
    assert not [path for path in entered if "sub-012" in path or "ses-b" in path]
    entered.clear()
    labels(root)
    assert [path for path in entered if "sub-012" in path]


def _spy_on_walk(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    from fsspec.implementations.local import LocalFileSystem

    entered: list[str] = []
    original = LocalFileSystem.walk

    def walk(self: LocalFileSystem, path: str, *args: Any, **kwargs: Any) -> Any:
        entered.append(str(path))
        return original(self, path, *args, **kwargs)

    monkeypatch.setattr(LocalFileSystem, "walk", walk)
    return entered


def test_broken_files_of_others_do_not_matter(make_dataset: MakeDataset) -> None:
    root = make_dataset(*run_files("sub-01/dwi/sub-01"), *run_files("sub-02/dwi/sub-02"))
    (root / "sub-02/dwi/sub-02_dwi.json").write_bytes(b"\xff{not json")
    found = {files.label: files for files in find_dwi(root)}
    assert open_run(found["sub-01"])
    with pytest.raises(InputError, match=r"sub-02_dwi\.json: cannot be read as JSON"):
        open_run(found["sub-02"])


def test_dataset_below_a_folder_that_looks_like_a_participant(make_dataset: MakeDataset) -> None:
    root = make_dataset(
        *run_files("sub-01/dwi/sub-01"), *run_files("sub-02/dwi/sub-02"), name="sub-99/dwi/ds"
    )
    assert labels(root) == ["sub-01", "sub-02"]
    assert labels(root, participants=["02"]) == ["sub-02"]


def test_relative_paths(make_dataset: MakeDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    root = make_dataset(*run_files("sub-01/dwi/sub-01"))
    monkeypatch.chdir(root / "sub-01")
    (found,) = find_dwi(Path(".."))
    assert found.dwi.is_absolute()
    assert found.dwi.resolve() == root / "sub-01/dwi/sub-01_dwi.nii.gz"
    assert found.bval is not None
    found.dwi.relative_to(found.dataset_root)


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ("sub-01/ses-a/dwi/sub-01_ses-a_acq-x_dwi", True),
        ("sub-01/ses-a/dwi/sub-01_ses-a_dwi", True),
        ("sub-01/ses-a/sub-01_ses-a_dwi", True),
        ("sub-01/sub-01_dwi", True),
        ("sub-01/sub-01_acq-x_dwi", True),
        ("acq-x_dwi", True),
        ("dwi", True),
        ("acq-y_dwi", False),
        ("sub-01/ses-a/dwi/sub-01_ses-a_acq-x_run-1_dwi", False),
        ("sub-01/ses-b/dwi/sub-01_ses-b_acq-x_dwi", False),
        ("sub-02/sub-02_dwi", False),
        ("acq-x_sbref", False),
    ],
)
def test_inheritance(make_dataset: MakeDataset, where: str, found: bool) -> None:
    image = "sub-01/ses-a/dwi/sub-01_ses-a_acq-x_dwi.nii.gz"
    root = make_dataset(image, f"{where}.bval", f"{where}.bvec")
    (root / f"{where}.json").write_text('{"EchoTime": 0.08}')
    (files,) = find_dwi(root, sessions=["a"])
    if found:
        assert (files.bval, files.bvec) == (root / f"{where}.bval", root / f"{where}.bvec")
        assert files.sidecar == {"EchoTime": 0.08}
        assert open_run(files).gradients.n_volumes == 2
    else:
        assert (files.bval, files.bvec, files.sidecar) == (None, None, {})
        with pytest.raises(InputError, match=r"neither sub-01_ses-a_acq-x_dwi\.bval next to it"):
            open_run(files)


def test_nearer_and_fuller_names_win(make_dataset: MakeDataset) -> None:
    levels = ["dwi", "acq-x_dwi", "sub-01/sub-01_dwi", "sub-01/dwi/sub-01_acq-x_dwi"]
    root = make_dataset("sub-01/dwi/sub-01_acq-x_dwi.nii.gz", *(f"{p}.bval" for p in levels))
    for number, level in enumerate(levels):
        content = {f"Only{number}": number, "Shared": number}
        (root / f"{level}.json").write_text(json.dumps(content))
    (files,) = find_dwi(root)
    assert files.bval == root / f"{levels[-1]}.bval"
    assert files.sidecar == {"Only0": 0, "Only1": 1, "Only2": 2, "Only3": 3, "Shared": 3}
    for path in root.rglob("sub-01*.bval"):
        path.unlink()
    assert find_dwi(root)[0].bval == root / "acq-x_dwi.bval"


PREPROCESSED = "sub-01/dwi/sub-01_run-1_space-ACPC_desc-preproc"
PREPROC_FILES = [
    *run_files(PREPROCESSED),
    "sub-01/dwi/sub-01_run-1_space-ACPC_dwiref.nii.gz",
    "sub-01/dwi/sub-01_run-1_space-ACPC_desc-brain_mask.nii.gz",
    "sub-01/dwi/sub-01_run-2_space-ACPC_desc-brain_mask.nii.gz",
    "sub-01/dwi/sub-01_run-1_space-T1w_desc-brain_mask.nii.gz",
    "sub-01/dwi/sub-01_run-1_dwi.nii.gz",
    "sub-01/dwi/sub-01_run-1_space-ACPC_res-x2_desc-sr_dwi.nii.gz",
    "sub-01/anat/sub-01_space-ACPC_desc-brain_mask.nii.gz",
]


def test_derivative_as_dataset(make_dataset: MakeDataset) -> None:
    root = make_dataset(*PREPROC_FILES, description=DERIVATIVE)
    (files,) = find_dwi(root)
    assert files.label == "sub-01_run-1_space-ACPC_desc-preproc"
    assert files.dataset_name == "qsiprep"
    assert files.mask == root / "sub-01/dwi/sub-01_run-1_space-ACPC_desc-brain_mask.nii.gz"
    assert open_run(files).shape[3] == 2


def test_derivative_by_name_takes_the_place_of_raw(
    make_dataset: MakeDataset, caplog: pytest.LogCaptureFixture
) -> None:
    raw = make_dataset(*run_files("sub-01/dwi/sub-01_run-1"), *run_files("sub-02/dwi/sub-02"))
    derived = make_dataset(*PREPROC_FILES, "sub-02/anat/x.json", name="pre")
    (files,) = find_dwi(raw, derivatives={"mine": derived}, participants=["01", "02"])
    assert (files.label, files.dataset_name) == (Path(PREPROCESSED).name, "mine")
    assert "sub-02 has no diffusion run" in caplog.text


def test_our_own_output_is_no_input(make_dataset: MakeDataset) -> None:
    root = make_dataset(
        "sub-01/dwi/sub-01_res-x2_desc-sr_dwi.nii.gz",
        "sub-01/dwi/sub-01_res-x2_desc-sr_dwi.bval",
        "sub-01/dwi/sub-01_res-x2_desc-srsd_dwi.nii.gz",
        description={"DatasetType": "derivative", "GeneratedBy": [{"Name": "bids_sr"}]},
    )
    with pytest.raises(UsageError, match="no preprocessed"):
        find_dwi(root)
    with pytest.raises(UsageError, match="no preprocessed"):
        find_dwi(root, filters={"dwi": {"desc": ["sr", "srsd"]}})


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"acquisition": "AP"}, ["sub-01_acq-AP_run-1", "sub-01_acq-AP_run-2"]),
        ({"acquisition": ["PA", "AP"], "run": 1}, ["sub-01_acq-AP_run-1", "sub-01_acq-PA_run-01"]),
        ({"acquisition": None}, ["sub-01_dir-LR"]),
        ({"acquisition": [None, "PA"]}, ["sub-01_acq-PA_run-01", "sub-01_dir-LR"]),
        ({"direction": "*"}, ["sub-01_dir-LR"]),
        ({"run": "02"}, ["sub-01_acq-AP_run-2"]),
        ({"datatype": "dwi", "suffix": "dwi", "acquisition": "PA"}, ["sub-01_acq-PA_run-01"]),
    ],
)
def test_filters(make_dataset: MakeDataset, chosen: dict[str, Any], expected: list[str]) -> None:
    stems = ("acq-AP_run-1", "acq-AP_run-2", "acq-PA_run-01", "dir-LR")
    root = make_dataset(*(f"sub-01/dwi/sub-01_{stem}_dwi.nii.gz" for stem in stems))
    assert labels(root, filters={"dwi": chosen, "t1w": {"acquisition": "no"}}) == expected


ABOVE = "sub-99/ses-b/acq-AP_run-2_part-mag_desc-eddy/dwi/derivatives/ds.nii.gz"


@pytest.mark.parametrize("database", [False, True])
@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"acquisition": "AP"}, ["sub-01_acq-AP"]),
        ({"acquisition": None}, ["sub-01_dir-LR", "sub-02_ses-a"]),
        ({"acquisition": "*"}, ["sub-01_acq-AP"]),
        ({"acquisition": "^A", "regex_search": True}, ["sub-01_acq-AP"]),
        ({"subject": "02"}, ["sub-02_ses-a"]),
        ({"subject": ["01"]}, ["sub-01_acq-AP", "sub-01_dir-LR"]),
        ({"session": "a"}, ["sub-02_ses-a"]),
        ({"session": None}, ["sub-01_acq-AP", "sub-01_dir-LR"]),
        ({"run": None, "desc": None, "part": None, "datatype": "dwi"}, "all"),
        ({"extension": ".nii.gz", "suffix": "dwi"}, "all"),
        ({"extension": ["nii"]}, []),
        ({"datatype": "anat"}, []),
        ({"subject": "99"}, []),
        ({"session": "b"}, []),
        ({"run": 2}, []),
        ({"desc": "eddy"}, []),
    ],
)
def test_filters_do_not_look_above_the_dataset(
    make_dataset: MakeDataset,
    tmp_path: Path,
    chosen: dict[str, Any],
    expected: Any,
    database: bool,
) -> None:
    stems = ["sub-01/dwi/sub-01_acq-AP", "sub-01/dwi/sub-01_dir-LR"]
    stems += ["sub-02/ses-a/dwi/sub-02_ses-a"]
    root = make_dataset(*(path for stem in stems for path in run_files(stem)), name=ABOVE)
    options = {"database_dir": tmp_path / "db"} if database else {}
    everybody = [Path(stem).name for stem in stems]
    if expected:
        wanted = everybody if expected == "all" else expected
        assert labels(root, filters={"dwi": chosen}, **options) == wanted
    else:
        with pytest.raises(UsageError, match="no diffusion run"):
            find_dwi(root, filters={"dwi": chosen}, **options)


def test_filter_mistakes(make_dataset: MakeDataset, caplog: pytest.LogCaptureFixture) -> None:
    root = make_dataset(*run_files("sub-01/dwi/sub-01"))
    with pytest.raises(UsageError, match=r"aquisition.*acquisition"):
        find_dwi(root, filters={"dwi": {"aquisition": "AP"}})
    with pytest.raises(UsageError, match="not an object"):
        find_dwi(root, filters={"dwi": ["AP"]})
    with pytest.raises(UsageError, match="no diffusion run"):
        find_dwi(root, filters={"dwi": {"acquisition": "AP"}})
    assert labels(root, filters={"bold": {"run": 1}}) == ["sub-01"]
    assert "no 'dwi' entry" in caplog.text


def test_derivative_filter_can_ask_for_another_desc(make_dataset: MakeDataset) -> None:
    root = make_dataset(
        "sub-01/dwi/sub-01_desc-eddy_dwi.nii.gz",
        "sub-01/dwi/sub-01_dwi.nii.gz",
        description=DERIVATIVE,
    )
    assert labels(root, filters={"dwi": {"desc": "eddy"}}) == ["sub-01_desc-eddy"]
    assert labels(root, filters={"dwi": {"desc": None}}) == ["sub-01"]


def test_derivatives_without_preprocessed_runs_are_not_results_to_reuse(
    make_dataset: MakeDataset,
) -> None:
    """As users of fMRIPrep may mean: there -d adds to the input."""
    raw = make_dataset(*run_files("sub-01/dwi/sub-01"), name="raw")
    anatomy = make_dataset("sub-01/anat/sub-01_T1w.nii.gz", description=DERIVATIVE, name="smriprep")
    with pytest.raises(UsageError, match="leave it out to process the runs of BIDS_DIR") as found:
        find_dwi(raw, derivatives={"smriprep": anatomy})
    assert "smriprep: no preprocessed (desc-preproc) diffusion run found" in str(found.value)
    with pytest.raises(UsageError) as found:
        find_dwi(anatomy)
    assert "leave it out" not in str(found.value)


def test_unknown_labels_list_what_there_is(make_dataset: MakeDataset) -> None:
    root = make_dataset(
        *run_files("sub-01/ses-a/dwi/sub-01_ses-a"), *run_files("sub-02/ses-b/dwi/sub-02_ses-b")
    )
    with pytest.raises(UsageError, match=r"no participant 03, 04\. Available: 01, 02\."):
        find_dwi(root, participants=["01", "04", "sub-03"])
    with pytest.raises(UsageError, match=r"no session b\. Available: a\."):
        find_dwi(root, participants=["01"], sessions=["b"])


def test_folders_that_are_no_dataset(make_dataset: MakeDataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not a folder"):
        find_dwi(tmp_path / "gone")
    (tmp_path / "bare").mkdir()
    with pytest.raises(UsageError, match=r"no dataset_description\.json"):
        find_dwi(tmp_path / "bare")
    root = make_dataset()
    with pytest.raises(UsageError, match="no diffusion run found"):
        find_dwi(root)
    with pytest.raises(UsageError, match=r"bare: has no dataset_description\.json"):
        find_dwi(root, derivatives={"x": tmp_path / "bare"})
    (root / "dataset_description.json").write_text("{")
    with pytest.raises(UsageError, match="cannot be read as JSON"):
        find_dwi(root)


class TestDatabase:
    def test_made_for_one_serves_all(
        self, make_dataset: MakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root = make_dataset(*run_files("sub-01/dwi/sub-01"), *run_files("sub-02/dwi/sub-02"))
        database = tmp_path / "db"
        assert labels(root, participants=["01"], database_dir=database) == ["sub-01"]
        assert sorted(p.name for p in database.glob("[!.]*")) == ["layout_index.sqlite"]
        entered = _spy_on_walk(monkeypatch)
        assert labels(root, participants=["02"], database_dir=database) == ["sub-02"]
        assert labels(root, database_dir=database) == ["sub-01", "sub-02"]
        assert entered == []

    def test_is_read_instead_of_the_folders(
        self, make_dataset: MakeDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root = make_dataset(*run_files("sub-01/dwi/sub-01"))
        first = find_dwi(root, database_dir=tmp_path / "db")
        entered = _spy_on_walk(monkeypatch)
        assert find_dwi(root, database_dir=tmp_path / "db") == first
        assert entered == []

    def test_that_lacks_some_is_made_up_for(
        self, make_dataset: MakeDataset, tmp_path: Path
    ) -> None:
        root = make_dataset(*run_files("sub-01/dwi/sub-01"), "dwi.bval")
        database = tmp_path / "db"
        find_dwi(root, database_dir=database)
        for path in run_files("sub-02/ses-a/dwi/sub-02_ses-a"):
            write_file(root / path)
        (late,) = find_dwi(root, participants=["02"], database_dir=database)
        assert late.label == "sub-02_ses-a"
        assert labels(root, database_dir=database) == ["sub-01", "sub-02_ses-a"]

    def test_of_another_dataset_is_refused(self, make_dataset: MakeDataset, tmp_path: Path) -> None:
        roots = [make_dataset(*run_files("sub-01/dwi/sub-01"), name=name) for name in "ab"]
        find_dwi(roots[0], database_dir=tmp_path / "db")
        with pytest.raises(UsageError, match=r"is the index of .*/a, not of .*/b"):
            find_dwi(roots[1], database_dir=tmp_path / "db")

    def test_reached_through_a_link(self, make_dataset: MakeDataset, tmp_path: Path) -> None:
        root = make_dataset(*run_files("sub-01/dwi/sub-01"))
        find_dwi(root, database_dir=tmp_path / "db")
        link = tmp_path / "link"
        link.symlink_to(root)
        (files,) = find_dwi(link, database_dir=tmp_path / "db")
        files.dwi.relative_to(files.dataset_root)

    @pytest.mark.parametrize("content", [b"", b"no database at all, but long enough" * 99])
    def test_damaged(self, make_dataset: MakeDataset, tmp_path: Path, content: bytes) -> None:
        root = make_dataset(*run_files("sub-01/dwi/sub-01"))
        (tmp_path / "db").mkdir()
        (tmp_path / "db" / "layout_index.sqlite").write_bytes(content)
        with pytest.raises(UsageError, match="cannot be used as a pybids index"):
            find_dwi(root, database_dir=tmp_path / "db")

    def test_of_derivatives_is_kept_apart(self, make_dataset: MakeDataset, tmp_path: Path) -> None:
        raw = make_dataset(*run_files("sub-01/dwi/sub-01"))
        derived = make_dataset(*PREPROC_FILES, name="pre")
        options = {"database_dir": tmp_path / "db", "derivatives": {"qsiprep": derived}}
        assert labels(raw, **options) == labels(raw, **options) == [Path(PREPROCESSED).name]
        assert labels(raw, database_dir=tmp_path / "db") == ["sub-01"]


def test_finding_is_silent_when_all_is_well(
    make_dataset: MakeDataset, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    caplog.set_level(logging.INFO)
    find_dwi(make_dataset(*run_files("sub-01/dwi/sub-01")))
    assert not caplog.records
    assert not recwarn.list


@pytest.mark.skipif(not DWI_OPEN.is_dir(), reason="the shared scans are not here")
def test_real_scans() -> None:
    found = {files.label: open_run(files) for files in find_dwi(DWI_OPEN)}
    assert len(found) == 18
    volumes = {name: run.gradients.is_b0.nonzero()[0].tolist() for name, run in found.items()}
    assert volumes.pop("sub-sherbrooke01_acq-1p2mm") == [40]
    assert volumes.pop("sub-sherbrooke01_acq-1p8mm") == [64]
    assert volumes.pop("sub-trio01") == [0, 21]
    assert volumes.pop("sub-prisma03") == [0, 1]
    assert set(map(tuple, volumes.values())) == {(0,)}
    uih = found["sub-uih01_acq-AP"].gradients
    assert uih.bvals[0] == pytest.approx(1.25194)
    assert [len(shell.indices) for shell in uih.shells] == [16]
    assert found["sub-philips01"].gradients.n_directions == 27  # of 32; the rest nearly repeat


def test_all_runs_that_lie_with_another_participant_are_told(make_dataset: MakeDataset) -> None:
    """Also those that come after images of whoever has runs of his own."""
    root = make_dataset(
        *run_files("sub-02/dwi/sub-02"),
        *run_files("sub-03/dwi/sub-01"),
        *run_files("sub-03/dwi/sub-03"),
        *run_files("sub-04/dwi/sub-01_acq-x"),
    )
    (root / "sub-01").mkdir()
    found = find_dwi(root, participants=("01", "02"))
    refused = sorted(files.dwi.relative_to(root).as_posix() for files in found if files.refused)
    assert refused == ["sub-03/dwi/sub-01_dwi.nii.gz", "sub-04/dwi/sub-01_acq-x_dwi.nii.gz"]
    assert [files.label for files in found if not files.refused] == ["sub-02"]
