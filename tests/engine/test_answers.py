"""What the engine process answers, beside the commands that print the same and beside plain recomputation."""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engine import answers, opening
from engine.errors import MonoscopeError
from engine.run import Run
from engine.steering.cohort import Cohort
from engine.steering.edits import Edit
from engine.steering.kept import measured
from tests.engine.test_serve import Peer
from tests.workbench.cli import Monoscope
from workbench.facts import concept_facts, item_facts, user_facts

Ask = Callable[..., dict[str, Any]]
USER = "v0001"


@pytest.fixture(scope="module")
def peer(demo_run: Run) -> Iterator[Peer]:
    made = Peer(str(demo_run.home.root))
    assert "result" in made.ask("load", run="demo")
    yield made
    made.end()


@pytest.fixture
def monoscope(demo_run: Run, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Monoscope:
    return Monoscope(demo_run.home.root, monkeypatch, capfd)


@pytest.fixture
def ask(peer: Peer) -> Ask:
    """The result of a request."""

    def result(method: str, **params: Any) -> dict[str, Any]:
        body = peer.ask(method, **params)
        assert "result" in body, body
        return body["result"]

    return result


def fault(peer: Peer, method: str, **params: Any) -> str:
    return str(peer.ask(method, **params)["error"]["message"])


def plain(facts: Any) -> Any:
    return json.loads(json.dumps(facts))


def edit_of(run: Run, amount: float = 2.0) -> dict[str, Any]:
    """An edit for everyone of the neuron that most users activate."""
    neuron = max(run.neurons, key=lambda row: row.density_users).neuron
    return {"side": "users", "neuron": neuron, "operation": "add", "amount": amount, "unit": "p99"}


def test_a_neuron_is_what_the_command_prints_but_for_the_label(ask: Ask, monoscope: Monoscope) -> None:
    printed = monoscope("neuron", "demo", "3", "-k", "50", "--json").json
    answered = ask("neuron", neuron=3)
    assert len(answered["users"]) == 50
    assert answered == {name: value for name, value in printed.items() if name in answered}
    left_out = printed.keys() - answered.keys()
    assert {"label", "label_state", "label_note", "label_concept"} <= left_out
    assert all(name.startswith(("label", "score", "held_out", "moves_gain", "detection", "intruder", "evidence"))
               for name in left_out), left_out  # fmt: skip


def test_pairs_are_cosines_of_decoder_rows_and_overlaps_of_items(ask: Ask, peer: Peer, demo_run: Run) -> None:
    w = demo_run.sae.w_md
    items = demo_run.recommender.items.vectors
    active = (demo_run.sae.encode(items, "items") > 0)[demo_run.screen["ranked"].astype(bool)]
    told = ask("pairs", neurons=[7, 2, 3])["pairs"]
    assert [(pair["a"], pair["b"]) for pair in told] == [(7, 2), (7, 3), (2, 3)]
    for pair in told:
        a, b = pair["a"], pair["b"]
        assert pair["cosine"] == pytest.approx(w[a] @ w[b] / np.linalg.norm(w[a]) / np.linalg.norm(w[b]), abs=1e-6)
        both, either = (active[:, a] & active[:, b]).sum(), (active[:, a] | active[:, b]).sum()
        assert pair["jaccard"] == pytest.approx(both / either)
    assert "no neuron 999" in fault(peer, "pairs", neurons=[999])
    assert "a list of 1 to 8 whole numbers" in fault(peer, "pairs", neurons=[])


def test_pages_are_what_the_commands_tell(ask: Ask, demo_run: Run) -> None:
    title = demo_run.texts["title"][5]
    item = demo_run.recommender.items.ids[5]
    assert ask("page", kind="item", name=item) == plain(item_facts(demo_run, item, {}, 10))
    assert ask("page", kind="item", name=title)["item_id"] == item
    assert ask("page", kind="user", name=USER) == plain(user_facts(demo_run, USER, {}, 10))
    assert ask("page", kind="concept", name="horror") == plain(concept_facts(demo_run, "Horror", 5))


def test_a_page_calls_neurons_by_the_labels_that_were_sent(ask: Ask) -> None:
    first = ask("page", kind="user", name=USER)["neurons"][0]
    named = ask("page", kind="user", name=USER, labels={str(first["neuron"]): "Mine"})["neurons"][0]
    assert named == {**first, "name": "Mine"}


def test_find_puts_beginnings_before_words_before_the_inside(ask: Ask, demo_run: Run) -> None:
    titles = [title.casefold() for title in demo_run.texts["title"]]
    found = ask("find", kind="items", text="Th", limit=1000)
    assert found["total"] == sum("th" in title for title in titles) == len(found["found"])

    def place(name: str) -> int:
        words = "".join(letter if letter.isalnum() else " " for letter in name.casefold()).split()
        return 0 if name.casefold().startswith("th") else 1 if any(word.startswith("th") for word in words) else 2

    places = [place(one["name"]) for one in found["found"]]
    assert places == sorted(places)
    assert {0, 1, 2} >= set(places)
    assert len(set(places)) > 1
    with demo_run.catalogue() as catalogue:
        popularity = dict(zip(catalogue.items().item_id, catalogue.items().popularity.tolist(), strict=True))
    told = [(where, -one["popularity"]) for where, one in zip(places, found["found"], strict=True)]
    assert told == sorted(told)
    assert all(one["popularity"] == popularity[one["id"]] for one in found["found"])


def test_find_knows_users_concepts_columns_and_an_items_id(ask: Ask, demo_run: Run) -> None:
    users = ask("find", kind="users", text="v00", limit=3)
    assert [one["id"] for one in users["found"]] == [one for one in demo_run.recommender.users.ids if "v00" in one][:3]
    assert ask("find", kind="concepts", text="hor")["found"][0]["name"] == "Horror"
    item = demo_run.recommender.items.ids[7]
    assert ask("find", kind="items", text=item)["found"][0]["id"] == item
    with demo_run.catalogue() as catalogue:
        for kind, table in (("user_columns", "users"), ("item_columns", "items")):
            told = {one["name"]: one["type"] for one in ask("find", kind=kind, text="")["found"]}
            assert told.items() <= catalogue.columns(table).items()  # type: ignore[arg-type]
        values = next(one for one in ask("find", kind="user_columns", text="age_band")["found"])["examples"]
        assert set(values) <= set(catalogue.users().attributes["age_band"])


def test_find_knows_the_values_of_a_column_and_how_many_have_each(ask: Ask, peer: Peer, demo_run: Run) -> None:
    counts = Counter(_column(demo_run, "age_band"))
    found = ask("find", kind="user_values", column="age_band", text="")["found"]
    assert {one["name"]: one["count"] for one in found} == counts
    assert [one["count"] for one in found] == sorted(counts.values(), reverse=True)
    assert all(one["text"] for one in found)
    begins = ask("find", kind="user_values", column="age_band", text="25")
    assert [one["name"] for one in begins["found"]] == [value for value in counts if "25" in value]
    years = ask("find", kind="item_values", column="year", text="199", limit=3)
    assert years["total"] == 10
    assert not any(one["text"] for one in years["found"])
    assert "did you mean age_band?" in fault(peer, "find", kind="user_values", column="age_bnd", text="")
    assert "'column' must be a text" in fault(peer, "find", kind="user_values", text="")


def test_users_are_stepped_through_among_those_whom_a_condition_matches(
    ask: Ask, demo_run: Run, monoscope: Monoscope
) -> None:
    band = "25-34"
    where = f"age_band = '{band}'"
    ids = demo_run.recommender.users.ids
    among = [user for user, value in zip(ids, _column(demo_run, "age_band"), strict=True) if value == band]
    other = next(user for user in ids if user > among[0] and user not in among)
    after = next(at for at, user in enumerate(among) if user > other)

    def told(place: int) -> dict[str, Any]:
        return {"user": among[place], "where": where, "place": place % len(among) + 1, "of": len(among)}

    assert ask("user", where=where) == told(0)
    assert ask("user", where=where, user=among[1], step=2) == told(3)
    assert ask("user", where=where, user=among[0], step=-1) == told(-1)
    assert ask("user", where=where, user=other, step=1) == told(after)
    assert ask("user", where=where, user=other, step=-1) == told(after - 1)
    assert ask("user", user=ids[0], step=1) == {"user": ids[1], "where": "", "place": 2, "of": len(ids)}
    assert monoscope("cohorts", "demo", "add", "stepped", "--where", where).code == 0
    try:
        assert ask("user", where="stepped") == {**told(0), "where": "stepped"}
    finally:
        assert monoscope("cohorts", "demo", "remove", "stepped").code == 0


def test_a_new_cohort_is_found_counted_and_measured_at_once(ask: Ask, demo_run: Run, monoscope: Monoscope) -> None:
    assert ask("find", kind="cohorts", text="")["total"] == 0
    band = ask("find", kind="user_columns", text="age_band")["found"][0]["examples"][0]
    where = f"age_band = '{band}'"
    expected = [
        user for user, value in zip(demo_run.recommender.users.ids, _column(demo_run, "age_band"), strict=True)
        if value == band
    ]  # fmt: skip
    counted = ask("count", side="users", where=where)
    assert (counted["count"], counted["of"], counted["ids"]) == (len(expected), 2000, expected[:5])
    assert monoscope("cohorts", "demo", "add", "mine", "--where", where).code == 0
    try:
        assert ask("find", kind="cohorts", text="mi")["found"] == [
            {"name": "mine", "where": where, "users": len(expected)}
        ]
        assert ask("count", side="users", where="mine") == {**counted, "where": "mine"}
        assert ask("cohort", where="mine")["users"] == len(expected)
    finally:
        assert monoscope("cohorts", "demo", "remove", "mine").code == 0
    assert ask("find", kind="cohorts", text="")["total"] == 0
    assert ask("count", side="items", where="")["count"] == len(demo_run.recommender.items.ids)


def _column(run: Run, name: str) -> list[Any]:
    with run.catalogue() as catalogue:
        return list(catalogue.users().attributes[name])


def test_ranks_are_those_of_each_user_and_one_bad_user_is_refused_alone(ask: Ask, demo_run: Run) -> None:
    edits = [edit_of(demo_run)]
    first, bad, last = ask("ranks", users=[USER, "nobody", "v0002"], k=10, edits=edits)["ranks"]
    assert first == ask("rank", user=USER, k=10, edits=edits)
    assert last == ask("rank", user="v0002", k=10, edits=edits)
    assert bad.keys() == {"user_id", "error"}
    assert "no user 'nobody'" in bad["error"]


def test_a_cohort_is_what_steer_prints(ask: Ask, demo_run: Run) -> None:
    edit = edit_of(demo_run)
    band = _column(demo_run, "age_band")[0]
    where = f"age_band = '{band}'"
    printed = _steer(demo_run, edit, where)
    answered = ask("cohort", where=where, edits=[edit], k=20, by="age_band")
    assert answered["measured"] == plain(measured({**printed, "cohort": where, "k": 20, "serve": "change"}))
    assert ask("cohort", where="", edits=[edit], k=20)["measured"]["cohort"] == "true"
    assert answered["collateral"] == printed["collateral"]
    assert answered["outside"] == printed["outside"]
    assert answered["groups"] == printed["groups"]
    for arm in ("before", "after"):
        assert answered[arm]["reach"] == printed[arm]["reach"]
        for name in ("ndcg10", "exposure", "novelty", "diversity", "label_entropy"):
            assert answered[arm][name] == printed[arm][name]
        assert answered[arm]["concept_shares"].items() <= printed[arm]["concept_shares"].items()
    before, after = (printed[arm]["concept_shares"] for arm in ("before", "after"))
    assert answered["before"]["concept_shares"].keys() >= {name for name in before if before[name] != after[name]}


def _steer(run: Run, edit: dict[str, Any], where: str) -> dict[str, Any]:
    from workbench.steering import Asked, steered

    return plain(steered(run, [edit], Asked(where, k=20, by="age_band")))


def test_of_an_edited_item_the_exact_places_are_told_and_who_sees_it(ask: Ask, demo_run: Run) -> None:
    item = demo_run.recommender.items.ids[3]
    edit = {**edit_of(demo_run, 6.0), "side": "items", "ids": [item]}
    with demo_run.catalogue() as catalogue:
        steering = demo_run.steering(catalogue)
    edited = steering.edit(steering.steps([Edit.parse(edit)])).recommender
    arms = {"before": steering.recommender, "reconstruction": steering.reconstruction.recommender, "after": edited}
    number = next(user for user in range(2000) if _places(steering, steering.recommender, np.array([user]), 3)[0] > 10)
    told = ask("rank", user=demo_run.recommender.users.ids[number], k=10, edits=[edit])
    may = steering.candidates.eligible.copy()
    may[steering.candidates.seen[number]] = False
    assert told["candidates"] == may.sum()
    was, now = (_places(steering, arms[arm], np.array([number]), 3)[0] for arm in ("before", "after"))
    assert told["places"] == [{"item_id": item, "title": steering.titles[3], "before": was, "after": now}]
    users = np.arange(0, 40)
    where = "user_id in (" + ", ".join(f"'{demo_run.recommender.users.ids[user]}'" for user in users) + ")"
    cohort = ask("cohort", where=where, k=10, edits=[edit])
    steered = _steer(demo_run, edit, where)
    for arm, recommender in arms.items():
        places = np.array(_places(steering, recommender, users, 3))
        (found,) = cohort[arm]["reach"]["edited_items"]
        assert (found["item_id"], found["users"], found["placed"]) == (item, (places <= 10).sum(), 40)
        assert found["median_place"] == np.nanmedian(places)
        assert steered[arm]["reach"]["edited_items"][0]["median_place"] == found["median_place"]
    unseen = ask("rank", user=demo_run.recommender.users.ids[_who_saw(steering, 3)], k=10, edits=[edit])
    assert [(one["before"], one["after"]) for one in unseen["places"]] == [(None, None)]


def _who_saw(steering: Any, item: int) -> int:
    return next(user for user in range(2000) if item in steering.candidates.seen[user])


def _places(steering: Any, recommender: Any, users: np.ndarray, item: int) -> list[float]:
    """The rank of an item among what each user may be recommended; nan where that is not the item."""
    found = []
    for user in users.tolist():
        affinity = recommender.affinities(np.array([user]))[0]
        may = steering.candidates.eligible.copy()
        may[steering.candidates.seen[user]] = False
        found.append(1.0 + (affinity[may] > affinity[item]).sum() if may[item] else math.nan)
    return found


def test_a_curve_reaches_as_far_as_the_present_dose(ask: Ask, demo_run: Run) -> None:
    edit = edit_of(demo_run, 15.0)
    told = ask("curve", neuron=edit["neuron"], user=USER, edits=[edit], steps=5, k=10)
    assert [point["amount"] for point in told["points"]] == [-4, 0, 0.75, 5.5, 10.25, 15]
    edit["amount"] = 0.3
    told = ask("curve", neuron=edit["neuron"], user=USER, edits=[edit], steps=5, k=10)
    assert [point["amount"] for point in told["points"]] == [-4, -2, 0, 0.3, 2, 4]


def test_a_cohort_without_edits_has_nothing_changed(ask: Ask) -> None:
    told = ask("cohort")
    assert told["before"] == told["after"]
    assert (told["users"], told["collateral"]["lists_changed"]) == (2000, 0)
    assert told["collateral"]["rbo"] == pytest.approx(1)
    assert len(told["before"]["concept_shares"]) <= 12


def test_a_small_cohort_names_nobody(ask: Ask, demo_run: Run) -> None:
    edits = [edit_of(demo_run)]
    few = ask("cohort", where=f"user_id in ('{USER}', 'v0002')", edits=edits)
    assert few["users"] == 2
    assert few["collateral"]["most_changed_users"] is few["collateral"]["lost_most_ndcg"] is None
    assert "v0001" not in json.dumps(few).replace(few["where"], "")
    assert len(ask("cohort", edits=edits)["collateral"]["most_changed_users"]) == 5


def test_a_curve_is_what_plain_ranking_gives_at_each_amount(ask: Ask, demo_run: Run) -> None:
    edit = edit_of(demo_run)
    other = {**edit, "neuron": (edit["neuron"] + 1) % len(demo_run.neurons), "amount": 1.0}
    item = 3
    with demo_run.catalogue() as catalogue:
        steering = demo_run.steering(catalogue)
    told = ask("curve", neuron=edit["neuron"], edits=[other, edit], low=-1, high=2, steps=4, k=10,
               item=demo_run.recommender.items.ids[item], users_at_most=40)  # fmt: skip
    assert [point["amount"] for point in told["points"]] == [-1, 0, 1, 2]
    assert (told["users"], told["of"], told["current"], told["start"]) == (40, 2000, 2.0, 0)
    users = np.sort(np.random.default_rng(0).choice(np.arange(2000), 40, replace=False))
    below = [Edit.parse(other)]
    base = [steering.rank(user, below, 10) for user in users.tolist()]
    for point in told["points"]:
        stack = [*below, Edit.parse({**edit, "amount": point["amount"]})]
        lists = [steering.rank(user, stack, 10)["after"] for user in users.tolist()]
        carried = [told["concept"] in line["concepts"] for one in lists for line in one]
        reach = np.mean([demo_run.recommender.items.ids[item] in [line["item_id"] for line in one] for one in lists])
        assert point["share"] == pytest.approx(np.mean(carried))
        assert point["reach"] == pytest.approx(reach)
        assert point["rank"] == pytest.approx(_mean_rank(steering, stack, users, item))
        again = [[line["item_id"] for line in one["after"]] for one in base]
        now = [[line["item_id"] for line in one] for one in lists]
        assert (point["rbo"] == pytest.approx(1)) == (again == now)
    assert told["points"][1]["rbo"] == pytest.approx(1)
    assert told["before"]["share"] == told["points"][1]["share"]


def _mean_rank(steering: Any, stack: Any, users: np.ndarray, item: int) -> float:
    edited = steering.edit(steering.steps(stack), "change", users)
    ranks = []
    for user in users.tolist():
        if item in steering.candidates.seen[user]:
            continue
        affinity = edited.recommender.affinities(np.array([user]))[0]
        may = steering.candidates.eligible.copy()
        may[steering.candidates.seen[user]] = False
        ranks.append(1 + int((affinity[may] > affinity[item]).sum()))
    return float(np.mean(ranks))


def test_a_curve_of_one_user_and_of_another_concept(ask: Ask, demo_run: Run) -> None:
    edit = edit_of(demo_run)
    told = ask("curve", neuron=edit["neuron"], user=USER, concept="horror", operation="scale", steps=3, k=10)
    assert (told["users"], told["of"], told["where"], told["concept"], told["unit"]) == (1, 1, None, "Horror", "times")
    for point in told["points"]:
        change = {**edit, "operation": "scale", "amount": point["amount"]}
        after = ask("rank", user=USER, k=10, edits=[change])["after"]
        assert point["share"] == pytest.approx(np.mean(["Horror" in line["concepts"] for line in after]))


def test_the_rest_of_a_cohort_is_ranked_with_the_lists(demo_run: Run) -> None:
    with demo_run.catalogue() as catalogue:
        steering = demo_run.steering(catalogue)
    users, inside = np.arange(300), next(one.member for one in steering.concepts if one.name == "Horror")
    edited = steering.edit(steering.steps([Edit.parse(edit_of(demo_run, 3.0))]), "change", users)
    cohort, stops = Cohort(steering, users, 30), []
    cohort.watch(lambda: stops.append(1))
    lists, rest = cohort.lists_and_rest(edited, inside)
    for user in (0, 17, 299):
        affinity = edited.recommender.affinities(np.array([user]))[0].copy()
        affinity[~steering.candidates.eligible] = -np.inf
        affinity[steering.candidates.seen[user]] = -np.inf
        assert lists[user].tolist() == np.argsort(-affinity, kind="stable")[:30].tolist()
        affinity[inside] = -np.inf
        assert rest[user].tolist() == np.argsort(-affinity, kind="stable")[:30].tolist()
    assert stops


def test_measure_says_only_what_the_run_says(ask: Ask, demo_run: Run) -> None:
    told = ask("measure")
    quality, survival, neurons = told["sentences"]
    assert f"{demo_run.manifest['recommender']['metrics']['ndcg10']:.3f}" in quality
    assert f"{demo_run.manifest['fidelity']['rbo']:.2f}" in survival
    assert f"{sum(row.named_by is not None for row in demo_run.neurons)} of {len(demo_run.neurons)}" in neurons
    beyond = sum(row.named_by is not None and row.q is not None and row.q < 0.05 for row in demo_run.neurons)
    assert told["figures"]["beyond_chance"] == beyond > 1
    assert f"of which {beyond} are clearly purer than random directions" in neurons
    assert told["figures"]["dead"] == sum(row.dead for row in demo_run.neurons) == 0
    assert "fire for nothing" not in neurons


def test_where_random_directions_do_as_well_the_opening_says_that_names_are_hints(demo_run: Run) -> None:
    run = Run(demo_run.home, demo_run.folder, demo_run.manifest)
    run.__dict__["neurons"] = [replace(row, q=0.2) for row in demo_run.neurons]
    *_, neurons = opening.sentences(run)
    assert "but none of these is clearly purer than random directions" in neurons
    assert "take the names as hints" in neurons
    first = next(row.neuron for row in demo_run.neurons if row.named_by is not None)
    run.__dict__["neurons"] = [replace(row, q=0.2 if row.neuron != first else 0.01) for row in demo_run.neurons]
    assert "of which 1 is clearly purer" in opening.sentences(run)[2]


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"beats_popularity": False}, "does not beat popularity"),
        ({"beats_popularity": None}, "is unknown"),
        ({"metrics": {"ndcg10": None}}, "is unknown"),
    ],
)
def test_measure_of_a_poor_or_unknown_recommender(demo_run: Run, changed: dict[str, Any], told: str) -> None:
    quality = {**demo_run.manifest["recommender"], **changed}
    fidelity = {**demo_run.manifest["fidelity"], "ndcg_kept": None}
    run = Run(demo_run.home, demo_run.folder, {**demo_run.manifest, "recommender": quality, "fidelity": fidelity})
    first, second, _ = opening.sentences(run)
    assert told in first
    assert "NDCG@10 is unknown" in second


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("neuron", {"neuron": 99}, "no neuron 99"),
    ("neuron", {}, "'neuron' must be a whole number"),
    ("neuron", {"neuron": "3"}, "'neuron' must be a whole number"),
    ("neuron", {"neuron": 3, "k": 0}, "'k' must be"),
    ("page", {"kind": "itme", "name": "1"}, "did you mean item?"),
    ("page", {"kind": "item", "name": "no such film"}, "no item 'no such film'"),
    ("page", {"kind": "user", "name": "nobody"}, "no user 'nobody'"),
    ("page", {"kind": "concept", "name": "Horor"}, "Did you mean Horror?"),
    ("page", {"kind": "user", "name": USER, "labels": {"x": "y"}}, "'labels' must be"),
    ("find", {"kind": "films", "text": ""}, "must be one of items, users"),
    ("find", {"kind": "items", "text": []}, "'text' must be a text"),
    ("count", {"side": "users", "where": "age_bnd = 'x'"}, "did you mean age_band?"),
    ("count", {"side": "users", "where": "no such cohort"}, "no cohort 'no such cohort'"),
    ("count", {"side": "users"}, "'where' must be a text"),
    ("count", {"side": "nobody", "where": ""}, "must be one of users, items"),
    ("ranks", {"users": []}, "a list of 1 to 8"),
    ("ranks", {"users": ["v0001"] * 9}, "a list of 1 to 8"),
    ("ranks", {"users": ["v0001"], "edits": [{"neuron": 99, "operation": "off"}]}, "neuron 99"),
    ("ranks", {"users": ["v0001"], "edits": "off"}, "'edits' must be"),
    ("cohort", {"where": "user_id = 'nobody'"}, "No user matches"),
    ("cohort", {"where": "age_band = 'old'"}, "(age_band is text: '"),
    ("user", {"where": "age_band = 'old'"}, "(age_band is text: '"),
    ("user", {"user": "nobody", "where": "true"}, "no user 'nobody'"),
    ("user", {"user": USER, "step": "x"}, "'step' must be"),
    ("cohort", {"where": "", "by": "nothing"}, "no column 'nothing'"),
    ("cohort", {"where": "1"}, "not true or false"),
    ("curve", {"neuron": 3, "operation": "off"}, "cannot be used"),
    ("curve", {"neuron": 3, "operation": "explode"}, "cannot be used"),
    ("curve", {"neuron": 3, "low": 2, "high": 1}, "from a smaller to a larger"),
    ("curve", {"neuron": 3, "steps": 1000}, "'steps' must be"),
    ("curve", {"neuron": 3, "concept": "nothing"}, "no concept 'nothing'"),
    ("curve", {"neuron": 3, "user": "nobody"}, "no user 'nobody'"),
    ("curve", {"neuron": 3, "item": "no such film"}, "no item 'no such film'"),
]


