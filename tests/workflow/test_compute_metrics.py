"""Values planted on both sides of the mask and of super-resolution, through the whole step."""

from __future__ import annotations

import json
from types import SimpleNamespace

import nibabel as nib
import numpy as np
import pytest

from bids_sr.diffusion.ensemble_sd import EnsembleSdMaps
from bids_sr.diffusion.run_masks import RunMasks
from bids_sr.diffusion.tensor import TensorMaps
from bids_sr.images.grid import SliceGrid
from bids_sr.images.nifti import DwiReader, VolumeWriter, write_image
from bids_sr.networks.card import read_card
from bids_sr.quality.interpolation import interpolate
from bids_sr.superres.engine import SuperResolvedDwi
from bids_sr.workflow import steps

SHAPE, FINE = (24, 22, 4), (48, 44, 4)
SHARES = ("negative_eigenvalue_fraction", "nonfinite_fraction", "unfitted_fraction")


def brain(shape):
    """A box that is not in the middle."""
    inside = np.zeros(shape, bool)
    rows, columns = shape[0] // 12, shape[1] // 11
    inside[3 * rows : 10 * rows, 2 * columns : 8 * columns] = True
    return inside


@pytest.fixture
def step(make_plans, tiny_model, tmp_path):
    """A function that runs the step on planted files; what is outside the brain can be changed."""
    (plan,) = make_plans("01")
    run = steps.read(plan)
    affine = nib.load(run.files.dwi).affine
    grid = SliceGrid(SHAPE, affine, 2, 2)
    affines = {SHAPE: affine, FINE: grid.high_resolution[1]}

    def image(name, shape, inside, outside, vectors=False):
        values = np.where(brain(shape)[..., None], inside, outside).astype(np.float32)
        path = tmp_path / f"{name}.nii.gz"
        write_image(path, values if vectors else values[..., 0], affines[shape])
        return path

    def maps(name, shape, fa, md, v1, share, outside):
        paths = {
            "fa": image(f"{name}fa", shape, fa, 0.9 * outside),
            "md": image(f"{name}md", shape, md, 0.6e-3 * outside),
            "v1": image(f"{name}v1", shape, v1, (0, 0, outside), vectors=True),
        }
        return TensorMaps(paths, tuple(range(17)), dict.fromkeys(SHARES, share))

    def go(outside=1):
        sr, inside = tmp_path / "sr.nii.gz", brain(FINE)
        with (
            DwiReader(run.files.dwi) as reader,
            VolumeWriter(sr, (*FINE, 17), affines[FINE]) as writer,
        ):
            for index in range(17):
                volume = interpolate(reader.volume(index), 2, "sinc")
                volume[~inside] *= 1 if index == 0 else 1 + 9 * outside
                writer.write(volume)
        result = SuperResolvedDwi(
            dwi=sr, run=run, grid=grid, card=read_card(tiny_model), scale=100.0, device="cpu",
            seconds=2.0, slices=68, batch_size=4, data_consistency=True, ensemble=4,
            band=(1.0, 1.0), notes=("Of the engine.",),
        )  # fmt: skip
        masks = RunMasks(
            image("mask", SHAPE, 1, 0), image("fine-mask", FINE, 1, 0), False, ("Of the mask.",)
        )
        sd = np.where(brain(FINE)[..., None], [70, *[7] * 16], 700 * outside)
        write_image(tmp_path / "sd.nii.gz", sd.astype(np.float32), affines[FINE])
        plan.names.quality.parent.mkdir(parents=True, exist_ok=True)
        steps.compute_metrics(
            plan,
            result,
            masks,
            maps("sr-", FINE, 0.6, 0.8e-3, (1, 0, 0), 0.25, outside),
            maps("lr-", SHAPE, 0.4, 0.7e-3, (np.cos(0.5), np.sin(0.5), 0), 0.5, outside),
            {"qa": image("qa", FINE, 2.5, 99 * outside)},
            {"qa": image("lr-qa", SHAPE, 1.5, 77 * outside)},
            EnsembleSdMaps(tmp_path / "sd.nii.gz", image("sd-fa", FINE, 0.02, 0.5 * outside)),
            {"selfcheck_mode": "auto", "selfcheck_gain": 1.0},
            SimpleNamespace(record=lambda: {"gradient_check": "fits"}),
            plan.names.dwi_json,
        )
        curves = json.loads(plan.names.report_file("curves", "json").read_text())
        return json.loads(plan.names.quality.read_text()), curves

    return go


def test_metrics_are_of_the_brain_and_of_the_right_side(step):
    record, curves = step()
    expected = {
        "wm_fa_median_input": 0.4, "wm_fa_median_sr": 0.6, "wm_fa_wasserstein": 0.2,
        "wm_md_median_input": 0.7, "wm_md_median_sr": 0.8, "wm_md_wasserstein": 0.1,
        "wm_qa_median_input": 1.5, "wm_qa_median_sr": 2.5, "wm_qa_wasserstein": 1.0,
        "v1_angle_median_deg": np.degrees(0.5),
        "sd_dwi_median": 0.07, "sd_fa_median": 0.02,
        "brain_volume_ml": round(brain(SHAPE).sum() * 12 / 1000, 1),
    }  # fmt: skip
    for name, value in expected.items():
        assert record[name] == pytest.approx(value, rel=1e-3), name
    for name in SHARES:
        assert (record[f"{name}_sr"], record[f"{name}_input"]) == (0.25, 0.5)
    assert record["s_above_s0_fraction_input"] == record["s_above_s0_fraction_sr"] == 0
    assert record["notes"] == "Of the engine. Of the mask."
    assert record["gradient_check"] == "fits" and record["selfcheck_mode"] == "auto"
    for side, fa in (("input", 0.4), ("sr", 0.6)):
        shares = np.asarray(curves["histograms"]["fa"][side])
        assert shares.max() == pytest.approx(1) and abs(shares.argmax() / shares.size - fa) < 0.05


def test_nothing_outside_the_brain_counts(step):
    """Metrics of the brain are the same whatever is outside."""
    (one, curves), (other, other_curves) = step(outside=1), step(outside=3)
    same = [name for name in one if name.startswith(("wm_", "v1_", "sd_", "brain", "s_above"))]
    assert len(same) > 15
    assert {name: one[name] for name in same} == {name: other[name] for name in same}
    assert curves["histograms"] == other_curves["histograms"]
