"""The `:` line: what it means, what may come next, and each mistake in a sentence."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import MonoscopeError
from engine.home import Home
from tests.workbench.test_hygiene import HEAVY, loaded_after
from workbench.cli_verbs import CHOICES, choices_of
from workbench.commandline import Inner, Outer, parse
from workbench.completion import Candidate, Completion, Folders, complete, lex
from workbench.verbs import INNER, Kind, Verb, load, loaded

VERBS = load()
KNOWN = "from workbench.verbs import commands_from; from workbench.__main__ import _commands; commands_from(_commands);"
"""What the program does before the workbench opens."""
THINGS: dict[str, list[Candidate]] = {
    "run": [("ml-1m-mf", ""), ("ml-1m-ncf", "")],
    "session": [("tuesday", ""), ("ml-1m-mf", "")],
    "dataset": [("demo", "films"), ("ml-1m", "MovieLens")],
    "concept": [("Film-Noir", ""), ("Children's", ""), ("Sci-Fi", "")],
    "cohort": [("horror-fans", "")],
    "neuron": [("7", "Horror"), ("17", "Western"), ("3", "")],
    "user": [("1680", ""), ("42", "")],
    "item": [("Toy Story (1995)", ""), ("'Til There Was You", "")],
    "user column": [("gender", ""), ("age", "")],
    "item column": [("year", "")],
    "neuron column": [("purity20", ""), ("q", "")],
    "file": [("my report.md", "")],
    "theme": [("ansi-dark", "")],
}


VALUES: dict[tuple[str, str], list[Candidate]] = {
    ("user column", "age"): [("'18-24'", "10"), ("'25-34'", "20")],
    ("user column", "zip code"): [("'O''Hara'", "1")],
    ("item column", "year"): [("1995", "3"), ("1996", "2")],
}


@dataclass(frozen=True)
class Made:
    """A context with one of everything."""

    run: str | None = "ml-1m-mf"
    session: str | None = "tuesday"
    dataset: str | None = "ml-1m"

    def find(self, kind: Kind, start: str) -> Sequence[Candidate]:
        assert isinstance(start, str)
        return THINGS[kind]

    def values(self, kind: Kind, column: str, start: str) -> Sequence[Candidate]:
        assert "'" not in start or column == "zip code"
        return VALUES.get((kind, column), [])


def read(text: str, session: str | None = "tuesday", **more: Any) -> Inner | Outer:
    return parse(text, "ml-1m-mf", session, "ml-1m", **more)


def words(text: str, session: str | None = "ml-1m-mf", **more: Any) -> str:
    found = read(text, session, **more)
    assert isinstance(found, Outer)
    return shlex.join(found.words)


def refusal(text: str) -> str:
    with pytest.raises(MonoscopeError) as caught:
        read(text)
    return str(caught.value)


def after(text: str, context: Made = Made()) -> Completion:
    return complete(text, len(text), context)


def texts(text: str) -> list[str]:
    return [name for name, _ in after(text).candidates]


@pytest.mark.parametrize(
    ("typed", "run"),
    [
        (":export --format md --output r.md", "export ml-1m-mf --format md --output r.md"),
        ("monoscope export ml-1m-mf --format md", "export ml-1m-mf --format md"),
        ("export other --format md", "export other --format md"),
        ("neurons --sort q", "neurons ml-1m-mf --sort q"),
        ("neuron 7 --json", "neuron ml-1m-mf 7 --json"),
        ("neuron other 7", "neuron other 7"),
        ("concept Horror -k 3", "concept ml-1m-mf Horror -k 3"),
        ("concept Horror -k3", "concept ml-1m-mf Horror -k3"),
        ("item 'Toy Story (1995)' -k 3", "item ml-1m-mf 'Toy Story (1995)' -k 3"),
        ("label", "label ml-1m-mf"),
        ("labels", "labels ml-1m-mf"),
        ("labels set 3 'Film noir'", "labels ml-1m-mf set 3 'Film noir'"),
        ("labels other accept 3", "labels other accept 3"),
        ("runs show", "runs show ml-1m-mf"),
        ("runs compare other", "runs compare ml-1m-mf other"),
        ("runs compare a b", "runs compare a b"),
        ("runs", "runs"),
        ("datasets --json", "datasets --json"),
        ("train demo --no-bias --set sae.beta=1", "train demo --no-bias --set sae.beta=1"),
        (
            "steer --neuron 7 --add -1.5 --users gender=1",
            "steer ml-1m-mf --neuron 7 --add -1.5 --users gender=1 --session ml-1m-mf",
        ),
        ("sessions show", "sessions show ml-1m-mf"),
        ("train --help", "train --help"),
        ("runs trust other", "runs trust other"),
        ("cohorts", "cohorts ml-1m"),
        ("concepts --json", "concepts ml-1m --json"),
        ("cohorts add young --where \"age = '18-24'\"", "cohorts ml-1m add young --where 'age = '\"'\"'18-24'\"'\"''"),
        ("concepts add Old --where 'year < 1950'", "concepts ml-1m add Old --where 'year < 1950'"),
        ("cohorts remove young", "cohorts ml-1m remove young"),
        ("cohorts demo remove young", "cohorts demo remove young"),
        ("concepts demo", "concepts demo"),
        ("note it", None),
    ],
)
def test_the_open_run_is_filled_in_where_none_is_named(typed: str, run: str | None) -> None:
    if run is None:
        assert read(typed) == Inner("note", ("it",))
    else:
        assert words(typed) == run


@pytest.mark.parametrize(
    ("typed", "run"),
    [
        ("neurons", "neurons ml-1m-mf --session tuesday"),
        ("recommend --user 42", "recommend ml-1m-mf --user 42 --session tuesday"),
        ("recommend --user 42 --session other", "recommend ml-1m-mf --user 42 --session other"),
        ("neurons other", "neurons other"),
        ("steer --users age=1", "steer ml-1m-mf --users age=1 --session tuesday"),
        ("dose --neuron 7 --users age=1", "dose ml-1m-mf --neuron 7 --users age=1 --session tuesday"),
        ("labels set 3 -- -x-", "labels ml-1m-mf set 3 --session tuesday -- -x-"),
        ("sessions replay", "sessions replay tuesday"),
    ],
)
def test_the_open_session_is_filled_in(typed: str, run: str) -> None:
    assert words(typed, "tuesday") == run


def test_a_session_that_is_empty_is_named_only_to_write_to_it() -> None:
    assert words("neurons", "tuesday", saved=False) == "neurons ml-1m-mf"
    assert words("recommend --user 42", "ml-1m-mf", saved=False) == "recommend ml-1m-mf --user 42"
    assert words("recommend --user 42", "ml-1m-mf") == "recommend ml-1m-mf --user 42 --session ml-1m-mf"
    assert words("label", "tuesday", saved=False) == "label ml-1m-mf --session tuesday"


@pytest.mark.parametrize(
    ("typed", "comes"),
    [
        ("steer --neuron 7 --off --users age=1", True),
        ("steer --neuron 7 --off --item 3", True),
        ("steer --goal share(Horror)<=1% --users age=1", True),
        ("steer --neuron 7 --off --users age=1 --session tuesday", True),
        ("steer --neuron 7 --off --users age=1 --session=tuesday", True),
        ("steer --neuron 7 --off --users age=1 --dry-run", False),
        ("steer --neuron 7 --off --users age=1 --session other", False),
        ("steer other --neuron 7 --off --users age=1", False),
        ("steer --users age=1", False),
        ("dose --neuron 7 --users age=1 --goal share(Horror)<=1%", False),
        ("dose --neuron 7 --users age=1 --goal share(Horror)<=1% --keep", True),
        ("recommend --user 1", False),
    ],
)
def test_an_edit_that_a_command_makes_comes_to_the_bench(typed: str, comes: bool) -> None:
    for saved in (True, False):
        meant = parse(typed, "ml-1m-mf", "tuesday", saved=saved)
        assert isinstance(meant, Outer)
        assert meant.on_bench == comes
        assert not comes or "tuesday" in meant.words or "--session=tuesday" in meant.words


@pytest.mark.parametrize(
    ("typed", "needs"),
    [
        ("label", True),
        ("label --dry-run", False),
        ("label --spend", False),
        ("label --session other", False),
        ("label other", False),
        ("labels", False),
        ("labels show 3", False),
        ("labels export", False),
        *((f"labels {action}", True) for action in ("set 3 x", "accept 1-3", "reject 1", "clear 2", "score")),
        ("labels import f.csv", True),
        ("labels resolve 3 Horror", True),
        ("steer --neuron 7 --off --users age=1", False),
        ("steer --neuron 7 --off --users age=1 --session tuesday", False),
        ("steer --neuron 7 --off --users age=1 --session other", False),
        ("sessions undo", True),
        ("sessions undo other", False),
        ("sessions note tuesday hello", True),
        ("sessions remove tuesday", True),
        ("sessions show", False),
        ("train demo", False),
        ("recommend --user 1 --session tuesday", False),
    ],
)
def test_what_writes_to_the_open_session_says_so(typed: str, needs: bool) -> None:
    found = read(typed)
    assert isinstance(found, Outer)
    assert found.needs_session is needs


@pytest.mark.parametrize(
    ("typed", "verb", "args"),
    [
        ("quit", "quit", ()),
        (":undo", "undo", ()),
        ("sort purity20", "sort", ("purity20",)),
        ("filter", "filter", ()),
        ("filter film noir", "filter", ("film noir",)),
        ("tab moves", "tab", ("moves",)),
        ("neuron 7", "neuron", ("7",)),
        ("neuron ml-1m-mf 7", "neuron", ("7",)),
        ("monoscope neuron ml-1m-mf 7", "neuron", ("7",)),
        ("user 1680", "user", ("1680",)),
        ("watch 1680", "watch", ("1680",)),
        ("watch age = '25-34' AND gender = 'F'", "watch", ("age = '25-34' AND gender = 'F'",)),
        ("watch", "watch", ()),
        ("item Schindler's List (1993)", "item", ("Schindler's List (1993)",)),
        ("item 'Toy Story (1995)'", "item", ("Toy Story (1995)",)),
        ("concept ml-1m-mf Film-Noir", "concept", ("Film-Noir",)),
        ("cohort share('Horror') >= 0.3 AND gender = 'F'", "cohort", ("share('Horror') >= 0.3 AND gender = 'F'",)),
        ("cohort \"gender = 'F'\"", "cohort", ("gender = 'F'",)),
        ("note it's  noir", "note", ("it's  noir",)),
        ("write 'my report.md'", "write", ("my report.md",)),
        ("theme", "theme", ()),
    ],
)
def test_the_workbenchs_own_commands(typed: str, verb: str, args: tuple[str, ...]) -> None:
    assert read(typed) == Inner(verb, args)


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("", "Type a command, such as export or help."),
        ("trian demo", "There is no command 'trian'; did you mean train?"),
        ("datasets lst", "There is no command 'datasets lst'; did you mean datasets list?"),
        ("xyzzy", "There is no command 'xyzzy'; help lists them."),
        ("--home x", "There is no command '--home'; help lists them."),
        ("tui", "tui cannot be run from inside the workbench."),
        ("train 'demo", "A quote is not closed; close it, or put a backslash before it."),
        ("note 'demo", "A quote is not closed; close it, or put a backslash before it."),
        ("train demo\\", "The line ends with a backslash; leave it out, or double it."),
        ("train demo --recpe best", "train has no option --recpe; did you mean --recipe?"),
        ("train demo --name", "--name needs TEXT behind it."),
        ("train", "train needs DATASET, a data set's name."),
        ("train a b", "train takes DATASET, so 'b' is too much."),
        ("recommend", "recommend needs --user."),
        ("runs trust", "runs trust needs RUN, a run's name."),
        ("runs remove ml-1m-mf --yes", "Run ml-1m-mf is open here; leave it before you remove it."),
        ("neuron x", "neuron needs the number of a neuron, not 'x'."),
        ("curve", "curve needs J, the number of a neuron."),
        ("tab lable", "There is no tab 'lable'; did you mean label?"),
        ("undo 3", "undo takes nothing, so '3' is too much."),
    ],
)
def test_each_mistake_is_one_sentence(typed: str, sentence: str) -> None:
    assert refusal(typed) == sentence


@pytest.mark.parametrize("verb", [*VERBS.outer.values(), *INNER.values()], ids=lambda verb: verb.name)
def test_of_every_command_a_slip_is_one_sentence_with_the_nearest_name(verb: Verb) -> None:
    *group, last = verb.words
    if len(last) > 3:
        slip = last[:-2] + last[-1] + last[-2] if last[-1] != last[-2] else last[:-1]
        known = VERBS.second_words(group[0]) if group else VERBS.first_words()
        if slip not in known:
            said = refusal(" ".join([*group, slip]))
            assert said.startswith(f"There is no command {' '.join([*group, slip])!r}; did you mean ")
    options = () if verb.name in INNER else verb.options  # the workbench takes the rest of those lines as a name
    for option in options:
        long = next((name for name in option.names if name.startswith("--") and len(name) > 5), None)
        if long is not None and verb.option(long[:-1]) is None:
            said = refusal(f"{verb.name} {long[:-1]}")
            assert said.startswith(f"{verb.name} has no option {long[:-1]}; did you mean --"), said
        if long is not None and option.value is not None:
            assert refusal(f"{verb.name} {long}").startswith(f"{option.names[0]} needs "), long
    missing = [one for one in verb.arguments if one.required and "run" not in one.value.kinds]
    if missing and verb in INNER.values():
        said = refusal(verb.name)
        assert said.startswith(f"{verb.name} needs {missing[0].value.metavar}")
        assert ", " in said or missing[0].value.metavar in ("TEXT", "NAME"), said


@given(st.text())
def test_any_line_is_understood_or_refused_in_a_sentence(text: str) -> None:
    said = "."
    try:
        read(text)
    except MonoscopeError as error:
        said = str(error)
    assert said.endswith((".", "?"))


ALPHABET = st.sampled_from([*"abc-=:,.'\"\\ \t()<0 7", "export ", "labels set ", "--session ", "cohort ", "neuron "])


@given(st.lists(ALPHABET).map("".join) | st.text(), st.integers(-3, 60))
def test_completion_never_fails(text: str, cursor: int) -> None:
    found = complete(text, cursor, Made())
    assert 0 <= found.start <= max(0, min(cursor, len(text)))


@given(st.lists(ALPHABET).map("".join))
def test_words_are_those_of_a_shell(text: str) -> None:
    found, last = lex(text)
    try:
        expected = shlex.split(text)
    except ValueError:
        assert last.quote or text.endswith("\\")
        return
    rest = [last.text] if last.start < len(text) else []
    assert found + rest == expected


@pytest.mark.parametrize("verb", VERBS.outer.values(), ids=lambda verb: verb.name)
def test_every_command_of_the_command_line_completes(verb: Verb) -> None:
    assert verb.words[0] in texts(verb.words[0][:2])
    if len(verb.words) == 2:
        assert verb.words[1] in texts(f"{verb.words[0]} {verb.words[1][:1]}")
    offered = texts(f"{verb.name} --")
    for option in verb.options:
        assert {name for name in option.names if name.startswith("--")} <= set(offered)
        assert option.help or option.value, option
    for option in (option for option in verb.options if option.value and option.value.choices):
        typed = f"{verb.name} {option.names[0]} "
        assert set(option.value.choices if option.value else ()) <= set(texts(typed))
        assert option.help in after(typed).hint


@pytest.mark.parametrize("verb", VERBS.outer.values(), ids=lambda verb: verb.name)
def test_choices_are_those_that_the_help_names(verb: Verb) -> None:
    for option in verb.options:
        choices = choices_of(verb.words, option.names[0]) if option.value else []
        assert all(choice in option.help for choice in choices), option
    for argument in verb.arguments:
        assert all(choice in argument.help for choice in CHOICES.get(argument.value.metavar, "").split())


@pytest.mark.parametrize("name", INNER)
def test_the_workbenchs_commands_complete_and_mean_what_the_command_line_means(name: str) -> None:
    assert name in texts(name[:1])
    outer = VERBS.outer.get((name,))
    if outer is not None:
        assert outer.arguments[0].value.kinds == ("run",)
        assert len(outer.arguments) == 1 + len(INNER[name].arguments)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("datasets fetch ", ["demo", "ml-1m"]),
        ("runs show ", ["ml-1m-mf", "ml-1m-ncf"]),
        ("runs compare ml-1m-ncf ", ["ml-1m-mf", "ml-1m-ncf"]),
        ("export --session ", ["tuesday", "ml-1m-mf"]),
        ("export --format=ve", ["vectors"]),
        ("label --tests detection,in", ["intruder"]),
        ("label --neurons 3,1", ["17"]),
        ("neuron ", ["7", "17", "3"]),
        ("neuron hor", ["7"]),
        ("neuron 7 --js", ["--json"]),
        ("neuron ml-1m-mf 1", ["17"]),
        ("labels sh", ["show"]),
        ("labels show ", ["7", "17", "3"]),
        ("labels resolve 3 Film", ["Film-Noir"]),
        ("labels import ", ["'my report.md'"]),
        ("labels other set ", ["7", "17", "3"]),
        ("concept film", ["Film-Noir"]),
        ("item toy st", ["Toy Story (1995)"]),
        ("item 'toy st", ["'Toy Story (1995)'"]),
        ("item 'til", ["''\"'\"'Til There Was You'"]),
        ("why --item toy", ["'Toy Story (1995)'"]),
        ("why --user 1680 --item Toy --user", []),
        ("steer --about Child", ["'Children'\"'\"'s'"]),
        ("steer --by ", ["gender", "age"]),
        ('steer --users "', ["horror-fans", "share('", "seen('", "history()", "gender", "age"]),
        ("cohort ", ["horror-fans", "share('", "seen('", "history()", "gender", "age"]),
        ("cohort sh", ["share('"]),
        ("cohort age > 20 AND se", ["seen('"]),
        ("steer --users \"gender = 'F' AND a", ["age"]),
        ("steer --users \"share('film", ["Film-Noir"]),
        ("steer --items \"has('Sci", ["Sci-Fi"]),
        ("steer --users 'age > ", []),
        ("cohort gender = 'F' AND a", ["age"]),
        ("cohort ho", ["horror-fans"]),
        ("cohort age = '", ["'18-24'", "'25-34'"]),
        ("cohort age = ", ["'18-24'", "'25-34'"]),
        ("cohort age='2", ["'25-34'"]),
        ("cohort gender = 'F' AND age <> '25", ["'25-34'"]),
        ("cohort gender = 'F' AND age NOT IN ('18-24', '25", ["'25-34'"]),
        ("cohort age LIKE '18", ["'18-24'"]),
        ("cohort age = '18-24' AND a", ["age"]),
        ("cohort age = '18-24' ", []),
        ("cohort age = a", ["age"]),
        ("cohort \"zip code\" = 'O''H", ["'O''Hara'"]),
        ("watch age = '25", ["'25-34'"]),
        ("watch 16", ["1680"]),
        ("watch ho", ["horror-fans"]),
        ("steer --users \"age = '25", ["'25-34'"]),
        ('steer --items "year = 1996', ["1996"]),
        ("neurons --where pur", ["purity20"]),
        ("concepts demo remove ", ["Film-Noir", "'Children'\"'\"'s'", "Sci-Fi"]),
        ("cohorts demo ad", ["add"]),
        ("cohorts ad", ["add"]),
        ("cohorts remove ", ["horror-fans"]),
        ("concepts remove Film", ["Film-Noir"]),
        ("sessions bookmark tuesday ", ["neuron", "item", "user", "concept"]),
        ("sessions bookmark tuesday user 1", ["1680"]),
        ("reproduce table", ["table1"]),
        ("tab no", ["notes"]),
        ("sort ", ["purity20", "q"]),
        ("export --output my", ["'my report.md'"]),
        ("monoscope datasets fe", ["fetch"]),
        (":datasets fe", ["fetch"]),
    ],
)
def test_values_are_those_that_there_are(typed: str, offered: list[str]) -> None:
    assert texts(typed) == offered


@pytest.mark.parametrize("name", [name for name, _ in THINGS["item"]])
def test_a_title_that_was_offered_is_understood(name: str) -> None:
    for typed in ("item ", "item '", f"item {name[1:4]}"):
        found = after(typed)
        if found.candidates:
            chosen = next(text for text, _ in found.candidates if name[1:] in text.replace("'\"'\"'", "'"))
            assert read(typed[: found.start] + chosen) == Inner("item", (name,))


def test_hints_say_what_is_wanted_and_options_come_once() -> None:
    assert after("datasets fetch ").hint == "DATASET: A data set's name."
    assert after("runs compare a b --format ").hint.startswith("--format TEXT: html, md or json: the comparison")
    assert texts("runs compare a b --format ") == ["html", "md", "json"]
    assert {"html", "svg", "vectors"} < set(texts("export --format "))
    assert after("trian ").hint == "There is no command 'trian'; did you mean train?"
    assert "--json" not in texts("neurons --json --")
    assert "--grid" in texts("sweep demo --grid sae.beta=1 --")
    assert "--format" in texts("export ml-1m-mf ")
    assert after("train demo --r", Made(None, None)).start == len("train demo ")


def test_folders_answer_for_runs_data_sets_sessions_and_files(demo: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    demo.sessions.mkdir()
    (demo.sessions / "tuesday.jsonl").touch()
    (demo.root / "my notes.md").touch()
    folders = Folders(demo, "demo-mf", None)
    monkeypatch.chdir(demo.root)

    def offered(typed: str) -> list[str]:
        return [name for name, _ in complete(typed, len(typed), folders).candidates]

    assert offered("runs show ") == ["demo-mf"]
    assert "ml-1m" in offered("train ")
    assert offered("sessions show ") == ["tuesday"]
    assert offered("export --output my") == ["'my notes.md'"]
    assert offered("export --output ru") == ["runs/"]
    assert offered(f"export --output {demo.root}/sess") == [f"{demo.root}/sessions/"]
    assert offered("export --output ~nobody-at-all/") == []
    assert offered("neuron ") == []


def test_the_command_line_is_read_only_when_it_is_wanted() -> None:
    light = loaded_after("import workbench.commandline, workbench.completion, workbench.verbs")
    assert light.isdisjoint({*HEAVY, "typer", "click", "textual", "rich", "numpy"})
    wanted = loaded_after(f"{KNOWN}from workbench.commandline import parse; parse('train demo', None, None)")
    assert "typer" in wanted
    assert wanted.isdisjoint({*HEAVY, "textual", "numpy"})


def test_until_the_command_line_is_known_the_workbenchs_own_commands_complete() -> None:
    code = KNOWN + (
        "import time; from workbench.completion import complete, Folders; from workbench.verbs import loaded;"
        "from engine.home import Home; from pathlib import Path; here = Folders(Home(Path('/nowhere')));"
        "assert [c[0] for c in complete('un', 2, here).candidates] == ['undo'];"
        "complete('trian ', 6, here)\n"
        "while loaded() is None: time.sleep(0.01)\n"
        "assert complete('trai', 4, here).candidates[0][0] == 'train'"
    )
    assert "typer" in loaded_after(code)
    assert loaded() is VERBS