@pytest.mark.parametrize(("method", "params", "told"), REFUSED)
def test_what_is_wrong_is_one_sentence(peer: Peer, method: str, params: dict[str, Any], told: str) -> None:
    message = fault(peer, method, **params)
    assert told in message
    assert "\n" not in message


JUNK: list[Any] = [None, True, -1, 10**30, 1e308, "", "\ud800", "x" * 10_000, [], [[]], {}, {"a": {}}]


def test_no_junk_ends_the_process(peer: Peer) -> None:
    named = {
        "user": ("user", "step", "where"), "rank": ("user", "k", "edits", "session"), "ranks": ("users", "k", "edits"),
        "find": ("kind", "text", "limit"), "count": ("side", "where"), "measure": (), "neuron": ("neuron", "k"),
        "page": ("kind", "name", "labels"), "cohort": ("where", "edits", "session", "k", "by"),
        "curve": ("neuron", "where", "user", "operation", "low", "high", "steps", "edits", "item", "concept"),
        "cancel": ("id",), "load": ("run",), "label": ("run", "neurons"), "pairs": ("neurons",), "fly": ("x",),
    }  # fmt: skip
    good: dict[str, Any] = {
        "user": USER, "users": [USER], "kind": "items", "side": "users", "neuron": 3, "name": "1", "k": 3,
        "run": "none", "steps": 2, "where": "user_id = 'v0001'",
    }  # fmt: skip
    for method, names in named.items():
        for name in names:
            for junk in JUNK:
                params = {one: good[one] for one in names if one in good} | {name: junk}
                body = peer.ask(method, **params)
                assert "result" in body or body["error"]["message"]
    params_of_no_kind: list[Any] = [None, [], "x", 3]
    for whole in params_of_no_kind:
        assert "must be an object" in peer.raw("neuron", whole)["error"]["message"]
        assert peer.raw("cancel", whole)["result"] == {"cancelled": False}
    assert "no method" in peer.raw([], {})["error"]["message"]
    assert peer.ask("load", run="demo")["result"]["lists"]


