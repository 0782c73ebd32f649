"""The names, sidecars and dataset files together satisfy the BIDS validator."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from bids_sr.bids.atomic import write_json
from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.bids.names import (
    GQI_PARAMS,
    TENSOR_PARAMS,
    OutputNames,
    gradients_of,
    parse_entities,
    sidecar_of,
)
from bids_sr.bids.output_dataset import own_uri, write_dataset_files
from bids_sr.bids.sidecars import (
    dwi_sidecar,
    ensemble_sd_sidecar,
    map_sidecar,
    mask_sidecar,
    resolution_text,
)

BESIDE_PYTHON = Path(sys.executable).with_name("bids-validator-deno")
VALIDATOR = str(BESIDE_PYTHON) if BESIDE_PYTHON.exists() else shutil.which("bids-validator-deno")
pytestmark = pytest.mark.skipif(VALIDATOR is None, reason="bids-validator-deno is not installed")

EXAMPLE = Path(__file__).parents[2] / "examples" / "dwi-small"
SHAPE = (6, 6, 4)
LOW, HIGH = (2.0, 2.0, 2.0), (1.0, 1.0, 2.0)


def errors_in(dataset: Path) -> list[str]:
    return issues_in(dataset, "error")


def issues_in(dataset: Path, *severities: str) -> list[str]:
    assert VALIDATOR is not None
    command = [VALIDATOR, str(dataset), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    issues: list[dict[str, Any]] = json.loads(done.stdout)["issues"]["issues"]
    return [
        f"{issue['code']} {issue.get('subCode', '')} {issue['location']}"
        for issue in issues
        if issue["severity"] in severities
    ]


def image(path: Path, shape: tuple[int, ...]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    nifti = nib.Nifti1Image(np.ones(shape, np.float32), np.diag([1, 1, 2, 1]))
    nifti.header.set_xyzt_units("mm", "sec")
    nib.save(nifti, path)


def source(root: Path, name: str, label: str, folder: str) -> DwiFiles:
    path = root / folder / "dwi" / f"{label}_dwi.nii.gz"
    metadata = {"EchoTime": 0.08, "RepetitionTime": 5.0, "PhaseEncodingDirection": "j"}
    gradients = [path.with_name(f"{label}_dwi.{kind}") for kind in ("bval", "bvec")]
    entities = parse_entities(path.name)
    return DwiFiles(path, gradients[0], gradients[1], None, metadata, entities, root, name)


def write_run(out: Path, files: DwiFiles, factor: int = 2) -> OutputNames:
    """Write what a finished run leaves."""
    names = OutputNames(out, files, factor)
    image(names.dwi, (*SHAPE, 3))
    names.bval.write_text("0 1000 1000\n")
    names.bvec.write_text("0 1 0\n0 0 1\n0 0 0\n")
    size: dict[str, Any] = {"factor": factor, "in_zooms": LOW, "out_zooms": HIGH}
    made = {"model": {"name": "m"}, "fingerprint": "f", "settings": {}}
    write_json(names.dwi_json, dwi_sidecar(files, **size, **made))
    image(names.mask, SHAPE)
    write_json(names.mask_json, mask_sidecar(files, **size))
    fine = {"sources": [own_uri(out, names.dwi)], "resolution": resolution_text(factor, LOW, HIGH)}
    for param in TENSOR_PARAMS:
        _write_map(names.tensor(param), map_sidecar(param, "tensor", files, **fine))
        _write_map(names.input_tensor(param), map_sidecar(param, "tensor", files))
    for param in GQI_PARAMS:
        _write_map(names.gqi(param), map_sidecar(param, "gqi", files, **fine))
    beside = {"ensemble": 8, **fine}
    image(names.dwi_sd, (*SHAPE, 3))
    for source, target in zip((names.bval, names.bvec), gradients_of(names.dwi_sd), strict=True):
        shutil.copyfile(source, target)
    write_json(sidecar_of(names.dwi_sd), ensemble_sd_sidecar("dwi", files, **beside))
    _write_map(names.fa_sd, ensemble_sd_sidecar("fa", files, **beside))
    write_json(names.quality, {"psnr": 1.0})
    for extension in ("png", "webp", "svg", "json"):
        figure = names.report_file("b0", extension)
        figure.parent.mkdir(exist_ok=True)
        figure.write_bytes(b"x")
    write_json(names.error, {"message": "x"})
    return names


def _write_map(path: Path, sidecar: dict[str, Any]) -> None:
    image(path, SHAPE)
    write_json(sidecar_of(path), sidecar)


@pytest.fixture
def output(tmp_path: Path) -> tuple[Path, list[OutputNames]]:
    out, raw, pre = (tmp_path / name for name in ("out", "raw", "pre"))
    runs = [
        source(raw, "raw", "sub-01", "sub-01"),
        source(raw, "raw", "sub-02_ses-a_acq-x_dir-AP_run-01_part-mag", "sub-02/ses-a"),
        source(pre, "qsiprep", "sub-03_space-ACPC_desc-preproc", "sub-03"),
        source(pre, "qsiprep", "sub-04_ses-b_run-1_space-T1w_desc-preproc", "sub-04/ses-b"),
    ]
    for root in (raw, pre):
        root.mkdir()
        content = {"Name": "x", "BIDSVersion": "1.9.0", "Authors": ["Ada", "Bo"]}
        (root / "dataset_description.json").write_text(json.dumps(content))
    names = [write_run(out, files) for files in runs]
    names.append(write_run(out, runs[0], factor=3))
    write_dataset_files(out, sources={"raw": raw, "qsiprep": pre})
    (out / "sub-01.html").write_text("<html></html>")
    (out / "group_dwi.html").write_text("<html></html>")
    (out / "group_dwi.tsv").write_text("run\tx\nsub-01\t1\n")
    (out / "group_dwi.json").write_text('{"run": {"LongName": "Run"}}\n')
    (out / "logs" / "crash-x.txt").write_text("x")
    return out, names


def test_output_has_no_errors(output: tuple[Path, list[OutputNames]]) -> None:
    out, runs = output
    for names in runs:
        assert all(path.exists() for path in names.expected(ensemble_sd=True))
    assert errors_in(out) == []


def test_output_has_no_warnings_either(output: tuple[Path, list[OutputNames]]) -> None:
    """Where the sources name their authors; docs/standards.md lists what remains otherwise."""
    assert issues_in(output[0], "error", "warning") == []


@pytest.mark.parametrize("authors", [None, ["Ada"]])
def test_a_warning_that_depends_on_the_sources(
    output: tuple[Path, list[OutputNames]], authors: list[str] | None
) -> None:
    """That of docs/standards.md, and no other."""
    out, _ = output
    path = out / "dataset_description.json"
    content = json.loads(path.read_text())
    content["Authors"] = authors
    write_json(path, {key: value for key, value in content.items() if value is not None})
    codes = {issue.split()[0] for issue in issues_in(out, "error", "warning")}
    assert codes == {"TOO_FEW_AUTHORS"}
    text = (Path(__file__).parents[2] / "docs" / "standards.md").read_text(encoding="utf-8")
    assert "TOO_FEW_AUTHORS" in text


@pytest.mark.parametrize("key", ["Resolution", "SkullStripped", "SpatialReference"])
def test_validator_looks_at_these_sidecars(
    output: tuple[Path, list[OutputNames]], key: str
) -> None:
    out, runs = output
    path = runs[2].dwi_json
    content = json.loads(path.read_text())
    del content[key]
    write_json(path, content)
    assert any(key in error or "SIDECAR" in error for error in errors_in(out))


@pytest.mark.skipif(not EXAMPLE.is_dir(), reason="the example dataset is not here")
def test_example_dataset_has_no_errors() -> None:
    assert errors_in(EXAMPLE) == []
