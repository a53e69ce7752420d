"""Interventions on the miniature: every figure again by the lists that `steer` itself makes."""

import json
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from engine.catalogue.catalogue import Catalogue
from engine.catalogue.fetch import fetch
from engine.errors import CatalogueError
from engine.experiments import interventions
from engine.experiments.dose_response import pictures, tables
from engine.experiments.doses import PAPER_BEFORE, K, Way
from engine.experiments.interventions import DRAWS, FIGURE5, INTERVENTIONS, Bench, Case, Outcome, outcomes, tellable
from engine.experiments.published import published
from engine.experiments.reproduce import Order, needed, reproduce, write
from engine.fidelity import rbo
from engine.home import Home
from engine.progress import silent
from engine.recommenders.ranking import Candidates, Histories, masked_affinities
from engine.run import Run
from engine.steering.cohort import Cohort
from engine.steering.edits import Edit, Serve, Step
from engine.steering.effect import Steering
from engine.steering.inputs import TRAIN, histories
from engine.steering.lists import full_rank
from tests.engine.experiments.conftest import FILTERS, music_files

NUDGE = Case("folk-rock", "rock", "nudge", ("rock",), ("folk",))
SUPPRESS = Case("electronic-less", "electronic", "suppress", ("electronic",), ("electronic",))
PROMOTE = FIGURE5[0]
Measured = tuple[Run, dict[str, Outcome]]


@pytest.fixture(scope="module")
def music_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The miniature, where one of the folk is Bob Dylan."""
    folder = tmp_path_factory.mktemp("music")
    for name, data in music_files().items():
        (folder / name).write_bytes(data.replace(b'"Folk Act 0"', b'"Bob Dylan"'))
    home = Home(tmp_path_factory.mktemp("home"))
    fetch(home, "lastfm-msd", source=folder, assent=True, progress=silent, parameters=FILTERS)
    return home


@pytest.fixture(autouse=True, scope="module")
def lovers_with_few_items() -> Iterator[None]:
    """The miniature's users have fewer than 20 items."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interventions, "LOVERS_ITEMS", 5)
        patch.setattr(interventions, "LOVERS", 30)
        yield


@pytest.fixture(scope="module")
def measured(music_home: Home) -> Measured:
    run, found = outcomes(music_home, "lastfm-msd", "mf", [NUDGE, SUPPRESS, PROMOTE], 0)
    return run, {one.case.key: one for one in found}


@pytest.fixture(scope="module")
def catalogue(music_home: Home) -> Iterator[Catalogue]:
    with Catalogue.open(music_home, "lastfm-msd") as opened:
        yield opened


@pytest.fixture(scope="module")
def bench(measured: Measured, catalogue: Catalogue) -> Bench:
    run, _ = measured
    train = histories(catalogue, len(run.recommender.users.ids), TRAIN)
    return Bench(run.steering(catalogue), train, catalogue.items().popularity, "music", "mf", 0)


def as_the_way_ranks(steering: Steering, way: Way) -> Steering:
    """With seen items among the candidates where the way keeps them."""
    if way.seen == "left out":
        return steering
    nothing, users = np.empty(0, np.int64), len(steering.recommender.users.ids)
    return replace(steering, candidates=Candidates(Histories.of(nothing, nothing, users), steering.candidates.eligible))


def member(steering: Steering, concept: str) -> np.ndarray:
    return next(one.member for one in steering.concepts if one.name == concept)


@pytest.mark.parametrize("key", ["folk-rock", "electronic-less"])
def test_shares_are_those_of_the_lists_that_the_edit_gives(measured: Measured, bench: Bench, key: str) -> None:
    one = measured[1][key]
    people = bench.people(one.case)
    assert one.users == len(people)
    assert [way.serve for way in one.ways] == ["change", "decoded"]
    for way in one.ways:
        steering = as_the_way_ranks(bench.steering, way)
        cohort = Cohort(steering, people, K)
        carried = member(steering, one.case.concept[0])
        assert way.original.share is not None
        assert way.original.share[0] == pytest.approx(np.nanmean(cohort.share(cohort.before, carried)))
        for row in way.levels:
            step = Step(Edit(side="users", neuron=one.neuron or 0, operation="set", amount=row.level), people)
            lists = cohort.lists(steering.edit([step], way.serve, people))
            assert row.share is not None
            assert row.share[0] == pytest.approx(np.nanmean(cohort.share(lists, carried)), abs=1e-6)
            assert row.share[1] <= row.share[0] <= row.share[2]
            assert row.ndcg10 == pytest.approx(np.nanmean(cohort.ndcg(lists)), abs=1e-6)
            assert row.raw == pytest.approx((row.level or 0) * (one.unit or 0))


