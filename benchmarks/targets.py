"""What is to be reached, as issue 7 puts it, and what CI looks at."""

from __future__ import annotations

from dataclasses import dataclass, replace

Medians = dict[str, dict[str, dict[str, float]]]
"""By workload, side and metric."""


@dataclass(frozen=True)
class Target:
    """Something that is to be reached.

    :param row: What is told about it.
    :param workload: The workload.
    :param metric: What counts of it; those that end in `rate` are the better the
        larger they are, all others the better the smaller.
    :param limit: Of the ratio, or of the value if it is not compared.
    :param to: The side that it is compared with: `peer`, which is to be so many times
        slower, or `soft` and `floor`, to be at most so many times faster.
    """

    row: str
    workload: str
    metric: str
    limit: float
    to: str = ""

    def measured(self, medians: Medians) -> float | None:
        """Return what was measured, None if it was not.

        :param medians: All results.
        """
        sides = medians.get(self.workload, {})
        ours = sides.get("ours", {}).get(self.metric)
        if ours is None or not self.to:
            return ours
        other = sides.get(self.to, {}).get(self.metric)
        if other is None:
            return None
        slower = ours / other if not self.metric.endswith("rate") else other / ours
        return 1 / slower if self.to == "peer" else slower

    def of_processor(self, medians: Medians) -> float | None:
        """Return the same ratio of the time of the processor, None if there is none.

        It tells more than other times if the computer was busy with something else.

        :param medians: All results.
        """
        metric = "latency cpu" if self.metric.startswith("latency") else "cpu"
        if not self.to or self.metric not in WITH_CPU:
            return None
        return replace(self, metric=metric).measured(medians)

    def is_met(self, measured: float) -> bool:
        """Tell whether it is reached.

        :param measured: What was measured.
        """
        return measured >= self.limit if self.to == "peer" else measured <= self.limit

    def show(self, number: float) -> str:
        """Return a ratio or a value as text.

        :param number: The number.
        """
        if self.to:
            return f"{number:.3g}x {self.to}"
        if self.metric in SECONDS:
            return f"{number * 1000:.3g} ms"
        return f"{number:.3g}"


WITH_CPU = ("wall", "rate", "latency p50", "point p50")
SECONDS = {
    *("get_value", "wall", "blocked", "point p50", "back", "move p50", "set"),
    *("latency p50", "latency p99", "idle to done p50", "idle to done p99"),
    *("lag p50", "lag p99", "lag at the end", "cpu", "latency cpu", "fixed"),
    *("back at the latest", "wall p50"),
}


Wanted = tuple[str, str, float] | tuple[str, str, float, str]


def row(text: str, *targets: Wanted) -> list[Target]:
    """Return the targets of a row of the issue.

    :param text: The row.
    :param targets: Workload, metric, limit, and what it is compared with.
    """
    return [Target(text, *target) for target in targets]


