"""Where torch computes, and on how many threads; how many cores there are."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from engine.errors import RunError


def usable_device(wanted: str) -> str:
    """cpu or cuda; a `RunError` if cuda is asked for where there is none."""
    import torch

    if wanted == "cuda" and not torch.cuda.is_available():
        raise RunError("No CUDA device is usable here; use --device cpu, or see `monoscope doctor`.")
    return "cuda" if wanted != "cpu" and torch.cuda.is_available() else "cpu"


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def one_thread(small: bool) -> Iterator[None]:
    """Keep torch to one thread where a step is too `small` to share out.

    Handing a millisecond's work to several threads costs more than it saves, and far more (five times and
    up) on a machine that is busy with something else.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1 if small else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
