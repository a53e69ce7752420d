"""How long work takes on this machine: what was guessed beside what was measured, so that the next guess is better."""

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.errors import HomeError
from engine.home import Home, write_whole

KEPT = 10
"""Measurements of one kind that are remembered; the older ones may be of a busier machine."""
SHORTEST = 0.5
"""Seconds below which a measurement says more of the clock than of the work."""


@dataclass(frozen=True)
class Pace:
    """What lies in `path`: by kind of work, pairs of seconds that were guessed and seconds that it took."""

    path: Path

    @classmethod
    def of(cls, home: Home) -> "Pace":
        """The home's own."""
        return cls(home.root / "reproductions" / "pace.json")

    def read(self) -> dict[str, list[tuple[float, float]]]:
        """Every kind with its pairs, oldest first. Raises `HomeError` for a file that cannot be read."""
        if not self.path.is_file():
            return {}
        try:
            found = json.loads(self.path.read_text(encoding="utf-8"))
            return {kind: [(float(guess), float(took)) for guess, took in pairs] for kind, pairs in found.items()}
        except (OSError, ValueError, TypeError, AttributeError) as error:
            raise HomeError(
                f"{self.path} cannot be read ({error}); delete it, it only holds how long work took."
            ) from None

    def expected(self, kind: str, guess: float) -> float:
        """Seconds for work that is guessed at `guess`: scaled by what such work took here, if it was ever measured."""
        pairs = self.read().get(kind, [])
        guessed = sum(one for one, _ in pairs)
        return guess * sum(took for _, took in pairs) / guessed if guessed > 0 else guess

    def measured(self, kind: str) -> bool:
        """Whether there is a measurement of that kind."""
        return bool(self.read().get(kind))

    @contextmanager
    def timing(self, kind: str, guess: float) -> Iterator[None]:
        """Measure the block and remember it, if it ends without an error."""
        start = time.monotonic()
        yield
        took = time.monotonic() - start
        if took >= SHORTEST and guess > 0:
            known = self.read()
            known[kind] = [*known.get(kind, []), (round(guess, 1), round(took, 1))][-KEPT:]
            write_whole(self.path, json.dumps(known, indent=1) + "\n")


def minutes(seconds: float) -> str:
    """Seconds in words."""
    if seconds < 55:
        return f"{max(5, 5 * round(seconds / 5))} seconds"
    if seconds < 90 * 60:
        whole = max(1, round(seconds / 60))
        return f"{whole} minute{'s' if whole > 1 else ''}"
    return f"{seconds / 3600:.1f} hours"
