from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from bids_sr.diffusion.tensor import TensorMaps
from bids_sr.images.grid import SliceGrid
from bids_sr.images.nifti import write_image
from bids_sr.quality.shift import white_matter_shift

SHAPE = (12, 14, 6)
TURN = Rotation.from_euler("z", 7, degrees=True)


def maps(folder, fa, md, v1, affine):
    folder.mkdir()
    paths = {name: folder / f"{name}.nii.gz" for name in ("fa", "md", "v1")}
    for name, values in (("fa", fa), ("md", md), ("v1", v1)):
        write_image(paths[name], values.astype(np.float32), affine)
    return TensorMaps(paths, (), {})


@pytest.mark.parametrize(("axis", "factor"), [(2, 2), (2, 3), (0, 2)])
def test_planted_shift_is_found(tmp_path, axis, factor):
    rng = np.random.default_rng(0)
    grid = SliceGrid(SHAPE, np.diag([-2.0, 2, 3, 1]), axis, factor)
    shape, affine = grid.high_resolution
    fa, md = 0.4 + 0.2 * rng.random(SHAPE), 0.6e-3 + 0.2e-3 * rng.random(SHAPE)
    fa[:5] = 0.1  # grey matter
    md[-2:] = 2.5e-3  # fluid
    # in the plane of the planted turn
    angle = 2 * np.pi * rng.random(SHAPE)
    v1 = np.stack([np.cos(angle), np.sin(angle), 0 * angle], axis=-1)

    def enlarge(values):
        for a in grid.in_plane:
            values = values.repeat(factor, axis=a)
        return values

    fine_v1 = TURN.apply(enlarge(v1).reshape(-1, 3)).reshape(*shape, 3)
    fine_v1[::2] *= -1
    before = maps(tmp_path / "in", fa, md, v1, grid.affine)
    after = maps(tmp_path / "out", enlarge(fa) + 0.05, enlarge(md) - 0.03e-3, fine_v1, affine)
    metrics = white_matter_shift(before, after, np.ones(shape, bool), grid)
    assert metrics["wm_fa_median_sr"] - metrics["wm_fa_median_input"] == pytest.approx(
        0.05, rel=1e-4
    )
    assert metrics["wm_fa_wasserstein"] == pytest.approx(0.05, rel=1e-4)
    assert metrics["wm_md_median_sr"] - metrics["wm_md_median_input"] == pytest.approx(
        -0.03, rel=1e-4
    )
    assert metrics["wm_md_wasserstein"] == pytest.approx(0.03, rel=1e-4)
    assert metrics["v1_angle_median_deg"] == pytest.approx(7, abs=1e-3)
    assert 0.45 < metrics["wm_fa_median_input"] < 0.55, "white matter only"
    assert 0.65 < metrics["wm_md_median_input"] < 0.75, "in thousandths of mm2/s"


def test_further_maps_are_compared_if_both_have_them(tmp_path):
    grid = SliceGrid(SHAPE, np.eye(4), 2, 2)
    shape, affine = grid.high_resolution
    v1 = np.tile([1.0, 0, 0], (*shape, 1))
    values = (np.full(SHAPE, 0.5), np.full(SHAPE, 0.7e-3), v1[::2, ::2], grid.affine)
    before = maps(tmp_path / "a", *values)
    after = maps(tmp_path / "b", np.full(shape, 0.5), np.full(shape, 0.7e-3), v1, affine)

    def constant(folder, name, value, where, matrix):
        path = tmp_path / folder / f"{name}.nii.gz"
        write_image(path, np.full(where, value, np.float32), matrix)
        return path

    for name, value in (("ad", 1.2e-3), ("rd", 0.4e-3)):
        before.paths[name] = constant("a", name, value, SHAPE, grid.affine)
    after.paths["ad"] = constant("b", "ad", 1.3e-3, shape, affine)
    qa = constant("a", "qa", 0.2, SHAPE, grid.affine), constant("b", "qa", 0.25, shape, affine)
    metrics = white_matter_shift(before, after, np.ones(shape, bool), grid, qa=qa)
    assert metrics["wm_ad_median_input"] == pytest.approx(1.2)
    assert metrics["wm_ad_wasserstein"] == pytest.approx(0.1, rel=1e-3)
    assert metrics["wm_qa_median_sr"] == pytest.approx(0.25)
    assert metrics["wm_qa_wasserstein"] == pytest.approx(0.05, rel=1e-3)
    assert "wm_rd_median_sr" not in metrics


def test_without_white_matter_there_are_no_metrics(tmp_path):
    grid = SliceGrid(SHAPE, np.eye(4), 2, 2)
    shape, affine = grid.high_resolution
    before = maps(tmp_path / "a", *(np.zeros(SHAPE),) * 2, np.zeros((*SHAPE, 3)), grid.affine)
    after = maps(tmp_path / "b", *(np.zeros(shape),) * 2, np.zeros((*shape, 3)), affine)
    metrics = white_matter_shift(before, after, np.ones(shape, bool), grid)
    assert metrics["wm_voxels"] == 0
    assert np.isnan(metrics["wm_fa_median_sr"])
    assert np.isnan(metrics["v1_angle_median_deg"])
