from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.bids.map_params import PARAMS
from bids_sr.bids.names import GQI_PARAMS, TENSOR_PARAMS, parse_entities
from bids_sr.bids.sidecars import (
    FINGERPRINT,
    dwi_sidecar,
    ensemble_sd_sidecar,
    map_sidecar,
    mask_sidecar,
)
from bids_sr.bids.uris import bids_uri, own_uri

ROOT = Path("/data/ds")
DIRECTIONAL = ("colorfa", "v1", "tensor")
ACPC = "sub-01/dwi/sub-01_space-ACPC_desc-preproc_dwi.nii.gz"
LOW, HIGH = (2.0, 2.0, 2.5), (1.0, 1.0, 2.5)


def files_for(
    stem: str = "sub-01", sidecar: dict[str, Any] | None = None, name: str = "raw"
) -> DwiFiles:
    image = ROOT / "sub-01" / "dwi" / f"{stem}_dwi.nii.gz"
    return DwiFiles(
        image,
        image.with_name(f"{stem}_dwi.bval"),
        ROOT / "dwi.bvec",
        None,
        sidecar or {},
        parse_entities(image.name),
        ROOT,
        name,
    )


def series(files: DwiFiles, **changes: Any) -> dict[str, Any]:
    options: dict[str, Any] = {
        "factor": 2,
        "in_zooms": LOW,
        "out_zooms": HIGH,
        "model": {"name": "shallow-x2", "sha256": "ab"},
        "fingerprint": "f00d",
        "settings": {"data_consistency": True},
    }
    return dwi_sidecar(files, **(options | changes))


def test_series_says_where_it_comes_from_and_how_it_was_made() -> None:
    sidecar = series(files_for())
    assert sidecar["Sources"] == [
        "bids:raw:sub-01/dwi/sub-01_dwi.nii.gz",
        "bids:raw:sub-01/dwi/sub-01_dwi.bval",
        "bids:raw:dwi.bvec",
    ]
    assert "1.00x1.00x2.50 mm" in sidecar["Resolution"]
    assert "2.00x2.00x2.50 mm" in sidecar["Resolution"]
    assert sidecar["SkullStripped"] is False
    assert sidecar[FINGERPRINT] == "f00d"
    made = sidecar["SuperResolution"]
    assert made["Model"] == {"name": "shallow-x2", "sha256": "ab"}
    assert made["Settings"] == {"data_consistency": True}
    assert (made["InPlaneFactor"], made["OutputVoxelSize"]) == (2, [1.0, 1.0, 2.5])
    assert "SpatialReference" not in sidecar


def test_only_facts_that_stay_true_travel_on() -> None:
    kept = {
        "EchoTime": 0.08,
        "RepetitionTime": 5,
        "PhaseEncodingDirection": "j-",
        "TotalReadoutTime": 0.04,
        "SliceTiming": [0, 1],
    }
    stale = {
        "AcquisitionMatrixPE": 126,
        "ReconMatrixPE": 128,
        "EffectiveEchoSpacing": 3e-4,
        "BaseResolution": 128,
        "AcquisitionDateTime": "2001-01-01",
        "PatientName": "somebody",
        "Sources": ["elsewhere"],
    }
    sidecar = series(files_for(sidecar=kept | stale))
    assert {key: sidecar[key] for key in kept} == kept
    assert not (stale.keys() - {"Sources"}) & sidecar.keys()


@pytest.mark.parametrize(
    ("direction", "out_zooms", "stays"),
    [
        ("k", HIGH, True),
        (None, HIGH, True),
        ("k-", (2.0, 1.0, 1.25), False),
        ("i", HIGH, False),
        ("i-", (2.0, 1.0, 1.25), True),
    ],
)
def test_slice_times_go_when_slices_are_cut(
    direction: str | None, out_zooms: tuple[float, ...], stays: bool
) -> None:
    source = {"SliceTiming": [0, 1], "SliceThickness": 2.0, "SliceEncodingDirection": direction}
    sidecar = series(files_for(sidecar=source), out_zooms=out_zooms)
    assert ("SliceTiming" in sidecar) is stays
    assert ("SliceThickness" in sidecar) is stays


def test_numbers_become_plain() -> None:
    zooms = np.array(HIGH, dtype=np.float32)
    sidecar = series(
        files_for(),
        out_zooms=zooms,
        settings={"seed": np.int64(3), "axis": None, "model": Path("a/b"), "t": (1, 2)},
    )
    again = json.loads(json.dumps(sidecar, allow_nan=False))
    assert again == sidecar
    assert again["SuperResolution"]["Settings"] == {
        "seed": 3,
        "axis": None,
        "model": "a/b",
        "t": [1, 2],
    }


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (None, f"bids:qsiprep:{ACPC}"),
        ("orig", "orig"),
        ("https://example.org/t1.nii.gz", "https://example.org/t1.nii.gz"),
        ("sub-01/anat/t1.nii.gz", "bids:qsiprep:sub-01/anat/t1.nii.gz"),
        # without a dataset name a URI means "here": there, not in our output
        ("bids::sub-01/anat/t1.nii.gz", "bids:qsiprep:sub-01/anat/t1.nii.gz"),
        # and its own names for other datasets mean nothing here
        ("bids:raw:sub-01/t1.nii.gz", f"bids:qsiprep:{ACPC}"),
    ],
)
def test_images_in_a_space_name_its_reference(said: str | None, expected: str) -> None:
    metadata = {"SpatialReference": said} if said else {}
    files = files_for("sub-01_space-ACPC_desc-preproc", metadata, name="qsiprep")
    for sidecar in (
        series(files),
        map_sidecar("fa", "tensor", files),
        mask_sidecar(files, factor=2, in_zooms=LOW, out_zooms=HIGH),
    ):
        assert sidecar["SpatialReference"] == expected


