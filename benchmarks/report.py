"""Shows results: as tables in Markdown, and as a plot."""

from __future__ import annotations

import platform
import re
import statistics
import subprocess
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path

from .driver import PEER
from .targets import SECONDS, Medians, Target

PACKAGES = ("ophyd-async", "bluesky", "numpy", "msgspec")
COMPARED = ("peer", "soft", "floor")
BEGIN = "<!-- what follows is written by `python -m benchmarks --docs` -->"
END = "<!-- until here -->"


def target_table(targets: Iterable[Target], medians: Medians) -> Iterator[str]:
    """Return the lines of a table that says which targets are met.

    :param targets: The targets.
    :param medians: What was measured.
    """
    yield "| workload | metric | target | measured | | of CPU time |"
    yield "|---|---|---|---|---|---|"
    for target in targets:
        measured = target.measured(medians)
        sign = "at least" if target.to == "peer" else "at most"
        wanted = f"{sign} {target.show(target.limit)}"
        if measured is None:
            shown, verdict = "-", "not measured"
        else:
            shown = target.show(measured)
            verdict = "met" if target.is_met(measured) else "**missed**"
        what = f"{target.row}: `{target.workload}`"
        cpu = target.of_processor(medians)
        of_cpu = "" if cpu is None else target.show(cpu)
        cells = (what, target.metric, wanted, shown, verdict, of_cpu)
        yield f"| {' | '.join(cells)} |"


def result_table(medians: Medians) -> Iterator[str]:
    """Return the lines of a table of all that was measured.

    :param medians: What was measured.
    """
    yield "| workload | metric | ours | peer | soft signals | floor |"
    yield "|---|---|---|---|---|---|"
    for workload, sides in medians.items():
        for metric, ours in sides.get("ours", {}).items():
            cells = [show(metric, ours)]
            for side in COMPARED:
                other = sides.get(side, {}).get(metric)
                cells.append("" if other is None else show(metric, other))
            yield f"| `{workload}` | {metric} | {' | '.join(cells)} |"


def show(metric: str, value: float) -> str:
    """Return a value with its unit.

    :param metric: What it is.
    :param value: How much it is.
    """
    if metric in SECONDS:
        for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
            if value * factor >= 1 or unit == "µs":
                return f"{value * factor:.3g} {unit}"
    if metric in ("memory", "growth", "peak memory"):
        return f"{value:.1f} MB"
    if metric == "rate":
        return f"{value:,.0f} /s"
    return f"{value:.3g}"


def machine(when: float, medians: Medians) -> str:
    """Return what it was measured with.

    :param when: When it was measured, in UNIX seconds.
    :param medians: What was measured.
    """
    loads = [
        x["load"] for sides in medians.values() for x in sides.values() if "load" in x
    ]
    load = f"load {statistics.median(loads):.0f}, " if loads else ""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        text = ""
    models = re.findall(r"^model name\s*:\s*(.*)$", text, re.MULTILINE)
    model = f"{len(models)} cores of {models[0]}" if models else platform.machine()
    ours = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    date = time.strftime("%Y-%m-%d", time.localtime(when))
    return (
        f"{date}, {model}, {load}{platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}; ours: {ours}; "
        f"peer: {_peer()}"
    )


def _peer() -> str:
    names = ("secop-ophyd", "frappy-core", *PACKAGES[:3])
    code = (
        "from importlib.metadata import version\n"
        f"print(', '.join(f'{{n}} {{version(n)}}' for n in {names!r}))"
    )
    # Without PYTHONPATH: both are called secop-ophyd
    command = [str(PEER), "-E", "-c", code]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return "none"
    return done.stdout.strip() or "none"


def put_into(page: Path, lines: Iterable[str]) -> None:
    """Put a table into a page, in place of the one that is there.

    :param page: A page of Markdown, which has `BEGIN` and `END`.
    :param lines: What goes between them.
    """
    text = page.read_text()
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{page} has no place for a table")
    table = "\n".join(lines)
    page.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}")


def plot(medians: Medians, path: Path) -> None:
    """Draw how many times faster than the others each workload is.

    :param medians: What was measured.
    :param path: The file of the plot.
    """
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names: list[str] = []
    ratios: dict[str, list[float]] = {side: [] for side in COMPARED}
    for workload, sides in medians.items():
        metric = next(iter(sides.get("ours", {})), "")
        if not metric or len(sides) < 2:
            continue
        names.append(workload)
        for side in COMPARED:
            target = Target("", workload, metric, 0, side)
            ratio = target.measured(medians)
            faster = ratio if side == "peer" or not ratio else 1 / ratio
            ratios[side].append(faster or float("nan"))
    figure, axes = plt.subplots(figsize=(8, 0.22 * len(names) + 1.5))
    for side, marker in zip(COMPARED, "os|", strict=True):
        axes.plot(ratios[side], names, marker, label=side)
    axes.axvline(1, color="grey", linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlabel("how many times faster than this ours is")
    axes.invert_yaxis()
    axes.grid(axis="both", linewidth=0.3)
    axes.legend()
    figure.savefig(path, bbox_inches="tight", dpi=65)
