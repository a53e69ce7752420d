"""Conditions that a user types: what they may say, and that nothing else gets through."""

import resource
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from engine.catalogue import column_values
from engine.catalogue.catalogue import Catalogue
from engine.catalogue.predicate import _objects, matching, matching_rows, parse
from engine.errors import PredicateError
from engine.home import Home


@pytest.fixture
def path(small_home: Home) -> Path:
    return small_home.datasets / "ml-1m" / "catalogue.duckdb"


@pytest.mark.parametrize(
    ("where", "titles"),
    [
        ("year < 1970", ["Plan 9 ( [31mRed )"]),
        ("genres LIKE '%Musical%' AND title ILIKE 'mis%'", ["Misérables, Les"]),
        ("title = 'Misérables, Les' -- the musical", ["Misérables, Les"]),
        ("item IN (SELECT item FROM concepts WHERE concept = 'Crime')", ["Seven (Se7en)"]),
        ("year = (WITH first AS (SELECT min(year) AS y FROM items) SELECT y FROM first)", ["Plan 9 ( [31mRed )"]),
        ("year IN (FROM range(1950, 1960))", ["Plan 9 ( [31mRed )"]),
        ("NULL::BOOLEAN", []),
    ],
)
def test_a_condition_gives_the_items_it_is_true_of(small: Catalogue, where: str, titles: list[str]) -> None:
    found = small.match_items(where)
    assert found.dtype == "int32"
    assert [small.items().title[item] for item in found] == titles


def test_a_cohort_may_ask_for_attributes_and_history(small: Catalogue) -> None:
    assert small.match_users("gender = 'F' AND age = 'under 18'").tolist() == [0]
    loves_crime = """
        "user" IN (SELECT "user" FROM interactions JOIN concepts USING (item) WHERE concept = 'Crime' AND weight >= 4)
    """
    assert small.match_users(loves_crime).tolist() == [0, 1, 2, 3]
    assert small.match_users("(SELECT count(*) FROM interactions i WHERE i.user = users.user) > 13").tolist() == [0, 3]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("yeer < 1970", r"no column 'yeer' \(did you mean year\?\); the columns of items are item, .*genres\.$"),
        ("items.yeer < 1970", r"no column 'yeer' \(did you mean year\?\)"),
        ("qwertz = 1", r"no column 'qwertz'; the columns of items are"),
        ("year", r"gives SMALLINT, not true or false"),
        ("", r"must be one expression"),
        ("year <", r"does not parse: syntax error"),
        ("year < 'x'", r"compares a text with a number: year is a number, from 1958 to 2004\.$"),
        ("title > 3", r"compares a text with a number: title is text: '"),
        ("genres BETWEEN 1 AND 2 AND year = 3", r"genres is text: .*; year is a number, from"),
        ("year = toby", r"There is no column 'toby'; the columns of items are"),
        ("nothing(year)", r"Scalar Function with name nothing does not exist"),
        ("count(*) > 1", r"cannot contain aggregates"),
        ("year = ?", r"has a parameter"),
        ("title = '\udcff'", r"not valid UTF-8"),
    ],
)
def test_a_condition_that_does_not_fit_is_one_sentence(small: Catalogue, where: str, message: str) -> None:
    with pytest.raises(PredicateError, match=message) as caught:
        small.match_items(where)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "where",
    [
        "1) FROM read_text('/etc/passwd') --",
        "true FROM read_text('/etc/passwd')",
        "true) FROM read_text('/etc/passwd') WHERE (true",
        "true; DROP TABLE items",
        "true); DROP TABLE items; SELECT (true",
        "true, false",
        "true AS condition",
        "true FROM items",
        "true WHERE true",
        "true ORDER BY 1",
        "true LIMIT 1",
        "true GROUP BY ALL",
        "true HAVING true",
        "true QUALIFY true",
        "true UNION SELECT true",
        "DISTINCT true",
        "true; SELECT true",
        "/* true",
        "(COPY items TO '/tmp/items.csv')",
        "(SET threads = 4)",
        "true; ATTACH '/etc/passwd' AS other",
        "true; INSTALL httpfs",
    ],
)
def test_only_one_expression_is_parsed(where: str) -> None:
    with duckdb.connect() as connection, pytest.raises(PredicateError, match=r"one expression|does not parse"):
        parse(connection, where)