def test_skull_stripped_source_stays_so() -> None:
    assert series(files_for(sidecar={"SkullStripped": True}))["SkullStripped"] is True
    assert series(files_for(), skull_stripped=True)["SkullStripped"] is True


def test_mask() -> None:
    options: dict[str, Any] = {"factor": 2, "in_zooms": LOW, "out_zooms": HIGH}
    computed = mask_sidecar(files_for(), **options)
    assert computed["Type"] == "Brain"
    assert computed["Sources"] == ["bids:raw:sub-01/dwi/sub-01_dwi.nii.gz"]
    given = ROOT / "sub-01/dwi/sub-01_desc-brain_mask.nii.gz"
    carried = mask_sidecar(files_for(), given=given, **options)
    assert carried["Sources"] == ["bids:raw:sub-01/dwi/sub-01_desc-brain_mask.nii.gz"]
    assert carried["Description"] != computed["Description"]


def test_every_map_is_described() -> None:
    assert set(PARAMS) == {*TENSOR_PARAMS, *GQI_PARAMS}
    for model, params in (("tensor", TENSOR_PARAMS), ("gqi", GQI_PARAMS)):
        for param in params:
            sidecar = map_sidecar(param, model, files_for(), resolution="fine")
            for key in ("Description", "Units", "ParameterURL", "Sources", "Resolution"):
                assert sidecar[key], (param, key)
            assert sidecar["Model"]["TermURL"].startswith("https://")
            assert sidecar["Model"]["URL"] == sidecar["Model"]["TermURL"]
            assert sidecar["SkullStripped"] is True
            directional = param in DIRECTIONAL
            assert ("OrientationEncoding" in sidecar) is directional
            assert not {"OrientationRepresentation", "ReferenceAxes"} & sidecar.keys()


def test_maps_of_directions_say_how_these_are_encoded() -> None:
    """The keys and values that BEP016 requires of images with more than three axes."""
    said = {p: map_sidecar(p, "tensor", files_for())["OrientationEncoding"] for p in DIRECTIONAL}
    common = {"EncodingAxis": 3, "Reference": "xyz"}
    assert said["colorfa"] == {"Type": "dec", **common}
    assert said["v1"] == {
        "Type": "unit3vector",
        "AntipodalSymmetry": True,
        "FillValue": 0.0,
        **common,
    }
    assert said["tensor"] == {
        "Type": "tensor",
        "TensorRank": 2,
        "AntipodalSymmetry": True,
        **common,
    }


def test_maps_say_how_they_were_fitted() -> None:
    fit = {"FitMethod": "wls"}
    assert map_sidecar("fa", "tensor", files_for(), fit=fit)["Model"]["Parameters"] == fit
    assert "Parameters" not in map_sidecar("fa", "tensor", files_for())["Model"]


def test_map_of_the_input() -> None:
    sidecar = map_sidecar("md", "tensor", files_for(), volumes=range(3))
    assert sidecar["Sources"] == ["bids:raw:sub-01/dwi/sub-01_dwi.nii.gz"]
    assert sidecar["Units"] == "mm^2/s"
    assert sidecar["Volumes"] == [0, 1, 2]
    assert "Resolution" not in sidecar


def test_uris() -> None:
    files = files_for()
    assert bids_uri(files, ROOT / "sub-01/x.json") == "bids:raw:sub-01/x.json"
    assert own_uri(Path("/out"), Path("/out/sub-01/x.json")) == "bids::sub-01/x.json"
    with pytest.raises(ValueError, match="subpath"):
        bids_uri(files, Path("/elsewhere/x.json"))


def test_a_corrected_gradient_table_is_said_to_be_one() -> None:
    plain, corrected = series(files_for()), series(files_for(), corrected="x flipped")
    assert corrected["SuperResolution"]["GradientsCorrected"] == "x flipped"
    assert corrected["Description"].startswith(plain["Description"])
    assert "x flipped" in corrected["Description"]
    assert "GradientsCorrected" not in plain["SuperResolution"]
    assert set(corrected) == set(plain)


@pytest.mark.parametrize(("what", "units"), [("dwi", "arbitrary"), ("fa", "1")])
def test_a_standard_deviation_says_what_it_is_of(what: str, units: str) -> None:
    sidecar = ensemble_sd_sidecar(
        what, files_for(), ensemble=8, sources=["bids::a"], resolution="fine", volumes=(0, 2)
    )
    assert sidecar["Units"] == units
    assert "over 8 " in sidecar["Description"] and "confidence" in sidecar["Description"]
    assert ("fractional anisotropy" in sidecar["Description"]) == (what == "fa")
    assert (sidecar["Sources"], sidecar["Resolution"]) == (["bids::a"], "fine")
    assert sidecar["Volumes"] == [0, 2]
    assert sidecar["SkullStripped"] == (what == "fa")  # maps are of the brain alone
    assert ("Model" in sidecar) == (what == "fa")
    if what == "fa":
        assert sidecar["Model"]["Parameters"]["Samples"] == 8
        assert "BootstrapParameters" not in sidecar["Model"], "no data were drawn anew"
    assert json.loads(json.dumps(sidecar)) == sidecar
