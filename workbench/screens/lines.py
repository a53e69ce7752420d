"""The lines that a run's screen asks for: filters, values, users, pages, cohorts, remarks, and commands."""

import shlex
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from engine.errors import MonoscopeError
from engine.home import Home
from workbench.handed import HandedOver
from workbench.jobs import JobRunner
from workbench.screens.desk import Desk
from workbench.screens.overwriting import write_to
from workbench.screens.panes import PanesScreen
from workbench.view import View

if TYPE_CHECKING:
    from workbench.completion import Candidate, Completion
    from workbench.verbs import Kind


class Named:
    """What there is to name on the open run, for completion: what the screen has, and what the engine has found."""

    def __init__(self, home: Home, desk: Desk, themes: Sequence[str]) -> None:
        from workbench.completion import Folders

        self._desk = desk
        self._themes = sorted(themes)
        self._folders = Folders(home)

    @property
    def run(self) -> str | None:
        return self._desk.view.card.name

    @property
    def session(self) -> str | None:
        return self._desk.view.session

    @property
    def dataset(self) -> str | None:
        return _dataset(self._desk.view)

    def find(self, kind: "Kind", start: str) -> "Sequence[Candidate]":
        """Names of a kind; those that only the engine knows come a moment later."""
        view = self._desk.view
        if kind == "neuron":
            numbers = [] if view.neurons is None else list(view.neurons.row_of)
            return [(str(number), view.name(number)) for number in numbers]
        if kind == "theme":
            return [(name, "") for name in self._themes]
        if kind == "neuron column":
            from workbench.columns import COLUMNS

            return [(column.id, column.title) for column in COLUMNS]
        asked = {"item": "items", "user": "users", "concept": "concepts", "cohort": "cohorts",
                 "user column": "user_columns", "item column": "item_columns"}  # fmt: skip
        if kind in asked:
            return self._desk.found(asked[kind], start)
        return self._folders.find(kind, start)

    def values(self, kind: "Kind", column: str, start: str) -> "Sequence[Candidate]":
        """Values of a column as a condition writes them, each with how many have it."""
        table = {"user column": "user_values", "item column": "item_values"}.get(kind)
        return () if table is None else self._desk.found(table, start, column)


def _dataset(view: View) -> str | None:
    """The data set of the open run; None where its manifest could not be read."""
    return None if view.card.fault else view.card.dataset


