"""Training a network for the series: its loss, exact resumes, gradients, validation."""

from __future__ import annotations

import csv
import math

import numpy as np
import pytest
import torch
from attrs import evolve

from bids_sr.errors import UsageError
from bids_sr.networks.series_network import LIFT
from bids_sr.training.series_settings import SeriesSettings
from bids_sr.training.series_task import SeriesTask, charbonnier
from bids_sr.training.series_validation import validate_series
from bids_sr.training.task_setup import choose_precision
from bids_sr.training.trainer import CHECKPOINT, Trainer, learning_rate

CPU = torch.device("cpu")
SETTINGS = SeriesSettings(
    width=6, depth=1, widest=8, l2_width=5, l2_depth=1, l2_widest=8, l2_taps=3, layers={},
    patch=8, batch_size=4, steps=6, warmup=2, validate_every=100, checkpoint_every=3, subsets=1,
)  # fmt: skip


def trainer(settings, run, folder, held_out=(), vgg16=None):
    return Trainer(SeriesTask(settings, [run], held_out, vgg16, CPU), folder, CPU)


def stop_at(step):
    def progress(done, terms):
        if done == step:
            raise KeyboardInterrupt

    return progress


def test_defaults_are_those_of_the_factor():
    two, three = SeriesSettings(), SeriesSettings(factor=3)
    assert (two.patch, two.batch_size) == (40, 12)
    assert (three.patch, three.batch_size) == (32, 16)
    assert SeriesSettings(factor=3, patch=24).patch == 24
    assert SeriesSettings(**two.to_dict()) == two


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_resume_is_exact(make_series, tmp_path, precision, vgg16):
    pytest.importorskip("torchvision")
    run = make_series(subsets=1)
    settings = evolve(
        SETTINGS, precision=precision, layers={"relu1_2": 0.1}, feature_crop=12, noise=0.05
    )
    whole = trainer(settings, run, tmp_path / "whole", vgg16=vgg16)
    whole.run()
    with pytest.raises(KeyboardInterrupt):
        trainer(settings, run, tmp_path / "parts", vgg16=vgg16).run(stop_at(5))
    resumed = trainer(settings, run, tmp_path / "parts", vgg16=vgg16)
    assert resumed.step == 3
    resumed.run()
    for kind in ("network", "mean_network"):
        then = getattr(resumed, kind).state_dict()
        for name, weight in getattr(whole, kind).state_dict().items():
            assert torch.equal(weight, then[name]), name
    assert whole._usual == resumed._usual


def test_steps_may_be_changed_and_nothing_else(make_series, tmp_path):
    run = make_series(subsets=1)
    trainer(SETTINGS, run, tmp_path).run()
    longer = trainer(evolve(SETTINGS, steps=9), run, tmp_path)
    assert longer.step == 6
    longer.run()
    assert longer.step == 9
    with pytest.raises(UsageError, match=r"noise 0\.0, not 0\.2"):
        trainer(evolve(SETTINGS, noise=0.2), run, tmp_path)
    # as many steps as there were: nothing is learned, and all is there to be exported
    same = trainer(evolve(SETTINGS, steps=9), run, tmp_path)
    same.run()
    for name, weight in longer.mean_network.state_dict().items():
        assert torch.equal(weight, same.mean_network.state_dict()[name]), name


def test_a_checkpoint_of_the_other_kind_is_refused(make_series, prepared, tmp_path):
    from bids_sr.training.settings import TrainingSettings
    from bids_sr.training.volume_task import VolumeTask

    trainer(SETTINGS, make_series(), tmp_path).run()
    settings = TrainingSettings(width=4, depth=1, layers={}, patch=8)
    with pytest.raises(UsageError, match=r"of another kind or version, with .*l2_depth"):
        Trainer(VolumeTask(settings, [prepared], [], None, CPU), tmp_path, CPU)


def test_charbonnier_is_square_near_zero_and_l1_beyond():
    small, large = torch.tensor(0.01), torch.tensor(-30.0)
    assert float(charbonnier(small, 0.3)) == pytest.approx(0.01**2 / 0.6, rel=1e-2)
    assert float(charbonnier(large, 0.3)) == pytest.approx(29.7, rel=1e-3)
    assert float(charbonnier(torch.zeros(()), 0.3)) == 0
    x = torch.zeros(1, requires_grad=True)
    charbonnier(x, 0.3).sum().backward()
    assert float(x.grad) == 0


def test_the_loss_is_of_what_is_known(make_series):
    task = SeriesTask(SETTINGS, [make_series()], [], None, CPU)
    batch = task.draw()

    class Fixed(torch.nn.Module):
        def forward(self, images):
            return self.output

    network = Fixed()
    network.output = batch.target.clone()
    loss, _ = task.loss(network, batch)
    assert float(loss) < 1e-7
    only_b0 = evolve(batch, known=torch.eye(7)[0].expand(4, 7))
    network.output = batch.target + torch.tensor([0.0, *[1.0] * 6])[:, None, None]
    assert float(task.loss(network, only_b0)[0]) < 1e-7
    every = evolve(batch, known=torch.ones(4, 7))
    _, terms = task.loss(network, every)
    # of b0 and mean, which counts four times, b0 is right
    assert terms["means"] == pytest.approx(4 * (math.hypot(1, 0.25) - 0.25) / 2, rel=1e-4)
    assert terms["l2"] == pytest.approx(math.hypot(LIFT, 0.3) - 0.3, rel=1e-4)


