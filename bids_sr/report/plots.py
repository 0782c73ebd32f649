"""Line charts with axes, legend and marked positions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import field, frozen
from markupsafe import Markup

from bids_sr.report.axis import nice_ticks, tick_texts
from bids_sr.report.svg import SERIES, Element, Scale, add, drawing, markup, path_of

WIDTH, HEIGHT = 520.0, 300.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 58.0, 14.0, 34.0, 46.0


def _numbers(values: Iterable[float]) -> tuple[float, ...]:
    return tuple(values)


@frozen
class Line:
    """One series."""

    label: str
    """In the legend."""
    x: tuple[float, ...] = field(converter=_numbers)
    """Positions."""
    y: tuple[float, ...] = field(converter=_numbers)
    """Values, as many."""
    steps: bool = False
    """Whether `x` are the edges of bins, one more than there are values."""


@frozen
class Mark:
    """A labelled position, with a dashed line."""

    x: float
    """Position."""
    label: str
    """Beside the line."""


def line_chart(
    title: str,
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    *,
    marks: Sequence[Mark] = (),
    floor: float | None = None,
    note: str = "",
) -> Markup:
    """Draw series over a common axis.

    Parameters
    ----------
    title : str
        For screen readers; not printed in the chart, since the page prints it.
    lines : sequence of Line
        At most six.
    x_label, y_label : str
        With units.
    marks : sequence of Mark
        Labelled positions.
    floor : float, optional
        Smallest value of the axis; lines that fall below are drawn along the bottom.
    note : str
        Added to the text for screen readers.

    Returns
    -------
    markupsafe.Markup
    """
    xs = [x for line in lines for x in line.x] + [mark.x for mark in marks]
    ys = [y if floor is None else max(y, floor) for line in lines for y in line.y]
    y_ticks = nice_ticks(min(ys), max(ys))
    across = Scale(min(xs), max(xs), _LEFT, WIDTH - _RIGHT)
    up = Scale(y_ticks[0], y_ticks[-1], HEIGHT - _BOTTOM, _TOP)
    told = f"{x_label} against {y_label}: {', '.join(line.label for line in lines)}. {note}".strip()
    svg = drawing(WIDTH, HEIGHT, title, told, klass="chart")
    _axes(svg, (across, _inner_ticks(min(xs), max(xs)), x_label), up, y_ticks)
    add(svg, "text", y_label, klass="name", x=4.0, y=14.0)
    for mark in marks:
        _mark(svg, mark, across)
    for number, line in enumerate(lines[:SERIES]):
        _line(svg, line, number, across, up)
    _legend(svg, lines)
    return markup(svg)


def _inner_ticks(low: float, high: float) -> list[float]:
    """Return at least four round numbers within the range."""
    ticks = nice_ticks(low, high)
    inside = [tick for tick in ticks if low <= tick <= high]
    if len(inside) < 4:
        step = (ticks[1] - ticks[0]) / 2
        finer = (round(ticks[0] + step * n, 12) for n in range(2 * len(ticks)))
        inside = [tick for tick in finer if low <= tick <= high]
    return inside


def _axes(
    svg: Element, across: tuple[Scale, Sequence[float], str], up: Scale, y_ticks: Sequence[float]
) -> None:
    scale, x_ticks, x_label = across
    for tick, text in zip(y_ticks, tick_texts(y_ticks), strict=True):
        y = up(tick)
        add(svg, "line", klass="grid", x1=_LEFT, x2=WIDTH - _RIGHT, y1=y, y2=y)
        add(svg, "text", text, klass="tick end", x=_LEFT - 6, y=y + 4)
    for tick in x_ticks:
        x = scale(tick)
        add(svg, "line", klass="axis", x1=x, x2=x, y1=HEIGHT - _BOTTOM, y2=HEIGHT - _BOTTOM + 5)
        add(svg, "text", f"{tick:g}", klass="tick middle", x=x, y=HEIGHT - _BOTTOM + 19)
    base = HEIGHT - _BOTTOM
    add(svg, "line", klass="axis", x1=_LEFT, x2=WIDTH - _RIGHT, y1=base, y2=base)
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    add(svg, "text", x_label, klass="name middle", x=middle, y=HEIGHT - 6)


def _mark(svg: Element, mark: Mark, across: Scale) -> None:
    x = across(mark.x)
    add(svg, "line", klass="mark", x1=x, x2=x, y1=_TOP, y2=HEIGHT - _BOTTOM)
    right = x < (_LEFT + WIDTH - _RIGHT) / 2
    side, where = (6, "") if right else (-6, " end")
    add(svg, "text", mark.label, klass=f"note{where}", x=x + side, y=HEIGHT - _BOTTOM - 10)


def _line(svg: Element, line: Line, number: int, across: Scale, up: Scale) -> None:
    xs, ys = list(line.x), list(line.y)
    if line.steps:
        xs = [x for pair in zip(line.x, line.x[1:], strict=False) for x in pair]
        ys = [y for y in line.y for _ in (0, 1)]
    places = [across(x) for x in xs], [up(y) for y in ys]
    add(svg, "path", klass=f"line c{number} d{number}", d=path_of(*places))


def _legend(svg: Element, lines: Sequence[Line]) -> None:
    x = WIDTH - _RIGHT
    for number, line in reversed(list(enumerate(lines[:SERIES]))):
        x -= 7.0 * len(line.label) + 4
        add(svg, "text", line.label, klass="legend", x=x, y=14.0)
        add(svg, "line", klass=f"line c{number} d{number}", x1=x - 26, x2=x - 6, y1=10.0, y2=10.0)
        x -= 40
