"""No command asks for the network: neither names nor connections."""

from __future__ import annotations

import socket

import pytest


@pytest.fixture
def asked(monkeypatch):
    """What was asked of the network; there is none. Sockets of this machine's own kind work."""
    calls = []
    connect = socket.socket.connect

    def refuse(self, address, *more):
        if self.family == socket.AF_UNIX:
            return connect(self, address, *more)
        calls.append(address)
        raise OSError("there is no network")

    def unknown(host, *more, **keywords):
        calls.append(host)
        raise socket.gaierror("there is no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    monkeypatch.setattr(socket, "gethostbyname", unknown)
    return calls


def test_the_stand_in_notices(asked):
    with pytest.raises(OSError):
        socket.create_connection(("192.0.2.1", 9))
    with pytest.raises(OSError):
        socket.socket().connect(("192.0.2.1", 9))
    assert len(asked) == 2


def test_the_app(asked, process, call_here, make_dataset, tmp_path):
    dataset, out = make_dataset(), tmp_path / "out"
    assert process(dataset, out).status == 0
    assert call_here(dataset, out, "group").status == 0
    assert process(dataset, out, "--reports-only").status == 0
    assert not asked


@pytest.mark.parametrize("arguments", [["list"], ["show", "shallow-x2"], ["verify"]])
def test_networks_are_looked_after(asked, arguments):
    from bids_sr.app.models import main

    assert main(arguments) == 0
    assert not asked


def test_evaluation(asked, make_dataset, tiny_model):
    from bids_sr.evaluation.cli import main

    arguments = [
        str(make_dataset()), "--participant-label", "01", "--model", str(tiny_model),
        "--device", "cpu", "--threads", "1", "--ensemble", "1",
    ]  # fmt: skip
    assert main(arguments) == 0
    assert not asked


def test_training(asked, make_dataset, tmp_path):
    from bids_sr.training.cli import main

    # with a feature loss and without its weights on disk, torchvision fetches them: the one case
    arguments = [
        str(make_dataset("01", "02")), str(tmp_path / "out"), "--train-label", "01",
        "--validate-label", "02", "--steps", "2", "--patch", "8", "--batch-size", "2",
        "--width", "4", "--depth", "1", "--layers", "--name", "mine",
    ]  # fmt: skip
    assert main(arguments) == 0
    assert not asked
