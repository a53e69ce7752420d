"""The data doctor: what in a data set will show in results, a line a finding, with what to do about it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from engine.catalogue.add import Added, added
from engine.catalogue.build import HELD_OUT_FROM
from engine.catalogue.catalogue import Catalogue
from engine.catalogue.predicate import LOCKED
from engine.home import Home
from engine.text import counted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

State = Literal["ok", "notice", "problem"]

SMALL_CONCEPT = 20
"""Purity among the top 20 of a concept with fewer items can never be 1."""
SAMPLES = 5
_SKEWED = 0.9
"""Gini above which popularity alone explains most of what is consumed."""
# UTF-8 that was read as Latin-1 or Windows-1252 (Ã©, â€™, Â·), and the character that stands for what was lost.
_MOJIBAKE = "(?:[\u00c3\u00c2][\u0080-\u00bf\u0152-\u0178\u02c6\u02dc\u2013-\u2122]|\u00e2\u20ac.|\ufffd)"
_CONTROL = "[\\x{0000}-\\x{001f}\\x{007f}-\\x{009f}]"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at. A problem means that the data set cannot be used as it is."""

    state: State
    what: str
    finding: str
    advice: str = ""
    """what to do about it; empty where it is well"""
    samples: tuple[str, ...] = ()


class _Patient:
    """An open catalogue to ask, with what is known of how it was added."""

    def __init__(self, connection: "DuckDBPyConnection", record: Added | None) -> None:
        self._connection, self.record = connection, record
        self.users, self.items, self.interactions = self.row(
            "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM items), (SELECT count(*) FROM interactions)"
        )

    def row(self, query: str) -> tuple[Any, ...]:
        return self._connection.execute(query).fetchall()[0]

    def counted(self, query: str, order: str) -> tuple[int, tuple[str, ...]]:
        """How many rows `query` (a SELECT of one text) has, and the first few of them."""
        (count,) = self.row(f"SELECT count(*) FROM ({query})")
        rows = self._connection.execute(f"{query} ORDER BY {order} LIMIT {SAMPLES}").fetchall() if count else []
        return count, tuple(str(text) for (text,) in rows)


def check(home: Home, name: str) -> list[Finding]:
    """What the data set `name` is like, shipped or added; `CatalogueError` if it is unknown, not here or damaged."""
    import duckdb

    with (
        Catalogue.open(home, name),
        duckdb.connect(str(home.dataset(name) / "catalogue.duckdb"), read_only=True, config=LOCKED) as connection,
    ):
        patient = _Patient(connection, added(home, name))
        return [finding for look in _LOOKS for finding in look(patient)]


def _size(it: _Patient) -> Iterator[Finding]:
    parts = ((it.users, "user"), (it.items, "item"), (it.interactions, "interaction"))
    said = ", ".join(counted(count, word) for count, word in parts)
    if not it.interactions:
        said += ": there is nothing to train on"
        advice = "bring vectors with `monoscope adopt`"
        if not it.users:
            advice = "add it again with --users, a file of ids; then bring vectors with `monoscope adopt`"
        yield Finding("notice", "interactions", said, advice)
        return
    active_users, active_items = it.row('SELECT count(DISTINCT "user"), count(DISTINCT item) FROM interactions')
    if active_users < 2 or active_items < 2:
        yield Finding("problem", "interactions", said, "a recommender needs at least two users and two items with some")
        return
    density = it.interactions / (it.users * it.items)
    yield Finding("ok", "interactions", f"{said}; {100 * density:.3g} % of all pairs")


def _rows(it: _Patient) -> Iterator[Finding]:
    """What became of the rows of the file of interactions."""
    record = it.record
    if record is None or record.rows_read is None or not it.interactions:
        return
    share = it.interactions / record.rows_read
    said = f"{it.interactions:,} of {record.rows_read:,} rows of the file are interactions ({100 * share:.1f} %)"
    yield Finding("ok", "rows", said)
    if record.below_min_rating:
        yield Finding(
            "notice",
            "rows left out",
            f"{counted(record.below_min_rating, 'row')} below --min-rating",
            "lower --min-rating and add it again if too much is gone",
            tuple(f"user {user}, item {item}: {weight}" for user, item, weight in record.below_samples),
        )
    if record.repeated:
        yield Finding(
            "notice",
            "repeated rows",
            f"{counted(record.repeated, 'row')} repeated a user and an item; each pair counts once",
            "if they are separate visits, add them up into one weight before adding the file",
            tuple(f"user {user}, item {item}: {n} times" for user, item, n in record.repeated_samples),
        )


def _unused(it: _Patient) -> Iterator[Finding]:
    """Items and users that nobody's history holds, or that training never sees."""
    if not it.interactions:
        return
    label = "item_id || ': ' || title"
    never, samples = it.counted(f"SELECT {label} FROM items ANTI JOIN interactions USING (item)", "1")
    advice = "they have metadata alone; check their ids if there are many"
    yield _share("items without interactions", never, it.items, advice, samples)
    cold, samples = it.counted(
        f"SELECT {label} FROM items SEMI JOIN interactions USING (item) WHERE popularity = 0", "1"
    )
    advice = "all their interactions are held out, so they are ranked nowhere"
    yield _share("cold items", cold, it.items, advice, samples)
    idle, samples = it.counted('SELECT user_id FROM users ANTI JOIN interactions USING ("user")', "1")
    yield _share("users without interactions", idle, it.users, "leave them out of the file of users", samples)


