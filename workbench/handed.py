"""Edits that jobs compute for the session that is open in the workbench: each comes back in a file of its own.

The workbench holds the session's lock, so that a job cannot write to it.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from workbench.view import Job

OPTION = "--hand-over"


class HandedOver:
    """The files that jobs were told to write; they are gone when it is closed."""

    def __init__(self) -> None:
        self._folder: TemporaryDirectory[str] | None = None
        self._files: dict[int, Path] = {}
        self._count = 0

    def asked_of(self, words: Sequence[str]) -> tuple[str, ...]:
        """The words of a command that hands its edit over; `expect` the job that they become."""
        if self._folder is None:
            self._folder = TemporaryDirectory(prefix="monoscope-")
        self._count += 1
        return (words[0], OPTION, str(Path(self._folder.name) / f"{self._count}.json"), *words[1:])

    def expect(self, job: Job, words: Sequence[str]) -> None:
        """Remember where the edit of a job comes, which was started with these words."""
        self._files[job.id] = Path(words[words.index(OPTION) + 1])

    def of(self, job: Job) -> Mapping[str, Any] | None:
        """What a job handed over, once it is done; None for every other job, and for one that kept nothing."""
        if job.state == "running":
            return None
        file = self._files.pop(job.id, None)
        if file is None or job.state != "done" or not file.exists():
            return None
        handed: Mapping[str, Any] = json.loads(file.read_bytes())
        file.unlink()
        return handed

    def close(self) -> None:
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
