"""Progress where nobody watches a bar, and a bar that leaves nothing behind."""

import re
import shlex
import sys
import threading
from io import StringIO
from pathlib import Path

import pytest

from tests.workbench.terminals import Pty
from workbench.progress_lines import minute_lines

PROGRAM = """
from workbench.tables import progress_bar, say
with progress_bar("The paper on a data set with a long name") as report:
    report(0.4, "a part: training the autoencoder, a step of many")
    say("figure2: made, in a line that is longer than the terminal is wide")
    report(0.6, "another part")
say("the end")
"""


class Log(StringIO):
    """Tells when a line was written; `broken`: nobody reads it."""

    def __init__(self, *, broken: bool = False) -> None:
        super().__init__()
        self.written, self.broken = threading.Event(), broken

    def write(self, text: str) -> int:
        self.written.set()
        if self.broken:
            raise BrokenPipeError
        return super().write(text)


def test_a_log_hears_again_and_again_where_the_work_is() -> None:
    log = Log()
    with minute_lines("The paper", log, seconds=0.001) as report:
        report(0.415, "a part:\ntraining")
        log.written.clear()
        log.written.wait()
        log.written.clear()
        log.written.wait()
    assert log.getvalue().splitlines()[-1] == "The paper: 42%, a part: training"


def test_short_work_writes_no_line_and_a_log_that_nobody_reads_stops_nothing() -> None:
    log, gone = Log(), Log(broken=True)
    with minute_lines("Work", log) as report:
        report(1.0, "done")
    assert log.getvalue() == ""
    with minute_lines("Work", gone, seconds=0.001) as report:
        gone.written.wait()
        report(1.0, "done")


def screen(output: str, width: int) -> list[str]:
    """The rows that a terminal is left with: of its control sequences, those that rich writes."""
    rows, row, column = [""], 0, 0
    for token in re.findall(r"\x1b\[[?\d;]*[A-Za-z]|.|\n", output):
        if token == "\r":
            column = 0
        elif token == "\n":
            row, column = row + 1, 0
        elif token == "\x1b[2K":
            rows[row] = ""
        elif up := re.fullmatch(r"\x1b\[(\d+)A", token):
            row -= int(up[1])
        elif not token.startswith("\x1b"):
            if column == width:
                row, column = row + 1, 0
            rows += [""] * (row + 1 - len(rows))
            rows[row] = rows[row][:column].ljust(column) + token + rows[row][column + 1 :]
            column += 1
        rows += [""] * (row + 1 - len(rows))
    return [one.rstrip() for one in rows if one.strip()]


@pytest.mark.parametrize("width", [36, 80])
def test_a_bar_leaves_nothing_behind_on_a_narrow_terminal(width: int) -> None:
    program = Pty([sys.executable, "-c", PROGRAM], size=(width, 24))
    try:
        assert program.end(60) == 0
        output = program.output.decode()
    finally:
        program.close()
    assert "The paper on" in output
    said = "".join(screen(output, width)).replace(" ", "")
    assert said == "figure2:made,inalinethatislongerthantheterminaliswidetheend"


def test_what_is_printed_beside_a_bar_into_a_file_is_in_the_file(tmp_path: Path) -> None:
    log = tmp_path / "log"
    program = Pty(["bash", "-c", f'"$0" -c "$1" > {shlex.quote(str(log))}', sys.executable, PROGRAM])
    try:
        assert program.end(60) == 0
    finally:
        program.close()
    assert log.read_text() == "figure2: made, in a line that is longer than the terminal is wide\nthe end\n"
