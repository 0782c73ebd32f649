"""The summary: a status by word and shape, the best method in bold, nothing invented."""

from __future__ import annotations

from attrs import frozen

from bids_sr.report.summary import summary


@frozen
class Light:
    key: str
    status: str
    value: float | None
    text: str


def test_without_any_judgement(record):
    told = summary(record())
    assert told.status == "unknown" and "not been judged" in told.sentence
    assert told.lights == () and told.checked == () and told.check_note == ""


def test_status_and_reasons_come_from_the_record(record, judged):
    told = summary(record(**judged))
    assert (told.status, told.word) == ("warn", "look")
    assert told.reasons == ("FA in white matter rose by 12 %", "one slice is damaged")


def test_unknown_status_is_never_taken_at_its_word(record):
    assert summary(record(qc_status="<b>")).status == "unknown"
    assert summary(record(qc_status=3)).status == "unknown"


def test_lights_worst_first_as_objects_or_mappings(record):
    lights = [
        Light("snr_b0", "unknown", None, "not measured"),
        {"key": "wm_fa_shift", "status": "pass", "value": 0.01, "text": "small"},
        Light("dc_bias", "fail", 0.031, "too bright"),
    ]
    told = summary(record(qc_status="fail"), lights)
    assert [light.word for light in told.lights] == ["bad", "not judged", "good"]
    assert [light.value for light in told.lights] == ["3.100 %", "", "0.010"]
    assert told.reasons == ("too bright",)
    assert all(light.meaning and light.label != "dc_bias" for light in told.lights)


def test_what_is_not_judged_is_not_called_good(record):
    only = [Light("snr_b0", "unknown", None, "")]
    assert "not been judged" in summary(record(qc_status="unknown"), only).sentence
    mixed = [*only, Light("dc_bias", "pass", 0.0, "")]
    assert "Not everything" in summary(record(qc_status="unknown"), mixed).sentence


def test_best_of_the_self_check(record, judged):
    rows = {row.label: row.cells for row in summary(record(**judged)).checked}
    assert len(rows) == 6
    best = {label: [on for _, on in cells].index(True) for label, cells in rows.items()}
    assert best["PSNR, b = 0 (dB)"] == 3  # higher is better
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
    assert left.label == "Detail left unexplained, between directions"
    assert left.cells[2:] == (("1.00", False), ("0.85", True), ("0.57", False))


def test_reason_for_no_self_check(record):
    assert "too small" in summary(record(selfcheck_reason="too small")).check_note
