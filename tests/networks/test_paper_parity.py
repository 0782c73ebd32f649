"""The paper's network against fastai itself: `make parity-test`."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bids_sr.bids.dwi_run import open_run
from bids_sr.bids.finding import find_dwi
from bids_sr.networks.importing import import_paper_weights, read_state
from bids_sr.networks.paper_unet import PaperUNet
from bids_sr.networks.registry import load_card
from bids_sr.superres.engine import super_resolve

EXAMPLE = Path(__file__).parents[2] / "examples" / "dwi-small"
fastai = pytest.importorskip("fastai.vision.all", reason="needs fastai: make parity-test")


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
def test_a_file_saved_by_the_learner_is_imported_and_run(learner, tmp_path, with_opt):
    learner.fit(1)  # so that the optimiser has a state
    path = learner.save(tmp_path / "SR_R18_L1", with_opt=with_opt)
    state = learner.model.state_dict()
    read = read_state(path)
    assert read.keys() == state.keys()
    assert all(torch.equal(read[key], state[key]) for key in state)
    import_paper_weights(path, tmp_path / "sharp-r18-l1", 2)
    card = load_card(str(tmp_path / "sharp-r18-l1"), 2)
    if with_opt:
        run = open_run(find_dwi(EXAMPLE)[0])
        made = super_resolve(run, card, tmp_path / "sr.nii.gz", device="cpu", ensemble=1)
        assert made.slices == run.shape[2] * run.shape[3]