@pytest.mark.parametrize(
    "source",
    [
        "read_csv('/etc/passwd')",
        "read_text('/etc/passwd')",
        "read_csv('https://example.org/a.csv')",
        "glob('*')",
        "'/etc/passwd'",
        "'/etc/hosts.csv'",
        "query('SELECT 1')",
        "query_table('meta')",
        "duckdb_settings()",
        "duckdb_secrets()",
        "pragma_database_list()",
        "json_execute_serialized_sql('{}')",
        "information_schema.tables",
        "sqlite_master",
        "meta",
        "(SHOW TABLES)",
        "(SUMMARIZE items)",
    ],
)
def test_only_the_catalogue_s_own_tables_are_read(source: str) -> None:
    readable = r"it can read concepts, interactions, items, users|may not use"
    with duckdb.connect() as connection, pytest.raises(PredicateError, match=readable):
        parse(connection, f"EXISTS (FROM {source})")


@pytest.mark.parametrize(
    "where",
    [
        "1) FROM read_text('/etc/passwd') --",
        "true; DROP TABLE items",
        "EXISTS (FROM read_csv('/etc/passwd'))",
        "EXISTS (FROM glob('*'))",
    ],
)
def test_what_does_not_parse_is_not_run(small: Catalogue, where: str) -> None:
    with pytest.raises(PredicateError):
        small.match_items(where)
    assert len(small.match_items("true")) == 24


def test_a_cte_that_borrows_a_name_opens_no_file(small: Catalogue) -> None:
    with pytest.raises(PredicateError):
        small.match_items(
            'EXISTS (FROM \'/etc/hosts.csv\') AND EXISTS (WITH "/etc/hosts.csv" AS (SELECT 1) FROM "/etc/hosts.csv")'
        )


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("gender = F", "There is no column 'F'; a text needs quotes: gender is text: 'F', 'M'."),
        ("gender = X", "There is no column 'X'; the columns of users are"),
        ("GENDER > 3", "compares a text with a number: gender is text: 'F', 'M'."),
    ],
)
def test_a_value_that_does_not_fit_is_told_with_those_that_there_are(
    small: Catalogue, where: str, message: str
) -> None:
    with pytest.raises(PredicateError) as caught:
        small.match_users(where)
    assert message in str(caught.value)


def test_what_columns_hold_is_told_of_those_that_a_condition_names(small: Catalogue) -> None:
    told = small.values_told("users", "gender = 'female' AND users.age IN ('1') AND gender <> 'x'")
    assert told.startswith(" (gender is text: 'F', 'M'; age is text: '")
    assert small.values_told("items", "year < 0 OR 1 = 2") == " (year is a number, from 1958 to 2004)"
    assert small.values_told("users", "false") == ""
    assert small.values_told("users", "no condition at all") == ""


def test_of_many_values_those_come_first_that_hold_what_was_typed() -> None:
    with duckdb.connect(":memory:") as connection:
        connection.execute('CREATE TABLE users (job VARCHAR, since DATE, none VARCHAR, "odd""one" INTEGER)')
        jobs = [f"job {number:02}" for number in range(20)] + ["it's a doctor's very long and tedious title", "job 07"]
        connection.executemany("INSERT INTO users VALUES (?, '2000-01-01', NULL, 7)", [[job] for job in jobs])

        def told(where: str) -> str:
            return column_values.told(connection, "users", _objects(parse(connection, where)))

        assert told("job = 'Doctor'") == (
            "job is text: 'it''s a doctor''s very long and…', 'job 07', 'job 00', 'job 01', 'job 02' and 16 more"
        )
        assert told("job LIKE 'x'").startswith("job is text: 'job 07', ")
        assert told("none = 'x' AND since > '2001-01-01'") == "none is unknown everywhere; since is DATE"
        assert told('"odd""one" = 3') == 'odd"one is a number, from 7 to 7'


