"""Batches drawn in a thread are those that are drawn without one, also after a resume."""

from __future__ import annotations

import threading

import pytest
import torch

from bids_sr.errors import DeviceError, DeviceLostError
from bids_sr.training.ahead import AHEAD, BatchesAhead
from bids_sr.training.patches import PatchSampler
from bids_sr.training.settings import TrainingSettings
from bids_sr.training.trainer import Trainer
from bids_sr.training.volume_task import VolumeTask

CPU, GPU = torch.device("cpu"), torch.device("cuda:0")
SETTINGS = TrainingSettings(
    width=8, depth=1, layers={}, patch=8, batch_size=4, steps=6, warmup=2,
    validate_every=100, checkpoint_every=3,
)  # fmt: skip


def sampler(prepared):
    return PatchSampler([prepared], 2, SETTINGS.channels, 8, noise=0.1, zero_filled=0.5)


def same(a, b):
    return all(
        torch.equal(getattr(a, name), getattr(b, name))
        for name in ("channels", "interpolated", "target")
    )


def test_batches_and_states_are_those_of_the_sampler(prepared):
    plain, ahead = sampler(prepared), BatchesAhead(sampler(prepared), CPU)
    assert ahead.state == plain.state
    for size in (4, 4, 4, 2, 4):
        assert same(plain.draw(size), ahead.draw(size))
        assert ahead.state == plain.state
    then = plain.state
    expected = [plain.draw(4) for _ in range(3)]
    assert same(ahead.draw(4), expected[0])
    ahead.state = then
    assert all(same(ahead.draw(4), batch) for batch in expected)
    ahead.rewind()
    assert same(plain.draw(4), ahead.draw(4))


class Counting:
    """Draws numbers, and says in which thread."""

    def __init__(self, fails=99):
        self.state, self.fails, self.threads = {"n": 0}, fails, []

    def draw(self, size):
        self.threads.append(threading.current_thread())
        number = self.state["n"] + 1
        if number == self.fails:
            raise ValueError("odd")
        self.state = {"n": number}
        return number


def test_a_few_are_drawn_ahead_in_a_thread():
    inner = Counting()
    ahead = BatchesAhead(inner, CPU)
    assert [ahead.draw(1) for _ in range(3)] == [1, 2, 3]
    assert ahead.state == {"n": 3}
    ahead.rewind()
    assert inner.state == {"n": 3}
    assert 3 <= len(inner.threads) <= 3 + AHEAD
    assert threading.current_thread() not in inner.threads


def test_an_error_is_raised_where_its_batch_is_asked_for():
    ahead = BatchesAhead(Counting(fails=3), CPU)
    assert [ahead.draw(1), ahead.draw(1)] == [1, 2]
    with pytest.raises(ValueError, match="odd"):
        ahead.draw(1)


def test_batches_for_a_gpu_are_pinned(prepared, monkeypatch):
    pinned = []
    monkeypatch.setattr(
        torch.Tensor, "pin_memory", lambda tensor: pinned.append(tensor.shape) or tensor
    )
    BatchesAhead(sampler(prepared), GPU).draw(4)
    assert len(pinned) >= 3 and {shape[0] for shape in pinned} == {4}


def trainer(prepared, folder, *, ahead):
    task = VolumeTask(SETTINGS, [prepared], [], None, CPU)
    if ahead:
        task.sampler = BatchesAhead(task.sampler, CPU)
    return Trainer(task, folder, CPU)


def stop_at(step):
    def progress(done, terms):
        if done == step:
            raise KeyboardInterrupt

    return progress


def test_a_training_is_the_same_and_resumes_exactly(prepared, tmp_path):
    plain = trainer(prepared, tmp_path / "plain", ahead=False)
    plain.run()
    with pytest.raises(KeyboardInterrupt):
        trainer(prepared, tmp_path / "parts", ahead=True).run(stop_at(5))
    resumed = trainer(prepared, tmp_path / "parts", ahead=True)
    assert resumed.step == 3
    resumed.run()
    for name, weight in plain.mean_network.state_dict().items():
        assert torch.equal(weight, resumed.mean_network.state_dict()[name]), name
    assert plain.task.state == resumed.task.state
    assert resumed.task.sampler._sampler.state == plain.task.sampler.state, "rewound at the end"


@pytest.mark.parametrize(
    ("error", "told", "match"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), DeviceError, "--batch-size"),
        (
            torch.AcceleratorError("CUDA error: unspecified launch failure"),
            DeviceLostError,
            "^cpu failed",
        ),
    ],
)
def test_a_device_that_fails(prepared, tmp_path, monkeypatch, error, told, match):
    made = trainer(prepared, tmp_path, ahead=True)

    def fail(network, batch):
        raise error

    monkeypatch.setattr(made.task, "loss", fail)
    with pytest.raises(told, match=match):
        made.run()


def test_float32_is_set_while_it_trains_and_as_before_afterwards(prepared, tmp_path):
    backends = torch.backends
    before, found = backends.cuda.matmul.fp32_precision, []
    trainer(prepared, tmp_path, ahead=False).run(
        lambda *_: found.append(
            (backends.cuda.matmul.fp32_precision, backends.cudnn.conv.fp32_precision)
        )
    )
    assert set(found) == {("ieee", "tf32")}
    assert backends.cuda.matmul.fp32_precision == before


def test_a_training_on_a_gpu_draws_ahead(prepared, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.nn.Module, "to", lambda self, *_, **__: self)
    task = VolumeTask(SETTINGS, [prepared], [], None, GPU)
    plain = task.sampler
    made = Trainer(task, tmp_path, GPU)
    assert isinstance(made.task.sampler, BatchesAhead)
    assert made.task.sampler._sampler is plain and made.task.sampler._pinned


def test_a_network_that_does_not_fit_on_the_gpu(prepared, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    task = VolumeTask(SETTINGS, [prepared], [], None, GPU)
    monkeypatch.setattr(torch.nn.Module, "to", fail)
    with pytest.raises(DeviceError, match="memory of cuda:0 is too small"):
        Trainer(task, tmp_path, GPU)
