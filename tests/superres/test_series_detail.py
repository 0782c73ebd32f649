"""Detail of a series: from images of each shell to what every volume gets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from attrs import evolve

from bids_sr.bids.gradients import GradientTable
from bids_sr.errors import OutputError
from bids_sr.images.kspace import kspace_crop, sinc_upsample
from bids_sr.networks.card import read_card
from bids_sr.networks.series_network import SLICES
from bids_sr.networks.series_parts import PARTS
from bids_sr.networks.slice_frame import slice_frame
from bids_sr.superres import engine, series_detail
from bids_sr.superres.batches import Batches
from bids_sr.superres.engine import super_resolve
from bids_sr.superres.series_detail import DetailRunner
from bids_sr.superres.series_images import SeriesImages
from bids_sr.superres.serieswise import interpolate

CPU = torch.device("cpu")
SHAPE = (12, 10, 4)
"""x, y and slices."""


def directions(count, seed=0):
    vectors = np.random.default_rng(seed).normal(size=(count, 3))
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def table(*shells, b0s=2):
    """Gradients of some b0s and of shells of (b, directions)."""
    bvals = [0] * b0s + [b for b, count in shells for _ in range(count)]
    bvecs = [np.zeros((b0s, 3)), *(directions(count, int(b)) for b, count in shells)]
    return GradientTable(np.array(bvals, float), np.concatenate(bvecs))


def tensor_series(gradients, seed=1):
    """Noise-free signals that are b0 times (1 - b g'Dg): all of it is l = 0 and l = 2."""
    generator = np.random.default_rng(seed)
    b0 = generator.uniform(0.5, 1, SHAPE)
    tensor = generator.normal(0, 1e-4, (*SHAPE, 3, 3))
    tensor += np.swapaxes(tensor, -1, -2) + 4e-4 * np.eye(3)
    weight = np.einsum("vi,xyzij,vj->vxyz", gradients.bvecs, tensor, gradients.bvecs)
    return (b0 * (1 - gradients.bvals[:, None, None, None] * weight / 3)).astype(np.float32)


def gathered(gradients, series, axis=2):
    images = SeriesImages(gradients, slice_frame(np.diag([2, 2, 3, 1]), axis))
    for index, volume in enumerate(series):
        images.add(index, volume)
    return images


class Repeating(torch.nn.Module):
    """The detail is the slice's own images, each pixel repeated."""

    def __init__(self, factor=2):
        super().__init__()
        self.factor = factor
        self.seen = []

    def forward(self, images):
        self.seen.append(images.clone())
        own = images[:, :PARTS]
        return own.repeat_interleave(self.factor, -1).repeat_interleave(self.factor, -2)


def added(detail, index):
    """What a volume gets."""
    slices = np.zeros(
        (detail.b0 if detail.b0 is not None else detail.shells[0]).shape[1:], np.float32
    )
    detail.add(index, slices)
    return slices


def repeated(volume):
    slices = np.moveaxis(volume, 2, 0)
    return slices.repeat(2, axis=1).repeat(2, axis=2)


def runner(network, size=3, **how):
    options = {"consistent": False, "ensemble": 1, "band": (1.0, 1.0)} | how
    return DetailRunner(network, Batches(CPU, size), **options)


@pytest.mark.parametrize("shells", [[(1000, 12)], [(1000, 30), (2000, 8)], [(700, 6)]])
@pytest.mark.parametrize("ensemble", [1, 2, 4, 8])
def test_every_volume_gets_its_own(shells, ensemble):
    """What is linear in the images gives each volume what it would have given that volume."""
    gradients = table(*shells)
    series = tensor_series(gradients)
    images = gathered(gradients, series)
    detail, members = runner(Repeating(), ensemble=ensemble).run(images, (4, 12, 10))
    assert members == ()
    for index in range(2, gradients.n_volumes):
        np.testing.assert_allclose(added(detail, index), repeated(series[index]), atol=2e-3)
    for index in range(2):
        np.testing.assert_allclose(added(detail, index), repeated(series[:2].mean(0)), atol=2e-3)


def test_each_slice_is_seen_with_those_beside_it():
    gradients = table((1000, 12))
    network = Repeating()
    series = tensor_series(gradients)
    runner(network).run(gathered(gradients, series), (4, 12, 10))
    stack = torch.cat(network.seen).numpy().reshape(-1, SLICES, PARTS, 12, 10)[[0, 1, 2, -1]]
    for part in range(PARTS):
        own = stack[:, 0, part]
        np.testing.assert_array_equal(stack[:, 1, part], own[[0, 0, 1, 2]])
        np.testing.assert_array_equal(stack[:, 2, part], own[[1, 2, 3, 3]])


def test_images_are_in_units_of_bright_tissue():
    gradients = table((1000, 12))
    series = tensor_series(gradients)
    for gain in (1, 50):
        network = Repeating()
        runner(network).run(gathered(gradients, series * gain), (4, 12, 10))
        seen = torch.cat(network.seen)[:, :2].numpy()
        assert 0.9 < np.percentile(seen[:, 0], 95) < 1.2
        assert 0.9 < np.percentile(seen[:, 1], 95) < 1.2


def test_shells_do_not_mix():
    gradients = table((1000, 12), (2000, 12))
    series = tensor_series(gradients)
    other = series.copy()
    other[14:] *= np.linspace(0.5, 2, 12)[:, None, None, None]
    both = [gathered(gradients, each) for each in (series, other)]
    made = [runner(Repeating()).run(images, (4, 12, 10))[0] for images in both]
    for index in range(14):
        np.testing.assert_array_equal(added(made[0], index), added(made[1], index))
    assert np.abs(added(made[0], 20) - added(made[1], 20)).max() > 0.05


@pytest.mark.parametrize("count", [1, 3, 5])
def test_few_directions_get_the_mean(count):
    gradients = table((1000, count))
    series = tensor_series(gradients)
    detail, _ = runner(Repeating()).run(gathered(gradients, series), (4, 12, 10))
    mean = repeated(series[2:].mean(0))
    for index in range(2, 2 + count):
        np.testing.assert_allclose(added(detail, index), mean, atol=2e-3)


def test_no_shell_and_no_b0():
    alone, without = table(b0s=3), table((1000, 12), b0s=0)
    series = tensor_series(alone)
    detail, _ = runner(Repeating()).run(gathered(alone, series), (4, 12, 10))
    np.testing.assert_allclose(added(detail, 1), repeated(series.mean(0)), atol=2e-3)
    series, network = tensor_series(without), Repeating()
    detail, _ = runner(network).run(gathered(without, series), (4, 12, 10))
    np.testing.assert_allclose(added(detail, 5), repeated(series[5]), atol=2e-3)
    assert not torch.cat(network.seen).unflatten(1, (SLICES, PARTS))[:, :, 0].any()


@pytest.mark.parametrize("axis", [0, 1])
def test_slices_across_another_axis(axis):
    gradients = table((1000, 12))
    series = tensor_series(gradients)
    shape = (SHAPE[axis], *(n for a, n in enumerate(SHAPE) if a != axis))
    detail, _ = runner(Repeating(), ensemble=8).run(gathered(gradients, series, axis), shape)
    expected = np.moveaxis(series[7], axis, 0).repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_allclose(added(detail, 7), expected, atol=2e-3)


def test_the_measured_band_is_not_touched():
    gradients = table((1000, 12))
    images = gathered(gradients, tensor_series(gradients))
    detail, _ = runner(Repeating(), consistent=True).run(images, (4, 12, 10))
    left = kspace_crop(torch.from_numpy(added(detail, 5)), 2)
    assert float(left.abs().max()) < 1e-3 < 0.01 < np.abs(added(detail, 5)).max()


def test_a_part_of_the_band_is_the_networks():
    gradients = table((1000, 12))
    series = tensor_series(gradients)
    full, part = (
        runner(Repeating(), consistent=True, band=band).run(
            gathered(gradients, series), (4, 12, 10)
        )[0]
        for band in ((1.0, 1.0), (0.6, 1.0))
    )
    difference = torch.from_numpy(added(part, 5) - added(full, 5))
    inside = sinc_upsample(kspace_crop(difference, 2), 2)
    assert float((difference - inside).abs().max()) < 2e-3  # only within the input's band
    assert float(difference.abs().max()) > 0.01


@pytest.mark.parametrize("size", [1, 2, 4, 9])
def test_batches_do_not_matter(size):
    gradients = table((1000, 12), (2000, 8))
    series = tensor_series(gradients)
    made = [
        runner(Repeating(), n, ensemble=2).run(gathered(gradients, series), (4, 12, 10))[0]
        for n in (3, size)
    ]
    for index in range(gradients.n_volumes):
        np.testing.assert_allclose(added(made[0], index), added(made[1], index), atol=1e-3)


def test_short_memory_halves_the_batch_and_changes_nothing():
    class Hungry(Repeating):
        def forward(self, images):
            if len(images) > 1:
                raise torch.OutOfMemoryError("CUDA out of memory")
            return super().forward(images)

    gradients = table((1000, 12))
    series = tensor_series(gradients)
    hungry, done = runner(Hungry(), 4), []
    detail, _ = hungry.run(gathered(gradients, series), (4, 12, 10), progress=done.append)
    assert hungry.batches.size == 1 and len(hungry.batches.notes) == 2
    assert sum(done) == 4
    np.testing.assert_allclose(added(detail, 0), repeated(series[:2].mean(0)), atol=2e-3)


class Counting(torch.nn.Module):
    """Passes on to a network and counts the slices that it sees."""

    def __init__(self, network):
        super().__init__()
        self.network, self.factor, self.slices = network, network.factor, 0

    def forward(self, images):
        self.slices += len(images)
        return self.network(images)


def test_cost_does_not_grow_with_volumes(make_run, tiny_series_model, tmp_path, monkeypatch):
    counts, load = [], engine.load_network

    def counted(card):
        counts.append(Counting(load(card)))
        return counts[-1]

    monkeypatch.setattr(engine, "load_network", counted)
    for number in (12, 40):
        folder = tmp_path / str(number)
        folder.mkdir()
        run = make_run(folder, directions=number)
        super_resolve(run, read_card(tiny_series_model), folder / "sr.nii.gz", device="cpu")
    assert counts[0].slices == counts[1].slices


def test_who_counts_volumes_sees_no_lines_of_slices(make_run, tiny_series_model, tmp_path, caplog):
    """The self-check runs the network as well: its lines would be taken for the run's own."""
    caplog.set_level("INFO", "bids_sr")
    run, card, out = make_run(tmp_path), read_card(tiny_series_model), tmp_path / "sr.nii.gz"
    super_resolve(run, card, out, device="cpu", progress=lambda: None)
    assert not caplog.text
    super_resolve(run, card, out, device="cpu")
    assert "4 slices in" in caplog.text and "17 volumes in" in caplog.text


def test_what_was_missing_is_said(make_run, tiny_series_model, tmp_path):
    def notes(run, name):
        return super_resolve(run, read_card(tiny_series_model), tmp_path / name, device="cpu").notes

    run = make_run(tmp_path, directions=5)
    assert any("fewer than 6 well-spread" in note for note in notes(run, "few.nii.gz"))
    alone = evolve(run, gradients=GradientTable(np.zeros(6), np.zeros((6, 3))))
    assert any("its b0 alone" in note for note in notes(alone, "alone.nii.gz"))


class MeanAsB0(Repeating):
    """The b0's detail is the shell's mean: each shell says something else of it."""

    def forward(self, images):
        output = super().forward(images)
        output[:, 0] = output[:, 1]
        return output


def test_shells_have_a_say_in_the_b0_by_their_directions():
    gradients = table((1000, 30), (2000, 10))
    series = tensor_series(gradients)
    images = gathered(gradients, series)
    units = [images.units(number) for number in range(2)]
    means = [
        np.tensordot(shell.weights[0], series[shell.indices], axes=1) / units[number][1]
        for number, shell in enumerate(images.parts.shells)
    ]
    detail, _ = runner(MeanAsB0()).run(images, (4, 12, 10))
    expected = units[0][0] * (0.75 * means[0] + 0.25 * means[1])
    np.testing.assert_allclose(added(detail, 0), repeated(expected), atol=2e-3)
    assert np.abs(means[0] - means[1]).max() > 0.05


@pytest.fixture
def all_large(monkeypatch):
    """Any detail is large enough for files."""
    monkeypatch.setattr(series_detail, "LARGE_DETAIL", 0)


def test_detail_in_a_file_is_the_same(tmp_path, all_large):
    gradients = table((1000, 12), (2000, 8), b0s=3)
    series = tensor_series(gradients)
    made = [
        runner(Repeating(), ensemble=4).run(
            gathered(gradients, series), (4, 12, 10), members=[None] * 4, scratch=scratch
        )
        for scratch in (None, tmp_path)
    ]
    (held, held_members), (stored, stored_members) = made
    for ours, theirs in zip((held, *held_members), (stored, *stored_members), strict=True):
        assert not any(isinstance(array, np.memmap) for array in (ours.b0, *ours.shells))
        assert all(isinstance(array, np.memmap) for array in (theirs.b0, *theirs.shells))
        for index in range(gradients.n_volumes):
            np.testing.assert_array_equal(added(ours, index), added(theirs, index))
    assert list(tmp_path.iterdir()) == []


def test_small_detail_needs_no_file(tmp_path, monkeypatch):
    gradients = table((1000, 12))
    images = gathered(gradients, tensor_series(gradients))
    size = 7 * 2 * 4 * 24 * 20
    for limit, stored in ((size, False), (size - 1, True)):
        monkeypatch.setattr(series_detail, "LARGE_DETAIL", limit)
        network = runner(Repeating())
        detail, _ = network.run(images, (4, 12, 10), scratch=tmp_path)
        assert isinstance(detail.b0, np.memmap) == stored
        images = gathered(gradients, tensor_series(gradients))


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="memory maps, as Linux has them")
def test_of_detail_in_a_file_little_is_in_memory(tmp_path, all_large):
    """Neither when it has been computed, nor when it has been added."""
    gradients = table((1000, 12), (2000, 12))
    images = gathered(gradients, tensor_series(gradients))
    detail, members = runner(Repeating(), ensemble=2).run(
        images, (4, 12, 10), members=[tmp_path / "0", tmp_path / "1"], scratch=tmp_path
    )
    assert mapped(tmp_path) == 0
    for each in (detail, *members):
        added(each, 5)
    assert mapped(tmp_path) == 0
    assert detail.shells[0].max() > 0 and mapped(tmp_path) > 0