def test_without_a_run_or_its_data_set_the_engine_says_so(demo_run: Run, tmp_path: Any) -> None:
    import shutil

    shutil.copytree(demo_run.home.runs, tmp_path / "runs")
    alone = Peer(str(tmp_path))
    try:
        assert "send `load` first" in fault(alone, "cohort")
        assert "result" in alone.ask("load", run="demo")
        for method, params in (
            ("rank", {"user": USER}),
            ("ranks", {"users": [USER]}),
            ("count", {"side": "users", "where": "true"}),
            ("cohort", {}),
            ("curve", {"neuron": 3}),
            ("find", {"kind": "cohorts"}),
            ("find", {"kind": "user_columns"}),
            ("page", {"kind": "concept", "name": "Horror"}),
        ):
            assert "is not here" in fault(alone, method, **params), method
        assert alone.ask("neuron", neuron=3)["result"]["profiles"] is None
        assert alone.ask("page", kind="user", name=USER)["result"]["training_items"] is None
        assert alone.ask("find", kind="items", text="a")["result"]["found"][0]["popularity"] is None
        assert len(alone.ask("measure")["result"]["sentences"]) == 3
    finally:
        alone.end()


def test_lists_come_while_a_curve_is_drawn_which_ends_when_it_is_cancelled(peer: Peer, demo_run: Run) -> None:
    curve = peer.send("curve", neuron=3, steps=65, item=demo_run.recommender.items.ids[3])
    while peer.answer()["id"] != curve:
        pass
    rank = peer.send("rank", user=USER, k=5)
    while "result" not in (body := peer.answer()) and "error" not in body:
        pass
    assert body["id"] == rank
    peer.send("cancel", id=curve)
    shares = []
    while not ("error" in (body := peer.answer()) and body["id"] == curve):
        if "progress" in body:
            shares.append(body["progress"]["done"])
    assert body["error"]["message"] == "cancelled"
    assert max(shares, default=0.0) < 0.9


