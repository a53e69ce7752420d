"""How long the whole path takes, measured on this machine.

Each command runs as a process of its own, as a user starts it: wall seconds, CPU seconds and peak memory.
Beside each stands a yardstick that is measured in the same run, since seconds differ between machines and
ratios do not. The figures to reach (2 cores, no GPU) are printed with them; nothing here fails.
"""

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from engine.fidelity import audit
from engine.home import Home
from engine.neurons.table import neuron_table
from engine.progress import silent
from engine.recommenders.ranking import ranked_lists
from engine.run import Run
from engine.sae.config import SaeConfig
from engine.sae.start import _components as components
from engine.sae.start import random_start
from engine.sae.training import train_sae
from engine.steering.effect import Steering
from tests.benchmarks.edits import edits
from tests.benchmarks.measuring import best, process, row, seconds

PAINTED = "Western"  # a name in the table, not a title


def first_paint(run: str) -> tuple[float, float]:
    """Seconds from exec to the first bytes of the first screen, and to the neuron table, in a pty of 80x24."""
    started = time.monotonic()
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ.update(TERM="xterm-256color", COLUMNS="80", LINES="24")
        os.execv(sys.executable, [sys.executable, "-m", "workbench", "tui", run])
    seen, painted = b"", 0.0
    while time.monotonic() - started < 20:
        if select.select([terminal], [], [], 0.05)[0]:
            seen += os.read(terminal, 65536)
            if not painted and b"monoscope" in seen:
                painted = time.monotonic() - started
            if painted and PAINTED.encode() in seen:
                break
    table = time.monotonic() - started
    _quit(pid, terminal)
    return painted, table


def _quit(pid: int, terminal: int, patience: float = 5.0) -> None:
    """Leave the workbench by its key, reading what it still paints; killed if it does not go."""
    started = time.monotonic()
    while os.waitpid(pid, os.WNOHANG) == (0, 0):
        if time.monotonic() - started > patience:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            print(f"The workbench did not quit within {patience:.0f} s and was killed.")
            break
        os.write(terminal, b"q")
        if select.select([terminal], [], [], 0.2)[0]:
            with contextlib.suppress(OSError):  # EIO: the other end is closed
                os.read(terminal, 65536)
    os.close(terminal)


def small_things() -> None:
    python = best(5, lambda: seconds(lambda: subprocess.run([sys.executable, "-c", ""], check=True)))
    hello = best(5, lambda: process("--help").wall)
    row("monoscope --help", f"{hello:.2f} s", f"{hello / python:.1f} times a bare Python ({python:.3f} s)", "0.3 s")
    textual = best(3, lambda: seconds(lambda: subprocess.run([sys.executable, "-c", "import textual.app"], check=True)))
    paints = [first_paint("demo") for _ in range(3)]
    painted, table = min(p for p, _ in paints), min(t for _, t in paints)
    row(
        "tui, first paint",
        f"{painted:.2f} s",
        f"{painted / textual:.1f} times `import textual.app` ({textual:.2f} s)",
        "0.5 s",
    )
    row("tui, neuron table with data", f"{table:.2f} s", "", "1.0 s")


def paths(archive: Path | None, home: Home) -> None:
    """Print the times of the demo, of the small commands and, if there is an archive, of MovieLens 1M."""
    row("what", "here", "yardstick of the same run", "to reach")
    demo = process("demo", "--no-tui")
    cost = f"{demo.wall:.1f} s, {demo.mib:.0f} MiB"
    row("monoscope demo, to the first screen", cost, f"{demo.cpu:.0f} CPU s", "60 s")
    small_things()
    if archive is not None:
        movielens(archive, home)


