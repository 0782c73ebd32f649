"""Streamlines near a slice, in voxels of an oblique image, coloured by direction."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "examples" / "mrtrix3" / "draw_tracts.py"


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location("draw_tracts", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def affine():
    """Voxels of 1 x 1 x 2 mm, the first axis to the left, turned about the second by 20 degrees."""
    cosine, sine = np.cos(np.deg2rad(20)), np.sin(np.deg2rad(20))
    turn = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ np.diag([-1.0, 1, 2])
    matrix[:3, 3] = (10, -20, 30)
    return matrix


def write(path, affine, *lines):
    world = [nib.affines.apply_affine(affine, line).astype(np.float32) for line in lines]
    tractogram = nib.streamlines.Tractogram(world, affine_to_rasmm=np.eye(4))
    nib.streamlines.save(tractogram, path)


def test_pieces_near_the_slice_are_returned_in_voxels(tool, affine, tmp_path):
    inside, across = [[1, 2, 5], [4, 2, 5]], [[6, 6, 5.2], [6, 6, 7], [6, 6, 9]]
    write(tmp_path / "a.tck", affine, np.array(inside), np.array(across), np.array([[0, 0, 9.0]]))
    lines, colours = tool.segments(tmp_path / "a.tck", affine, 5, 4)  # one voxel to both sides
    assert np.allclose(lines, [[[1, 2], [4, 2]]], atol=1e-4)
    assert np.allclose(
        colours, [np.abs([np.cos(np.deg2rad(20)), 0, np.sin(np.deg2rad(20))])], atol=1e-4
    )
    lines, _ = tool.segments(tmp_path / "a.tck", affine, 5, 8)
    assert len(lines) == 2, "the nearer half of the one across, too"


def test_a_picture_is_written(tool, affine, tmp_path):
    write(tmp_path / "a.tck", affine, np.array([[2.0, 2, 3], [7, 7, 3]]))
    fa = np.zeros((10, 12, 6), np.float32)
    fa[1:9, 1:11] = 0.5
    nib.Nifti1Image(fa, affine).to_filename(tmp_path / "fa.nii.gz")
    tool.main([str(tmp_path / name) for name in ("a.tck", "fa.nii.gz", "a.png")])
    assert (tmp_path / "a.png").read_bytes()[:4] == b"\x89PNG"