def test_a_page_sent_right_behind_a_load_waits_for_it(demo_run: Run) -> None:
    fresh = Peer(str(demo_run.home.root))
    try:
        load, page = fresh.send("load", run="demo"), fresh.send("page", kind="user", name=USER)
        bodies = [fresh.answer(), fresh.answer()]
        assert [body["id"] for body in bodies] == [load, page]
        assert bodies[1]["result"]["user"] == USER
    finally:
        fresh.end()


def test_numbers_that_json_has_no_form_for_are_refused(peer: Peer) -> None:
    with pytest.raises(ValueError, match="JSON"):
        peer.ask("curve", neuron=3, low=math.nan)
    from engine import params

    for value in (math.nan, math.inf, True, "1"):
        with pytest.raises(MonoscopeError, match="must be a number"):
            params.number({"low": value}, "low")


def test_a_label_by_hand_is_tested_and_not_named_anew(peer: Peer) -> None:
    mine = {"text": "Scary", "state": "human", "concept": "Horror"}
    number = peer.send("label", run="demo", neurons=[2, 3], labels={"2": mine})
    body = peer.answer()
    while body["id"] != number or "progress" in body:
        body = peer.answer()
    actions = body["result"]["actions"]
    assert [told["neuron"] for told in actions if told["action"] == "label"] == [3]
    tested = {told["kind"]: told for told in actions if told["action"] == "score" and told["neuron"] == 2}
    assert tested["held-out"]["concept"] == "Horror"
    assert tested["held-out"]["state"] == "scored"


def test_long_work_says_again_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(answers, "time", SimpleNamespace(monotonic=lambda: now[0]))
    told: list[tuple[float, str]] = []
    tell, tick = answers._watched(lambda share, text: told.append((share, text)), lambda: False)
    tell(0.3, "the lists")
    for now[0] in (1.0, 4.0, 6.0, 7.0, 12.0):
        tick()
    assert told == [(0.3, "the lists")] * 3
