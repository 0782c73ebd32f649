"""The methods text: what was done, in the field's words, and nothing that was not."""

from __future__ import annotations

import pytest

from bids_sr.networks.registry import load_card
from bids_sr.report.methods import describe

SERIES = {"class": "SeriesNetwork", "factor": 2, "taps": 3}
CHECKED = {
    "selfcheck_psnr_dwi_network": 31.1,
    "selfcheck_psnr_dwi_cubic": 30.0,
    "selfcheck_psnr_dwi_sinc": 29.0,
    "selfcheck_md_mae_network": 0.07,
    "selfcheck_md_mae_cubic": 0.1,
    "selfcheck_left_l2": 0.72,
    "selfcheck_left_l2_sinc": 1.0,
}


def plain(records, cards=(), **how):
    """The text on one line, without the references."""
    return " ".join(describe(records, cards, **how).paragraphs)


def keys(records, cards=(), **how):
    return {work.key for work in describe(records, cards, **how).works}


def test_it_tells_what_was_done(record, card):
    text = describe([record()], [card().to_dict()], gqi=True).markdown()
    for part in (
        "Diffusion MRI data (1 run)",
        "bids_sr 9.8.7",
        "factor of 2",
        "from 2.00 \N{MULTIPLICATION SIGN} 2.00",
        "tiny",
        "abababababab",
        "PyTorch 2.9.9",
        "U(LR - D(SR))",
        "weighted least squares",
        "Lohr and Werner (2026)",
        "arXiv:2605.15895",
        "fninf.2014.00008",
        "fninf.2011.00013",
        "joss.01294",
        "TMI.2010.2045126",
        "(version 9.8.7)",
        "CC0",
    ):
        assert part in text
    assert text.index("Brett") < text.index("Garyfallidis E") < text.index("Yeh F-C")


def test_it_leaves_out_what_was_not_done(record):
    skipped = record(dti_skipped_reason="b0s only", data_consistency=False)
    text = describe([skipped, skipped]).markdown()
    assert "Diffusion MRI data (2 runs)" in text
    assert "least squares" not in text and "Garyfallidis" not in text and "Yeh" not in text
    assert "Basser" not in text
    assert "Data consistency with the input image was not enforced" in text


def test_it_does_not_invent_versions(record):
    text = describe([record(version=None, torch_version=None)]).markdown()
    assert "None" not in text and "(version" not in text
    assert "with bids_sr (The bids_sr developers)" in text


def test_precision_is_told_where_it_is_known(record):
    text = plain([record(precision="bfloat16"), record(precision="float32")])
    assert "(Paszke et al., 2019), with layers computed in bfloat16 or float32." in text
    assert "its layers" not in plain([record()])


def test_it_is_no_way_in(record, hostile):
    assert "<script" not in describe([record(model=hostile)]).markdown()


def test_odd_values_stop_nothing(record):
    odd = record(selfcheck_verdict=[0], gradients_verdict={"a": 1}, ensemble=[4], version=[1])
    assert "Diffusion MRI data" in plain([odd])


def test_a_network_for_the_series_is_described(record, card):
    network = card(channels=(), architecture=SERIES).to_dict()
    text = plain([record()], [network])
    assert "spherical harmonics of degrees 0 and 2 (Descoteaux et al., 2007)" in text
    assert "two U-Nets (Ronneberger et al., 2015) with kernel prediction (Mildenhall" in text
    assert {"Descoteaux2007", "Ronneberger2015", "Mildenhall2018"} <= keys([record()], [network])


def test_a_network_for_single_volumes_is_described(record, card):
    text = plain([record()], [card().to_dict()])
    assert "A U-Net (Ronneberger et al., 2015) estimated" in text
    assert not {"Descoteaux2007", "Mildenhall2018"} & keys([record()], [card().to_dict()])