TARGETS: list[Target] = [
    *row(
        "connect 1000x20 / 100x20",
        ("connect_1000x20", "wall", 15, "peer"),
        ("connect_100x20", "wall", 8, "peer"),
        ("connect_1000x20", "memory", 3, "peer"),
        ("connect_1000x20", "blocked", 0.05),
        ("connect_1000x20", "wall", 1, "soft"),
    ),
    *row(
        "read latency / p99",
        ("read", "latency p50", 1.25, "floor"),
        ("read", "latency p99", 2, "floor"),
    ),
    *row(
        "set / subscribed get_value",
        ("set", "latency p50", 3, "peer"),
        ("get_subscribed", "latency p50", 4, "peer"),
    ),
    *row(
        "100 concurrent reads / sets; 1 ms node",
        ("read_100", "rate", 12, "peer"),
        ("set_100", "rate", 3, "peer"),
        ("read_1000_1ms", "rate", 15, "peer"),
    ),
    *row(
        "updates: nobody listening / subscribed doubles / mixed",
        ("updates_idle", "rate", 30, "peer"),
        ("updates_subscribed", "rate", 15, "peer"),
        ("updates_mixed", "rate", 8, "peer"),
        ("updates_subscribed", "growth", 5),
        ("updates_100k_per_s", "lag p50", 0.001),
        ("updates_100k_per_s", "lag at the end", 0.005),
    ),
    *row("subscribed array(1000)", ("updates_array_1e3", "rate", 10, "peer")),
    *row(
        "arrays 1e3 / 1e5 / 1e6, blob 10 MB",
        ("1e3_doubles", "wall", 8, "peer"),
        ("1e5_doubles", "wall", 8, "peer"),
        ("1e6_doubles", "wall", 5, "peer"),
        ("blob_10MB", "wall", 3, "peer"),
        ("1e5_doubles", "wall", 1.5, "floor"),
        ("1e6_doubles", "wall", 1.5, "floor"),
        ("blob_10MB", "wall", 1.5, "floor"),
    ),
    *row(
        "real frappy server: 1 / 10 / 100 reads",
        ("frappy_read_1", "latency p99", 0.005),
        ("frappy_read_1", "latency p50", 50, "peer"),
        ("frappy_read_10", "rate", 50, "peer"),
        ("frappy_read_100", "rate", 10, "peer"),
    ),
    *row(
        "scan with an instant Drivable",
        ("scan_100", "point p50", 1.15, "soft"),
        ("scan_1000", "point p50", 1.15, "soft"),
        ("scan_1000", "last by first", 1.15),
    ),
    *row(
        "count of a node with 100 modules",
        ("count_node_100", "point p50", 3, "peer"),
    ),
    *row(
        "IDLE to end of move",
        ("move_instant", "idle to done p50", 0.0005),
        ("move_20ms", "idle to done p50", 0.0005),
        ("move_instant", "last by first", 1.15),
        ("move_instant", "callbacks left", 0),
    ),
    *row(
        "reconnect after 50 ms / 12 s / 1000x20",
        ("reconnect_50ms", "back", 0.1),
        ("reconnect_12s", "back at the latest", 0.6),
        ("reconnect_1000x20", "back", 0.1),
    ),
    *row(
        "code generation",
        ("generate_100x20", "wall", 100, "peer"),
        ("generate_500x20", "wall", 100, "peer"),
        ("generate_500x20", "wall", 0.2),
    ),
    *row(
        "8 hung reads beside a cached read; 300 reads of one parameter",
        ("starvation", "wall", 0.001),
        ("same_300", "failed", 0),
    ),
    *row(
        "soak",
        ("soak", "callbacks left", 0),
        ("soak", "growth", 5),
    ),
]

# On any machine, loaded or not: of the time of the processor, compared with what is
# done in the same minutes. The limits are about 1.7 times what is usual, so that what
# takes twice as long is found
QUICK: list[Target] = [
    *row("connect", ("connect_100x20", "cpu", 4, "soft")),
    *row("read", ("read", "latency cpu", 4, "floor")),
    *row("set", ("set", "latency cpu", 11, "floor")),
    *row("100 reads at once", ("read_100", "cpu", 4, "floor")),
    *row("updates with callbacks", ("updates_callbacks", "cpu", 2.7, "floor")),
    *row("updates of signals", ("updates_subscribed", "cpu", 6.5, "floor")),
    *row("1e5 doubles", ("1e5_doubles", "wall", 5, "floor")),
    *row("scan", ("scan_100", "cpu", 2.2, "soft")),
    *row("nothing grows", ("soak", "growth", 10)),
]


def left_over(medians: Medians) -> list[Target]:
    """Return a target for each workload: nothing of ours is left when it is over.

    :param medians: All results.
    """
    return [
        Target("nothing is left", workload, metric, 0)
        for workload, sides in medians.items()
        for metric in sides.get("ours", {})
        if metric.endswith(" left")
    ]
