"""The top of a run: whether it helped, what to check, the best method in bold."""

from __future__ import annotations

import pytest

from bids_sr.quality.verdict import Light
from bids_sr.report.summary import summary


def answers(record, lights=()):
    return [(one.status, one.lead, one.text) for one in summary(record, lights).answers]


def test_without_any_judgement(record):
    told = summary(record())
    assert told.status == "unknown"
    assert [one.status for one in told.answers] == ["unknown", "unknown"]
    assert [one.lead for one in told.answers] == ["Not known whether it helped", "Not judged"]
    assert told.lights == () and told.checked == () and told.check_note == ""


def test_the_first_line_says_whether_it_helped_and_by_how_much(record, judged):
    values = record(**judged, selfcheck_left_l2=0.81, selfcheck_left_l2_sinc=1.0)
    told = summary(values, [Light("selfcheck_verdict", "pass", "helped", "It helped.")]).answers[0]
    assert (told.status, told.lead) == ("pass", "Helped on this scan")
    assert told.text == (
        "b0 +1.5 dB, DWI +0.5 dB, directional detail 0.81 of interpolation's error, "
        "MD error \N{MINUS SIGN}7 %."
    )


@pytest.mark.parametrize(
    ("changes", "lead"),
    [
        ({"selfcheck_verdict": "no gain"}, "No clear gain on this scan"),
        ({"selfcheck_verdict": "harmed"}, "Worse than interpolation on this scan"),
        (
            {"selfcheck_verdict_noisy": "harmed"},
            "Helped on this scan, but not at its full noise level",
        ),
        ({"selfcheck_verdict": "", "selfcheck_reason": "Too small."}, "Not known whether"),
    ],
)
def test_the_first_line_promises_nothing_that_was_not_found(record, judged, changes, lead):
    told = summary(record(**judged | changes)).answers[0]
    assert told.lead.startswith(lead)
    assert changes.get("selfcheck_reason", "") in told.text


@pytest.mark.parametrize(
    ("lights", "status", "lead", "text"),
    [
        ([], "unknown", "Not judged", "not in the record"),
        ([("dc_bias", "pass", "")], "pass", "No caution", "all checks passed"),
        ([("input_zooms_mm", "note", "Finer. As most.")], "pass", "No caution", "all checks"),
        ([("snr_b0", "unknown", "")], "unknown", "Not judged", ""),
        ([("snr_b0", "unknown", ""), ("dc_bias", "pass", "")], "unknown", "No caution, but", "SNR"),
        (
            [("shells", "warn", "b = 0.5 is odd. So.")],
            "warn",
            "One caution",
            "b = 0.5 is odd.",
        ),
        (
            [("snr_b0", "unknown", ""), ("b", "warn", "Two.")],
            "warn",
            "One caution",
            "Two. Not judged",
        ),
        ([("a", "warn", "One."), ("b", "warn", "Two.")], "warn", "Two cautions, the first", "One."),
        (
            [("b", "warn", "Two."), ("a", "fail", "Bad.")],
            "fail",
            "Check before use",
            "Bad. (1 more",
        ),
        ([("selfcheck_verdict", "warn", "No gain.")], "pass", "No caution", ""),
    ],
)
def test_the_second_line_says_what_to_check(record, lights, status, lead, text):
    found = [Light(key, state, None, words) for key, state, words in lights]
    told = answers(record(), found)[1]
    assert told[0] == status and told[1].startswith(lead) and text in told[2]


def test_a_participant_of_the_training_data_is_named_in_the_first_screen(record):
    text = "shallow-x2 may have been trained on sub-01: its card lists sub-01."
    told = summary(record(selfcheck_seen=text), [Light("dc_bias", "pass", 0.0, "")])
    assert told.answers[1].text == (
        "all checks passed, but the network may have been trained on this participant."
    )
    assert text in told.notes and text not in told.check_note


def test_status_and_reasons_come_from_the_record_where_there_are_no_lights(record, judged):
    told = summary(record(**judged))
    assert told.status == "warn"
    assert [one.text for one in told.cautions] == [
        "FA in white matter rose by 12 %", "one slice is damaged"
    ]  # fmt: skip


def test_unknown_status_is_never_taken_at_its_word(record):
    assert summary(record(qc_status="<b>")).status == "unknown"
    assert summary(record(qc_status=3)).status == "unknown"


def test_lights_worst_first(record):
    lights = [
        Light("snr_b0", "unknown", None, "not measured"),
        Light("wm_fa_shift", "pass", 0.01, "small"),
        Light("input_zooms_mm", "note", "2.00x2.00x2.00", "finer than most"),
        Light("dc_bias", "fail", 0.031, "too bright"),
    ]
    told = summary(record(qc_status="pass"), lights)
    assert told.status == "fail"
    assert [light.word for light in told.lights] == ["bad", "not judged", "note", "good"]
    assert [light.value for light in told.lights][::3] == ["3.100 %", "0.010"]
    assert [one.text for one in told.cautions] == ["too bright"]
    assert told.notes == ("finer than most",)
    assert all(light.meaning and light.label != "dc_bias" for light in told.lights)


def test_a_note_alone_is_no_caution(record):
    told = summary(record(), [Light("input_zooms_mm", "note", "1x1x1", "Finer.")])
    assert told.status == "pass" and told.cautions == () and told.notes == ("Finer.",)


def test_what_was_switched_off_is_a_caution(record):
    told = summary(record(data_consistency=False), [Light("dc_bias", "pass", 0.0, "")])
    assert told.answers[1].lead == "One caution" and "switched off" in told.cautions[0].text


def test_best_of_the_self_check(record, judged):
    rows = {row.label: row.cells for row in summary(record(**judged)).checked}
    assert len(rows) == 6
    best = {label: [on for _, on in cells].index(True) for label, cells in rows.items()}
    assert best["PSNR, b0 (dB)"] == 3  # higher is better
    assert best["Error of FA"] == 2  # lower is better: sinc, not the network


def test_alike_values_are_equally_good(record):
    values = {f"selfcheck_fa_mae_{m}": v for m, v in (("sinc", 0.05001), ("network", 0.05004))}
    (row,) = summary(record(**values)).checked
    assert row.cells == (
        ("not known", False),
        ("not known", False),
        ("0.0500", True),
        ("0.0500", True),
        ("not known", False),
    )


def test_what_is_left_and_what_noise_alone_would_give(record):
    values = {"selfcheck_left_l2": 0.851, "selfcheck_left_l2_sinc": 1.0}
    values |= {"selfcheck_left_l2_noise": 0.57, "selfcheck_v1_deg_noise": 5.31}
    values |= {"selfcheck_v1_deg_network": 7.46}
    angle, left = summary(record(**values)).checked
    assert angle.cells[3:] == (("7.46", True), ("5.31", False))
    space = "\N{NO-BREAK SPACE}"
    assert left.label == f"Unexplained detail, between directions (l{space}={space}2)"
    assert left.cells[2:] == (("1.00", False), ("0.85", True), ("0.57", False))


def test_reason_for_no_self_check(record):
    assert "too small" in summary(record(selfcheck_reason="too small")).check_note