@pytest.mark.parametrize("name", ["shallow-x2", "shallow-x3"])
def test_what_the_shipped_networks_learned_from(record, name):
    card = load_card(name, int(name[-1])).to_dict()
    text = plain([record(model=name)], [card])
    labels = [entry for entry in card["data"] if " " not in entry]
    people = {label.split("_")[0] for label in labels}
    assert f"{name} had been trained on {len(labels)} runs of {len(people)} participants" in text
    assert "by cropping k-space to in-plane voxel sizes of" in text
    assert "at b = 1000 to 2500 s/mm\N{SUPERSCRIPT TWO}" in text
    assert "a Charbonnier loss on the images and a feature loss on relu1_2 of VGG16" in text
    assert "Simonyan2015" in keys([record()], [card])


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        ("L1", "with an L1 loss on the images."),
        ("L1 + 0.1 x VGG16 relu1_2", "an L1 loss on the images and a feature loss on relu1_2 of"),
        ("Wasserstein", "with the loss 'Wasserstein'."),
        ("L1 + 2 x wavelets", "with the loss 'L1 + 2 x wavelets'."),
    ],
)
def test_the_loss_in_the_fields_words_where_they_are_known(record, card, loss, words):
    text = plain([record()], [card(loss=loss).to_dict()])
    assert words in text


def test_a_card_that_is_no_card_stops_nothing(record):
    odd = {"data": 3, "voxel_sizes_mm": [[None], 4, "x"], "b_values": "many", "architecture": []}
    assert "In-plane resolution" in plain([record()], [{}, odd, {"loss": 5, "degradation": 1}])


def test_the_self_ensemble(record):
    assert "averaged over 4 rotations of each slice" in plain([record(ensemble=4)])
    both = plain([record(ensemble=4), record(ensemble=8)])
    assert "averaged over 4 or 8 rotations and reflections of each slice" in both
    assert "Lim2017" in keys([record(ensemble=8)])
    assert "averaged" not in plain([record(ensemble=1)])
    assert "Lim2017" not in keys([record(ensemble=1)])


def test_the_result_of_the_self_check(record):
    text = plain([record(**CHECKED, selfcheck_verdict="helped")])
    assert "the network was better than interpolation." in text
    assert "signal-to-noise ratio changed by +1.1 dB for diffusion-weighted images." in text
    assert "changed by \N{MINUS SIGN}30% for mean diffusivity." in text
    assert "unexplained was 0.72 for the differences between directions; it is 1" in text
    assert "median" not in text and "could not be validated" not in text


def test_the_result_over_several_runs(record):
    better = record(**CHECKED, selfcheck_verdict="helped")
    worse = record(**(CHECKED | {"selfcheck_psnr_dwi_network": 29.5}), selfcheck_verdict="no gain")
    best = record(**(CHECKED | {"selfcheck_psnr_dwi_network": 32.0}), selfcheck_verdict="helped")
    text = plain([better, worse, best, record()])
    assert (
        "better than interpolation in 2 and not clearly better than interpolation in 1 of 3 runs"
        in text
    )
    assert (
        "changed by +1.1 dB (\N{MINUS SIGN}0.5 dB to +2.0 dB) for diffusion-weighted images "
        "(median and range over runs)" in text
    )
    assert "1 run could not be validated." in text


def test_without_a_self_check_there_is_no_result(record):
    assert "validation" not in plain([record()])
    planned = plain([record(selfcheck_verdict="planned")], planned=1)
    assert "As an internal validation" in planned and "By the criteria" not in planned
    assert "[Written before the run was processed" in planned


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"gradients_verdict": "as expected"}, "No error was found."),
        (
            {"gradients_verdict": "y flipped", "gradients_fixed": True},
            "In 1 run the table did not fit (y flipped) and was corrected before processing.",
        ),
        (
            {"gradients_verdict": "y flipped"},
            "In 1 run the table did not fit (y flipped) and was used unchanged.",
        ),
        ({"gradients_verdict": "not decided"}, "In 1 run the check was inconclusive."),
    ],
)
def test_what_the_gradient_check_found(record, found, words):
    text = plain([record(**found)])
    assert words in text and "Aganj, 2018" in text
    ends = ("No error was found", "did not fit", "inconclusive")
    assert sum(end in text for end in ends) == 1


def test_a_check_that_is_planned_has_found_nothing(record):
    text = plain([record(gradients_verdict="planned")])
    assert "Aganj" in text
    assert "did not fit" not in text and "No error" not in text
    assert "Aganj" not in plain([record(gradients_verdict="not checked")])


def test_interpolation_by_the_scanner_is_told(record):
    text = plain([record(stored_matrix="256x256", acquired_matrix="128x128")])
    assert "Slices had been interpolated by the scanner (from 128" in text
    assert "returned to the acquired matrix" in text
    assert "interpolated by the scanner" not in plain([record()])
