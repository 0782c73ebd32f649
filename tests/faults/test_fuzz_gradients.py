"""Random gradient files: an error that names the file, or the very numbers that it holds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bids_sr.bids.gradients import read_gradients
from bids_sr.errors import InputError

NUMBERS = st.one_of(
    st.sampled_from(["0", "5", "1000", "1.3", "-1", "nan", "inf", "1e9", "1e400", "3e-320", "-0"]),
    st.floats().map(str),
    st.integers().map(str),
    st.sampled_from(["1_000", "\u0661", "0x10", "1,5", "b", "\ufeff0", "\x00", "½"]),
)
TABLES = st.one_of(
    st.text(max_size=60),
    st.lists(st.lists(NUMBERS, max_size=5).map(" ".join), max_size=5).map("\n".join),
)


def read(folder, bvals, bvecs, volumes):
    bval, bvec = folder / "a.bval", folder / "a.bvec"
    for path, text in ((bval, bvals), (bvec, bvecs)):
        path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    try:
        return read_gradients(bval, bvec, volumes)
    except InputError as error:
        assert error.file in (str(bval), str(bvec)) and error.problem and error.remedy
        return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@given(bvals=TABLES, bvecs=TABLES, volumes=st.integers(1, 6))
@example(bvals="0 1_000", bvecs="0 1\n0 0\n0 0", volumes=2)
@example(bvals="", bvecs="", volumes=1)
def test_text(folder, bvals, bvecs, volumes):
    table = read(folder, bvals, bvecs, volumes)
    if table is None:
        return
    np.testing.assert_array_equal(table.bvals, [float(t) for t in bvals.replace(",", " ").split()])
    assert table.bvals.size == volumes and (table.bvals >= 0).all()
    assert np.isfinite(table.bvals).all() and np.isfinite(table.bvecs).all()
    lengths = np.linalg.norm(table.bvecs[~table.is_b0], axis=1)
    np.testing.assert_allclose(lengths, 1)


@given(content=st.binary(max_size=80))
def test_bytes(folder, content):
    read(folder, content, b"0\n0\n0\n", 1)
    read(folder, b"0", content, 1)


@given(
    bvals=st.lists(st.floats(51, 1e5), min_size=1, max_size=40),
    seed=st.integers(0, 2**32 - 1),
    upright=st.booleans(),
)
def test_round_trip(folder, bvals, seed, upright):
    """Values in any order and of any shell come back, and each volume is in one shell."""
    vectors = np.random.default_rng(seed).normal(size=(len(bvals), 3))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    bvals, vectors = [0.0, *bvals], np.vstack([np.zeros(3), vectors])
    rows = vectors if upright else vectors.T
    text = "\n".join(" ".join(map(repr, map(float, row))) for row in rows)
    table = read(folder, " ".join(map(repr, bvals)), text, len(bvals))
    assert table is not None
    np.testing.assert_array_equal(table.bvals, bvals)
    np.testing.assert_allclose(table.bvecs[1:], vectors[1:], atol=1e-12)
    inside = sorted(index for shell in table.shells for index in shell.indices)
    assert inside == list(range(1, len(bvals)))
