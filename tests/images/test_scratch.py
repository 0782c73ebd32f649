"""Arrays in files: what they hold, what they leave, and what of them is in memory."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from bids_sr.errors import OutputError
from bids_sr.images.scratch import release, reserve, scratch_array, scratch_file

STATM = Path("/proc/self/statm")
LARGE = (64, 1 << 20)
"""Shape of an array of bytes, 67 MB."""


def resident():
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("by_column", [False, True])
def test_an_array_begins_as_zeros_and_leaves_no_file(tmp_path, by_column):
    made = scratch_array(tmp_path, (3, 5), np.float16, by_column=by_column)
    assert made.shape == (3, 5) and made.dtype == np.float16 and not made.any()
    assert made.flags["F_CONTIGUOUS" if by_column else "C_CONTIGUOUS"]
    made[1, 2] = 7
    assert made.sum() == 7
    assert list(tmp_path.iterdir()) == []


def test_an_array_without_values_needs_no_room(tmp_path):
    with scratch_file(tmp_path) as file:
        reserve(file, 0)
        assert os.fstat(file.fileno()).st_size == 0


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="no way to reserve room")
def test_room_is_taken_before_it_is_used(tmp_path):
    """Under a memory map, a disk that fills up later would end the program."""
    with scratch_file(tmp_path) as file:
        reserve(file, 1 << 20)
        found = os.fstat(file.fileno())
    assert found.st_size == 1 << 20 and found.st_blocks * 512 >= 1 << 20


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="no way to reserve room")
def test_a_full_disk_is_told(tmp_path, monkeypatch):
    def no_room(*_):
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "posix_fallocate", no_room)
    with pytest.raises(OutputError, match=r"has no space for data .*No space left") as told:
        scratch_array(tmp_path, (3, 5), np.float32)
    assert str(tmp_path) in str(told.value)


def test_what_is_released_keeps_its_values(tmp_path):
    values = np.arange(5000, dtype=np.float32)
    written = scratch_array(tmp_path, (5000,), np.float32)
    written[:] = values
    release(written)
    np.save(tmp_path / "stored.npy", values)
    read = np.load(tmp_path / "stored.npy", mmap_mode="c")
    for array in (written, read, values):
        array.sum()
        release(array)
        np.testing.assert_array_equal(array, np.arange(5000))


@pytest.mark.skipif(not STATM.exists(), reason="the process's memory, as Linux has it")
def test_what_is_released_is_not_in_memory(tmp_path):
    made = scratch_array(tmp_path, LARGE, np.uint8)
    before = resident()
    made[:] = 1
    assert resident() > before + 0.9 * made.size
    release(made)
    assert resident() < before + 0.1 * made.size
    assert made.min() == 1