def test_the_rest_is_the_lists_without_the_concept(measured: Measured, bench: Bench) -> None:
    one = measured[1]["folk-rock"]
    people, way = bench.people(NUDGE), one.ways[0]
    among = bench.steering.candidates
    others = Candidates(among.seen, among.eligible & ~member(bench.steering, "rock"))
    cohort = Cohort(replace(bench.steering, candidates=others), people, K)
    last = way.levels[-1]
    step = Step(Edit(side="users", neuron=one.neuron or 0, operation="set", amount=last.level), people)
    lists = cohort.lists(bench.steering.edit([step], "change", people))
    assert last.rbo_rest == pytest.approx(rbo(cohort.before, lists).mean(), abs=1e-6)
    assert last.rbo_rest is not None
    assert last.rbo_rest < 0.99
    assert way.original.rbo_rest == pytest.approx(1.0)


@pytest.mark.parametrize("key", ["folk-rock", "dylan-metal"])
def test_reconstruction_only_is_an_arm_of_its_own(measured: Measured, bench: Bench, key: str) -> None:
    one = measured[1][key]
    people = bench.people(one.case)
    way = one.ways[0]
    cohort = Cohort(bench.steering, people, K)
    lists = cohort.lists(bench.steering.reconstruction)
    assert way.reconstruction.share is not None
    if key == "folk-rock":
        wanted = np.nanmean(cohort.share(lists, member(bench.steering, "rock")))
    else:
        item = bench.steering.titles.index("Bob Dylan")
        had = (cohort.before == item).any(axis=1) | np.array([item in bench.train[int(user)] for user in people])
        wanted = (lists[~had] == item).any(axis=1).mean()
    assert way.reconstruction.share[0] == pytest.approx(wanted, abs=1e-6)


