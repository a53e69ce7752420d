import copy
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pyarrow.csv
import pyarrow.parquet
import pytest

from engine.catalogue.fetch import NOT_OFFICIAL
from engine.catalogue.named import Named
from engine.errors import HomeError
from engine.experiments.drawing import Picture
from engine.labels.metadata import NO_CONCEPT
from engine.report import again, formats
from engine.report.complete import complete, without_few
from engine.report.document import About
from engine.report.effects import Effect, Toward
from engine.report.facts import notices
from engine.report.markdown import as_json, as_markdown, escaped, schema
from engine.report.pictures import Figure
from engine.report.tables import tables_of, write_tables
from engine.run import Run
from engine.session import Label, Note, State
from tests.engine.report.test_vectors import files_of_at_most

OFF: dict[str, Any] = {"side": "users", "neuron": 4, "operation": "off", "amount": None, "unit": "p99"}
SESSION = State(
    labels={
        0: Label("Scary | [films](http://x) <b>", "llm", None, "m", None, "t"),
        1: Label("Wrong", "rejected", None, None, None, "t"),
        2: Label(NO_CONCEPT, "metadata", None, None, None, "t"),
    },
    edits=(
        {"side": "users", "neuron": 3, "operation": "add", "amount": 1.5, "unit": "p99"},
        {**OFF, "ids": ["v0001", "v0002"]},
        {**OFF, "where": "age_band = 'under 18'", "on": False},
        {**OFF, "where": "age_band = 'under 18'"},
        {"side": "items", "neuron": 5, "operation": "set", "amount": 1.0, "unit": "p99", "ids": ["f001"]},
    ),
    cohorts=(None, None, None, None, "age_band = 'under 18'"),
    watched=("v0003",),
    notes=(Note("Looks right.", "neuron 3"), Note("Asked v0004 in person.", "user v0004")),
    scores={1: {"detection": {"kind": "detection", "figures": {"value": 0.9}}}},
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[REC] (2007)", r"\[REC\] (2007)"),
        ("a|b", r"a\|b"),
        ("*x* _y_ `z`", r"\*x\* \_y\_ \`z\`"),
        ("<script>", r"\<script\>"),
        ("two\nlines\x1b[31m", r"two lines \[31m"),
        ("Amélie: 浜崎", "Amélie: 浜崎"),
    ],
)
def test_text_from_data_never_acts_as_markup(text: str, shown: str) -> None:
    assert escaped(text) == shown


@pytest.fixture(scope="module")
def facts(demo_run: Run) -> dict[str, Any]:
    """All of a session with edits of every kind."""
    return complete(demo_run, SESSION, About("mine"))


def test_markdown_is_short_and_tells_every_edit_with_its_effect(facts: dict[str, Any]) -> None:
    text = as_markdown(facts)
    assert text.startswith("# demo, session mine: what the model has learned\n")
    assert [line[:9] for line in text.splitlines() if line.startswith("- Edit ")] == [
        f"- Edit {n} " for n in range(1, 6)
    ]
    assert len(text.splitlines()) < 260
    assert r"Scary \| \[films\](http://x) \<b\>" in text
    for number in range(1, 6):
        assert f"### Edit {number}. " in text
    of_first = text[text.index("### Edit 1.") : text.index("### Edit 2.")]
    effect = facts["edits"][0]["effect"]
    assert f"| NDCG@10 | {effect['before']['ndcg10']:.3f} |" in of_first
    assert f"the lists of {effect['collateral']['lists_changed']:,} change" in of_first
    assert "- Looks right. (neuron 3)" in text
    assert "\n# edit 1\nmonoscope steer demo --neuron 3 --users true --add=1.5 --session mine\n" in text
    assert "--users \"age_band = 'under 18'\"" in text
    assert "--item f001 --set=1.0 --cohort \"age_band = 'under 18'\" --session mine\n" in text
    assert f"Measured on {facts['edits'][4]['effect']['users']:,} users (age\\_band = 'under 18');" in text
    assert facts["session"]["sha256"] in text
    assert text.count("**Neuron ") == len({1, 3, 4, 5})  # top items of edited and decided ones alone


