"""Random sidecars: an error that names the file, or JSON that can be written again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bids_sr.bids import sidecars
from bids_sr.bids.dwi_run import DwiFiles
from bids_sr.bids.inheritance import merge_sidecars
from bids_sr.images.grid import choose_slice_axis

KEYS = (
    *sidecars._KEPT,
    *sidecars._KEPT_BY_SLICES,
    "SkullStripped",
    "SpatialReference",
    "\ud800",
    "\x00<script>",
)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.sampled_from([10**400, -(10**400)]),
        st.floats(),
        st.text(),
        st.sampled_from(["i-", "j", "k ", "x", "", "bids::", "orig", "\ud800", "</script><b>"]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
SIDECARS = st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text()), VALUES, max_size=12)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz") / "sub-01_dwi.json"


def make_all(content):
    """Put it into every sidecar that is written; return their texts."""
    files = DwiFiles(
        Path("/raw/sub-01/dwi/sub-01_space-T1w_dwi.nii.gz"), None, None, None, content,
        {"sub": "01", "space": "T1w"}, Path("/raw"),
    )  # fmt: skip
    sizes = {"factor": 2, "in_zooms": (2, 2, 3), "out_zooms": (1, 1, 3)}
    made = [
        sidecars.dwi_sidecar(files, **sizes, model={}, fingerprint="", settings={}),
        sidecars.mask_sidecar(files, **sizes),
        sidecars.map_sidecar("fa", "tensor", files),
        sidecars.ensemble_sd_sidecar("fa", files, ensemble=4, sources=(), resolution=""),
    ]
    return [json.dumps(each, allow_nan=False).encode() for each in made]


@given(content=SIDECARS)
@example(content={"EchoTime": float("nan"), "SliceTiming": [float("inf")]})
@example(content={"SliceEncodingDirection": ["k"], "PhaseEncodingDirection": {"k": 1}})
@example(content={"Manufacturer": "\ud800", "SpatialReference": "\udfff"})
@example(content={"FlipAngle": 10**400})
def test_json(path, content):
    path.write_text(json.dumps(content))
    merged, problem = merge_sidecars([path])
    assert problem is None
    make_all(merged)
    assert choose_slice_axis((4, 4, 4), (2, 2, 2), merged) in (0, 1, 2)
    # it can be written into a page as well
    json.dumps(merged, ensure_ascii=False).encode("utf-8")


@given(content=st.one_of(st.binary(max_size=60), st.text(max_size=60)))
@example(content='{"a": ' * 100_000)
@example(content="[" * 100_000 + "]" * 100_000)
@example(content='{"a": 1' + "0" * 5000 + "}")
@example(content='{"a": 1, "a": 2}')
@example(content='\ufeff{"EchoTime": 1e999}')
def test_text(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "replace"))
    merged, problem = merge_sidecars([path])
    if problem is not None:
        assert problem.file == path and problem.text.endswith(".")
    make_all(merged)


@pytest.mark.parametrize("levels", [51, 200, 900, 5000])
def test_deep_nesting_is_an_error_and_no_crash(path, levels):
    path.write_text('{"a": ' * levels + "1" + "}" * levels)
    merged, problem = merge_sidecars([path])
    assert not merged and "nested" in problem.text