class LinesScreen(PanesScreen, inherit_bindings=False):
    """Asks in the status row, and carries out what is typed."""

    desk: Desk
    runner: JobRunner
    handed: HandedOver
    _home: Home

    def ask(
        self,
        question: str,
        text: str,
        done: Callable[[str], None],
        typed: Callable[[str], str] | None = None,
        given_up: Callable[[], None] = lambda: None,
        complete: "Callable[[str, int], Completion] | None" = None,
        earlier: Sequence[str] = (),
    ) -> None:
        """Ask for a line in the status row, as `StatusRow.ask`; the focus returns to where it was."""
        focused = self.focused

        def finished(line: str | None) -> None:
            self.set_focus(focused)
            if line is None:
                given_up()
            else:
                done(line)

        self.status.say("")
        self.status.ask(question, text, finished, typed, complete, earlier)

    def confirm(self, question: str, keys: str, done: Callable[[str], None]) -> bool:
        """Ask for one of `keys` in the status row; False where something else is asked there already."""
        if self.status.asking:
            return False
        focused = self.focused

        def finished(key: str | None) -> None:
            self.set_focus(focused)
            done(key or "")

        self.status.say("")
        self.status.ask_key(question, keys, finished)
        return True

    def say(self, message: str) -> None:
        """Show a message until the next key."""
        raise NotImplementedError

    def _names(self, *verbs: str) -> "Callable[[str, int], Completion]":
        """Completion as after one of these commands, of what such a line may name."""
        from workbench.completion import Candidate, Completion, complete

        named = Named(self._home, self.desk, list(self.app.available_themes))

        def completed(text: str, cursor: int) -> Completion:
            candidates: list[Candidate] = []
            start = cursor
            for verb in verbs:
                found = complete(f"{verb} {text}", cursor + len(verb) + 1, named)
                start = min(start, max(0, found.start - len(verb) - 1))
                candidates += [(name, told or verb) for name, told in found.candidates]
            return Completion(start, tuple(candidates))

        return completed

    # Commands

    def action_command(self, text: str = "") -> None:
        from workbench.completion import complete
        from workbench.history import earlier
        from workbench.verbs import preload

        preload()
        named = Named(self._home, self.desk, list(self.app.available_themes))
        before, _ = earlier(self._home)
        self.ask(":", text, self._typed, complete=lambda line, cursor: complete(line, cursor, named), earlier=before)

    def _typed(self, text: str) -> None:
        """Carry out a line that was typed after `:`, and keep it for another day."""
        from workbench.history import remember

        self.say(remember(self._home, text))
        self.run_line(text)

    def action_export(self) -> None:
        self.action_command(f"export --format md --output {shlex.quote(self.view.session + '.md')}")

    def run_line(self, text: str) -> None:
        """Carry out a command; what is wrong with it is one sentence."""
        from workbench.commandline import Inner, parse

        if not text.strip():
            return
        view = self.view
        try:
            meant = parse(text, view.card.name, view.session, _dataset(view), saved=bool(view.log))
            if isinstance(meant, Inner):
                getattr(self, f"do_{meant.verb}")(*meant.args)
            elif meant.needs_session:
                self.say(
                    f"`{' '.join(meant.words[:2])}` writes to session {view.session}, which is open here; use the keys "
                    "for it (? tells them), or leave with q first."
                )
            elif meant.on_bench:
                self.start_edit(meant.words)
            else:
                self._start_writing(meant.words)
        except MonoscopeError as error:
            self.say(str(error))

    def _start_writing(self, words: Sequence[str]) -> None:
        """Run a command beside the browsing, once it is sure that it writes over nothing by accident."""
        from pathlib import Path

        from workbench.commandline import file_written, written_to

        file = file_written(words)
        if file is None:
            return self.start_job(words)
        return write_to(
            self,
            Path(file).expanduser(),
            lambda path, agreed: self.start_job(written_to(words, file, str(path), agreed=agreed)),
            self._names("write"),
        )

    def start_job(self, words: Sequence[str]) -> None:
        """Run a command beside the browsing."""
        job = self.runner.start(words)
        self.desk.show_jobs(self.runner.jobs)
        self.say(f"Started {shlex.join(words)} as job {job.id}; ! shows it, ctrl+c ends it.")

    def start_edit(self, words: Sequence[str]) -> None:
        """Run a command whose edit comes to the bench when it is done."""
        if self.view.read_only:
            self.say(f"--dry-run shows what the edit would do; it cannot be kept. {self.view.refusal}".rstrip())
            return
        handing = self.handed.asked_of(words)
        job = self.runner.start(handing, words)
        self.handed.expect(job, handing)
        self.desk.show_jobs(self.runner.jobs)
        self.say(f"Job {job.id} computes the edit, which then comes to the bench; --dry-run only shows it.")

    def help_first(self) -> Sequence[str]:
        """What the pane in focus shows and its keys; of the list the column that sorts, unless a page or jobs show."""
        from workbench.column_help import column_help
        from workbench.columns import BY_ID
        from workbench.screens.help import BENCH, inspected_help

        if self.focused_pane == "bench":
            return BENCH
        asked = self.focused_pane == "inspector" or self.view.page is not None or self.view.tab == "jobs"
        if asked and self.pane("inspector").display:
            return inspected_help(self.view)
        if self.focused_pane != "neurons" or self.view.neurons is None:
            return ()
        return column_help(self.view, BY_ID[self.table.sort])

    def action_jobs(self) -> None:
        self.desk.show_tab("jobs")
        self.show_tab("inspector")

    # The workbench's own commands, by name

    def do_quit(self) -> None:
        self.app.exit()

    def do_help(self) -> None:
        self.action_help()

    def do_sort(self, column: str) -> None:
        self.say(self.table.sort_to(column))
        self.desk.choose(self.table.current)

    def do_filter(self, text: str = "") -> None:
        self.filter(text)

    def do_theme(self, name: str = "") -> None:
        known = sorted(self.app.available_themes)
        if name not in known:
            close = get_close_matches(name, known, 1)
            unknown = f"There are no colours {name!r}" if name else f"The colours are {self.app.theme}"
            self.say(f"{unknown}; " + (f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}."))
            return
        self.app.theme = name

    def do_screenshot(self, file: str = "") -> None:
        from pathlib import Path

        from engine.home import write_whole

        picture = self.app.export_screenshot()  # of this screen, not of the question

        def write(path: Path, _agreed: bool) -> None:
            write_whole(path, picture)
            self.say(f"Wrote {path}.")

        path = Path(file or f"{self.view.card.name}.svg").expanduser()
        write_to(self, path if path.suffix else path.with_suffix(".svg"), write, self._names("write"))

    def do_tab(self, name: str) -> None:
        self.desk.show_tab(name)
        self.show_tab("inspector")

    def do_neuron(self, number: str) -> None:
        neurons = self.view.neurons
        if not number.isdecimal() or neurons is None or int(number) not in neurons.row_of:
            count = 0 if neurons is None else len(neurons)
            raise MonoscopeError(f"There is no neuron {number}; there are {count}, from 0 on.")
        self.desk.close_page()
        self.filter("")
        self.table.choose(int(number))
        self.desk.choose(int(number))

    def do_item(self, name: str) -> None:
        self.desk.open_page("item", name)
        self.show_tab("inspector")

    def do_user(self, name: str) -> None:
        self.desk.open_page("user", name)
        self.show_tab("inspector")

    def do_concept(self, name: str) -> None:
        self.desk.open_page("concept", name)
        self.show_tab("inspector")

    def do_watch(self, user: str = "") -> None:
        self.desk.watch(user)

    def do_cohort(self, where: str = "") -> None:
        self.desk.show_cohort("" if where.strip() in ("all", "everyone") else where)
        self.show_tab("bench")

    def do_curve(self, number: str) -> None:
        self.do_neuron(number)
        self.desk.show_list()  # where the curve is shown already, it would make way for the list
        self.desk.show_curve()
        self.show_tab("bench")

    def do_undo(self) -> None:
        self.travel_back(self.desk.undo)

    def do_redo(self) -> None:
        self.travel_back(self.desk.redo)

    def travel_back(self, travel: Callable[[], None]) -> None:
        """Undo or redo; where that changes edits the bench comes up to show it, as where an edit is made."""
        before = self.view.edits
        travel()
        if self.view.edits != before:
            self.show_tab("bench")

    def do_note(self, text: str) -> None:
        self.desk.note(text)

    def do_bookmark(self) -> None:
        self.desk.bookmark()

    def do_write(self, file: str) -> None:
        from pathlib import Path

        from engine.home import write_whole

        shown = "\n".join(self.texts()) + "\n"

        def write(path: Path, _agreed: bool) -> None:
            write_whole(path, shown)
            self.say(f"Wrote what is shown to {path}.")

        write_to(self, Path(file).expanduser(), write, self._names("write"))

    def filter(self, text: str) -> str:
        """Filter while it is typed; says how much is left, or what makes no sense."""
        self.table.filter = text.strip()
        self.table.reorder()
        self.desk.choose(self.table.current)
        left = f"{len(self.table.order)} of {len(self.view.neurons or ())}"
        return f"{self.table.remarks[0]} · {left}" if self.table.remarks else left

    # Asked for by a key

    def action_filter(self) -> None:
        self.ask("filter:", self.table.filter, lambda _: None, self.filter, self._unfilter)

    def _unfilter(self) -> None:
        self.filter("")

    def action_clear_filter(self) -> None:
        if self.desk.close_page():
            return
        if self.table.filter:
            self.filter("")
        elif not self.desk.watch_everyone():
            self.desk.unmark()

    def action_write_label(self) -> None:
        current = self.view.neuron
        if current is not None:
            label = self.view.labels.get(current)
            self.ask(f"label of neuron {current}:", (label.text or "") if label else "", self.desk.write_label)

    def action_pick_user(self) -> None:
        page = self.view.page
        looked_at = page.id if page is not None and page.kind == "user" and page.facts is not None else ""
        self.ask("watch (id, cohort or SQL):", looked_at, self.desk.watch, complete=self._names("watch"))

    def action_open_page(self) -> None:
        """An item, a user or a concept of that name; its kind may stand before it."""
        self.ask("open (a name, or user 5):", "", self._open_named, complete=self._names("item", "concept", "user"))

    def _open_named(self, name: str) -> None:
        if name.strip():
            self.desk.open_any(name.strip())

    def action_cohort(self) -> None:
        before = self.view.cohort
        text = "" if before is None else before.where
        self.ask("cohort (empty: everyone):", text, self.do_cohort,
                 complete=self._names("cohort"))  # fmt: skip

    def action_note(self) -> None:
        self.ask("note:", "", self.desk.note)