HOSTILE = {
    "huge repeat": "length(repeat('x', 2000000000)) > 1",
    "repeats of titles": "length(repeat(title, 100000000)) > 5",
    "cross join of ranges": "(SELECT count(*) FROM range(1000000000) a, range(1000000000) b) > 1",
    "cross join of ranges that streams": "(SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b) > 1",
    "endless recursion": "(WITH RECURSIVE r AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM r)"
    " SELECT count(*) FROM r) > 1",
    "growing recursion": "(WITH RECURSIVE r AS (SELECT repeat('x', 100000) AS x UNION ALL"
    " SELECT x || repeat('y', 100000) FROM r) SELECT count(*) FROM r) > 1",
    "deep nesting": "(" * 20_000 + "true" + ")" * 20_000,
    "long list": f"year IN ({', '.join(map(str, range(300_000)))})",
    "deep negation": "NOT " * 900 + "true",
    "huge list": "len(list_transform(range(1000000000), lambda x: x + 1)) > 1",
}


def largest_child_bytes() -> int:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit


@pytest.mark.parametrize("where", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_condition_is_stopped_within_its_limits(path: Path, where: str) -> None:
    start, before = time.perf_counter(), largest_child_bytes()
    with pytest.raises(PredicateError) as caught:
        matching(path, "items", where, seconds=2)
    assert time.perf_counter() - start < 20  # the limit is 2 s; the rest is for a busy machine
    assert "\n" not in str(caught.value)
    assert largest_child_bytes() <= max(before, 1.6e9)


def test_a_condition_that_takes_too_long_leaves_no_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    children: list[subprocess.Popen[bytes]] = []
    original = subprocess.Popen

    def recorded(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        children.append(original(*arguments, **options))
        return children[-1]

    monkeypatch.setattr(subprocess, "Popen", recorded)
    with pytest.raises(PredicateError, match="longer than 1 s"):
        matching(path, "items", HOSTILE["endless recursion"], seconds=1)
    assert [child.returncode for child in children] == [-signal.SIGKILL]


def test_an_engine_folder_in_the_current_directory_is_not_run(
    small: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "engine").mkdir()
    (tmp_path / "engine" / "__init__.py").write_text("raise SystemExit('wrong engine')")
    monkeypatch.chdir(tmp_path)
    assert small.match_items("year < 1970").tolist() == [0]


ROWS = [
    {"neuron": n, "purity": n / 4, "concept": name, "flags": ["dead"] * n}
    for n, name in enumerate(["Horror", None, "War"])
]
KINDS = {"neuron": "DOUBLE", "purity": "DOUBLE", "concept": "VARCHAR", "flags": "VARCHAR[]"}


@pytest.mark.parametrize(
    ("where", "positions"),
    [
        ("purity >= 0.25", [1, 2]),
        ("concept = 'War' OR neuron = 0", [0, 2]),
        ("concept IS NULL", [1]),
        ("'dead' IN flags", [1, 2]),
        ("purity = (SELECT max(purity) FROM neurons)", [2]),
    ],
)
def test_a_condition_over_rows_gives_their_positions(where: str, positions: list[int]) -> None:
    assert matching_rows("neurons", ROWS, KINDS, where).tolist() == positions


@pytest.mark.parametrize(
    ("where", "message"),
    [
        (
            "purty > 1",
            r"no column 'purty' \(did you mean purity\?\); the columns of neurons are neuron, purity, concept, flags\.",
        ),
        ("true; DROP TABLE neurons", "must be one expression"),
        ("neuron IN (SELECT item FROM items)", "reads 'items'; it can read neurons"),
        ("neuron IN (FROM read_csv('/etc/passwd'))", r"may not use read_csv\(\)"),
        ("purity", "gives DOUBLE, not true or false"),
    ],
)
def test_a_condition_over_rows_reads_nothing_else(where: str, message: str) -> None:
    with pytest.raises(PredicateError, match=message):
        matching_rows("neurons", ROWS, KINDS, where)
