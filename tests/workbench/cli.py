"""Running `monoscope` inside the test's own process, as its entry point does."""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.home import Home
from workbench.__main__ import main


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Monoscope:
    """Call it with the words of a command line."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self.home = Home(home)
        self._home, self._patch, self._capture = home, monkeypatch, capfd

    def __call__(self, *words: object) -> Answer:
        self._patch.setattr(sys, "argv", ["monoscope", "--home", str(self._home), *map(str, words)])
        self._capture.readouterr()
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else 1
        out, err = self._capture.readouterr()
        return Answer(code, out, err)


def neuron_of(monoscope: Monoscope, concept: str) -> int:
    return next(row["neuron"] for row in monoscope("neurons", "demo", "--json").json if row["concept"] == concept)
