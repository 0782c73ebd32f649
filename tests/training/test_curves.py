"""Curves of trainings, from what they have written."""

from __future__ import annotations

import math

import pytest
from PIL import Image

from bids_sr.training.curves import figure, main, read_curves

SERIES = """step,run,left_b0,left_mean,left_l2
100,sub-01,0.9,0.8,
100,sub-02,0.7,0.6,0.9
200,sub-01,0.5,0.4,0.8
200,sub-02,0.3,0.4,0.6
"""
VOLUME = """step,run,method,psnr_b0,left_b0,left_mean,left_l2
50,sub-01,linear,30,2,2,2
50,sub-01,network,31,0.5,0.6,0.7
50,sub-01,network+consistency,31,0.4,0.6,0.7
"""


@pytest.fixture
def folder(tmp_path):
    """A function that makes the folder of a training."""

    def make(name, rows=SERIES):
        made = tmp_path / name
        made.mkdir(parents=True)
        (made / "validation.csv").write_text(rows)
        return made

    return make


def test_runs_are_averaged(folder):
    found = read_curves(folder("a"))
    assert found["left_b0"] == pytest.approx({100: 0.8, 200: 0.4})
    assert found["left_mean"] == pytest.approx({100: 0.7, 200: 0.4})
    assert found["left_l2"][200] == pytest.approx(0.7)
    assert math.isnan(found["left_l2"][100]), "a mean of fewer runs would not be comparable"


def test_rows_of_interpolations_are_left_out(folder):
    assert read_curves(folder("a", VOLUME))["left_b0"] == {50: 0.5}


def test_each_training_is_a_line_beside_sinc(folder):
    made = figure({name: read_curves(folder(name)) for name in ("a", "b")})
    assert [axes.get_title() for axes in made.axes] == [
        "b0", "mean over directions", "variation between directions",
    ]  # fmt: skip
    for axes in made.axes:
        assert [line.get_label() for line in axes.lines] == ["sinc interpolation", "a", "b"]
    assert made.axes[0].lines[1].get_xydata().tolist() == [
        [100, pytest.approx(0.8)], [200, pytest.approx(0.4)],
    ]  # fmt: skip


def test_the_command_writes_a_picture(folder, tmp_path, capsys):
    out = tmp_path / "curves.png"
    alike = [folder("one/x2"), folder("other/x2")]
    assert main([*map(str, alike), "--out", str(out)]) == 0
    with Image.open(out) as image:
        assert image.format == "PNG" and image.width > 800


def test_a_folder_without_validation_is_told(tmp_path, capsys):
    assert main([str(tmp_path), "--out", str(tmp_path / "curves.png")]) == 2
    said = capsys.readouterr().err
    assert f"{tmp_path / 'validation.csv'}: does not exist" in said and "--validate-label" in said
    assert not (tmp_path / "curves.png").exists()
