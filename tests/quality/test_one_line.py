"""A run in one line: what the self-check says, and which lights to look at."""

from __future__ import annotations

import pytest

from bids_sr.quality.one_line import one_line
from bids_sr.quality.verdict import quality_lights

CARD = {"factor": 2, "voxel_sizes_mm": [[2.0, 2.0, 2.0]], "b_values": [1000]}


def checked(verdict, network, **more):
    """A record in which the best interpolation has 30 dB."""
    scores = {f"selfcheck_psnr_dwi_{m}": v for m, v in (("linear", 28), ("cubic", 30))}
    return {
        "selfcheck_verdict": verdict,
        "selfcheck_psnr_dwi_network": network,
        **scores,
        "scale_factor": 2,
        "input_zooms_mm": "2x2x2",
        "shells": "1000",
        **more,
    }


@pytest.mark.parametrize(
    ("verdict", "network", "text"),
    [
        ("helped", 31.13, "helped (+1.1 dB)"),
        ("no gain", 30.01, "no clear gain (+0.0 dB)"),
        ("no gain", 29.99, "no clear gain (+0.0 dB)"),
        ("harmed", 29.4, "worse than interpolation (-0.6 dB)"),
        ("helped", None, "helped"),
        (None, 31.0, "no self-check"),
    ],
)
def test_whether_it_helped(verdict, network, text):
    assert one_line(checked(verdict, network), CARD)[1] == text


def test_a_wrong_table_is_to_be_checked():
    record = checked("helped", 31.1, gradients_verdict="y flipped")
    assert one_line(record, CARD) == ("fail", "helped (+1.1 dB); check the gradient table")


def test_what_is_to_be_checked_is_what_the_lights_say():
    record = checked("helped", 31.1, n_bad_slices=3)
    status, text = one_line(record, CARD)
    assert text == "helped (+1.1 dB); check the damaged slices in the input"
    assert status == quality_lights(record, CARD)[0].status


def test_a_label_stands_in_the_sentence_as_it_should():
    low = checked("helped", 31.1, input_band="0.78x1.00")
    assert one_line(low, CARD)[1] == "helped (+1.1 dB); check the k-space coverage"
    noisy = checked("helped", 31.1, snr_b0=2.0)
    told = one_line(noisy, CARD | {"snr_b0": [9.0, 170.0]})[1]
    assert told == "helped (+1.1 dB); check the SNR of the input, b = 0"


def test_where_the_weighted_volumes_did_not_gain_the_b0s_are_told():
    more = {"selfcheck_psnr_b0_network": 33.7, "selfcheck_psnr_b0_sinc": 30.0}
    record = checked("helped", 30.03, **more)
    assert one_line(record, CARD)[1] == "helped (b0 +3.7 dB, DWI +0.0 dB)"
    assert one_line(record | {"selfcheck_psnr_dwi_network": 30.06}, CARD)[1] == "helped (+0.1 dB)"


def test_harm_at_the_noise_level_of_the_scan_is_told():
    record = checked("helped", 30.7, selfcheck_verdict_noisy="harmed")
    status, text = one_line(record, CARD)
    assert status == "warn" and text == "helped, but not at its full noise level (+0.7 dB)"


def test_the_self_check_is_not_to_be_checked_itself():
    status, text = one_line(checked("harmed", 28.0), CARD)
    assert status == "fail" and "check" not in text


def test_many_points_are_counted():
    faults = {
        "n_bad_slices": 3,
        "gradients_verdict": "y flipped",
        "shells": "9000",
        "nonfinite_dwi_fraction_sr": 0.5,
    }
    status, text = one_line(checked("helped", 31.1, **faults), CARD)
    assert status == "fail"
    assert text.startswith("helped (+1.1 dB); check the gradient table, ")
    assert text.endswith(" and 2 more points")
