"""Training learns, resumes exactly, and says what it measured."""

from __future__ import annotations

import csv

import pytest
import torch
from attrs import evolve
from safetensors.torch import save_file

from bids_sr.errors import UsageError
from bids_sr.training.settings import TrainingSettings
from bids_sr.training.trainer import CHECKPOINT, Trainer, learning_rate
from bids_sr.training.volume_task import VolumeTask

SETTINGS = TrainingSettings(
    width=8, depth=1, layers={}, patch=8, batch_size=4, steps=6, warmup=2,
    validate_every=100, checkpoint_every=3,
)  # fmt: skip


CPU = torch.device("cpu")


def make(settings, train, held_out, folder, vgg16=None):
    """A trainer of a network for single volumes."""
    return Trainer(VolumeTask(settings, train, held_out, vgg16, CPU), folder, CPU)


def test_resume_is_exact(prepared, tmp_path):
    whole = make(SETTINGS, [prepared], [], tmp_path / "whole")
    whole.run()
    interrupted = make(SETTINGS, [prepared], [], tmp_path / "parts")
    with pytest.raises(KeyboardInterrupt):
        interrupted.run(stop_at(5))  # two steps beyond the checkpoint at 3: they are lost
    resumed = make(SETTINGS, [prepared], [], tmp_path / "parts")
    assert resumed.step == 3
    resumed.run()
    for name, weight in whole.network.state_dict().items():
        assert torch.equal(weight, resumed.network.state_dict()[name]), name
    for name, weight in whole.mean_network.state_dict().items():
        assert torch.equal(weight, resumed.mean_network.state_dict()[name]), name
    assert whole.task.state == resumed.task.state


@pytest.mark.slow
def test_resume_is_exact_with_rolled_features(prepared, tmp_path):
    pytest.importorskip("torchvision")
    torch.manual_seed(0)
    shapes = {
        "0.weight": (64, 3, 3, 3),
        "0.bias": (64,),
        "2.weight": (64, 64, 3, 3),
        "2.bias": (64,),
    }
    save_file({k: 0.1 * torch.randn(s) for k, s in shapes.items()}, tmp_path / "vgg.safetensors")
    settings = evolve(SETTINGS, layers={"relu1_2": 0.1}, roll=15, feature_crop=12, steps=4)

    def trainer(name):
        return make(settings, [prepared], [], tmp_path / name, tmp_path / "vgg.safetensors")

    whole = trainer("whole")
    whole.run()
    with pytest.raises(KeyboardInterrupt):
        trainer("parts").run(stop_at(4))
    resumed = trainer("parts")
    assert resumed.step == 3
    resumed.run()
    for key, weight in whole.network.state_dict().items():
        assert torch.equal(weight, resumed.network.state_dict()[key]), key


def test_log_has_each_step_once_after_a_resume(prepared, tmp_path):
    settings = evolve(SETTINGS, steps=40, checkpoint_every=15)
    with pytest.raises(KeyboardInterrupt):
        make(settings, [prepared], [], tmp_path).run(stop_at(29))
    make(settings, [prepared], [], tmp_path).run()
    with (tmp_path / "log.csv").open() as stream:
        assert [row["step"] for row in csv.DictReader(stream)] == ["10", "20", "30", "40"]


def stop_at(step):
    def progress(done, terms):
        if done == step:
            raise KeyboardInterrupt

    return progress


def test_other_settings_do_not_continue(prepared, tmp_path):
    make(SETTINGS, [prepared], [], tmp_path).run()
    with pytest.raises(UsageError, match=r"learning_rate 0\.0008, not 0\.5"):
        make(evolve(SETTINGS, learning_rate=0.5), [prepared], [], tmp_path)
    longer = make(evolve(SETTINGS, steps=8), [prepared], [], tmp_path)
    assert longer.step == 6


def test_checkpoint_is_no_arbitrary_pickle(prepared, tmp_path):
    make(SETTINGS, [prepared], [], tmp_path).run()
    content = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert content["step"] == 6