def mapped(folder):
    """Bytes of files of a folder that are in memory, also of those that have no name."""
    lines = Path("/proc/self/smaps").read_text().splitlines()
    found, ours = 0, False
    for line in lines:
        if "-" in line.split(" ")[0]:
            ours = str(folder) in line
        elif line.startswith("Rss:") and ours:
            found += 1024 * int(line.split()[1])
    return found


def test_members_in_files_have_their_room(tmp_path):
    gradients = table((1000, 12))
    images = gathered(gradients, tensor_series(gradients))
    runner(Repeating(), ensemble=2).run(images, (4, 12, 10), members=[tmp_path / "0", None])
    (found,) = (tmp_path / "0").glob("shell0.npy")
    assert found.stat().st_blocks * 512 >= found.stat().st_size == 128 + 6 * 2 * 4 * 24 * 20


def test_a_folder_without_room_is_told(tmp_path, all_large):
    gradients = table((1000, 12))
    images = gathered(gradients, tensor_series(gradients))
    with pytest.raises(OutputError, match="missing: has no space"):
        runner(Repeating()).run(images, (4, 12, 10), scratch=tmp_path / "missing")


def test_a_large_series_comes_out_the_same(make_run, tiny_series_model, tmp_path, all_large):
    run, card = make_run(tmp_path), read_card(tiny_series_model)
    made = []
    for scratch in (None, tmp_path / "scratch"):
        out = tmp_path / f"{scratch is None}.nii"
        if scratch:
            scratch.mkdir()
        super_resolve(run, card, out, device="cpu", scratch=scratch, precision="float32")
        made.append(out.read_bytes())
    assert made[0] == made[1]
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("count", [1, 8, 9, 20])
def test_slices_interpolated_a_few_at_a_time(count):
    slices = np.random.default_rng(0).random((count, 13, 10), np.float32)
    whole = sinc_upsample(torch.from_numpy(slices), 2).numpy()
    np.testing.assert_allclose(interpolate(slices, 2), whole, atol=1e-6)
