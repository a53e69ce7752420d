"""What the inspector tells of the demo's run, joined by id and checked against the catalogue."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from engine.errors import RunError
from engine.home import Home
from engine.inspector import Inspector, item_number
from engine.run import Run


def horror(run: Run) -> int:
    return next(row.neuron for row in run.neurons if row.concept == "Horror" and row.named_by)


def test_a_neurons_page_agrees_with_its_row_and_is_json(demo_run: Run) -> None:
    number = horror(demo_run)
    row = demo_run.neuron(number)
    with Inspector.open(demo_run) as inspector:
        page = inspector.neuron(number)
    json.dumps(page, allow_nan=False)
    items, users = page["histogram"]["items"], page["histogram"]["users"]
    assert items["zeros"] == pytest.approx(1 - row.density_items)
    assert users["zeros"] == pytest.approx(1 - row.density_users)
    assert items["edges"][-1] == pytest.approx(row.max_items)
    first = page["quantiles"]["items"][0]["rows"][0]
    assert first["item_id"] == demo_run.top(number, 1)[0][0]["item_id"]
    of = {one["concept"]: one for one in page["profiles"]["concepts"]}
    assert of["Horror"]["top50"] == pytest.approx(50 * (row.purity50 or 0))
    assert of["Horror"]["catalogue"] == pytest.approx(row.base_rate)
    assert of["Horror"]["mean"] > 2 * page["profiles"]["mean"]
    assert sum(one["catalogue"] for one in page["profiles"]["decades"]) == pytest.approx(1)


def test_a_horror_neuron_raises_horror_for_every_user_alike(demo_run: Run) -> None:
    number = horror(demo_run)
    with Inspector.open(demo_run) as inspector:
        moves = inspector.neuron(number)["moves"]
    assert moves["users"]["exact"]
    own = moves["users"]["concepts"]["own"]
    assert (own["concept"], own["excess"] > 0) == ("Horror", True)
    assert moves["users"]["concepts"]["null_own_share"] < 0.5
    ids = list(demo_run.recommender.items.ids)
    gained = moves["users"]["gained"][0]
    code = np.zeros((1, demo_run.sae.neurons), np.float32)
    code[0, number] = moves["users"]["unit"]
    shift = demo_run.sae.shift(code, "users")[0]
    vector = demo_run.recommender.items.vectors[ids.index(gained["item_id"])]
    assert gained["change"] == pytest.approx(float(vector @ shift), rel=1e-4)
    changes = [one["change"] for one in moves["items"]["gained"]]
    assert changes == sorted(changes, reverse=True)
    assert moves["items"]["gained"][0]["user_id"] in demo_run.recommender.users.ids


def test_segments_are_measured_on_the_users_of_the_catalogue(demo_run: Run) -> None:
    number = horror(demo_run)
    with Inspector.open(demo_run) as inspector:
        told = inspector.neuron(number)["segments"]
    z = demo_run.sae.encode(demo_run.recommender.users.vectors, "users")[:, number]
    with demo_run.catalogue() as catalogue:
        for one in told["segments"]:
            members = catalogue.match_users(f"{one['column']} = '{one['value']}'")
            assert one["users"] == len(members)
            assert one["mean"] == pytest.approx(z[members].mean(), rel=1e-4)
    assert told["segments"]


def test_an_item_is_made_of_its_own_code(demo_run: Run) -> None:
    number = int(demo_run.screen["top_item"][horror(demo_run), 0])
    with Inspector.open(demo_run) as inspector:
        page = inspector.item(number, {horror(demo_run): "Scary"})
    z = demo_run.sae.encode(demo_run.recommender.items.vectors, "items")[number]
    assert {one["neuron"]: pytest.approx(one["activation"]) for one in page["neurons"]} == {
        int(j): z[j] for j in np.flatnonzero(z)
    }
    strongest = next(one for one in page["neurons"] if one["neuron"] == horror(demo_run))
    assert (strongest["name"], strongest["units"] > 0.9) == ("Scary", True)
    assert page["item_id"] not in {one["item_id"] for one in page["nearest_by_code"] + page["nearest_by_vector"]}
    shared = {one["item_id"] for one in page["nearest_by_code"]} & {one["item_id"] for one in page["nearest_by_vector"]}
    assert page["nearest_shared"] == len(shared)
    with demo_run.catalogue() as catalogue:
        items = catalogue.items()
    assert page["popularity"] == items.popularity[items.item_id.index(page["item_id"])]
    assert page["popularity_rank"] == 1 + (items.popularity > page["popularity"]).sum()


def test_a_user_stands_beside_what_they_saw_in_training_and_nobody_else(demo_run: Run) -> None:
    with demo_run.catalogue() as catalogue, Inspector.open(demo_run) as inspector:
        page = inspector.user(11, {})
        training = catalogue.interactions(0)
        mine = training.item[training.user == 11]
        members = {concept.name: set(concept.items.tolist()) for concept in catalogue.concepts()}
    assert page["training_items"] == len(mine)
    assert page["training_concepts"]
    for one in page["training_concepts"]:
        assert one["items"] == len(members[one["concept"]] & set(mine.tolist()))
    assert 0 < page["affinity_explained"] <= 1
    others = set(demo_run.recommender.users.ids) - {page["user"]}
    assert not any(f'"{other}"' in json.dumps(page) for other in others)


def test_without_the_data_set_the_pages_say_what_is_missing(demo_run: Run, tmp_path: Path) -> None:
    shutil.copytree(demo_run.home.runs, tmp_path / "runs")
    alone = Run.open(Home(tmp_path), demo_run.name)
    with Inspector.open(alone) as inspector:
        neuron, item, user = inspector.neuron(horror(alone)), inspector.item(0, {}), inspector.user(0, {})
    assert "fetch it" in neuron["missing"]
    assert (neuron["profiles"], neuron["segments"], neuron["moves"]["users"]["concepts"]) == (None, None, None)
    assert neuron["moves"]["users"]["gained"]
    assert (item["popularity"], user["training_concepts"]) == (None, None)
    assert item["neurons"]
    assert user["neurons"]


def test_an_item_is_found_by_id_by_title_with_or_without_its_year_or_by_a_part_that_it_alone_has(demo_run: Run) -> None:
    ids, titles = demo_run.recommender.items.ids, demo_run.texts["title"]
    assert item_number(demo_run, ids[5]) == 5
    once = next(n for n, title in enumerate(titles) if sum(title.lower() in other.lower() for other in titles) == 1)
    assert item_number(demo_run, titles[once].upper()) == once
    short = titles[once].rsplit(" (", 1)[0]
    assert titles[item_number(demo_run, short)].startswith(short)
    with pytest.raises(RunError, match="There is no item 'no such thing'"):
        item_number(demo_run, "no such thing")
    with pytest.raises(RunError, match=r"items of run demo have 'e' in their title; name one by id: .* and \d+ more"):
        item_number(demo_run, "e")
