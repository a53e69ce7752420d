"""What the benchmarks measure with: processes with their cost, the best of some runs, a line of a table."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    wall: float
    cpu: float
    mib: float


def process(*words: str) -> Cost:
    """One command of monoscope from start to exit."""
    started = time.monotonic()
    child = subprocess.Popen([sys.executable, "-m", "workbench", *words], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"monoscope {' '.join(words)} exited with {child.returncode}")
    return Cost(time.monotonic() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def best(runs: int, measure: Callable[[], float]) -> float:
    return min(measure() for _ in range(runs))


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def timed(runs: int, work: Callable[[], object]) -> tuple[float, float]:
    """Seconds of the fastest of some runs, and of the median one: far apart where others use the machine."""
    took = sorted(seconds(work) for _ in range(runs))
    return took[0], statistics.median(took)


def row(what: str, figure: str, yardstick: str, reach: str) -> None:
    print(f"{what:<44} {figure:<34} {yardstick:<52} {reach}", flush=True)
