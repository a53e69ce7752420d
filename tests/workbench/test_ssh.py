"""The workbench over SSH, with and without tmux there: real programs on loopback, nothing made up but the engine."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workbench.fake_run import make_run
from tests.workbench.ssh_host import MISSING, Host, There, Tmux, cut, host
from tests.workbench.terminals import Pty, alive, children_of, colours_of, until

pytestmark = pytest.mark.ssh


@pytest.fixture(scope="module")
def machine() -> Iterator[Host]:
    if MISSING:
        pytest.skip(f"not on this machine: {', '.join(MISSING)}")
    with host() as made:
        yield made


@pytest.fixture
def there(tmp_path: Path) -> There:
    make_run(tmp_path)
    return There(tmp_path)


def copied(there: There) -> str:
    """What y copies on the second neuron: a command that runs in any shell."""
    return f"monoscope --home {there.home} neuron demo-mf 1 -k 50"


@pytest.fixture
def outer(machine: Host) -> Iterator[Tmux]:
    """The terminal that the user sits at."""
    one = Tmux(machine.folder)
    yield one
    one.close()


@pytest.fixture
def inner(machine: Host) -> Iterator[Tmux]:
    """The tmux on the host that the workbench runs in."""
    one = Tmux(machine.folder)
    yield one
    one.close()


@pytest.fixture
def ptys() -> Iterator[list[Pty]]:
    open_ones: list[Pty] = []
    yield open_ones
    for one in open_ones:
        one.close()


def attached(machine: Host, inner: Tmux, there: There) -> list[str]:
    return machine.ssh(inner.command("new-session", "-A", "-s", "m", str(there.program)))


def test_it_is_drawn_over_ssh_and_keys_move_the_cursor(machine: Host, outer: Tmux, there: There) -> None:
    outer.open(machine.ssh(str(there.program)))
    outer.shows("│ demo-mf", "? keys")
    assert outer.rows[0].startswith(" monoscope  demo-mf  (simulated audience)")
    assert outer.rows[2].startswith("▸  0 Comedy          · 1.00 ██████│ demo-mf")
    assert outer.rows[-1].endswith("? keys")
    outer.press("j", "Down")
    outer.shows("│ 2 Children", "$ monoscope neuron demo-mf 2")
    assert [row[0] for row in outer.rows[2:5]] == [" ", " ", "▸"]


def test_tmux_takes_one_row_and_none_of_ours(machine: Host, outer: Tmux, inner: Tmux, there: There) -> None:
    outer.open(attached(machine, inner, there))
    outer.shows("$ monoscope neuron demo-mf 0", "? keys")
    rows = outer.rows
    assert rows[0].startswith(" monoscope  demo-mf")
    assert " 1 Neurons 12" in rows[1]
    assert all(f" {neuron} " in rows[2 + neuron] for neuron in range(5))
    assert rows[21].startswith(" $ monoscope neuron demo-mf 0")
    assert rows[22].endswith("? keys")
    assert rows[23].startswith("[m]")


def test_a_cut_line_ends_it_with_all_that_was_done(machine: Host, outer: Tmux, there: There) -> None:
    outer.open(machine.ssh(str(there.program)))
    outer.shows("Comedy", "user 1")
    outer.press("+")
    outer.shows("+0.5")
    [engine] = children_of(there.pid)
    outer.press("j", "+")
    until(lambda: len(there.journal) == 3)
    cut(outer.client)
    until(lambda: not alive(there.pid) and not alive(engine))
    assert '"neuron":1' in there.journal[-1].replace(" ", "")
    again = machine.ssh(str(there.program))
    outer("respawn-pane", "-k", "-t", "o", *again)
    outer.shows("Restored 2 edits")


def test_in_tmux_it_outlives_the_line_and_fills_the_next_terminal(
    machine: Host, outer: Tmux, inner: Tmux, there: There
) -> None:
    outer.open(attached(machine, inner, there))
    outer.shows("Comedy", "user 1")
    outer.press("+")
    outer.shows("+0.5")
    before = there.pid
    [engine] = children_of(before)
    cut(outer.client)
    until(lambda: inner("list-clients").strip() == "")
    outer("resize-window", "-t", "o", "-x", "160", "-y", "46")
    outer("respawn-pane", "-k", "-t", "o", *attached(machine, inner, there))
    outer.shows("+0.5", "1 Neurons", "3 Bench")
    until(lambda: outer.rows[44].endswith("? keys"))
    panes = outer.rows[1]
    assert panes.index("1 Neurons") < panes.index("│ 2 ") < panes.index("│ 3 Bench")
    assert (there.pid, alive(before), alive(engine)) == (before, True, True)


def test_a_copy_reaches_the_terminal(machine: Host, there: There, ptys: list[Pty]) -> None:
    ptys.append(terminal := Pty(machine.ssh(str(there.program))))
    terminal.shows("Comedy")
    terminal.press("jy")
    sent = base64.b64encode(copied(there).encode()).decode()
    terminal.shows(f"\x1b]52;c;{sent}")
    terminal.shows("through the terminal (OSC 52)")


def test_a_copy_in_a_stock_tmux_is_in_its_buffer(machine: Host, outer: Tmux, inner: Tmux, there: There) -> None:
    outer.open(attached(machine, inner, there))
    outer.shows("Comedy")
    outer.press("j", "y")
    outer.shows("Copied the command to tmux")
    assert inner("show-buffer") == copied(there)


def test_few_colours_and_no_mouse_are_asked_for(machine: Host, there: There, ptys: list[Pty]) -> None:
    """So that little is sent, and nothing is left switched on at a terminal whose line was cut."""
    ptys.append(terminal := Pty(machine.ssh(str(there.program))))
    terminal.shows("Comedy")
    terminal.press("j+")
    terminal.shows("+0.5")
    terminal.press("q")
    assert terminal.end() == 0
    assert not any(f"\x1b[?{mode}h".encode() in terminal.output for mode in (1000, 1002, 1003, 1006))
    codes = colours_of(terminal.output)
    assert b"32" in {code for one in codes for code in one.split(b";")}
    assert not [one for one in codes if b"38;" in one or b"48;" in one]
