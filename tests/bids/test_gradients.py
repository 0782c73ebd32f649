from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bids_sr.bids.gradients import GradientTable, read_gradients
from bids_sr.errors import InputError

DIRECTIONS = np.array([[0, 0, 0], [1, 0, 0], [0, 0.6, 0.8], [0.6, 0, -0.8]])
BVALS = np.array([0, 1000, 1000, 2000])


def write(folder: Path, bvals: str, bvecs: str) -> tuple[Path, Path]:
    bval, bvec = folder / "a.bval", folder / "a.bvec"
    bval.write_text(bvals)
    bvec.write_text(bvecs)
    return bval, bvec


def rows(table: np.ndarray, separator: str = " ") -> str:
    return "\n".join(separator.join(f"{v:g}" for v in row) for row in table) + "\n"


@pytest.mark.parametrize("separator", [" ", "\t", ",", ", ", "  \t "])
@pytest.mark.parametrize("upright", [False, True])
def test_every_common_layout_gives_the_same_table(
    tmp_path: Path, separator: str, upright: bool
) -> None:
    vectors = rows(DIRECTIONS if upright else DIRECTIONS.T, separator)
    values = separator.join(map(str, BVALS)) + " \r\n\n"
    if upright:
        values = "\n".join(map(str, BVALS))
    table = read_gradients(*write(tmp_path, values, vectors), 4)
    np.testing.assert_array_equal(table.bvals, BVALS)
    np.testing.assert_allclose(table.bvecs, DIRECTIONS)


def test_three_by_three_is_three_rows(tmp_path: Path) -> None:
    vectors = np.array([[0, 1, 0], [0, 0, 0.6], [0, 0, 0.8]])
    table = read_gradients(*write(tmp_path, "0 1000 1000", rows(vectors)), 3)
    np.testing.assert_allclose(table.bvecs, [[0, 0, 0], [1, 0, 0], [0, 0.6, 0.8]])


def test_byte_order_mark_is_no_number(tmp_path: Path) -> None:
    bval, bvec = write(tmp_path, "", rows(DIRECTIONS.T))
    bval.write_bytes(b"\xef\xbb\xbf0 1000 1000 2000\n")
    assert read_gradients(bval, bvec, 4).bvals[0] == 0


def test_low_b_keeps_its_vector_and_loses_nan(tmp_path: Path) -> None:
    vectors = "nan 0.3 1 0\nnan 0 0 1\nnan 0 0 0\n"
    table = read_gradients(*write(tmp_path, "1.25 5 1000 1000", vectors), 4)
    np.testing.assert_array_equal(table.bvecs[:2], [[0, 0, 0], [0.3, 0, 0]])
    np.testing.assert_array_equal(table.is_b0, [True, True, False, False])


def test_partly_nan_vector_at_low_b_is_no_direction(tmp_path: Path) -> None:
    table = read_gradients(*write(tmp_path, "0 1000", "nan 1\n1 0\n0 0\n"), 2)
    np.testing.assert_array_equal(table.bvecs[0], [0, 0, 0])


def test_nearly_unit_vectors_become_unit_vectors(tmp_path: Path) -> None:
    table = read_gradients(*write(tmp_path, "0 1000", "0 0.98\n0 0\n0 0\n"), 2)
    np.testing.assert_allclose(table.bvecs[1], [1, 0, 0])


@pytest.mark.parametrize(
    ("bvals", "bvecs", "where", "what"),
    [
        ("0 1000", "0 0\n0 0\n0 0\n", "a.bvec", "volume 1 has b = 1000 but no direction"),
        ("0 1000", "0 nan\n0 nan\n0 nan\n", "a.bvec", "no direction"),
        ("0 1000", "0 0.5\n0 0\n0 0\n", "a.bvec", "length 0.500"),
        ("0 -5", "0 1\n0 0\n0 0\n", "a.bval", "volume 1 is -5"),
        ("0 nan", "0 1\n0 0\n0 0\n", "a.bval", "volume 1 is nan"),
        ("0 1_000", "0 1\n0 0\n0 0\n", "a.bval", "not a table of numbers"),
        ("0 \u0661\u0660\u0660", "0 1\n0 0\n0 0\n", "a.bval", "not a table of numbers"),
        ("0 1e6", "0 1\n0 0\n0 0\n", "a.bval", "no scanner reaches"),
        ("0 x", "0 1\n0 0\n0 0\n", "a.bval", "not a table of numbers"),
        ("\n", "0 1\n0 0\n0 0\n", "a.bval", "no numbers"),
        ("0 1000", "0 1\n0 0\n", "a.bvec", "2x2"),
        ("0 1000", "0 1\n0 0\n0\n", "a.bvec", "three rows"),
    ],
)
def test_what_cannot_be_used_is_named(
    tmp_path: Path, bvals: str, bvecs: str, where: str, what: str
) -> None:
    with pytest.raises(InputError, match=what) as caught:
        read_gradients(*write(tmp_path, bvals, bvecs), 2)
    assert str(caught.value).startswith(str(tmp_path / where))


@pytest.mark.parametrize(("bvals", "volumes"), [("0 1000 1000 2000", 5), ("0 1000 1000", 4)])
def test_wrong_count_names_both_files(tmp_path: Path, bvals: str, volumes: int) -> None:
    with pytest.raises(InputError) as caught:
        read_gradients(*write(tmp_path, bvals, rows(DIRECTIONS.T)), volumes)
    for part in ("a.bval", "a.bvec", f"{volumes} volumes", "4 directions"):
        assert part in str(caught.value)