def promotion(bench: Bench, one: Outcome, way: Way, level: float, users: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of the item for `users` before and after, by whole rankings; the item alone counts as not met."""
    steering = as_the_way_ranks(bench.steering, way)
    item = steering.titles.index("Bob Dylan")
    seen = [
        (user, other)
        for user in range(len(steering.candidates.seen.starts) - 1)
        for other in steering.candidates.seen[user]
        if other != item
    ]
    pairs = np.array(seen, np.int64).reshape(-1, 2)
    histories_ = Histories.of(pairs[:, 0], pairs[:, 1], len(steering.candidates.seen.starts) - 1)
    among = Candidates(histories_, steering.candidates.eligible)
    step = Step(Edit(side="items", neuron=one.neuron or 0, operation="set", amount=level), np.array([item]))
    found = []
    for recommender in (steering.recommender, steering.edit([step], way.serve, users).recommender):
        ((_, affinity),) = masked_affinities(recommender, among, users)
        found.append(np.array([full_rank(row, item) for row in affinity]))
    return found[0], found[1]


def test_a_promotion_counts_who_had_not_met_the_item_and_had_it_below(measured: Measured, bench: Bench) -> None:
    one = measured[1]["dylan-metal"]
    item = bench.steering.titles.index("Bob Dylan")
    new = np.array([user for user in bench.people(PROMOTE) if item not in bench.train[int(user)]])
    for way, below in zip(one.ways, (K, PAPER_BEFORE), strict=True):
        for row in way.levels:
            before, after = promotion(bench, one, way, row.level or 0.0, new)
            counted = before > below
            assert way.users == counted.sum() > 0
            assert row.share is not None
            assert row.share[0] == pytest.approx((after[counted] <= K).mean(), abs=1e-6)
    shares = [row.share[0] for row in one.ways[0].levels if row.share is not None]
    assert max(shares) > 0  # something happens in the miniature, so that zeros do not agree with zeros


def test_a_promotion_tells_who_of_the_present_audience_loses_the_item(measured: Measured, bench: Bench) -> None:
    one = measured[1]["dylan-metal"]
    item = bench.steering.titles.index("Bob Dylan")
    present = np.array([user for user in range(len(bench.train.starts) - 1) if item in bench.train[user]])
    for way in one.ways:
        assert way.present == len(present) > 0
        for row in way.levels:
            before, after = promotion(bench, one, way, row.level or 0.0, present)
            assert way.present_had == (before <= K).sum()
            assert row.lost == ((before <= K) & (after > K)).sum()
            assert row.rank_change == pytest.approx((after - before).mean(), abs=1e-6)


def test_where_everything_is_decoded_promotion_and_nudge_still_agree_with_steer(bench: Bench) -> None:
    ncf = replace(bench, model="ncf", domain="films")
    found = ncf.outcome(NUDGE)
    way = found.ways[1]
    serve: Serve = "all-decoded"
    assert way.serve == serve
    steering, people = as_the_way_ranks(bench.steering, way), bench.people(NUDGE)
    cohort = Cohort(steering, people, K)
    row = way.levels[2]
    step = Step(Edit(side="users", neuron=found.neuron or 0, operation="set", amount=row.level), people)
    lists = cohort.lists(steering.edit([step], serve, people))
    assert row.share is not None
    assert row.share[0] == pytest.approx(np.nanmean(cohort.share(lists, member(steering, "rock"))), abs=1e-6)
    item_id = bench.steering.recommender.items.ids[bench.steering.titles.index("Bob Dylan")]
    promoted = ncf.outcome(replace(PROMOTE, item=item_id))
    item = bench.steering.titles.index("Bob Dylan")
    new = np.array([user for user in bench.people(PROMOTE) if item not in bench.train[int(user)]])
    before, after = promotion(bench, promoted, promoted.ways[1], 3.0, new)
    counted = before > PAPER_BEFORE
    share = promoted.ways[1].levels[-1].share
    assert share is not None
    assert share[0] == pytest.approx((after[counted] <= K).mean(), abs=1e-6)
    others = Candidates(
        steering.candidates.seen, steering.candidates.eligible & (np.arange(len(bench.popularity)) != item)
    )
    rest = Cohort(replace(steering, candidates=others), new[counted], K)
    lists = rest.lists(steering.reconstruction)
    assert promoted.ways[1].levels[-1].rbo_rest == pytest.approx(rbo(rest.before, lists).mean(), abs=1e-6)


def test_who_has_met_the_item_is_not_counted(bench: Bench) -> None:
    folk = replace(PROMOTE, concept=("folk",), lovers=("folk",))
    item = bench.steering.titles.index("Bob Dylan")
    people = bench.people(folk)
    met = np.array([item in bench.train[int(user)] for user in people])
    assert met.any()
    # Worse than every other item, so that nobody has it already, and only meeting it is a reason not to count.
    recommender = bench.steering.recommender
    bias = recommender.items.bias.copy()
    bias[item] = -1e3
    buried = replace(recommender, items=replace(recommender.items, bias=bias))
    for way in replace(bench, steering=replace(bench.steering, recommender=buried)).outcome(folk).ways:
        assert way.users == (~met).sum()


def test_the_control_is_the_mean_over_drawn_other_neurons(measured: Measured, bench: Bench) -> None:
    one = measured[1]["folk-rock"]
    alive = [neuron.neuron for neuron in bench.steering.neurons if neuron.p99_users is not None]
    drawn = np.random.default_rng(0).permutation([j for j in alive if j != one.neuron])[:DRAWS]
    people, last = bench.people(NUDGE), one.ways[0].levels[-1]
    cohort = Cohort(bench.steering, people, K)
    shares = []
    for j in drawn:
        step = Step(Edit(side="users", neuron=int(j), operation="set", amount=last.level), people)
        lists = cohort.lists(bench.steering.edit([step], "change", people))
        shares.append(np.nanmean(cohort.share(lists, member(bench.steering, "rock"))))
    assert len(shares) == DRAWS
    assert last.control == pytest.approx(np.mean(shares), abs=1e-6)


def test_lovers_have_the_largest_share_of_the_concept_in_training(bench: Bench) -> None:
    folk = member(bench.steering, "folk")
    share = {
        user: folk[bench.train[user]].mean()
        for user in range(len(bench.train.starts) - 1)
        if len(bench.train[user]) >= 5 and folk[bench.train[user]].any()
    }
    wanted = sorted(sorted(share), key=lambda user: -share[user])[:30]
    assert bench.people(NUDGE).tolist() == sorted(wanted)


def test_users_under_18_are_those_whose_column_says_so(bench: Bench) -> None:
    young = INTERVENTIONS["films"][0]
    users = len(bench.steering.recommender.users.ids)
    ages = ["under 18" if user % 7 == 3 else "25-34" for user in range(users)]
    aged = replace(bench, steering=replace(bench.steering, attributes={"age": ages}))
    assert aged.people(young).tolist() == list(range(3, users, 7))


def test_what_the_data_set_does_not_have_is_unknown(bench: Bench) -> None:
    young = Case("young", "young", "nudge", ("rock",))
    told = {
        "no column age": bench.outcome(young),
        "no concept zydeco": bench.outcome(replace(NUDGE, concept=("zydeco",))),
        "no item Nobody": bench.outcome(replace(PROMOTE, item="Nobody")),
    }
    for words, one in told.items():
        assert one.unknown is not None
        assert words in one.unknown
        assert (one.neuron, one.ways) == (None, ())
    text = tables("Title", "lastfm-msd", ["run"], list(told.values()))
    assert "Unknown: the data set has no concept zydeco." in text
    assert not pictures("x-", list(told.values()))


def test_a_neuron_that_is_not_pure_is_said_to_be(measured: Measured) -> None:
    one = measured[1]["folk-rock"]
    words = "Too impure to be named for it"
    assert words in tables("T", "d", [], [replace(one, named=False)])
    assert words not in tables("T", "d", [], [replace(one, named=True)])


def test_the_published_bars_belong_to_a_case_and_are_as_printed() -> None:
    keys = {case.key for case in [*INTERVENTIONS["films"], *INTERVENTIONS["music"], *FIGURE5]}
    doses = published().interventions
    assert {dose.case for dose in doses} <= keys
    assert all(len(dose.levels) == len(dose.shares) for dose in doses)
    sums = {(dose.case, dose.model): round(sum(dose.shares), 2) for dose in doses}
    assert sums == {
        ("alice-romance", "mf"): 3.53,
        ("speed-drama", "ncf"): 2.05,
        ("speed-romance", "ncf"): 2.7,
        ("speed-childrens", "ncf"): 3.25,
        ("under18-childrens", "mf"): 2.44,
        ("under18-childrens", "ncf"): 3.69,
        ("horror-less", "mf"): 1.8,
        ("action-less", "ncf"): 3.13,
        ("dylan-metal", "mf"): 3.45,
        ("dylan-pop", "mf"): 5.78,
        ("dylan-electronic", "mf"): 2.74,
        ("metal-country", "mf"): 1.68,
        ("hiphop-less", "mf"): 0.6,
        ("folk-rock", "ncf"): 2.66,
        ("electronic-less", "ncf"): 4.1,
    }


def test_figure_5_sets_the_papers_curve_on_an_axis_of_its_own(measured: Measured) -> None:
    (drawn,) = pictures("figure5-", [measured[1]["dylan-metal"]])
    assert drawn.name == "figure5-dylan-mf"
    assert b"published level (another scale)" in drawn.svg
    assert ("Bob Dylan for lovers of metal", "published", "8", None, 0.8, *[None] * 7) in drawn.rows
    (bare,) = pictures("x-", [replace(measured[1]["dylan-metal"], paper=None)])
    assert b"published level" not in bare.svg


def test_both_are_written_and_tell_what_has_to_be_trained(music_home: Home, measured: Measured) -> None:
    order = Order(music_home, "lastfm-msd", ("mf",), (0,), with_users=True)
    assert needed(order, "figure5") == needed(order, "interventions") == "All 1 runs are here."
    assert needed(replace(order, seeds=(9,)), "interventions").startswith("1 of 1 runs have to be trained")
    result = reproduce(order, "figure5")
    json.dumps(result.facts, allow_nan=False)
    assert [case["case"]["key"] for case in result.facts["cases"]] == ["dylan-metal", "dylan-pop", "dylan-electronic"]
    assert json.dumps(result.facts["cases"][0]) == json.dumps(measured[1]["dylan-metal"].as_dict())
    assert "Published (40 users, its own levels): 0: 0.00, 1: 0.05" in result.markdown
    tabled = [line for line in result.markdown.splitlines() if line.startswith("|")]
    assert max(map(len, tabled)) <= 80
    names = {file.name for file in write(result, music_home.root / "out")}
    assert names == {"figure5.json", "figure5.md", "figure5-dylan-mf.svg", "figure5-dylan-mf.png"}
    others = reproduce(order, "interventions")
    assert [case["case"]["key"] for case in others.facts["cases"]] == [one.key for one in INTERVENTIONS["music"]]


def test_a_case_that_counts_a_small_group_is_told_of_with_users_alone(
    music_home: Home, measured: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = measured[1]["dylan-metal"]
    ways = [replace(way, users=40, present=30, present_had=12) for way in one.ways]
    many = replace(one, users=40, ways=ways)
    assert tellable(many) == many
    assert tellable(replace(many, ways=[ways[0], replace(ways[1], present_had=0)])).unknown is None
    small = [
        replace(many, users=9),
        *(replace(many, ways=[ways[0], replace(ways[1], **{name: 9})]) for name in ("users", "present", "present_had")),
    ]
    for few in small:
        told = tellable(few)
        assert (told.users, told.ways) == (0, ())
        assert "fewer than 10 users, told with --with-users alone" in str(told.unknown)
    monkeypatch.setattr("engine.experiments.reproduce.outcomes", lambda *_: (measured[0], [small[0]]))
    order = Order(music_home, "lastfm-msd", ("mf",), (0,))
    without, with_users = (reproduce(replace(order, with_users=told), "figure5") for told in (False, True))
    assert "fewer than 10 users" in without.markdown
    assert (without.facts["cases"][0]["ways"], without.pictures) == ((), [])
    assert "fewer than 10 users" not in with_users.markdown
    assert with_users.facts["cases"][0]["users"] == 9


def test_figure_5_of_films_is_refused(music_home: Home) -> None:
    with pytest.raises(CatalogueError, match="Figure 5 is about music and ml-1m has films"):
        reproduce(Order(music_home, "ml-1m", ("mf",), (0,)), "figure5")
