"""How long a call takes: medians of many runs, by the clock and by this process's own processor time.

On a machine shared with others the clock also counts what they do. Processor time does not, but grows where two share a
core: the least of many runs is then nearest to what an idle machine takes.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds of one call: the median by the clock, the median of processor time, and the least processor time."""

    wall: float
    cpu: float
    least: float


def took(call: Callable[[], Any], seconds: float = 1.0, rounds: int = 5) -> Took:
    """What it takes, over about so many seconds and so many rounds at least; a first call counts for nothing."""
    call()
    began = time.perf_counter()
    call()
    once = max(1e-7, time.perf_counter() - began)
    together = max(1, int(0.001 / once))  # the clocks themselves must not be what is measured
    times = max(rounds, int(seconds / (once * together)))
    walls, cpus = [], []
    gc.collect()
    for _ in range(times):
        cpu, wall = time.process_time_ns(), time.perf_counter_ns()
        for _ in range(together):
            call()
        walls.append((time.perf_counter_ns() - wall) / together)
        cpus.append((time.process_time_ns() - cpu) / together)
    return Took(statistics.median(walls) / 1e9, statistics.median(cpus) / 1e9, min(cpus) / 1e9)


def told(seconds: float) -> str:
    """A duration as a table says it: `21 µs`, `118 ms`, `1.2 s`."""
    if seconds < 0.00001:
        return f"{seconds * 1e6:.1f} µs"
    if seconds < 0.001:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 0.01:
        return f"{seconds * 1e3:.1f} ms"
    return f"{seconds * 1e3:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Markdown."""
    lines = [f"| {' | '.join(row)} |" for row in (head, *rows)]
    return "\n".join([lines[0], "|" + "---|" * len(head), *lines[1:]])
