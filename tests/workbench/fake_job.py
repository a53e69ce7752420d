"""A stand-in for the command line as a job: says what it was asked, and how far it is.

Run as a program with a home and the words of a command. `demo` makes a run; MONOSCOPE_FAKE_JOB holds words: `hang`
works until it is ended, `fail` is an error. An edit is handed over where it is asked for.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import TextIO


def say(text: str, stream: TextIO = sys.stdout) -> None:
    stream.write(f"{text}\n")
    stream.flush()


def main(home: Path, words: list[str]) -> int:
    told = os.environ.get("MONOSCOPE_FAKE_JOB", "").split()
    say(f"asked for {' '.join(words)}")
    for done in range(1, 4):
        say(json.dumps({"share": done / 4, "text": f"step {done}"}), sys.stderr)
    while "hang" in told:
        time.sleep(0.05)
    if "fail" in told:
        say("monoscope: There is no such thing.", sys.stderr)
        return 1
    if words[0] == "demo":
        from tests.workbench.fake_run import make_run

        make_run(home, "demo")
    if "--hand-over" in words:
        edit = {"side": "items", "neuron": 1, "operation": "set", "amount": 2.0, "unit": "p99", "ids": ["3"]}
        handed = {"edit": edit, "below": [], "measured": {"k": 30, "figures": {"rbo": 0.9}}}
        Path(words[words.index("--hand-over") + 1]).write_text(json.dumps(handed))
    say("All of it is made.")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