def movielens(archive: Path, home: Home) -> None:
    fetch = process("datasets", "fetch", "ml-1m", "--from", str(archive), "--accept-licence")
    raw = home.dataset("ml-1m") / "raw"
    files = list(raw.rglob("*.dat"))
    lines = seconds(lambda: [path.read_bytes().split(b"\n") for path in files])
    row(
        "ML-1M: catalogue",
        f"{fetch.wall:.1f} s, {fetch.mib:.0f} MiB",
        f"{fetch.wall / lines:.0f} times splitting its lines ({lines:.2f} s)",
        "15 s",
    )
    train = process("train", "ml-1m", "--recommender", "mf", "--name", "bench")
    row(
        "ML-1M: whole training", f"{train.wall:.1f} s, {train.mib:.0f} MiB", f"{train.cpu:.0f} CPU s", "80 s, 2,048 MiB"
    )
    parts = stages(home)
    for name, reach in (
        ("recommender", "60 s"),
        ("autoencoder", ""),
        ("measuring neurons", "2 s"),
        ("measuring fidelity", ""),
        ("measuring baselines", ""),
    ):
        row(f"  of which {name}", f"{parts[name]:.1f} s", "", reach)
    run = Run.open(home, "bench")
    with run.catalogue() as catalogue:
        steering = run.steering(catalogue)
    everyone = np.arange(len(run.recommender.users.ids))

    def brute() -> None:
        scores = steering.candidates.mask(run.recommender.affinities(everyone), everyone)
        np.argsort(-scores, axis=1, kind="stable")[:, :30]

    ours = best(3, lambda: seconds(lambda: ranked_lists(run.recommender, steering.candidates, everyone, 30)))
    naive = seconds(brute)
    row(
        "ML-1M: top 30 of all users",
        f"{ours:.2f} s",
        f"{naive / ours:.0f} times faster than sorting all ({naive:.2f} s)",
        "",
    )
    evidence(run, steering, ours)
    edits(run, "ML-1M, MF", one_list="1 ms", everyones="1.5 s", rounds=5)
    edits(multi_layer(home), "ML-1M, NCF", one_list="5 ms", everyones="", rounds=1)


def multi_layer(home: Home) -> Run:
    """An NCF of one epoch, and an autoencoder cut short: it is served in the time that any takes."""
    from engine.train import train

    values = {"recommender": {"kind": "ncf", "epochs": 1}, "sae": {"steps": 50}, "baselines": False}
    return train(home, "ml-1m", values, "bench-ncf", silent)


def evidence(run: Run, steering: Steering, lists: float) -> None:
    """One autoencoder alone, the fidelity of everyone, and the table of 128 neurons."""
    recommender, everyone = run.recommender, np.arange(len(run.recommender.users.ids))
    eligible = steering.candidates.eligible
    items = np.flatnonzero(eligible)
    config = SaeConfig.model_validate(run.manifest["config"]["sae"])
    trained = seconds(
        lambda: train_sae(
            config,
            recommender,
            users=everyone,
            items=items,
            progress=silent,
            log=lambda _line: None,
            seen=steering.candidates.seen,
        )
    )
    vectors = recommender.items.vectors[items]
    components.cache_clear()
    ica = seconds(lambda: components(vectors.tobytes(), vectors.shape[1], 0))
    row("ML-1M: one autoencoder", f"{trained:.1f} s", f"{trained / ica:.1f} times one FastICA ({ica:.2f} s)", "5 s")
    whole = best(
        2, lambda: seconds(lambda: audit(recommender, run.sae, steering.candidates, steering.held_out, everyone))
    )
    row("ML-1M: fidelity of all users", f"{whole:.2f} s", f"{whole / lists:.1f} times ranking them once", "2 s")
    wide = random_start(vectors, 128, 0)
    z_im = np.maximum((recommender.items.vectors - vectors.mean(axis=0)) @ wide.T, 0)
    popularity = np.bincount(steering.candidates.seen.items, minlength=len(z_im))
    table = seconds(
        lambda: neuron_table(z_im, z_im, recommender.items.vectors, popularity, eligible, steering.concepts, 0, wide)
    )
    sort = seconds(lambda: np.argsort(-z_im, axis=0, kind="stable"))
    row("ML-1M: table of 128 neurons", f"{table:.2f} s", f"{table / sort:.1f} times sorting their codes", "2 s")


def stages(home: Home) -> dict[str, float]:
    """Seconds of each stage of one more training, by its own progress reports."""
    from engine.train import train

    spent: dict[str, float] = {}
    last = time.monotonic()

    def report(_share: float, text: str) -> None:
        nonlocal last
        now, stage = time.monotonic(), text.split(":")[0]
        # A report tells what comes next, so that the time before it belongs to the stage before.
        name = {
            "measuring neurons": "autoencoder",
            "measuring fidelity": "measuring neurons",
            "measuring baselines": "measuring fidelity",
            "done": "measuring baselines",
        }.get(stage, stage)
        spent[name] = spent.get(name, 0.0) + now - last
        last = now

    train(home, "ml-1m", {}, "stages", report)
    return spent