def test_missing_file_is_an_input_error(tmp_path: Path) -> None:
    bval, _ = write(tmp_path, "0", "0")
    with pytest.raises(InputError, match=r"gone\.bvec.*cannot be read"):
        read_gradients(bval, tmp_path / "gone.bvec", 1)


def test_lowest_shell_serves_where_nothing_is_near_zero(tmp_path: Path) -> None:
    vectors = "0 1 0\n0 0 1\n1 0 0\n"
    table = read_gradients(*write(tmp_path, "65 1000 2000", vectors), 3)
    np.testing.assert_array_equal(table.is_b0, [True, False, False])


def test_low_shell_beside_true_b0_stays_a_shell(tmp_path: Path) -> None:
    table = read_gradients(*write(tmp_path, "0 65 1000", "0 0 1\n0 1 0\n0 0 0\n"), 3)
    np.testing.assert_array_equal(table.is_b0, [True, False, False])


def make_table(bvals: list[float]) -> GradientTable:
    angles = np.linspace(0, 3, len(bvals))
    bvecs = np.stack([np.cos(angles), np.sin(angles), np.zeros(len(bvals))], axis=1)
    return GradientTable(bvals, bvecs)


def test_shells_gather_what_jitters() -> None:
    table = make_table([2990, 0, 995, 1005, 3010, 0, 1000, 3090, 700])
    assert [shell.bval for shell in table.shells] == [700, 1000, 3010]
    assert [shell.indices.tolist() for shell in table.shells] == [[8], [2, 3, 6], [0, 4, 7]]


def test_shells_do_not_chain_across_a_continuum() -> None:
    table = make_table([float(b) for b in range(100, 1001, 40)])
    for shell in table.shells:
        spread = np.ptp(table.bvals[shell.indices])
        assert spread <= 120
    assert sum(len(shell.indices) for shell in table.shells) == table.n_volumes


def test_no_shells_without_weighting() -> None:
    assert make_table([0, 0]).shells == ()
    assert make_table([0, 0]).n_directions == 0


def test_opposite_and_repeated_directions_count_once() -> None:
    bvecs = [[0, 0, 0], [1, 0, 0], [-1, 0, 0], [1, 0, 0], [0, 1, 0], [0.6, 0.8, 0]]
    assert GradientTable([0] + [1000] * 5, bvecs).n_directions == 3


def test_table_is_a_copy_that_cannot_be_changed() -> None:
    bvals, bvecs = np.array([0.0]), np.zeros((1, 3))
    table = GradientTable(bvals, bvecs)
    bvals[0] = 7
    assert table.bvals[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        table.bvals[0] = 7
    assert table == GradientTable([0], [[0, 0, 0]])
    assert table != GradientTable([0], [[1, 0, 0]])


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="must be"):
        GradientTable([0, 1], [[0, 0, 0]])


def test_a_source_may_know_its_b0s(tmp_path: Path) -> None:
    vectors = np.tile([0.6, 0.0, 0.8], (6, 1))
    files = write(tmp_path, "5 65 995 1005 1990 2010", rows(vectors.T))
    table = read_gradients(*files, 6, b0_threshold=100)
    assert table.is_b0.tolist() == [True, True, False, False, False, False]
    assert [(shell.bval, shell.indices.tolist()) for shell in table.shells] == [
        (1000, [2, 3]),
        (2000, [4, 5]),
    ]


def test_part_of_a_table_keeps_what_counts_as_b0() -> None:
    whole = GradientTable(BVALS + 70, DIRECTIONS, b0_threshold=100)
    some = whole.subset([0, 3, 2])
    assert some.is_b0.tolist() == [True, False, False]
    assert some.bvals.tolist() == [70, 2070, 1070]
    np.testing.assert_array_equal(some.bvecs, DIRECTIONS[[0, 3, 2]])


def test_the_threshold_itself_counts_as_b0(tmp_path):
    """dipy's rule, ``bvals <= b0_threshold``, at the default and at one that is given."""
    bvecs = np.vstack([np.eye(3), -np.eye(3)[:2]])
    bvecs[1] = 0  # which no weighted volume may be
    for threshold, options in ((50, {}), (20, {"b0_threshold": 20})):
        bvals = [0, threshold, threshold + 1, threshold + 1, 1000]
        bval, bvec = tmp_path / "a.bval", tmp_path / "a.bvec"
        np.savetxt(bval, [bvals], fmt="%g")
        np.savetxt(bvec, bvecs.T)
        table = read_gradients(bval, bvec, 5, **options)
        assert table.is_b0.tolist() == [True, True, False, False, False]
        assert [shell.indices.tolist() for shell in table.shells] == [[2, 3], [4]]
        assert table.n_directions == 3


@pytest.mark.parametrize(
    ("bvals", "sizes"),
    [([700, 750], [2]), ([700, 751], [1, 1]), ([2000, 2100], [2]), ([2000, 2101], [1, 1])],
)
def test_a_shell_ends_beyond_50_and_beyond_five_percent(bvals, sizes):
    """At exactly so much a value still belongs."""
    table = GradientTable([0, *bvals], [[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    assert [len(shell.indices) for shell in table.shells] == sizes
