"""Freed memory is kept for the network, and given back after it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from bids_sr.superres import allocator

PROGRAM = """
import resource
import sys

import numpy as np

from bids_sr.superres.allocator import kept_memory


def layers():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        np.empty(10_000_000, np.float32).fill(1)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


with kept_memory():
    layers()
    print(layers())
print(layers())
"""


@pytest.mark.slow
@pytest.mark.skipif(allocator._glibc() is None, reason="no glibc")
def test_blocks_are_taken_from_memory_that_was_freed_and_given_back_at_the_end():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    kept, usual = map(int, done.stdout.split())
    # 40 MB in pages of 4 kB, or in a few of 2 MB where the system has them
    assert kept * 10 < usual


def test_other_c_libraries_are_let_be(monkeypatch):
    monkeypatch.setattr(allocator, "_glibc", lambda: None)
    with allocator.kept_memory():
        pass
