"""Maps that an older version named otherwise: found by name, told, and left alone."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest

from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.bids.names import OutputNames, parse_entities
from bids_sr.bids.older_outputs import check_version, is_older, older_outputs, warn_of_older
from bids_sr.errors import UsageError

OLDER = "sub-{0}_res-x2_model-tensor_param-fa_dwimap.nii.gz"
NEWER = "sub-{0}_model-tensor_param-fa_res-x2_dwimap.nii.gz"


def fill(out: Path, *subjects: str, name: str = OLDER, session: str = "") -> Path:
    for subject in subjects:
        folder = out / f"sub-{subject}" / session / "dwi"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name.format(subject)).write_text("x")
    content = {"DatasetType": "derivative", "GeneratedBy": [{"Name": "bids_sr"}]}
    (out / "dataset_description.json").write_text(json.dumps(content))
    return out


@pytest.mark.parametrize(
    "name",
    [
        "sub-01_acq-AP_res-x3_model-gqi_param-qa_dwimap.nii.gz",
        "sub-01_space-ACPC_res-2mmx2_model-tensor_param-tensor_dwimap.nii.gz",
        "sub-01_model-tensor_param-tensor_desc-input_dwimap.nii.gz",
        "sub-01_res-x2_model-tensor_param-fa_desc-srsd_dwimap.nii.gz",
    ],
)
def test_older_names(name: str) -> None:
    assert is_older(name)


@pytest.mark.parametrize(
    "name",
    [
        "sub-01_res-x2_desc-sr_dwi.nii.gz",
        "sub-01_model-tensor_param-fa_desc-input_dwimap.nii.gz",  # the same in both
        "sub-01_space-ACPC_model-tensor_param-txx_dwimap.nii.gz",  # of QSIRecon
        "sub-01_res-hi_model-tensor_param-fa_dwimap.nii.gz",  # of another program
        "sub-01_res-x2_model-noddi_param-od_dwimap.nii.gz",
    ],
)
def test_other_names(name: str) -> None:
    assert not is_older(name)


@pytest.mark.parametrize(
    "source",
    [
        "sub-01_dwi.nii.gz",
        "sub-01_ses-a_run-1_space-ACPC_res-2mm_desc-preproc_dwi.nii.gz",
        "sub-01_chunk-2_label-x_desc-eddy_dwi.nii.gz",
    ],
)
def test_none_of_our_names_is_older(tmp_path: Path, source: str) -> None:
    root = tmp_path / "raw"
    files = DwiFiles(root / source, None, None, None, {}, parse_entities(source), root, "raw")
    names = OutputNames(tmp_path, files, 2)
    assert not [path for path in names.expected(ensemble_sd=True) if is_older(path.name)]


def test_what_is_told(tmp_path: Path) -> None:
    out = fill(tmp_path / "out", "01", "02", "03", "04")
    with pytest.raises(UsageError) as caught:
        check_version(out, ())
    told = str(caught.value)
    assert "older version of bids_sr" in told and "another output folder" in told
    assert f"sub-01/dwi/{OLDER.format('01')}" in told
    assert "sub-03" not in told, "two examples will do"


def test_sessions_and_single_participants(tmp_path: Path) -> None:
    out = fill(tmp_path / "out", "02", session="ses-a")
    found = f"sub-02/ses-a/dwi/{OLDER.format('02')}"
    assert list(older_outputs(out, ["02"])) == [found]
    assert list(older_outputs(out, ["01"])) == [found], "all outputs are of one version"


def test_one_other_participant_is_looked_at(tmp_path: Path) -> None:
    out = fill(tmp_path / "out", "01", name=NEWER)
    fill(out, "02")
    assert list(older_outputs(out, ["03"])) == []
    assert len(list(older_outputs(out, ["02"]))) == 1


@pytest.mark.parametrize("subjects", [(), ("01",), ("09",)])
def test_folders_that_are_fine(tmp_path: Path, subjects: tuple[str, ...]) -> None:
    check_version(tmp_path / "none", subjects)
    check_version(fill(tmp_path / "new", "01", name=NEWER), subjects)
    (tmp_path / "file").write_text("")
    check_version(tmp_path / "file", subjects)


def test_pages_of_older_results_are_made_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    warn_of_older(fill(tmp_path / "new", "01", name=NEWER))
    assert not caplog.messages
    warn_of_older(fill(tmp_path / "old", "01"))
    (told,) = caplog.messages
    assert "outputs of an older version of bids_sr" in told and "sub-01" in told
