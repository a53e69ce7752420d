"""Where an interrupted training goes on: one safetensors file, whole or absent, owned by one process at a time."""

import fcntl
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from engine.home import make_folder, write_whole

SHARE_OF_TIME = 0.1
"""Writing may take at most this share of the time of a training."""


class Checkpoint:
    """The state of the training that `key` names, in `folder`.

    `key` must say everything that decides the training's outcome. A second process with the same key gets a
    checkpoint that neither reads nor writes.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._path = make_folder(folder) / f"{key}.safetensors"
        self._lock = open(folder / f"{key}.lock", "a")  # noqa: SIM115 (held as long as the training)
        self._cost, self._last = 0.0, time.monotonic()
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._mine = True
        except OSError:
            self._mine = False

    def load(self) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """Arrays and facts of the last `save`; None if there was none, or its file is damaged."""
        from safetensors import SafetensorError, safe_open

        if not self._mine or not self._path.is_file():
            return None
        try:
            with safe_open(self._path, framework="numpy") as file:
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
                return arrays, json.loads(file.metadata()["facts"])
        except (SafetensorError, OSError, ValueError):
            self._path.unlink()
            return None

    def save(self, arrays: Callable[[], dict[str, np.ndarray]], facts: dict[str, Any], *, now: bool = False) -> None:
        """Keep a state in place of the one before, unless that would be too often for its cost."""
        from safetensors.numpy import save

        started = time.monotonic()
        if not self._mine or not (now or started - self._last >= self._cost / SHARE_OF_TIME):
            return
        write_whole(self._path, save(arrays(), metadata={"facts": json.dumps(facts)}))
        self._last = time.monotonic()
        self._cost = self._last - started

    def remove(self) -> None:
        """Forget it: the training is complete, or its result is stored."""
        if self._mine:
            self._path.unlink(missing_ok=True)
            Path(self._lock.name).unlink(missing_ok=True)
        self._lock.close()

    def close(self) -> None:
        """Let another process have it."""
        self._lock.close()