def _short(it: _Patient) -> Iterator[Finding]:
    if not it.interactions:
        return
    brief, samples = it.counted(
        "SELECT user_id || ': ' || count(*) FROM users JOIN interactions USING (\"user\") GROUP BY user_id"
        f" HAVING count(*) < {HELD_OUT_FROM}",
        "1",
    )
    (active,) = it.row('SELECT count(DISTINCT "user") FROM interactions')
    what = f"users with fewer than {HELD_OUT_FROM} interactions"
    if brief == active:
        advice = "quality cannot be measured: longer histories are needed"
        yield Finding("notice", what, f"all {active:,}: nothing is held out", advice, samples)
        return
    yield _share(what, brief, active, "they train but are not tested; figures of quality are of the others", samples)


def _titles(it: _Patient) -> Iterator[Finding]:
    same, samples = it.counted(
        "SELECT title || ': items ' || string_agg(item_id, ', ' ORDER BY item) FROM items GROUP BY title, year"
        " HAVING count(*) > 1",
        "1",
    )
    said = f"{counted(same, 'title')} of several items of one year" if same else "none"
    advice = "if they are the same thing, give them one id" if same else ""
    yield Finding("notice" if same else "ok", "equal titles", said, advice, samples)


def _encoding(it: _Patient) -> Iterator[Finding]:
    texts = "SELECT title AS text FROM items UNION ALL SELECT DISTINCT concept FROM concepts"
    damaged, samples = it.counted(f"SELECT text FROM ({texts}) WHERE regexp_matches(text, '{_MOJIBAKE}')", "1")
    said = f"{counted(damaged, 'text')} in the wrong encoding, it seems" if damaged else "no damage seen"
    advice = "save the file as UTF-8 from where it is still right, and add it again" if damaged else ""
    yield Finding("notice" if damaged else "ok", "encoding", said, advice, samples)
    ids = "SELECT item_id AS id FROM items UNION ALL SELECT user_id FROM users"
    odd, samples = it.counted(f"SELECT id FROM ({ids}) WHERE regexp_matches(id, '{_CONTROL}')", "1")
    if odd:
        shown = tuple(ascii(text) for text in samples)
        yield Finding("notice", "ids", f"{odd:,} hold control characters", "clean the ids in all files alike", shown)


def _popularity(it: _Patient) -> Iterator[Finding]:
    """Gini of training interactions over the items that have any, and the share of the top hundredth of these."""
    if not it.interactions:
        return
    gini, top = it.row(
        """
        WITH sorted AS (
            SELECT popularity::DOUBLE AS p, row_number() OVER (ORDER BY popularity, item) AS place,
                count(*) OVER () AS n
            FROM items WHERE popularity > 0
        )
        SELECT 2 * sum(place * p) / (any_value(n) * sum(p)) - (any_value(n) + 1) / any_value(n),
            sum(p) FILTER (place > n - greatest(1, floor(n / 100))) / sum(p)
        FROM sorted
        """
    )
    said = f"Gini {gini:.2f}; the most popular 1 % of the items have {100 * top:.1f} % of the training interactions"
    skewed = gini > _SKEWED
    advice = "compare every result with popularity; some neurons will stand for it alone" if skewed else ""
    yield Finding("notice" if skewed else "ok", "popularity", said, advice)


def _times(it: _Patient) -> Iterator[Finding]:
    if not it.interactions:
        return
    known, first, last = it.row("SELECT count(time), min(time)::DATE, max(time)::DATE FROM interactions")
    if not known:
        yield Finding("notice", "times", "none (or all the same, which is none)", "nothing: the split needs none")
    else:
        part = "" if known == it.interactions else f", for {known:,} interactions"
        early = last.year < 1975
        advice = "these times are near 1970: are they really times?" if early else ""
        yield Finding("notice" if early else "ok", "times", f"{first} to {last}{part}", advice)


def _concepts(it: _Patient) -> Iterator[Finding]:
    total, kinds = it.row(
        "SELECT count(DISTINCT concept), count(DISTINCT concept) FILTER (kind <> 'popularity') FROM concepts"
    )
    if not kinds:
        advice = "neurons cannot be checked without: add items with tags, or write concepts with `monoscope concepts`"
        yield Finding("notice", "concepts", "none but popularity" if total else "none", advice)
        return
    small, samples = it.counted(
        f"SELECT concept || ': ' || count(*) FROM concepts GROUP BY concept HAVING count(*) < {SMALL_CONCEPT}",
        "1",
    )
    (bare,) = it.row("SELECT count(*) FROM items ANTI JOIN (FROM concepts WHERE kind <> 'popularity') USING (item)")
    yield Finding("ok", "concepts", f"{total:,}; {bare:,} of {it.items:,} items are in none but popularity")
    if small:
        advice = f"their purity@{SMALL_CONCEPT} cannot be 1; read purity@10 for them"
        what = f"concepts with fewer than {SMALL_CONCEPT} items"
        yield Finding("notice", what, f"{small:,} of {total:,}", advice, samples)


def _share(what: str, count: int, of: int, advice: str, samples: tuple[str, ...]) -> Finding:
    if not count:
        return Finding("ok", what, "none")
    return Finding("notice", what, f"{count:,} of {of:,} ({100 * count / of:.1f} %)", advice, samples)


_LOOKS: tuple[Callable[[_Patient], Iterator[Finding]], ...] = (
    _size, _rows, _unused, _short, _titles, _encoding, _popularity, _times, _concepts
)  # fmt: skip
