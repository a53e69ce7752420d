"""`why`: what the command line says of one item in one user's list."""

import pytest

from engine.run import Run
from engine.session import Session
from tests.workbench.cli import Monoscope


@pytest.fixture
def monoscope(demo_run: Run, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Monoscope:
    return Monoscope(demo_run.home.root, monkeypatch, capfd)


def test_the_rank_is_that_of_the_recommended_list_and_the_figures_add_up(monoscope: Monoscope) -> None:
    listed = monoscope("recommend", "demo", "--user", "v0007", "-k", 30, "--json").json["items"]
    facts = monoscope("why", "demo", "--user", "v0007", "--item", listed[4]["item_id"], "--json").json
    assert (facts["rank"], facts["title"], facts["seen"]) == (5, listed[4]["title"], False)
    assert facts["affinity"] == pytest.approx(listed[4]["affinity"])
    assert facts["cut"]["item_id"] == listed[29]["item_id"]
    assert facts["cut"]["ahead"] == pytest.approx(listed[4]["affinity"] - listed[29]["affinity"], abs=1e-6)
    assert sum(facts["parts"].values()) == pytest.approx(facts["affinity"], rel=1e-4)
    above = facts["affinity"] - facts["mean_affinity"]
    assert sum(facts["above_average"].values()) == pytest.approx(above, abs=1e-4)
    assert sum(pair["contribution"] for pair in facts["pairs"]) == pytest.approx(facts["parts"]["pairs"])
    sizes = [abs(pair["contribution"]) for pair in facts["pairs"]]
    assert sizes == sorted(sizes, reverse=True)


def test_a_neuron_that_is_switched_off_takes_what_was_said(monoscope: Monoscope, demo_run: Run) -> None:
    before = monoscope("recommend", "demo", "--user", "v0007", "-k", 1, "--json").json["items"][0]
    facts = monoscope("why", "demo", "--user", "v0007", "--item", before["item_id"], "--json").json
    neuron = next(row for row in facts["user_neurons"] if row["activation"])
    with Session.open(demo_run.home, "why-off", "demo") as session:
        session.append("edit", edit={"neuron": neuron["neuron"], "operation": "off"})
    words = ("recommend", "demo", "--user", "v0007", "-k", 5000, "--session", "why-off", "--json")
    after = monoscope(*words).json["items"]
    affinity = next(item["affinity"] for item in after if item["item_id"] == before["item_id"])
    assert abs(neuron["if_switched_off"]) > 0.01
    assert affinity - before["affinity"] == pytest.approx(neuron["if_switched_off"], abs=1e-4)


def test_the_page_begins_with_the_place_ends_with_the_sum_and_fits_a_terminal(monoscope: Monoscope) -> None:
    top = monoscope("recommend", "demo", "--user", "v0007", "-k", 2, "--json").json["items"][1]
    by_id = monoscope("why", "demo", "--user", "v0007", "--item", top["item_id"])
    assert by_id.code == 0, by_id.err
    assert by_id.out == monoscope("why", "demo", "--user", "v0007", "--item", top["title"]).out
    assert by_id.out.startswith(f"{top['title']} ({top['item_id']}) is number 2 of ")
    facts = monoscope("why", "demo", "--user", "v0007", "--item", top["item_id"], "--json").json
    assert f"= {facts['affinity']:.2f}." in by_id.out
    assert f"pairs {facts['parts']['pairs']:+.2f}, " in by_id.out
    table = by_id.out.split("Its affinity:")[0].splitlines()[1:]
    assert max(map(len, table)) <= 80
    assert f"{facts['pairs'][0]['contribution']:+.2f}" in "\n".join(table)


def test_an_item_that_was_seen_is_in_no_list_and_says_so(monoscope: Monoscope, demo_run: Run) -> None:
    with demo_run.catalogue() as catalogue:
        training = catalogue.interactions(0)
    item = demo_run.recommender.items.ids[training.item[training.user == 7][0]]
    user = demo_run.recommender.users.ids[7]
    facts = monoscope("why", "demo", "--user", user, "--item", item, "--json").json
    assert (facts["rank"], facts["seen"], facts["eligible"]) == (None, True, True)
    assert "who has seen it; it would be number" in monoscope("why", "demo", "--user", user, "--item", item).out


def test_a_label_of_ones_own_names_the_neuron(monoscope: Monoscope) -> None:
    top = monoscope("recommend", "demo", "--user", "v0007", "-k", 1, "--json").json["items"][0]["item_id"]
    words = ("why", "demo", "--user", "v0007", "--item", top, "--session", "why")
    monoscope("labels", "demo", "set", 0, "[bold]Mine", "--session", "why")
    facts = monoscope(*words, "--json").json
    strongest = facts["pairs"][0]["user_neuron"]
    monoscope("labels", "demo", "set", strongest, "[bold]Ours", "--session", "why")
    assert monoscope(*words, "--json").json["pairs"][0]["user_name"] == "[bold]Ours"
    assert f"{strongest} [bold]Ours" in monoscope(*words).out


@pytest.mark.parametrize(
    ("user", "item", "message"),
    [
        ("nobody", "any", "There is no user 'nobody'"),
        ("v0007", "nothing like it", "There is no item 'nothing like it' in run demo"),
    ],
)
def test_an_unknown_user_or_item_is_one_sentence(monoscope: Monoscope, user: str, item: str, message: str) -> None:
    answer = monoscope("why", "demo", "--user", user, "--item", item)
    assert answer.code == 1
    assert message in answer.err
    assert answer.err.count("\n") == 1
