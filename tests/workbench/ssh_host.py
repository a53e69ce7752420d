"""A machine to log in to, which is this one: an sshd on loopback with keys of its own; and tmux as a terminal that can
be looked at.
"""

import os
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.workbench.terminals import NOT_INHERITED, until, workbench

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
MISSING = [name for name in ("ssh", "ssh-keygen", "tmux") if shutil.which(name) is None] + ([] if SSHD else ["sshd"])
ROOT = Path(__file__).parents[2]


class Host:
    """The machine: `ssh` is the command that logs in to it and runs another there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        for name in ("host_key", "user_key"):
            subprocess.run(["ssh-keygen", "-qt", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
        (folder / "authorized_keys").write_text((folder / "user_key.pub").read_text())
        (folder / "sshd_config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\nPidFile none\n"
            f"AuthorizedKeysFile {folder}/authorized_keys\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\n"
        )
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)  # where sshd locks itself up before a login
        command = [str(SSHD), "-D", "-f", str(folder / "sshd_config"), "-E", str(folder / "sshd.log")]
        self._sshd = subprocess.Popen(command)
        until(self._listens)

    def ssh(self, command: str, *options: str) -> list[str]:
        """Log in with a terminal and run a command; `-o` and the like go before."""
        where = ["-p", str(self.port), "-i", str(self.folder / "user_key"), "-F", "none", "-o", "IdentitiesOnly=yes"]
        known = ["-o", f"UserKnownHostsFile={self.folder}/known", "-o", "StrictHostKeyChecking=accept-new"]
        return ["ssh", "-tt", "-q", *where, *known, *options, "127.0.0.1", command]

    def close(self) -> None:
        self._sshd.terminate()
        self._sshd.wait()

    def _listens(self) -> bool:
        if self._sshd.poll() is not None:
            raise RuntimeError((self.folder / "sshd.log").read_text())
        with socket.socket() as other:
            return other.connect_ex(("127.0.0.1", self.port)) == 0


@contextmanager
def host() -> Iterator[Host]:
    """A host for a while. Its folder has a short name: those of tmux's sockets have limits."""
    folder = Path(tempfile.mkdtemp(prefix="ssh-"))
    made = Host(folder)
    try:
        yield made
    finally:
        made.close()
        shutil.rmtree(folder)


class There:
    """A user's workbench on the host: a home with its runs, and a program that opens it."""

    def __init__(self, home: Path, environment: Mapping[str, str] | None = None) -> None:
        self.home = home
        self.program = home / "workbench.sh"
        self._pid = home / "workbench.pid"
        settings = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **(environment or {})}
        exports = "".join(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items())
        self.program.write_text(f"#!/bin/sh\n{exports}echo $$ > {self._pid}\nexec {shlex.join(workbench(home))}\n")
        self.program.chmod(0o755)

    @property
    def pid(self) -> int:
        """The workbench's own process, once it has begun."""
        until(lambda: self._pid.is_file() and self._pid.read_text().strip())
        return int(self._pid.read_text())

    @property
    def journal(self) -> list[str]:
        file = self.home / "sessions" / "demo-mf.jsonl"
        return file.read_text().splitlines() if file.is_file() else []


class Tmux:
    """A tmux server of its own, stock but for what is asked: a terminal that can be looked at, or one to leave."""

    def __init__(self, folder: Path) -> None:
        self._name = f"t{uuid.uuid4().hex[:8]}"
        self._surroundings = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        self._surroundings |= {"TMUX_TMPDIR": str(folder), "TERM": "xterm-256color"}
        self._prefix = ["env", f"TMUX_TMPDIR={folder}", "tmux", "-u", "-L", self._name, "-f", "/dev/null"]

    def command(self, *words: str) -> str:
        """A tmux command on this server, for a shell."""
        return shlex.join([*self._prefix, *words])

    def __call__(self, *words: str) -> str:
        done = subprocess.run([*self._prefix, *words], capture_output=True, text=True, env=self._surroundings)
        assert done.returncode == 0, (words, done.stderr)
        return done.stdout

    def open(self, command: list[str], size: tuple[int, int] = (80, 24)) -> None:
        """Be a terminal of this size, all of it for one program."""
        self("new-session", "-d", "-s", "o", "-x", str(size[0]), "-y", str(size[1]), "sleep 600")
        self("set", "-g", "status", "off")
        self("set", "-g", "remain-on-exit", "on")
        self("respawn-pane", "-k", "-t", "o", shlex.join(command))

    @property
    def rows(self) -> list[str]:
        return self("capture-pane", "-p", "-t", "o").split("\n")[:-1]

    @property
    def client(self) -> int:
        """The process that runs in the terminal."""
        return int(self("display-message", "-p", "-t", "o", "#{pane_pid}"))

    def press(self, *keys: str) -> None:
        self("send-keys", "-t", "o", *keys)

    def shows(self, *texts: str) -> None:
        until(lambda: all(any(text in row for row in self.rows) for text in texts), 20)

    def close(self) -> None:
        subprocess.run([*self._prefix, "kill-server"], capture_output=True, env=self._surroundings)


def cut(client: int) -> None:
    """Cut the line: the ssh client is gone at once and says nothing."""
    os.kill(client, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
