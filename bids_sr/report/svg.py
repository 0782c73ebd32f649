"""Charts as inline SVG: text is escaped by the XML writer, colours come from the page."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree

from attrs import frozen
from markupsafe import Markup

Element = ElementTree.Element

SERIES = 6
"""Number of series colours, classes ``c0`` to ``c5`` of the style sheet: Okabe and Ito's
colour-blind-safe palette."""


def drawing(width: float, height: float, title: str, description: str, **more: str) -> Element:
    """Begin a chart.

    Parameters
    ----------
    width, height : float
        Units of the drawing; on the page it fills the available width.
    title, description : str
        Alternative text.
    **more : str
        Further attributes.

    Returns
    -------
    xml.etree.ElementTree.Element
    """
    box = f"0 0 {tidy(width)} {tidy(height)}"
    svg = Element("svg", {"viewBox": box, "role": "img", **_attributes(more)})
    svg.set("aria-label", f"{title}. {description}")
    add(svg, "title", text=title)
    add(svg, "desc", text=description)
    return svg


def add(parent: Element, tag: str, text: str = "", **attributes: object) -> Element:
    """Add an element; ``klass`` stands for ``class``, underscores for dashes, floats are cut."""
    element = ElementTree.SubElement(parent, tag, _attributes(attributes))
    if text:
        element.text = text
    return element


def markup(svg: Element) -> Markup:
    """Return the drawing as markup that a template prints unescaped."""
    return Markup(ElementTree.tostring(svg, encoding="unicode"))


def tidy(value: float) -> str:
    """Return a coordinate with at most two decimal places.

    Examples
    --------
    >>> tidy(3.0), tidy(1 / 3)
    ('3', '0.33')
    """
    return f"{value:.2f}".rstrip("0").rstrip(".")


def path_of(xs: Sequence[float], ys: Sequence[float]) -> str:
    """Return the path data of a line through points."""
    points = (f"{tidy(x)} {tidy(y)}" for x, y in zip(xs, ys, strict=True))
    return "M" + "L".join(points)


@frozen
class Scale:
    """A linear scale from values to a coordinate."""

    low: float
    """Value at `start`."""
    high: float
    """Value at `end`."""
    start: float
    """Coordinate of `low`."""
    end: float
    """Coordinate of `high`."""

    def __call__(self, value: float) -> float:
        """Return the coordinate of a value; values beyond the ends are clipped to them."""
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)


def _attributes(values: dict[str, object] | dict[str, str]) -> dict[str, str]:
    return {
        ("class" if key == "klass" else key.replace("_", "-")): (
            tidy(value) if isinstance(value, float) else str(value)
        )
        for key, value in values.items()
        if value is not None
    }