def test_features_compare_one_volume_of_the_mix(make_series, vgg16):
    pytest.importorskip("torchvision")
    settings = evolve(SETTINGS, layers={"relu1_2": 1.0}, feature_crop=16)
    task = SeriesTask(settings, [make_series()], [], vgg16, CPU)
    batch = evolve(task.draw(), mix=torch.eye(7)[0].expand(4, 7))
    shift = torch.tensor([0.0, *[1.0] * 6])[:, None, None]
    assert float(task._compare_features(batch, batch.target + shift, batch.target)) == 0
    shift = torch.tensor([0.5, *[0.0] * 6])[:, None, None]
    assert float(task._compare_features(batch, batch.target + shift, batch.target)) > 0


def test_both_trunks_learn(make_series, tmp_path):
    settings = evolve(SETTINGS, steps=120, learning_rate=3e-3, batch_size=8, ema=0.9)
    run = make_series(subsets=1)
    made = trainer(settings, run, tmp_path)
    batch = made.task.sampler.draw(32)
    _, before = made.task.loss(made.mean_network, batch)
    made.run()
    _, after = made.task.loss(made.mean_network, batch)
    assert after["means"] < 0.9 * before["means"]
    assert after["l2"] < 0.97 * before["l2"]


def test_steep_gradients_are_cut_to_twice_the_usual_of_each_trunk(make_series, tmp_path):
    made = trainer(evolve(SETTINGS, clip=0.0), make_series(), tmp_path)

    def step(*norms):
        for group, norm in zip(made.task.groups, norms, strict=True):
            count = sum(p.numel() for p in group)
            for parameter in group:
                parameter.grad = torch.full_like(parameter, norm / math.sqrt(count))
        made._clip()
        return [
            math.sqrt(sum(float(p.grad.square().sum()) for p in group))
            for group in made.task.groups
        ]

    assert step(3.0, 0.5) == pytest.approx([3.0, 0.5], rel=1e-3)
    assert made._usual == pytest.approx([3.0, 0.5], rel=1e-3)
    # one trunk's steep step leaves the other's alone; what is usual moves by a fiftieth
    assert step(60.0, 0.6) == pytest.approx([6.0, 0.6], rel=1e-3)
    assert made._usual == pytest.approx([3.06, 0.502], rel=1e-3)


def test_the_constant_schedule_goes_down_over_the_last_fifth():
    settings = evolve(SETTINGS, steps=1000, warmup=100, schedule="constant", learning_rate=1.0)
    assert [learning_rate(settings, s) for s in (49, 99, 100, 500, 800)] == [0.5, 1, 1, 1, 1]
    assert learning_rate(settings, 900) == pytest.approx(0.5)
    assert learning_rate(settings, 999) == pytest.approx(0.005)
    # made longer before the way down, nothing of what was done changes
    longer = evolve(settings, steps=2000)
    assert all(learning_rate(longer, s) == learning_rate(settings, s) for s in range(0, 800, 50))


class Told(torch.nn.Module):
    """Gives the detail of a run, shell after shell, slice after slice."""

    def __init__(self, run, share):
        super().__init__()
        slices = range(3, run.lr.shape[2], 6)
        self.answers = [
            share * torch.from_numpy(np.asarray(detail[:, z], np.float32))
            for detail in run.detail
            for z in slices
        ]

    def forward(self, images):
        return self.answers.pop(0)[None]


@pytest.mark.parametrize("factor", [2, 3])
def test_validation_leaves_all_for_nothing_and_nothing_for_the_truth(make_series, factor):
    run = make_series(((1000, 30), (2000, 12)), volumes=True, factor=factor, subsets=0)
    names = ("left_b0", "left_mean", "left_l2")
    nothing = validate_series(run, Told(run, 0.0), CPU)
    assert [nothing[name] for name in names] == pytest.approx([1, 1, 1], abs=1e-6)
    half = validate_series(run, Told(run, 0.5), CPU)
    assert [half[name] for name in names] == pytest.approx([0.25] * 3, abs=0.02)
    truth = validate_series(run, Told(run, 1.0), CPU)
    assert [truth[name] for name in names] == pytest.approx([0, 0, 0], abs=0.01)


def test_what_a_run_does_not_hold_has_no_figure(make_series):
    run = make_series((), b0s=3, volumes=True)
    found = validate_series(run, Told(run, 0.0), CPU)
    assert found["left_b0"] == pytest.approx(1)
    assert found["left_mean"] is None and found["left_l2"] is None
    with pytest.raises(ValueError, match="prepared without its volumes"):
        validate_series(make_series(), Told(run, 0.0), CPU)


def test_validation_is_logged_and_kept(make_series, tmp_path):
    run = make_series(volumes=True, subsets=1)
    trainer(evolve(SETTINGS, validate_every=3), run, tmp_path, held_out=[run]).run()
    with (tmp_path / "validation.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["step"], row["run"]) for row in rows] == [("3", "sub-01"), ("6", "sub-01")]
    assert 0 < float(rows[1]["left_mean"]) < 2
    kept = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert [row["step"] for row in kept["validations"]] == [3, 6]
    assert kept["scans"] == {"scans to learn from": ["sub-01"], "scans held out": ["sub-01"]}


def test_precision_is_a_choice_or_what_the_processor_has(monkeypatch):
    assert choose_precision("float32", CPU) == "float32"
    for known, expected in ((True, "bfloat16"), (False, "float32")):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda known=known: known)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
        assert choose_precision("auto", CPU) == expected


@pytest.mark.parametrize("trained", ["means", "l2"])
def test_one_trunk_alone_is_trained(make_series, tmp_path, trained):
    began = trainer(evolve(SETTINGS, trunks=(trained,)), make_series(), tmp_path)
    before = {name: weight.clone() for name, weight in began.network.state_dict().items()}
    began.run()
    for network in (began.network, began.mean_network):
        moved = {name for name, w in network.state_dict().items() if not w.equal(before[name])}
        assert moved and {name.partition(".")[0] for name in moved} == {trained}
