"""The paper's network against fastai itself: `make parity-test`."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import torch

from bids_sr.app.main import main as program
from bids_sr.app.models import main as models
from bids_sr.networks.importing import read_state
from bids_sr.networks.paper_unet import PaperUNet

EXAMPLE = Path(__file__).parents[2] / "examples" / "dwi-small"
fastai = pytest.importorskip("fastai.vision.all", reason="needs fastai: make parity-test")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def learner(tmp_path_factory):
    """fastai's learner, made as the authors make it, with weights far from their first values."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("learner")
    images = fastai.TensorImage(torch.rand(3, 64, 64))
    loaders = fastai.DataLoaders.from_dsets([(images, images)] * 2, [(images, images)] * 2, bs=1)
    loaders.c = 3
    learner = fastai.unet_learner(
        loaders, fastai.resnet18, n_out=3, pretrained=False, normalize=False, blur=True,
        norm_type=fastai.NormType.Weight, self_attention=True, y_range=(-3, 3),
        loss_func=fastai.L1LossFlat(), path=folder,
    )  # fmt: skip
    with torch.no_grad():
        for parameter in learner.model.parameters():
            parameter.add_(0.1 * parameter.std(correction=0) * torch.randn_like(parameter))
        learner.model.layers[5].conv2[2].gamma.fill_(0.3)
    learner.create_opt()
    return learner


@pytest.mark.parametrize("size", [(206, 172), (67, 45), (20, 20)])
def test_outputs_are_equal(learner, size):
    # in double precision: rounding in single grows to 1e-3 in the attention of a large slice
    ours, theirs = PaperUNet().eval().double(), learner.model.eval().double()
    ours.load_state_dict(theirs.state_dict())
    image = torch.rand(1, 3, *size, dtype=torch.float64)
    with torch.inference_mode():
        expected = theirs(image)
        difference = float((ours(image) - expected).abs().max())
    learner.model.float()
    print(f"largest difference at {size}: {difference:.1e}")
    assert float(expected.std()) > 1e-3
    assert difference < 1e-5


@pytest.mark.parametrize("with_opt", [True, False])
def test_a_file_saved_by_the_learner_is_read(learner, tmp_path, with_opt):
    learner.fit(1)  # so that the optimiser has a state
    path = learner.save(tmp_path / "SR_R18_L1", with_opt=with_opt)
    state = learner.model.state_dict()
    read = read_state(path)
    assert read.keys() == state.keys()
    assert all(torch.equal(read[key], state[key]) for key in state)


@pytest.fixture
def small_example(tmp_path):
    """A corner of the example, as a BIDS dataset: two slices, one b0 and seven directions."""
    root = tmp_path / "raw"
    shutil.copytree(EXAMPLE, root)
    (path,) = root.glob("sub-*/dwi/*_dwi.nii.gz")
    image = nib.load(path)
    cut = image.slicer[32:96, 32:96, 9:11, :8]
    data = np.asarray(cut.dataobj)
    nib.Nifti1Image(data.astype(np.float32), cut.affine).to_filename(path)
    for extension in (".bval", ".bvec"):
        file = path.with_name(path.name.replace(".nii.gz", extension))
        np.savetxt(file, np.loadtxt(file, ndmin=2)[:, :8])
    return root


@pytest.fixture
def environment():
    """The program sets variables of its process; they are put back."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.mark.usefixtures("environment")
def test_a_file_saved_by_the_learner_goes_through_the_program(learner, small_example, tmp_path):
    """Saved, imported, run on a scan: what comes out is what the learner says of each slice."""
    learner.model.eval()
    path = learner.save(tmp_path / "SR_R18_L1", with_opt=True)
    bring = ["import", str(path), "--name", "sharp-r18-l1", "--factor", "2"]
    assert models([*bring, "--output", str(tmp_path)]) == 0
    out = tmp_path / "out"
    arguments = [
        str(small_example), str(out), "participant", "--scale", "2", "--model",
        str(tmp_path / "sharp-r18-l1"), "--ensemble", "1", "--no-data-consistency",
        "--slice-axis", "k", "--nprocs", "1", "--device", "cpu", "--skip-bids-validation",
    ]  # fmt: skip
    assert program(arguments) == 0
    (written,) = out.glob("sub-*/dwi/*_res-x2_desc-sr_dwi.nii.gz")
    found = nib.load(written).get_fdata()
    (scan,) = (nib.load(file).get_fdata() for file in small_example.glob("sub-*/dwi/*_dwi.nii.gz"))
    assert found.shape == (128, 128, 2, 8)
    expected = _by_hand(learner.model.eval(), scan)
    difference = np.abs(found - expected).max() / scan.max()
    print(f"largest difference over the scan's maximum: {difference:.1e}")
    assert expected.std() > 1e-3 * scan.max()
    assert difference < 1e-3  # weights are stored as float16 where that moves the output less


def _by_hand(model, scan):
    """What the authors' network makes of (x, y, slices, volumes), scaled to 1 at the maximum."""
    slices = torch.tensor(scan / scan.max(), dtype=torch.float32).permute(3, 2, 0, 1).flatten(0, 1)
    fine = torch.nn.functional.interpolate(slices[:, None], scale_factor=2, mode="bilinear")
    with torch.inference_mode():
        made = torch.cat([model(each.expand(1, 3, -1, -1))[:, 0] for each in fine])
    made = made.clamp_min(0).unflatten(0, (scan.shape[3], scan.shape[2]))
    return made.permute(2, 3, 1, 0).double().numpy() * scan.max()
