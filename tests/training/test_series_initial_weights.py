"""A network for the series can begin with the weights of another, or of one for volumes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from attrs import evolve
from safetensors.torch import save_file

from bids_sr.errors import ModelError
from bids_sr.networks.angular_parts import harmonics
from bids_sr.networks.card import WEIGHTS, ModelCard, checksum
from bids_sr.networks.channels import BASIC, FRAME
from bids_sr.networks.loading import load_network
from bids_sr.networks.registry import find_card
from bids_sr.networks.series_network import LIFT, SeriesNetwork
from bids_sr.networks.slice_frame import SliceFrame
from bids_sr.training.export import export_model
from bids_sr.training.pruning import level_widths, pruned
from bids_sr.training.series_initial_weights import load_initial_series_weights
from bids_sr.training.series_settings import SeriesSettings
from bids_sr.training.settings import TrainingSettings
from bids_sr.training.task_setup import make_task, settings_of_start
from bids_sr.training.trainer import Trainer

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data" / "dwi-open"
SMALL = {"depth": 1, "widest": 99, "l2_width": 5, "l2_depth": 1, "l2_widest": 99, "l2_taps": 3}


def series(factor=2, width=4, **more):
    torch.manual_seed(1)
    return SeriesNetwork(factor, **{"width": width, **SMALL, **more})


def images(seed=0):
    """What a slice may look like: (2, 21, 16, 14), b0 and mean positive."""
    torch.manual_seed(seed)
    parts = torch.rand(2, 3, 7, 16, 14) + 0.5
    parts[:, :, 2:] = 0.1 * torch.randn(2, 3, 5, 16, 14)
    return parts.flatten(1, 2)


def channels_of(shown, names):
    """What a network for volumes reads of the same slice, the mean over directions being the
    volume."""
    fixed = harmonics(SliceFrame(np.eye(3), 0).directions, 2)[0][:, 1:]
    known = {"mean_b0": shown[:, 0]}
    known |= dict.fromkeys(("dwi", "mean_dwi", "tensor"), shown[:, 1])
    for name, values in zip(FRAME, fixed, strict=True):
        weights = torch.tensor(values).float()
        known[name] = shown[:, 1] + torch.einsum("p,bpij->bij", weights, shown[:, 2:7])
    return torch.stack([known[name] for name in names], 1)


@pytest.fixture
def volume_model(tmp_path):
    """A function that writes the folder of a network for volumes with random heads."""

    def make(name="given", channels=BASIC + FRAME, width=4, taps=3, **more):
        settings = TrainingSettings(
            width=width, depth=1, taps=taps, channels=channels, filtered=4, **more
        )
        from bids_sr.networks.loading import build_network

        torch.manual_seed(0)
        network = build_network(settings.architecture)
        for layer in ("head", "kernels")[: 2 if taps else 1]:
            torch.nn.init.normal_(network.get_submodule(layer).weight, std=0.05)
        return str(write(tmp_path / name, network, settings))

    return make


@pytest.fixture
def series_model(tmp_path):
    """A function that writes the folder of a network for the series."""

    def make(name="given", **how):
        network = series(**how)
        for trunk in (network.means, network.l2):
            torch.nn.init.normal_(trunk.head.weight, std=0.05)
            torch.nn.init.normal_(trunk.kernels.weight, std=0.05)
        given = {"width": 4, **SMALL, **how}
        return str(write(tmp_path / name, network, SeriesSettings(**given)))

    return make


def write(folder, network, settings):
    export_model(
        network, folder, settings=settings, runs=[], credit=["somebody"], licence="CC0",
        command="none", commit="none", figures={},
    )  # fmt: skip
    return folder


def heard(network, shown):
    with torch.inference_mode():
        return network(shown)


def alike(found, expected):
    """Whether they go together and are of one size."""
    found, expected = found.ravel(), expected.ravel()
    size = float(found.norm() / expected.norm())
    return float(np.corrcoef(found, expected)[0, 1]) > 0.9 and 0.8 < size < 1.25


def test_a_series_network_is_taken_whole(series_model):
    folder, net = series_model(), series()
    start = load_initial_series_weights(net, folder, images())
    assert start.dropped == start.fresh == ()
    assert torch.equal(heard(net, images()), heard(load_network(find_card(folder)), images()))


def test_ninefold_starts_from_fourfold_trunks(series_model):
    folder, net = series_model(), series(factor=3)
    start = load_initial_series_weights(net, folder, images())
    heads = tuple(f"{t}.{layer}.weight" for t in ("means", "l2") for layer in ("head", "kernels"))
    assert set(start.dropped) == set(start.fresh) == set(heads)
    given = load_network(find_card(folder)).state_dict()
    for name, weight in net.state_dict().items():
        assert torch.equal(weight, given[name]) == (name not in heads), name
    assert not heard(net, images()).any()


def test_a_wider_one_starts_as_about_the_same_function(series_model):
    folder, net = series_model(), series(width=7)
    start = load_initial_series_weights(net, folder, images())
    assert start.dropped == () and start.fresh == ("feature maps 5 to 7 of means",)
    wide, narrow = (heard(n, images(1)) for n in (net, load_network(find_card(folder))))
    assert torch.equal(wide[:, 2:], narrow[:, 2:])
    # kernels are divided by the size of all maps, of which there are more
    assert alike(wide[:, :2], narrow[:, :2])


def test_the_first_layer_reads_of_parts_what_it_read_of_channels(volume_model):
    """Maps are the same, and so is what the head adds to the mean."""
    names = BASIC + FRAME
    folder, net, shown = volume_model(taps=0), series(taps=0), images()
    load_initial_series_weights(net, folder, shown)
    old = load_network(find_card(folder))
    with torch.inference_mode():
        channels = channels_of(shown, names)
        torch.testing.assert_close(net.means.maps(shown * net.lift), old.maps(channels))
        found = net(shown)
        torch.testing.assert_close(found[:, 1:2], old.detail(channels))
    assert not found[:, 0].any() and not found[:, 2:].any()
    assert LIFT != 1


@pytest.mark.parametrize("width", [4, 7])
def test_kernels_have_the_size_that_they_had(volume_model, width):
    """They were divided by the level of the slice, and are by the size of the maps."""
    folder, net = volume_model(), series(width=width)
    load_initial_series_weights(net, folder, images())
    old = load_network(find_card(folder))
    shown = images(3)
    with torch.no_grad():
        for head in (old.head, net.means.head):  # kernels alone
            head.weight.zero_()
        theirs = old.detail(channels_of(shown, BASIC + FRAME))
    assert alike(heard(net, shown)[:, 1:2], theirs)


def test_what_has_no_room_is_left_out_the_least_important_first(volume_model, caplog):
    folder, net = volume_model(), series(widest=6)  # at the deeper level it has 8
    old = load_network(find_card(folder))
    with torch.no_grad():
        for unread in (1, 5):
            old.narrow[0].weight[:, unread] = 0
    weights = pruned(old, [4, 6])
    kept = [0, 2, 3, 4, 6, 7]
    assert torch.equal(weights["widen.0.weight"], old.widen[0].weight[kept])
    assert torch.equal(weights["narrow.0.weight"], old.narrow[0].weight[:, [*kept, 8, 9, 10, 11]])
    first = old.encoders[1][0].first.weight
    assert torch.equal(weights["encoders.1.0.first.weight"], first[kept][:, kept])
    assert level_widths(net.means) == [4, 6] and level_widths(old) == [4, 8]
    start = load_initial_series_weights(net, folder, images())
    assert start.dropped == ("2 of 8 feature maps of level 1",)
    assert start.fresh == ("detail of b0", "all of l2")
    assert "Fresh, since given has none: detail of b0, all of l2" in caplog.text


def test_without_maps_that_nobody_reads_the_function_stays(volume_model):
    folder = volume_model(taps=0)
    card, network = find_card(folder), load_network(find_card(folder))
    with torch.no_grad():
        network.narrow[0].weight[:, [1, 5]] = 0
        network.encoders[1][0].first.weight[:, [1, 5]] = 0
        network.encoders[1][0].second.weight[[1, 5]] = 0
        network.encoders[1][0].second.weight[:, [1, 5]] = 0
    save_file({k: v.contiguous() for k, v in network.state_dict().items()}, Path(folder) / WEIGHTS)
    evolve(card, sha256=checksum(Path(folder) / WEIGHTS)).save(Path(folder))
    net, shown = series(widest=6, taps=0), images()
    load_initial_series_weights(net, folder, shown)
    with torch.inference_mode():
        expected = network.detail(channels_of(shown, BASIC + FRAME))
        torch.testing.assert_close(net(shown)[:, 1:2], expected)


def test_another_factor_has_a_fresh_head(volume_model):
    folder, net = volume_model(), series(factor=3)
    start = load_initial_series_weights(net, folder, images())
    assert {"head.weight", "kernels.weight"} <= set(start.dropped)
    assert not heard(net, images()).any()
    old = load_network(find_card(folder)).state_dict()
    name = "encoders.0.0.first.weight"
    assert torch.equal(net.means.state_dict()[name], old[name])


def test_what_cannot_be_a_start_is_told(volume_model, series_model, tmp_path):
    from bids_sr.networks.paper_unet import PaperSuperResolver

    with pytest.raises(ModelError, match="has 1 halvings with 1 residual blocks each, unlike"):
        load_initial_series_weights(series(depth=2), volume_model(), images())
    settings = TrainingSettings(network="PaperSuperResolver", width=16, channels=("dwi",))
    folder = write(tmp_path / "paper", PaperSuperResolver(2, width=16), settings)
    with pytest.raises(ModelError, match="is a PaperSuperResolver, from which a network"):
        load_initial_series_weights(series(), str(folder), images())
    wide = series_model("wide", width=9, l2_width=9)
    with pytest.raises(ModelError, match="has no weight in common"):
        load_initial_series_weights(series(), wide, images())


def test_cards_say_what_their_network_reads(series_model, volume_model):
    card = find_card(series_model())
    assert card.channels == () and "channels" not in card.to_dict() and card.sees_series
    assert card.degradation == "kspace"
    assert card.loss == (
        "Charbonnier (0.25) of b0 and 4 x mean + Charbonnier (0.3) of l = 2"
        " + 0.1 x VGG16 relu1_2 (L1 / rms) of one direction"
    )
    given = {**find_card(volume_model("other")).to_dict(), "folder": Path()}
    assert ModelCard(**given).channels == BASIC + FRAME
    for changes in ({"channels": ()}, {"channels": ("mean_b0",)}):
        with pytest.raises(ValueError, match="must start with 'dwi'"):
            ModelCard(**{**given, **changes})
    with pytest.raises(ValueError, match="has no channels"):
        ModelCard(**{**card.to_dict(), "channels": ("dwi",)})
    with pytest.raises(ValueError, match="must name a class"):
        ModelCard(**{**given, "architecture": "UNet"})


def test_the_start_decides_the_network(series_model, volume_model):
    found = settings_of_start(SeriesSettings, find_card(series_model(width=6)))
    assert SeriesSettings(**found).architecture == find_card(series_model(width=6)).architecture
    found = settings_of_start(SeriesSettings, find_card(volume_model("other", width=9)))
    assert found == {"factor": 2, "depth": 1, "blocks": 1, "taps": 3}
    with pytest.raises(ModelError, match="is a network for the series, not for single volumes"):
        settings_of_start(TrainingSettings, find_card(series_model("third")))


@pytest.mark.skipif(not SHARED.is_dir(), reason="real scans are not at hand")
def test_a_real_start_leaves_of_the_mean_what_its_model_left(tmp_path):
    from bids_sr.bids.training_runs import find_training_runs
    from bids_sr.images.runs import open_run

    card = find_card("shallow-x2")
    if card.sees_series:
        pytest.skip("no network for single volumes is shipped")
    runs = [open_run(find_training_runs(SHARED, [name])[0]) for name in ("philips03", "philips02")]
    settings = SeriesSettings(coarsening=(1.0,), subsets=0, layers={}, init_from="shallow-x2")
    task, _ = make_task(
        settings, runs[:1], runs[1:], tmp_path / "cache", None, torch.device("cpu"), fresh=True
    )
    (row,) = task.validate(task.network.eval())
    assert row["left_mean"] == pytest.approx(0.556, abs=0.02)
    assert row["left_b0"] == row["left_l2"] == 1


@pytest.mark.slow
def test_the_start_leaves_of_the_mean_about_what_its_model_leaves(make_series, tmp_path):
    """A network for volumes is trained for a moment; its heir has learned the mean already."""
    run = make_series(run_only=True)
    settings = TrainingSettings(
        width=12, depth=1, taps=3, channels=BASIC + FRAME, layers={}, patch=8, batch_size=8,
        steps=150, learning_rate=6e-3, warmup=20, ema=0.9, subset=0, validate_every=150,
    )  # fmt: skip
    cpu = torch.device("cpu")
    task, _ = make_task(settings, [run], [run], tmp_path / "cache", None, cpu, fresh=True)
    trainer = Trainer(task, tmp_path / "out", cpu)
    trainer.run()
    left = {row["method"]: row["left_mean"] for row in trainer.validations}["network"]
    model = str(write(tmp_path / "trained", trainer.mean_network, settings))
    settings = SeriesSettings(
        **SMALL, width=12, layers={}, patch=8, coarsening=(1.0,), subsets=0, init_from=model
    )
    heir, _ = make_task(settings, [run], [run], tmp_path / "cache", None, cpu, fresh=True)
    (row,) = heir.validate(heir.network.eval())
    assert left < 0.7
    assert row["left_mean"] < min(0.8, left + 0.15)
    assert row["left_l2"] == pytest.approx(1)
