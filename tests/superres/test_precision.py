"""In what numbers layers compute: asked for, found out by a check, or never less than float32."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
import torch

from bids_sr.networks.card import read_card
from bids_sr.superres import precision
from bids_sr.superres.engine import super_resolve
from bids_sr.superres.precision import (
    FLOAT32,
    WORTH,
    Precision,
    central,
    choose_precision,
    computes_in_bfloat16,
    float32_is_exact,
)

CPU, GPU = torch.device("cpu"), torch.device("cuda:0")


@pytest.fixture
def cpu(monkeypatch):
    """A CPU with or without instructions for bfloat16."""

    def make(*instructions):
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"):
            monkeypatch.setattr(torch.cpu, name, lambda name=name: name in instructions)

    return make


class Clocked:
    """Detail of some images; bfloat16 changes it by shares of it, and takes so many seconds."""

    def __init__(self, monkeypatch, changes=(0.01, 0.01), seconds=(2.0, 1.0)):
        self.changes, self.now, self.asked = changes, 0.0, []
        self.seconds = dict(zip(("float32", "bfloat16"), seconds, strict=True))
        monkeypatch.setattr(precision.time, "process_time", lambda: self.now)

    def __call__(self, how):
        self.asked.append(how.name)
        self.now += self.seconds[how.name]
        shape = (2, len(self.changes), 8, 8)
        made = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        if how.name == "bfloat16":
            made = made * (1 + torch.tensor(self.changes)[:, None, None])
        return made


@pytest.mark.parametrize("asked", ["float32", "bfloat16", "float16"])
def test_what_is_asked_for_is_taken_unchecked(asked, cpu, monkeypatch):
    cpu("_is_avx512_bf16_supported")
    detail = Clocked(monkeypatch)
    assert choose_precision(asked, CPU, WORTH, detail).name == asked
    assert not detail.asked


def test_a_cpu_that_imitates_bfloat16_is_told_of(cpu, caplog):
    cpu()
    choose_precision("bfloat16", CPU, WORTH, None)
    assert "no instructions for bfloat16" in caplog.text


@pytest.mark.parametrize(
    ("instructions", "pixels"),
    [((), WORTH), (("_is_avx512_bf16_supported",), WORTH - 1)],
    ids=["without instructions", "too little to do"],
)
def test_nothing_is_checked_where_nothing_can_be_gained(instructions, pixels, cpu, monkeypatch):
    cpu(*instructions)
    detail = Clocked(monkeypatch)
    assert choose_precision("auto", CPU, pixels, detail) == FLOAT32
    assert not detail.asked


@pytest.mark.parametrize("instructions", ["_is_avx512_bf16_supported", "_is_amx_tile_supported"])
def test_less_is_taken_where_it_is_faster_and_equal(instructions, cpu, monkeypatch, caplog):
    cpu(instructions)
    caplog.set_level("INFO")
    assert choose_precision("auto", CPU, WORTH, Clocked(monkeypatch)).name == "bfloat16"
    assert "2.00 times as fast" in caplog.text
    assert "1.0 %" in caplog.text


@pytest.mark.parametrize(
    "how",
    [
        {"seconds": (1.05, 1.0)},
        {"seconds": (1.0, 5.0)},
        {"changes": (0.01, 0.1)},
        {"changes": (0.01, float("nan"))},
    ],
    ids=["as fast", "slower", "one image changed", "not a number"],
)
def test_float32_stays_where_less_is_not_faster_or_not_equal(how, cpu, monkeypatch):
    cpu("_is_avx512_bf16_supported")
    assert choose_precision("auto", CPU, WORTH, Clocked(monkeypatch, **how)) == FLOAT32


def test_images_that_are_not_used_do_not_count(cpu, monkeypatch):
    cpu("_is_avx512_bf16_supported")
    detail = Clocked(monkeypatch, changes=(0.5, 0.01, 0.5))
    assert choose_precision("auto", CPU, WORTH, detail, slice(1, 2)).name == "bfloat16"
    assert choose_precision("auto", CPU, WORTH, detail, slice(0, 2)) == FLOAT32


def test_where_there_is_no_detail_nothing_is_known(cpu):
    cpu("_is_avx512_bf16_supported")
    assert choose_precision("auto", CPU, WORTH, lambda _: torch.zeros(2, 1, 8, 8)) == FLOAT32


def test_gpus_differ_in_bfloat16(gpus, caplog):
    gpus(2).capability[0] = (7, 5)
    assert not computes_in_bfloat16(torch.device("cuda:0"))
    assert computes_in_bfloat16(torch.device("cuda:1"))
    choose_precision("bfloat16", torch.device("cuda:1"), 1, None)
    assert not caplog.text
    choose_precision("bfloat16", torch.device("cuda:0"), 1, None)
    assert "cuda:0 has no instructions for bfloat16" in caplog.text


def test_a_gpu_computes_in_float16():
    assert choose_precision("auto", GPU, 1, None).name == "float16"


@pytest.mark.parametrize(
    ("name", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)]
)
def test_layers_compute_in_it(name, dtype):
    layer, images = torch.nn.Conv2d(1, 1, 3), torch.ones(1, 1, 8, 8)
    with torch.inference_mode(), Precision(name).layers(CPU):
        assert layer(images).dtype is dtype
    assert layer(images).dtype is torch.float32


def test_the_middle_is_looked_at():
    assert central(11, 100, 30) == (slice(4, 6), slice(18, 82), slice(0, 30))
    assert central(1, 9, 9)[0] == slice(0, 1)


@pytest.fixture(params=["volumes", "series"])
def model(request, make_model, make_series_model, tmp_path):
    """A tiny network of each kind."""
    make = {"volumes": make_model, "series": make_series_model}[request.param]
    return make(tmp_path / request.param)


@pytest.fixture
def resolve(make_run, model, tmp_path):
    """Super-resolve a run in one way or another; gives the result and its volumes."""
    run = make_run(tmp_path)

    def call(how):
        out = tmp_path / f"{how}.nii.gz"
        made = super_resolve(run, read_card(model), out, device="cpu", precision=how)
        return made, nib.load(out).get_fdata()

    return call


@pytest.mark.parametrize("seconds", [(2.0, 1.0), (1.0, 2.0)], ids=["faster", "slower"])
def test_a_run_is_made_in_what_the_check_found(resolve, seconds, cpu, monkeypatch):
    cpu("_is_avx512_bf16_supported")
    monkeypatch.setattr(precision, "WORTH", 1)
    monkeypatch.setattr(precision, "EQUAL", 0.5)  # networks that have learned nothing
    spent = dict(zip(("float32", "bfloat16"), seconds, strict=True))
    monkeypatch.setattr(
        precision, "_seconds", lambda detail, how: detail(how).sum() * 0 + spent[how.name]
    )
    found = "bfloat16" if seconds[0] > seconds[1] else "float32"
    made, volumes = resolve("auto")
    assert made.precision == found
    forced, expected = resolve(found)
    assert forced.precision == found
    np.testing.assert_array_equal(volumes, expected)


def test_less_changes_little(resolve):
    whole, less = resolve("float32")[1], resolve("bfloat16")[1]
    assert 0 < np.abs(less - whole).max() < 0.02 * whole.max()


def test_a_cpu_goes_on_in_float32_where_a_gpu_had_float16(resolve):
    made, volumes = resolve("float16")
    assert made.precision == "float32"
    np.testing.assert_array_equal(volumes, resolve("float32")[1])


@pytest.mark.parametrize("batch", [1, 2, 3])
def test_batches_do_not_change_what_bfloat16_gives(make_run, model, batch, tmp_path):
    run, card = make_run(tmp_path), read_card(model)
    volumes = []
    for size in (4, batch):
        out = tmp_path / f"{size}-slices.nii.gz"
        super_resolve(run, card, out, device="cpu", precision="bfloat16", batch_size=size)
        volumes.append(nib.load(out).get_fdata())
    np.testing.assert_array_equal(*volumes)


BACKENDS = torch.backends
SETTINGS = {
    "gpu products": BACKENDS.cuda.matmul,
    "gpu layers": BACKENDS.cudnn.conv,
    "cpu products": BACKENDS.mkldnn.matmul,
    "cpu layers": BACKENDS.mkldnn.conv,
}


def settings():
    return {name: backend.fp32_precision for name, backend in SETTINGS.items()}


@pytest.fixture(params=["as torch has it", "high", "medium", "of before"])
def callers(request):
    """What a caller may have allowed for float32, undone afterwards."""
    before, allowed = settings(), BACKENDS.cudnn.allow_tf32
    match request.param:
        case "high" | "medium":
            torch.set_float32_matmul_precision(request.param)
        case "of before":
            BACKENDS.cudnn.allow_tf32 = False
            BACKENDS.cuda.matmul.allow_tf32 = True
    yield
    torch.set_float32_matmul_precision("highest")
    BACKENDS.cudnn.allow_tf32 = allowed
    for name, value in before.items():
        SETTINGS[name].fp32_precision = value


@pytest.mark.parametrize("layers", ["ieee", "tf32"])
def test_float32_has_all_its_digits_and_the_callers_settings_come_back(callers, layers):
    before = settings(), torch.get_float32_matmul_precision(), BACKENDS.cudnn.allow_tf32
    with pytest.raises(RuntimeError, match="boom"), float32_is_exact(layers):
        assert settings() == dict.fromkeys(SETTINGS, "ieee") | {"gpu layers": layers}
        raise RuntimeError("boom")
    assert before == (
        settings(), torch.get_float32_matmul_precision(), BACKENDS.cudnn.allow_tf32
    )  # fmt: skip


def test_a_run_is_exact_and_changes_no_settings(callers, resolve, monkeypatch):
    within, before = [], settings()
    look = precision.Precision.layers
    monkeypatch.setattr(
        precision.Precision, "layers", lambda *given: within.append(settings()) or look(*given)
    )
    resolve("float32")
    assert within and all(found == dict.fromkeys(SETTINGS, "ieee") for found in within)
    assert settings() == before