def test_nothing_of_single_users_or_small_groups_leaves(demo_run: Run, facts: dict[str, Any]) -> None:
    for text in (as_markdown(facts), as_json(facts)):
        assert not re.search(r"\bv0\d{3}\b", text)
    few = facts["edits"][1]
    assert (few["whom"], few["rows"], few["edit"], few["effect"]) == ("fewer than 10 users", None, None, None)
    waits = facts["edits"][2]
    assert (waits["effect"], waits["edit"]["where"], waits["rows"]) == (
        None,
        "age_band = 'under 18'",
        facts["edits"][3]["rows"],
    )
    tables = {table.name: table for table in tables_of(demo_run, facts)}
    users = [dict(zip(table.columns, row, strict=True)).get("users") for table in tables.values() for row in table.rows]
    assert all(count is None or count >= 10 for count in users)
    counts = [row for row in tables["effects"].rows if row[2] in ("users", "lists_changed", "users_changed")]
    assert counts
    assert not [row for row in counts if row[-1] is not None and 0 < row[-1] < 10]


def test_the_session_is_made_again_by_the_commands_of_its_report(demo_run: Run, facts: dict[str, Any]) -> None:
    commands = [one["command"] for one in facts["commands"]]
    assert [line.split()[1] for line in commands if line][:2] == ["datasets", "train"]
    steer = [line for line in commands if line and line.startswith("monoscope steer")]
    assert len(steer) == 4  # of five: one is for few users
    assert "monoscope sessions switch mine 3 --off" in commands
    same = complete(demo_run, replace(SESSION, labels=dict(SESSION.labels)), About("other"), short=True)
    assert same["session"]["sha256"] == facts["session"]["sha256"]
    changed = complete(demo_run, replace(SESSION, notes=()), About("mine"), short=True)
    assert changed["session"]["sha256"] != facts["session"]["sha256"]


