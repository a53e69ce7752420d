"""What works on this machine."""

import importlib
import os
import platform
import shutil
import subprocess
import sys
from importlib.metadata import version

import engine
from engine.errors import HomeError
from engine.home import Home, make_folder

PACKAGES = (
    "torch",
    "textual",
    "rich",
    "typer",
    "duckdb",
    "numpy",
    "pandas",
    "openai",
    "scikit-learn",
    "scipy",
)
LEAST_FREE_GIB = 2


def findings(home: Home) -> list[dict[str, str]]:
    """Each thing that was looked at: {"what", "state" ("ok", "note" or "fails"), "finding"}."""
    return [
        {"what": what, "state": state, "finding": finding}
        for what, (state, finding) in {
            "monoscope": ("ok", f"{engine.__version__} on Python {platform.python_version()}"),
            **{package: _package(package) for package in PACKAGES},
            "device": _device(),
            "home": _home(home),
            "terminal": _terminal(),
            "colours": _colours(),
            "text": _text(),
            "tmux": _tmux(),
            "language model": _language_model(),
        }.items()
    ]


def _package(name: str) -> tuple[str, str]:
    try:
        importlib.import_module({"scikit-learn": "sklearn"}.get(name, name))
    except ImportError as error:
        return "fails", f"cannot be imported ({error}); install monoscope again"
    return "ok", version(name)


def _device() -> tuple[str, str]:
    try:
        import torch
    except ImportError:
        return "fails", "unknown without torch"
    if torch.cuda.is_available():
        return "ok", f"cuda: {torch.cuda.get_device_name(0)}"
    return "ok", f"cpu, {torch.get_num_threads()} threads (no CUDA device; none is needed)"


def _home(home: Home) -> tuple[str, str]:
    try:
        make_folder(home.root)
    except HomeError as error:
        return "fails", str(error)
    if not os.access(home.root, os.W_OK):
        return "fails", f"{home.root} cannot be written; choose another with --home or MONOSCOPE_HOME"
    free = shutil.disk_usage(home.root).free / 2**30
    state = "ok" if free >= LEAST_FREE_GIB else "note"
    return state, f"{home.root}, {free:.0f} GiB free"


def _terminal() -> tuple[str, str]:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return "note", "none here: `tui` needs one, every other command works"
    size = shutil.get_terminal_size()
    name = os.environ.get("TERM", "not set")
    state = "note" if name == "dumb" or size.columns < 60 or size.lines < 16 else "ok"
    return state, f"{name}, {size.columns}x{size.lines} (the workbench wants 60x16 or more, and not dumb)"


def _colours() -> tuple[str, str]:
    if os.environ.get("NO_COLOR"):
        return "ok", "off (NO_COLOR)"
    wide = os.environ.get("COLORTERM") in ("truecolor", "24bit")
    return "ok", "truecolor" if wide else f"as {os.environ.get('TERM', 'not set')} says; COLORTERM is not set"


def _text() -> tuple[str, str]:
    encoding = (sys.stdout.encoding or "unknown").lower()
    if encoding.replace("-", "") == "utf8":
        return "ok", "UTF-8"
    return "note", f"{encoding}: bars and arrows are drawn in ASCII; set LANG to a UTF-8 locale for better ones"


def _tmux() -> tuple[str, str]:
    if not os.environ.get("TMUX"):
        return "ok", "not inside tmux (advised over SSH: it outlives a cut line)"
    asked = subprocess.run(
        ["tmux", "show-options", "-sv", "escape-time"], capture_output=True, text=True, timeout=5, check=False
    )
    waits = asked.stdout.strip()
    if waits.isdecimal() and int(waits) > 50:
        return "note", f"escape-time is {waits} ms, so Esc is slow; `set -sg escape-time 10`, or use q"
    return "ok", f"escape-time {waits or 'unknown'} ms"


def _language_model() -> tuple[str, str]:
    key = "a key is set" if os.environ.get("OPENAI_API_KEY") else "OPENAI_API_KEY is not set"
    model = os.environ.get("MONOSCOPE_LLM_MODEL")
    where = os.environ.get("OPENAI_BASE_URL", "OpenAI's own server")
    named = f"model {model}" if model else "MONOSCOPE_LLM_MODEL is not set"
    ready = bool(model) and bool(os.environ.get("OPENAI_API_KEY") or os.environ.get("OPENAI_BASE_URL"))
    return ("ok" if ready else "note"), f"{key}; {named}; {where} (needed by `label` alone)"
