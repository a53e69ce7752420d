"""The recipe of a data set that a user adds: dataset.toml, load.sql and concepts.sql, meant to be read and changed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.catalogue.recipes import Parameter
from engine.catalogue.user_files import Table, identifier

MIN_TAGGED = 10
"""A tag, a decade or a tag in a decade of fewer items is no concept: it is no ground truth."""
TRAILING_YEAR = r"\s*\((\d{4})\)\s*$"


@dataclass(frozen=True)
class Rows:
    """The interactions' file: an SQL expression for each thing that is read from it."""

    table: Table
    user: str
    item: str
    weight: str
    time: str
    min_rating: float | None = None


@dataclass(frozen=True)
class Things:
    """The items' or the users' file, likewise."""

    table: Table
    key: str
    title: str = "NULL"
    year: str = "NULL"
    tags: str | None = None
    """the attribute that holds the tags with `|` between them"""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """name to SQL expression"""


@dataclass(frozen=True)
class Plan:
    """What is read from where."""

    rows: Rows | None
    items: Things | None
    users: Things | None
    allow_missing: bool

    @property
    def files(self) -> dict[str, Table]:
        """The files by what they hold."""
        found = {"interactions": self.rows, "items": self.items, "users": self.users}
        return {role: holder.table for role, holder in found.items() if holder is not None}


def load_sql(plan: Plan) -> str:
    """SQL that stages the three tables, as `build` wants them."""
    head = (
        "-- Reads your files where they are (dataset.toml names them) and stages three tables.\n"
        "-- After a change here or in concepts.sql: monoscope datasets add NAME --replace, without files.\n"
    )
    return "\n".join((head, _interactions(plan.rows), _items(plan), _users(plan)))


def _source(role: str, table: Table) -> str:
    return table.source.replace("{path}", f"getvariable('{role}_file')")


def _interactions(rows: Rows | None) -> str:
    if rows is None:
        selected = (
            "SELECT NULL::VARCHAR AS user_id, NULL::VARCHAR AS item_id, NULL::FLOAT AS weight,"
            " NULL::TIMESTAMP AS time\nWHERE false"
        )
    else:
        selected = (
            f"SELECT\n    {rows.user} AS user_id,\n    {rows.item} AS item_id,\n    ({rows.weight})::FLOAT AS weight,\n"
            f"    {rows.time} AS time\nFROM {_source('interactions', rows.table)}"
        )
        if rows.min_rating is not None:
            selected += f"\nWHERE {rows.weight} >= getvariable('min_rating')"
    return f"CREATE TEMP TABLE staged_interactions AS\n{selected};\n"


def _items(plan: Plan) -> str:
    from_rows = "SELECT DISTINCT item_id, item_id AS title, NULL::SMALLINT AS year FROM staged_interactions"
    if plan.items is None:
        why = "-- There is no file of items: their ids are their titles."
        return f"{why}\nCREATE TEMP TABLE staged_items AS\n{from_rows};\n"
    items = plan.items
    title = f"coalesce(nullif(trim({items.title}), ''), {items.key})" if items.title != "NULL" else items.key
    lines = [f"{items.key} AS item_id", f"{title} AS title", f"({items.year})::SMALLINT AS year"]
    lines += [f"{expression} AS {identifier(name)}" for name, expression in items.attributes.items()]
    selected = "CREATE TEMP TABLE staged_items AS\nSELECT\n    " + ",\n    ".join(lines)
    selected += f"\nFROM {_source('items', items.table)};\n"
    if plan.allow_missing and plan.rows is not None:
        selected += (
            "\n-- Items that only the interactions name have their ids as titles.\n"
            "INSERT INTO staged_items(item_id, title)\n"
            "SELECT DISTINCT item_id, item_id FROM staged_interactions ANTI JOIN staged_items USING (item_id);\n"
        )
    return selected


