"""The paper's network, and importing its weights."""

from __future__ import annotations

import json

import pytest
import torch

from bids_sr.app.models import main
from bids_sr.bids.finding import find_dwi
from bids_sr.errors import ModelError
from bids_sr.images.nifti import DwiReader
from bids_sr.images.runs import open_run
from bids_sr.networks.importing import import_paper_weights
from bids_sr.networks.loading import load_network
from bids_sr.networks.paper_unet import MIN_SIDE, PaperSuperResolver, PaperUNet
from bids_sr.networks.registry import load_card
from bids_sr.superres.engine import super_resolve


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return PaperUNet().eval()


@pytest.fixture(scope="module")
def published(network, tmp_path_factory):
    path = tmp_path_factory.mktemp("published") / "SR_R18_feat0.pth"
    torch.save({"model": network.state_dict(), "opt": {"state": [], "hypers": []}}, path)
    return path


def test_it_has_the_entries_that_fastai_saves(network):
    state = network.state_dict()
    assert len(state) == 209
    assert sum(p.numel() for p in network.parameters()) == 31_305_374
    for key in (
        "layers.0.4.0.conv1.weight",
        "layers.4.shuf.0.0.weight_g",
        "layers.5.conv2.2.query.0.weight_orig",
        "layers.5.conv2.2.value.0.weight_u",
        "layers.11.convpath.1.0.weight_v",
        "layers.12.0.bias",
    ):
        assert key in state


@pytest.mark.parametrize("size", [(MIN_SIDE, 33), (52, 40)])
def test_output_is_as_large_as_the_input_and_in_range(network, size):
    with torch.inference_mode():
        output = network(torch.rand(1, 3, *size))
    assert output.shape == (1, 3, *size)
    assert output.abs().max() < 3


def test_spectral_norm_has_largest_singular_value_one_after_iterations():
    from bids_sr.networks.paper_blocks import SpectralNormConv1d

    torch.manual_seed(0)
    layer = SpectralNormConv1d(6, 4).train()
    for _ in range(200):
        layer(torch.rand(1, 6, 3))
    matrix = layer.eval()(torch.eye(6)[None])[0].detach()
    assert abs(float(torch.linalg.matrix_norm(matrix, 2)) - 1) < 1e-4


@pytest.mark.parametrize("factor", [2, 3])
def test_a_landmark_stays_with_a_network_that_changes_nothing(factor):
    resolver = PaperSuperResolver(factor)
    resolver.network = torch.nn.Identity()
    slice_ = torch.zeros(1, 1, 40, 36)
    slice_[0, 0, 34, 3] = 1
    fine = resolver(slice_)[0, 0]
    grid = torch.arange(fine.shape[0]).float(), torch.arange(fine.shape[1]).float()
    centre = (fine.sum(1) @ grid[0] / fine.sum(), fine.sum(0) @ grid[1] / fine.sum())
    wanted = [factor * (p + 0.5) - 0.5 for p in (34, 3)]
    assert centre[0] == pytest.approx(wanted[0], abs=1e-3)
    assert centre[1] == pytest.approx(wanted[1], abs=1e-3)


@pytest.mark.slow
def test_imported_weights_are_those_of_the_file_and_the_app_runs_them(
    network, published, make_dataset, tmp_path, capsys
):
    arguments = ["--name", "sharp-r18-feat0", "--factor", "2", "--output", str(tmp_path)]
    assert main(["import", str(published), *arguments]) == 0
    folder = tmp_path / "sharp-r18-feat0"
    card = load_card(str(folder), 2)
    assert card.input_rule == "paper"
    image = torch.rand(1, 3, 64, 52)
    with torch.inference_mode():
        difference = load_network(card).network(image) - network(image)
    assert difference.abs().max() < 1e-3
    assert main(["verify", str(folder)]) == 0
    assert ": OK (" in capsys.readouterr().out
    assert main(["show", str(folder), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "sharp-r18-feat0"

    run = open_run(find_dwi(make_dataset("01"))[0])
    made = super_resolve(run, card, tmp_path / "sr.nii.gz", device="cpu", ensemble=1)
    with DwiReader(run.files.dwi) as reader:
        largest = max(float(reader.volume(i).max()) for i in range(reader.shape[3]))
    assert made.scale == pytest.approx(largest)
    assert (tmp_path / "sr.nii.gz").exists()


def test_a_file_that_needs_more_than_tensors_is_refused(tmp_path):
    path = tmp_path / "bad.pth"
    torch.save({"model": PaperUNet, "opt": 1}, path)
    with pytest.raises(ModelError, match="cannot be read"):
        import_paper_weights(path, tmp_path / "model", 2)
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": {}}, "no weights"),
        ([1, 2], "no weights"),
        ({"stem.weight": torch.zeros(2)}, "not the paper's network .lacks layers.0"),
    ],
)
def test_other_content_is_refused(tmp_path, content, message):
    path = tmp_path / "other.pth"
    torch.save(content, path)
    with pytest.raises(ModelError, match=message):
        import_paper_weights(path, tmp_path / "model", 2)


def test_a_damaged_file_and_a_full_folder_are_refused(published, tmp_path, capsys):
    cut = tmp_path / "cut.pth"
    cut.write_bytes(published.read_bytes()[:5000])
    assert (
        main(["import", str(cut), "--name", "a", "--factor", "2", "--output", str(tmp_path)]) == 2
    )
    assert "cannot be read" in capsys.readouterr().err
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(ModelError, match="not empty"):
        import_paper_weights(published, tmp_path / "full", 2)


def test_double_precision_stays_double():
    network = PaperUNet(width=16).eval().double()
    with torch.inference_mode():
        assert network(torch.rand(1, 3, 20, 20).double()).dtype == torch.float64


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_its_output_is_not_rounded_with_its_layers(dtype):
    """In float16 the sigmoid has 34 different outputs between 0.9 and 1 only."""
    torch.manual_seed(0)
    network = PaperUNet(width=16).eval()
    merged, images = [], torch.rand(1, 3, 64, 64)
    network.layers[11].register_forward_hook(lambda *given: merged.append(given[2]))
    with torch.inference_mode(), torch.autocast("cpu", dtype):
        output = network(images)
    assert output.dtype is torch.float32
    with torch.inference_mode():
        expected = torch.sigmoid(network.layers[12](merged[0].float())) * 6 - 3
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-6)
    assert len(output.unique()) > output.numel() / 2
    with torch.inference_mode():
        torch.testing.assert_close(output, network(images), rtol=0, atol=0.05)
