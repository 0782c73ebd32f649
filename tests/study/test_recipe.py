"""Recipes say what is trained, and mistakes in them are named."""

from __future__ import annotations

import pytest

from bids_sr.errors import UsageError
from bids_sr.study.recipe import read_recipe
from bids_sr.study.rows import ABLATION, ISOLATION, expand


@pytest.mark.parametrize("name", ["paper", "small", "tiny"])
def test_shipped_recipes_are_read(recipes, name):
    rows = expand(read_recipe(recipes / f"{name}.toml"))
    names = [row.name for row in rows]
    assert len(names) == len(set(names))
    assert all(row.settings.feature_crop >= 3 * row.settings.patch for row in rows)
    for row in rows:
        assert not row.start or names.index(row.start) < names.index(row.name)


def test_rows_of_the_small_study(recipes):
    rows = {row.name: row for row in expand(read_recipe(recipes / "small.toml"))}
    # {1} alone belongs to two tables and is trained once
    assert "ablation-1" not in rows
    assert rows["isolation-1"].tables == (ISOLATION, ABLATION)
    assert rows["l1"].settings.layers == {}
    assert list(rows["ablation-123"].settings.layers) == ["relu1_2", "relu2_2", "relu3_3"]
    assert rows["transfer-x3-2"].start == "isolation-2"
    assert rows["transfer-x3-2"].settings.factor == 3
    assert rows["noise0.1-5"].noise == 0.1
    assert rows["roll-4"].settings.roll == 15
    assert rows["average-pool-4"].settings.pool == "average"
    assert rows["seed-2"].settings.seed == 43
    assert rows["weak-4"].settings.layers == {"relu4_3": 0.02}
    for key in ("batch_size", "width", "learning_rate"):
        assert len({getattr(row.settings, key) for row in rows.values()}) == 1, key
    steps = {name: row.settings.steps for name, row in rows.items() if row.settings.factor == 2}
    longer = {name for name, n in steps.items() if n != steps["l1"]}
    assert longer == {"long-l1", "long-4"}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("steps = 4", "stepps = 4", "training knows no stepps"),
        ("isolation = [1, 2]", "isolation = [6]", "numbered 1 to 5"),
        ("isolation = [1, 2]", "isolation = [3]", "weights lacks relu3_3"),
        ("relu2_2 = 1.0", "relu9_9 = 1.0", "weights knows no relu9_9"),
        ("[rows.noise]", "[rows.nois]", "rows knows no nois"),
        ('train = ["01"]', 'train = ["01"', "is not a recipe"),
        ("batch_size = 2", "factor = 3", "training knows no factor"),
    ],
)
def test_mistakes_are_named(recipes, tmp_path, old, new, message):
    text = (recipes / "tiny.toml").read_text()
    assert old in text
    (tmp_path / "recipe.toml").write_text(text.replace(old, new))
    with pytest.raises(UsageError, match=message):
        read_recipe(tmp_path / "recipe.toml")


def test_no_such_file(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_recipe(tmp_path / "none.toml")
