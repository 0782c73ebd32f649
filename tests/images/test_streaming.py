"""Memory stays within a few volumes, however many there are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

STATUS = Path("/proc/self/status")

pytestmark = pytest.mark.skipif(not STATUS.exists(), reason="peak memory as Linux tells it")

_MEBI = 2**20

_WRITE = """
with VolumeWriter(path, shape, np.eye(4)) as writer:
    for i in range(shape[3]):
        writer.write(next_volume())
"""

_COPY = """
with DwiReader(path) as reader, VolumeWriter(path.with_name("b.nii.gz"), shape, np.eye(4)) as out:
    for i in range(shape[3]):
        out.write(reader.volume(i))
"""

_BACKWARDS = """
with DwiReader(path) as reader:
    for i in reversed(range(shape[3])):
        reader.volume(i)
"""

_FIT = """
from bids_sr.diffusion.voxelwise import map_voxels
mask = np.ones(shape[:3], bool)
with DwiReader(path) as reader:
    map_voxels(
        reader, mask, range(shape[3]), lambda signals: signals[:, :1], 1, threads=1,
        block_bytes=2**22, scratch=path.parent, on_disk=True,
    )
"""


def growth(path, body):
    """Peak memory in bytes that running `body` adds, in a process of its own."""
    code = f"""
import pathlib, numpy as np
from bids_sr.images.nifti import DwiReader, VolumeWriter
path, shape = pathlib.Path({str(path)!r}), (128, 128, 64, 24)
generator = np.random.default_rng(0)
base = generator.integers(0, 900, shape[:3]).astype(np.float32)
def next_volume():
    return base + np.float32(generator.random())
def peak():  # not ru_maxrss: a process inherits that of the one that started it
    status = pathlib.Path({str(STATUS)!r}).read_text()
    return 1024 * int(status.split("VmHWM:")[1].split()[0])
next_volume()
before = peak()
{body}
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return int(done.stdout)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("stream") / "a.nii.gz"
    assert growth(path, _WRITE) < 24 * _MEBI
    return path


# one volume is 4 MiB, and so is a block of a fit; the whole series is 96 MiB
@pytest.mark.slow
@pytest.mark.parametrize(
    ("body", "limit"), [(_COPY, 32), (_BACKWARDS, 32), (_FIT, 48)], ids=["copy", "back", "fit"]
)
def test_memory_is_a_few_volumes(path, body, limit):
    assert growth(path, body) < limit * _MEBI
