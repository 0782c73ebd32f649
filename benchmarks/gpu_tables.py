"""The tables that `gpu_check.py` puts into docs/performance.md."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Found = Mapping[str, Any]


def tables(found: Mapping[str, Found]) -> dict[str, str]:
    """Return the tables by the name of their place on the page.

    Parameters
    ----------
    found : mapping
        What `gpu_check.check` returned; parts may be missing or have failed.
    """
    return {
        "gpu": _machine(found),
        "gpu-agreement": _part(found, "agreement", _agreement),
        "gpu-speed": _part(found, "speed", _speed),
        "gpu-training": _part(found, "training", _training),
    }


def _machine(found: Mapping[str, Found]) -> str:
    facts = found.get("machine", {})
    lines = ["| part | result | s |", "|---|---|---|"]
    for name, part in found.items():
        result = "as it should be" if part["ok"] else f"FAILED: {part.get('error', 'see below')}"
        lines.append(f"| {name} | {result}{_detail(name, part)} | {part['seconds']:.0f} |")
    if "gpu" not in facts:
        return "\n".join(lines)
    about = (
        f"{facts['gpu']}, compute capability {facts['capability']}, {facts['memory_gb']:.0f} GB;"
        f" torch {facts['torch']}, CUDA {facts['cuda']}, cuDNN {facts['cudnn']}."
    )
    return "\n".join([about, "", *lines])


def _detail(name: str, part: Found) -> str:
    if not part["ok"]:
        return ""
    if name == "short memory":
        before, after = part["batch_size"]
        return f": batches of {after} slices instead of {before}, after {part['retries']} retries"
    if name == "two processes":
        return f": they differ by {part['difference']:.1g} from one alone"
    return ""


def _part(found: Mapping[str, Found], name: str, table: Callable[[Found], list[str]]) -> str:
    part = found.get(name)
    return "Not measured." if part is None or "rows" not in part else "\n".join(table(part))


def _agreement(part: Found) -> list[str]:
    lines = ["| network | precision | difference | limit |", "|---|---|---|---|"]
    for network, precision, value, limit in part["rows"]:
        verdict = "" if value <= limit else " MISSED"
        lines.append(f"| {network} | {precision} | {value:.2g}{verdict} | {limit:g} |")
    return lines


def _speed(part: Found) -> list[str]:
    rows, columns = part["matrix"]
    lines = [
        f"The bare network, slices of {rows} x {columns}:",
        "",
        "| network | precision | batch | slices/s | peak memory (GB) |",
        "|---|---|---|---|---|",
    ]
    for network, precision, batch, rate, peak in part["rows"]:
        cost = "memory too small |" if rate is None else f"{rate:.0f} | {peak:.2f}"
        lines.append(f"| {network} | {precision} | {batch} | {cost} |")
    made = part["series"]
    return [
        *lines,
        "",
        f"A whole series, default network, x2, ensemble of {made['ensemble']}, from reading to"
        f" writing: {made['slices']} slices in {made['seconds']:.1f} s,"
        f" {made['slices'] / made['seconds']:.0f} slices/s, in {made['precision']}, batches of"
        f" {made['batch_size']}, peak {made['peak_gb']:.2f} GB.",
    ]


def _training(part: Found) -> list[str]:
    lines = [
        "| precision | patches | side | step (s) | peak memory (GB) |",
        "|---|---|---|---|---|",
    ]
    for precision, patches, side, step, peak in part["rows"]:
        named = "float32 (layers TF32)" if precision == "float32" else precision
        lines.append(f"| {named} | {patches} | {side} | {step:.3f} | {peak:.2f} |")
    return lines