def _users(plan: Plan) -> str:
    from_rows = "SELECT DISTINCT user_id FROM staged_interactions"
    if plan.users is None:
        return f"CREATE TEMP TABLE staged_users AS\n{from_rows};\n"
    lines = [f"{plan.users.key} AS user_id"]
    lines += [f"{expression} AS {identifier(name)}" for name, expression in plan.users.attributes.items()]
    selected = "CREATE TEMP TABLE staged_users AS\nSELECT\n    " + ",\n    ".join(lines)
    selected += f"\nFROM {_source('users', plan.users.table)};\n"
    if plan.allow_missing and plan.rows is not None:
        selected += (
            "\n-- Users that only the interactions name.\nINSERT INTO staged_users(user_id)\n"
            f"{from_rows} ANTI JOIN staged_users USING (user_id);\n"
        )
    return selected


def concepts_sql(plan: Plan) -> str:
    """SQL that makes concepts of tags, decades and the popular head; where two have one name, the first stays."""
    tags = plan.items.tags if plan.items else None
    parts = [
        "-- What counts as a concept; edit at will. `items` is complete here, `popularity` counts training alone.\n"
        "-- A group of fewer than min_tagged items (dataset.toml) is no ground truth.\n",
        "CREATE TEMP TABLE decade AS\nSELECT year // 10 * 10 || 's' AS name, item FROM items WHERE year IS NOT NULL;\n",
    ]
    if tags is not None:
        column = identifier(tags)
        parts += [
            "CREATE TEMP TABLE tagging AS\nSELECT DISTINCT trim(unnest(string_split("
            f"{column}, '|'))) AS name, item FROM items WHERE {column} <> '';\n",
            _concept("tag", "SELECT name AS concept, item FROM tagging WHERE name <> ''"),
        ]
    parts.append(_concept("decade", "SELECT name AS concept, item FROM decade"))
    if tags is not None:
        joined = "tagging JOIN decade USING (item) WHERE tagging.name <> ''"
        parts.append(
            _concept("tag-decade", f"SELECT decade.name || ' ' || tagging.name AS concept, item FROM {joined}")
        )
    parts.append(
        "-- The twentieth of the items with the most training interactions.\n"
        "INSERT INTO staged_concepts(concept, kind, item)\nSELECT 'Popular head', 'popularity', item\nFROM items\n"
        "WHERE popularity > 0 AND 'Popular head' NOT IN (SELECT concept FROM staged_concepts)\n"
        "QUALIFY row_number() OVER (ORDER BY popularity DESC, item)"
        " <= 0.05 * (SELECT count(*) FROM items);\n"
    )
    return "\n".join(parts)


def _concept(kind: str, query: str) -> str:
    return (
        f"INSERT INTO staged_concepts(concept, kind, item)\nSELECT concept, '{kind}', item\nFROM ({query})\n"
        "WHERE concept NOT IN (SELECT concept FROM staged_concepts)\n"
        "QUALIFY count(*) OVER (PARTITION BY concept) >= getvariable('min_tagged');\n"
    )


def toml(name: str, plan: Plan, item_word: str) -> str:
    """dataset.toml: what was added, from which files."""
    parameters: dict[str, Parameter] = {"min_tagged": MIN_TAGGED}
    if plan.rows is not None and plan.rows.min_rating is not None:
        parameters["min_rating"] = plan.rows.min_rating
    for role, table in plan.files.items():
        parameters[f"{role}_file"] = table.pattern
        parameters[f"{role}_sha256"] = table.sha256
    facts: dict[str, object] = {
        "title": name,
        "item_word": item_word,
        "licence": "your own data",
        "licence_text": "You added this data set; its conditions are known to you.",
        "needs_assent": False,
        "citation": "",
        "own": True,
        "interactions_optional": plan.rows is None,
        "item_attributes": list(plan.items.attributes) if plan.items else [],
        "user_attributes": list(plan.users.attributes) if plan.users else [],
    }
    lines = [f"{key} = {_value(value)}" for key, value in facts.items()]
    lines += ["", "[parameters]", *(f"{key} = {_value(value)}" for key, value in parameters.items())]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    # A JSON string, number, boolean or list of strings is TOML too; DEL alone must be escaped there and is not in JSON.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
