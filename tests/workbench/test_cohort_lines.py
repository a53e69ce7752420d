"""What the bench says of a cohort: the figures of the engine's answer, and nothing else."""

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.view import Cohort
from workbench.widgets.cohort import cohort_lines
from workbench.widgets.line import text_of, width_of


def arm(shares: dict[str, float], ndcg10: float | None, shown: int) -> dict[str, Any]:
    return {
        "concept_shares": shares,
        "ndcg10": ndcg10,
        "novelty": 0.125,
        "diversity": 0.75,
        "exposure": {"coverage": 0.26, "gini": 0.9, "popularity_percentile": 8.7},
        "reach": {
            "items_shown": shown,
            "most_shown": [{"item_id": "1", "title": "[REC] (2007)", "users": shown // 10}],
        },
    }


FACTS: dict[str, Any] = {
    "users": 1222,
    "k": 30,
    "before": arm({"Drama": 0.25, "Horror": 0.085, "War": 0.0, "浜崎": 0.1}, 0.215, 967),
    "reconstruction": {**arm({"Drama": 0.24, "Horror": 0.083, "War": 0.0}, 0.201, 915), "rbo": 0.831, "kept": 25.5},
    "after": arm({"Drama": 0.5, "Horror": 0.0, "War": 0.001, "浜崎": 0.1}, 0.059, 300),
    "outside": [{"side": "users", "neuron": 3, "rows": 8, "of": 1222, "observed_most": 4.4}],
    "collateral": {
        "about": ["Horror"],
        "rbo": 0.136,
        "rbo_of_the_rest": 0.432,
        "kept": 6.2,
        "lists_changed": 1200,
        "users_changed": 1222,
        "drift_of_other_concepts": 0.042,
        "lost_most_ndcg": [{"user": "2189", "before": 0.723, "after": 0.111}],
    },
    "groups": {
        "column": "gender",
        "rows": [
            {"value": "F", "users": 78, "share_before": 0.27, "share_after": 0.94, "rbo": 0.11, "ndcg10_before": 0.209,
             "ndcg10_after": 0.041},
            {"value": "M", "users": 144, "share_before": None, "share_after": 0.9, "rbo": None, "ndcg10_before": None,
             "ndcg10_after": 0.1},
        ],
    },
}  # fmt: skip


def lines(facts: Any = FACTS, width: int = 60) -> list[str]:
    return [text_of(line).rstrip() for line in cohort_lines(Cohort("age = 'under 18'", facts), width)]


def with_item(**more: float) -> dict[str, Any]:
    """`FACTS` after an edit of an item: 7, 10 and 52 users have it."""
    facts = copy.deepcopy(FACTS)
    facts["collateral"]["about_items"] = ["x"]
    for arm, users, place in (("before", 7, 312.0), ("reconstruction", 10, 300.5), ("after", 52, 40.0)):
        one = {"item_id": "x", "title": "Bob Dylan", "users": users, "median_place": place, "placed": 1222, **more}
        facts[arm]["reach"]["edited_items"] = [one]
    return facts


def words(row: str) -> list[str]:
    return row.split()


def test_of_an_edited_item_how_many_see_it_comes_first() -> None:
    rows = lines(with_item(), 62)
    first = next(at for at, row in enumerate(rows) if "users who see" in row)
    assert words(rows[first]) == ["users", "who", "see,", "of", "1,222", "before", "rebuilt", "after", "change"]
    assert words(rows[first + 1]) == ["Bob", "Dylan", "7", "10", "52", "+45"]
    assert words(rows[first + 2]) == ["its", "median", "place", "312", "300.5", "40", "-272"]
    assert first < next(at for at, row in enumerate(rows) if "share of the edited" in row)
    assert "drawn" not in "".join(rows)
    drawn = lines(with_item(placed=500), 62)
    assert "median place: of 500 users drawn" in drawn


def test_the_figures_are_those_of_the_answer() -> None:
    told = [words(row) for row in lines()]
    for row in (
        ["cohort", "age", "=", "'under", "18'", "1,222", "users"],
        ["Horror", "8.5%", "8.3%", "0.0%", "-8.5"],
        ["Drama", "25.0%", "24.0%", "50.0%", "+25.0"],
        ["War", "0.0%", "0.0%", "0.1%", "+0.1"],
        ["NDCG@10", "0.215", "0.201", "0.059", "-0.156"],
        ["coverage", "0.260", "0.260", "0.260", "0.000"],
        ["items", "shown", "967", "915", "300", "-667"],
        ["RBO", "of", "the", "rest", "0.432"],
        ["items", "that", "stay,", "mean", "6.2", "of", "30"],
        ["lists", "changed", "1,200", "of", "1,222"],
        ["drift", "of", "other", "concepts,", "mean", "4.2", "points"],
        ["user", "2189", "0.723", "0.111", "-0.612"],
        ["[REC]", "(2007)", "96→30"],
        ["F", "78", "27%→94%", "0.11", "0.209→0.041"],
        ["M", "144", "–→90%", "–", "–→0.100"],
        ["rebuilt,", "unedited:", "RBO", "0.831", "kept", "25.5", "of", "30"],
    ):
        assert row in told
    assert "! neuron 3 is outside the range seen for 8 of 1,222 users" in lines()


def test_what_the_edits_are_about_comes_first_then_what_changed_most() -> None:
    names = [words(row)[0] for row in lines() if "%" in row and "→" not in row]
    assert names == ["Horror", "Drama", "War", "浜崎"]


def test_columns_align_and_the_last_figure_ends_at_the_edge() -> None:
    for width in (42, 46, 70, 100):
        rows = cohort_lines(Cohort("all", FACTS), width)
        table = [row for row in rows if len(row) >= 4 and row[-1][1] != "dim"]
        assert {width_of(row) for row in table} == {width}
        assert len({tuple(len(text) for text, _ in row[1:]) for row in table if "→" not in text_of(row)}) == 2 - (
            width < 60
        )


def test_what_is_unknown_is_a_dash_and_an_empty_answer_has_no_figures() -> None:
    facts = copy.deepcopy(FACTS)
    facts["after"]["ndcg10"] = facts["collateral"]["rbo_of_the_rest"] = None
    told = [words(row) for row in lines(facts, 46)]
    assert ["NDCG@10", "0.215", "–", "–"] in told
    assert ["RBO", "of", "the", "rest", "–"] in told
    assert lines({}) == ["cohort age = 'under 18'"]


def test_nobody_is_named_where_the_answer_names_nobody() -> None:
    for lost, told in ((None, "too few users to name who lost NDCG@10"), ([], "nobody lost NDCG@10")):
        assert told in lines({**FACTS, "collateral": {**FACTS["collateral"], "lost_most_ndcg": lost}})


def test_without_a_fault_or_an_answer_it_is_being_measured() -> None:
    assert lines(None)[1] == "Measuring…"
    assert text_of(cohort_lines(None, 60)[0]) == "No cohort is measured yet."


@given(width=st.integers(20, 160), dropped=st.sets(st.integers(0, 60), max_size=40))
@settings(max_examples=150, deadline=None)
def test_no_part_of_an_answer_is_needed(width: int, dropped: set[int]) -> None:
    counter = iter(range(1000))

    def without(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: None if next(counter) in dropped else without(inner) for key, inner in value.items()}
        return [without(one) for one in value] if isinstance(value, list) else value

    for line in cohort_lines(Cohort("x", without(FACTS)), width):
        assert width_of(line) <= width, text_of(line)
