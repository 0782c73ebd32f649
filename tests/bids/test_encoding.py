"""Signs of b-tensor encoding."""

from __future__ import annotations

import numpy as np
import pytest

from bids_sr.bids.encoding import find_encoding

WEIGHTED = np.array([False, True, True, True])


@pytest.fixture
def look(tmp_path):
    def do(sidecar=None, entities=None, **beside):
        image = tmp_path / "sub-01_dwi.nii.gz"
        for extension, content in beside.items():
            (tmp_path / f"sub-01_dwi.{extension}").write_text(content)
        return find_encoding(image, sidecar or {}, entities or {"sub": "01"}, WEIGHTED)

    return do


@pytest.mark.parametrize(
    ("sidecar", "words"),
    [
        ({"BDelta": 0}, "BDelta: 0"),
        ({"b_delta": [1, 1, -0.5, 1]}, "b_delta: -0.5"),
        ({"BTensorShape": "spherical"}, "BTensorShape: spherical"),
        ({"BTensorEncoding": ["LTE", "PTE", "STE"]}, "PTE"),
        ({"DiffusionEncoding": "Planar tensor encoding"}, "Planar"),
        ({"BTensorEncoding": True}, "true"),
        ({"btens": [[0, 0, 0, 0, 0, 0, 0, 0, 0], [1, 0, 0, 0, 1, 0, 0, 0, 1]]}, "tensors of more"),
        ({"DiffusionEncodingShape": {"shells": ["linear", "isotropic"]}}, "isotropic"),
    ],
)
def test_the_sidecar_says_so(look, sidecar, words):
    found = look(sidecar)
    assert found.not_linear.startswith("the sidecar says ") and words in found.not_linear
    assert not found.warnings


@pytest.mark.parametrize(
    "sidecar",
    [
        {},
        {"BDelta": 1},
        {"BDelta": [0, 1, 1, 0.98]},  # at b = 0 it means nothing
        {"BDelta": [None, 1, 1, 1]},
        {"BTensorShape": "linear"},
        {"BTensorEncoding": False},
        {"BTensorEncoding": ["none", "LTE", "LTE"]},
        {"btens": [1000, 0, 0, 0, 0, 0]},
        {"PhaseEncodingDirection": "j-", "SliceEncodingDirection": "k"},
        {"PulseSequenceDetails": "echo planar", "SequenceName": "ep2d_STEAM", "EchoTime": 0},
        {"SeriesDescription": "SYSTEM TESTED", "ProtocolName": "ep2d_diff_mono"},
    ],
)
def test_linear_is_silent(look, sidecar):
    found = look(sidecar)
    assert not found.not_linear and not found.warnings


@pytest.mark.parametrize(
    ("extension", "content", "words"),
    [
        ("bdelta", "1 0 0 1\n", "sub-01_dwi.bdelta says 0"),
        ("bshape", "-0.5\n", "-0.5"),
        ("btens", "LTE PTE\n", "PTE"),
        ("bten", "333 0 0 0 333 0 0 0 333\n", "tensors of more"),
        ("btens", "\x00\x01", "not understood"),
    ],
)
def test_a_file_beside_says_so(look, extension, content, words):
    assert words in look(**{extension: content}).not_linear


@pytest.mark.parametrize(
    ("extension", "content"),
    [
        ("bdelta", "0 1 1 1\n"),
        ("btens", "LTE LTE LTE\n"),
        ("bten", "0 0 0 0 0 0\n360 640 0 678.8 0 0\n"),  # as md-dMRI has it, times sqrt 2
        ("bten", "0 0 0 0 0 0\n360 640 0 480 0 0\n"),
        ("bten", "0 0 0 0 0 0 0 0 0\n360 480 0 480 640 0 0 0 0\n"),
    ],
)
def test_a_file_beside_says_linear(look, extension, content):
    assert not look(**{extension: content}).not_linear


@pytest.mark.parametrize(
    ("sidecar", "entities"),
    [
        ({}, {"acq": "STE"}),
        ({}, {"acq": "b2000STE"}),
        ({}, {"acq": "spherical"}),
        ({}, {"acq": "LTE", "desc": "PTE"}),
        ({"SeriesDescription": "FWF_ste_b2000"}, {}),
        ({"ProtocolName": "b-tensor encoding"}, {}),
    ],
)
def test_a_word_is_a_hint_alone(look, sidecar, entities):
    found = look(sidecar, entities)
    assert not found.not_linear
    assert "suggests spherical or planar encoding" in found.warnings[0]


def test_the_sidecar_that_says_linear_answers_the_hint(look):
    assert not look({"BDelta": 1}, {"acq": "STE"}).warnings
