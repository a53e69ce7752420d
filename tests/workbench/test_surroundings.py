"""What a command does where its surroundings are amiss: a date that is none, an output that takes nothing."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine.dated import check, exported
from engine.errors import MonoscopeError

FULL = Path("/dev/full")


@pytest.mark.parametrize("epoch", ["", "abc", "-5", "1.5", "٣", "9" * 30])
def test_a_date_that_is_none_is_one_sentence(epoch: str) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "workbench", "runs"],
        env={**os.environ, "SOURCE_DATE_EPOCH": epoch},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"monoscope: SOURCE_DATE_EPOCH is {epoch!r}, which is no date: set it to whole sec")
    assert answer.stderr.count("\n") == 1


def test_a_date_that_is_fixed_is_that_of_reports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    check()
    assert exported() == "2026-09-21T14:13:20Z"
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "x")
    with pytest.raises(MonoscopeError, match="no date"):
        check()


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
def test_an_output_that_takes_nothing_is_one_sentence(tmp_path: Path) -> None:
    with FULL.open("w") as full:
        answer = subprocess.run(
            [sys.executable, "-m", "workbench", "--home", str(tmp_path), "datasets", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert (answer.returncode, answer.stderr) == (
        1,
        "monoscope: The output cannot be written: No space left on device.\n",
    )