def test_concepts_and_cohorts_of_ones_own_are_among_the_commands_unless_they_tell_of_single_users(
    demo_run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = tuple(range(12))
    mine = {
        "concept": [Named("concept", "Long noir", "has('Film-Noir')", "", many)],
        "cohort": [
            Named("cohort", "Fans", "share('Horror') >= 0.3", "", many),
            Named("cohort", "Few", "share('Horror') >= 0.9", "", (1, 2)),
            Named("cohort", "Named", "user_id < 'v0100'", "", many),
            Named("cohort", "Unused", "age_band = 'under 18'", "", many),
        ],
    }
    monkeypatch.setattr(again, "own", lambda _folder, kind: mine[kind])
    assert ("monoscope concepts demo add 'Long noir' --where \"has('Film-Noir')\"") in dict(
        again.of_run(demo_run)
    ).values()
    edits = [{**OFF, "where": name} for name in ("Fans", "Few", "Named")]
    lines = [line for _, line in again.of_session(demo_run, "s", State(), edits, (), [None] * 3) if "cohorts" in line]
    assert lines == ["monoscope cohorts demo add Fans --where \"share('Horror') >= 0.3\""]


def test_a_rejected_name_is_none_and_numbers_of_labels_add_up(facts: dict[str, Any]) -> None:
    row = facts["neurons"][1]
    assert (row["name"], row["named_by"], row["label_text"], row["detection"]) == (None, "rejected", "Wrong", None)
    counts = facts["session"]
    parts = ("naming", "no_coherent_concept", "rejected", "failed")
    assert [counts[part] for part in parts] == [1, 1, 1, 0]
    assert sum(counts[part] for part in parts) == counts["labels"]
    text = as_markdown(facts)
    assert "Of 3 labels of the session 1 name their neuron (1 by a language model); 1 without" in text
    assert "| 1 | – | rejected by hand |" in text


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_every_table_is_a_file_the_same_twice(demo_run: Run, facts: dict[str, Any], kind: str, tmp_path: Path) -> None:
    written = write_tables(demo_run, facts, kind, tmp_path / "one")
    assert write_tables(demo_run, facts, kind, tmp_path / "one") == written  # an earlier export gives way
    write_tables(demo_run, facts, kind, tmp_path / "two")
    for path in written:
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    manifest = json.loads((tmp_path / "one" / "manifest.json").read_text())
    names = {name.removesuffix(f".{kind}") for name in manifest["files"]}
    assert names >= {"neurons", "top_items", "top_concepts", "matrix", "moves_items", "moves_concepts", "segments"}
    assert names >= {"histograms", "neighbours", "edits", "effects", "fidelity", "quality", "baselines", "labels"}
    assert names >= {"notes", "concepts", "figure_doses"}
    for name, told in manifest["files"].items():
        table = read_table(tmp_path / "one" / name)
        assert table.column_names == [column["name"] for column in told["columns"]]
        assert len(table) == told["rows"]
        assert all(column["about"] for column in told["columns"])
    neurons = read_table(tmp_path / "one" / f"neurons.{kind}").to_pylist()
    assert [row["neuron"] for row in neurons] == [row["neuron"] for row in facts["neurons"]]
    assert neurons[2]["purity20"] == pytest.approx(facts["neurons"][2]["purity20"])
    assert all(row["item_id"] for row in read_table(tmp_path / "one" / f"moves_items.{kind}").to_pylist())


def test_a_folder_of_somebodys_work_is_no_place_for_tables(
    demo_run: Run, facts: dict[str, Any], tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "a.txt").write_text("mine")
    for folder, told in ((mine, "other files"), (mine / "a.txt", "is a file"), (tmp_path / "no" / "x", "no folder")):
        with pytest.raises(HomeError, match=told):
            write_tables(demo_run, facts, "csv", folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "a.txt"]


def test_a_text_that_a_spreadsheet_would_run_is_quoted_in_csv(
    demo_run: Run, facts: dict[str, Any], tmp_path: Path
) -> None:
    evil = {**facts, "notes": [{"text": "=1+1", "about": None, "time": ""}]}
    write_tables(demo_run, evil, "csv", tmp_path / "out")
    assert (tmp_path / "out" / "notes.csv").read_text() == "text,about,time\n'=1+1,,\n"


def read_table(path: Path) -> Any:
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_table(path)
    return pyarrow.csv.read_csv(path)


def test_every_row_of_every_table_has_as_many_cells_as_its_head(facts: dict[str, Any]) -> None:
    tables = [block for block in as_markdown(facts).split("\n\n") if block.startswith("| ")]
    assert len(tables) > 6
    for table in tables:
        cells = {line.replace(r"\|", "").count("|") for line in table.splitlines()}
        assert len(cells) == 1, table


def test_what_is_unknown_reads_unknown_and_notices_are_in_bold(facts: dict[str, Any]) -> None:
    told = copy.deepcopy(facts)
    told["fidelity"]["ndcg_kept"] = None
    told["neurons"][3].update(purity20=None, q=None, concept=None, name=None, items=[])
    text = as_markdown(told)
    assert "| share of NDCG@10 kept | – |" in text
    assert "- **Neuron 3, no name**: no item activates it." in text
    assert "**Note: simulated audience" in text


def test_an_unofficial_archive_is_explained(demo_run: Run) -> None:
    manifest = {**demo_run.manifest, "notice": None, "notes": ["Few items."], "source_notice": NOT_OFFICIAL}
    (archive, few) = notices(manifest)
    assert archive.startswith("The archive that demo was made of is not the official one, so that")
    (archive, _) = notices(manifest, {"source_md5": "a1", "official_md5": "b2"})
    assert "(its MD5 is a1, that of the official one b2)" in archive
    assert few == "Few items."


def test_the_figures_of_the_report_are_those_of_the_run(demo_run: Run, facts: dict[str, Any]) -> None:
    text = as_markdown(facts)
    for value in (demo_run.manifest["fidelity"]["rbo"], demo_run.manifest["recommender"]["metrics"]["ndcg10"]):
        assert f"| {value:.3f} |" in text
    assert demo_run.manifest["catalogue_hash"] in text


def test_facts_for_programs_keep_to_the_published_schema(demo_run: Run, facts: dict[str, Any]) -> None:
    bare = complete(demo_run, State(), About(), short=True)
    jsonschema.Draft202012Validator.check_schema(schema())
    validator = jsonschema.Draft202012Validator(schema())
    for told in (json.loads(as_json(facts)), json.loads(as_json(bare))):
        validator.validate(told)
        assert told["schema"] == schema()["properties"]["schema"]["const"]
        for break_ in ({"schema": 1}, {"neurons": [{}]}, {"run": None}, {"surprise": 1}, {"edits": [{}]}):
            assert not validator.is_valid({**told, **break_})
        for name in ("session", "notes", "figures", "matrix", "together", "exported", "commands"):
            assert not validator.is_valid({key: value for key, value in told.items() if key != name})


def test_a_full_disk_leaves_earlier_figures_and_none_of_the_new(
    demo_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def drawn(size: int) -> list[Figure]:
        parts = (("one", 10), ("two", size))
        return [Figure(n, n, "Look.", Picture(n, b"x" * count, b"x" * count, n, ("a",), ((1,),))) for n, count in parts]

    out = tmp_path / "out"
    monkeypatch.setattr(formats, "figures_of", lambda *_: drawn(9000))
    with files_of_at_most(4096), pytest.raises(HomeError, match="no figure was written"):
        formats.write_pictures(demo_run, State(), "png", out, About())
    assert not out.exists()
    monkeypatch.setattr(formats, "figures_of", lambda *_: drawn(20))
    formats.write_pictures(demo_run, State(), "png", out, About())
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    assert sorted(before) == ["one.md", "one.png", "two.md", "two.png"]
    monkeypatch.setattr(formats, "figures_of", lambda *_: drawn(9000))
    with files_of_at_most(4096), pytest.raises(HomeError, match="no figure was written"):
        formats.write_pictures(demo_run, State(), "png", out, About())
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before


def test_the_size_of_a_small_group_is_unknown_wherever_it_stands() -> None:
    arms = {arm: {"reach": {"edited_items": [{"users": n}]}} for arm, n in (("before", 3), ("after", 10))}
    outside = [{"side": "users", "rows": 9}, {"side": "users", "rows": 10}, {"side": "items", "rows": 1}]
    side: dict[str, Any] = {
        "users_changed": 9,
        "lists_changed": 31,
        "items_changed": 2,
        "most_changed_users": [{"user": "v0001"}],
    }
    stacked = [{"users": 35, "together": {"users": 26}, "alone": {"users": 25}}]
    toward = Toward("g", 30, 25, None, None, None)
    facts: dict[str, Any] = {**arms, "outside": outside, "collateral": {"users": 40, **side}}
    told = without_few(Effect(40, 40, facts, toward=toward, stacked=stacked))
    assert told is not None
    assert [told[arm]["reach"]["edited_items"][0]["users"] for arm in arms] == [None, 10]
    assert told["collateral"] == {"users": 40, "users_changed": None, "lists_changed": None, "items_changed": 2}
    assert (told["toward"]["users"], told["toward"]["reached"]) == (30, None)
    assert told["stacked"] == [{"users": 35, "together": {"users": None}, "alone": {"users": 25}}]
    assert [one["rows"] for one in told["outside"]] == [10, 1]
    assert without_few(Effect(3, 0, None)) is None