def test_learning_lowers_the_loss(prepared, tmp_path):
    settings = evolve(SETTINGS, steps=150, learning_rate=3e-3, batch_size=8)
    trainer = make(settings, [prepared], [], tmp_path)
    batch = trainer.task.sampler.draw(32)
    before = float((batch.interpolated - batch.target).abs().mean())
    trainer.run()
    with torch.inference_mode():
        after = float(
            (trainer.mean_network(batch.channels, batch.interpolated) - batch.target).abs().mean()
        )
    assert after < 0.97 * before


def test_validation_and_logs(prepared, tmp_path):
    settings = evolve(SETTINGS, steps=20, validate_every=20)
    make(settings, [prepared], [prepared], tmp_path).run()
    with (tmp_path / "validation.csv").open() as stream:
        rows = {row["method"]: row for row in csv.DictReader(stream)}
    assert set(rows) == {"linear", "cubic", "sinc", "network", "network+consistency"}
    assert all(float(row["psnr_dwi"]) > 5 for row in rows.values())
    # b0 and mean: the tiny run has one b0, and 16 directions that tell of its noise
    assert float(rows["sinc"]["left_mean"]) == pytest.approx(1, abs=0.02)
    assert float(rows["network"]["left_b0"]) > 0
    kept = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["validations"]
    assert [(row["step"], row["method"]) for row in kept] == [(20, name) for name in rows]
    assert str(kept[2]["left_l2"] or "") == rows["sinc"]["left_l2"]
    with (tmp_path / "log.csv").open() as stream:
        assert [row["step"] for row in csv.DictReader(stream)] == ["10", "20"]


def test_a_log_with_fewer_figures_goes_on_with_more(prepared, tmp_path):
    old = "step,run,method,psnr_b0\n3,sub-01,sinc,20.5\n"
    (tmp_path / "validation.csv").write_text(old)
    settings = evolve(SETTINGS, steps=6, validate_every=6)
    make(settings, [prepared], [prepared], tmp_path).run()
    with (tmp_path / "validation.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert (rows[0]["psnr_b0"], rows[0]["left_mean"]) == ("20.5", "")
    assert rows[3]["method"] == "sinc" and float(rows[3]["left_mean"]) > 0.9
    assert len(rows) == 6 and None not in rows[3]


def test_mean_network_has_the_statistics_of_normalisation_layers(prepared, tmp_path):
    settings = evolve(
        SETTINGS, network="PaperSuperResolver", width=16, channels=("dwi",), augment=False, patch=10
    )
    trainer = make(settings, [prepared], [], tmp_path)
    before = trainer.mean_network.network.layers[1].running_mean.clone()
    trainer.run()
    mean, current = (n.network.layers[1] for n in (trainer.mean_network, trainer.network))
    assert torch.equal(mean.running_mean, current.running_mean)
    assert not torch.equal(mean.running_mean, before)
    assert mean.num_batches_tracked == settings.steps


def test_schedules():
    cosine = evolve(SETTINGS, steps=100, warmup=10)
    assert learning_rate(cosine, 9) == pytest.approx(cosine.learning_rate)
    assert learning_rate(cosine, 99) < 0.01 * cosine.learning_rate
    cycle = evolve(cosine, schedule="one-cycle")
    assert learning_rate(cycle, 29) == pytest.approx(cycle.learning_rate)
    assert learning_rate(cycle, 10) < 0.5 * cycle.learning_rate


@pytest.mark.parametrize("lacking", ["state", "usual", "step"])
def test_a_checkpoint_of_another_version_cannot_be_read(prepared, tmp_path, lacking):
    make(SETTINGS, [prepared], [], tmp_path).run()
    content = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    del content[lacking]
    torch.save(content, tmp_path / CHECKPOINT)
    with pytest.raises(UsageError, match="cannot be read as a checkpoint"):
        make(SETTINGS, [prepared], [], tmp_path)
