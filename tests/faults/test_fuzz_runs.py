"""Files spoilt at random beside a good run: that is finished, and nobody sees a traceback."""

from __future__ import annotations

import random

import pytest

SPOILT = [f"s{number}" for number in range(8)]


def spoil(folder, dice):
    """Damage one file of a run; returns its name."""
    path = dice.choice(sorted(folder.iterdir()))
    content = bytearray(path.read_bytes())
    how = dice.choice(("bytes", "cut", "noise", "twice"))
    if how == "cut":
        content = content[: dice.randrange(len(content))]
    elif how == "noise":
        content = bytearray(dice.randbytes(len(content)))
    elif how == "twice":
        content = content * 2
    else:
        for _ in range(5):
            content[dice.randrange(len(content))] = dice.randrange(256)
    path.write_bytes(content)
    return path.name


@pytest.mark.parametrize("seed", [1, 2])
def test_the_good_one_is_finished(process, writers, tmp_path, seed):
    dice = random.Random(seed)
    dataset = writers.write_dataset(tmp_path / "raw", (*SPOILT, "good"))
    names = {label: spoil(dataset / f"sub-{label}/dwi", dice) for label in SPOILT}
    outcome = process(dataset, tmp_path / "out", "--self-check", "off", "--ensemble", "1")
    assert outcome.status in (0, 1), (outcome.told, names)
    assert "Traceback" not in outcome.told and "unexpected" not in outcome.told, names
    assert (tmp_path / "out/sub-good/dwi/sub-good_res-x2_desc-sr_quality.json").is_file()
    for label, name in names.items():
        done = list((tmp_path / "out").glob(f"sub-{label}/dwi/*_quality.json"))
        told = outcome.lines(f"error: sub-{label}: ", f"/sub-{label}/dwi/")
        assert bool(done) != bool(told), (name, outcome.told)
