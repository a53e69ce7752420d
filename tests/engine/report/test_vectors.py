"""Exported vectors, served by somebody else, give the lists that monoscope shows."""

import hashlib
import json
import re
import resource
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import EditError, HomeError, MonoscopeError
from engine.explain import explain
from engine.recommenders.external import read_side
from engine.recommenders.ranking import Candidates
from engine.recommenders.recommender import Recommender
from engine.recommenders.scorers import Cosine, read_mlp
from engine.report.vectors import NothingMoves, Wanted, write_vectors
from engine.steering.cohort import Cohort
from engine.steering.edits import Edit, SolvedEdit, Step
from engine.steering.effect import Steering
from tests.engine.report.serving import Order, Table, by_faiss, by_numpy, lists, read_filters, read_table
from tests.planted import planted

K = 10
ALL, CHANGED = Wanted("all", with_users=True, k=K), Wanted(with_users=True, k=K)
ABOUT = {"session": "s"}


def steering_of(scorer: str) -> Steering:
    model = planted(scorer=scorer, knots=9)
    ids = model.recommender.items.ids
    found = explain(
        model.recommender,
        concepts={one.name: [ids[i] for i in np.flatnonzero(one.member)] for one in model.concepts},
        seen={
            user: [ids[item] for item in model.seen[number].tolist()]
            for number, user in enumerate(model.recommender.users.ids)
        },
        neurons=16,
        steps=150,
    ).steering
    eligible = found.candidates.eligible.copy()
    eligible[::50] = False  # some items are in nobody's list
    return replace(found, candidates=Candidates(found.candidates.seen, eligible))


@pytest.fixture(scope="module")
def steering() -> Steering:
    return steering_of("dot")


@pytest.fixture(scope="module")
def perceptron() -> Steering:
    return steering_of("mlp")


def firing(steering: Steering, side: str) -> list[int]:
    """Neurons that fire for a side, the strongest first."""
    units = {one.neuron: getattr(one, f"p99_{side}") for one in steering.neurons}
    return sorted((j for j, unit in units.items() if unit), key=lambda j: -units[j])


def on_users(steering: Steering, count: int = 60, **more: Any) -> Edit:
    ids = tuple(steering.recommender.users.ids[:count])
    return Edit(neuron=firing(steering, "users")[0], operation="add", amount=1.0, ids=ids, **more)


def on_items(steering: Steering) -> Edit:
    ids = tuple(steering.recommender.items.ids[3:40])
    return Edit(side="items", neuron=firing(steering, "items")[0], operation="set", amount=1.5, ids=ids)


def filtering(steering: Steering, goal: str, users: Sequence[int], bound: int) -> Step:
    """A solved edit that brought none of `users` to its goal, so that a filter serves them."""
    amounts = np.zeros((len(users), steering.sae.neurons), np.float32)
    edit = SolvedEdit(goal=goal, k=K, amounts="0" * 64, ids=tuple(steering.recommender.users.ids[u] for u in users))
    return Step(edit, np.array(users), amounts, np.full(len(users), bound))


def everything(steering: Steering) -> list[Step]:
    """Edits of both sides, and filters of both kinds that share users."""
    steps = steering.steps([on_users(steering), on_items(steering)])
    least = filtering(steering, "share(c2)>=0.4", range(40, 100), 4)
    return [*steps, filtering(steering, "share(c1)<=0.2", range(20, 80), 2), least]


def original(steering: Steering) -> tuple[Table, Table]:
    """The tables that a serving system has had all along."""
    users, items = steering.recommender.users, steering.recommender.items
    return (
        Table(list(users.ids), users.vectors, users.bias, np.ones(len(users.ids), bool)),
        Table(list(items.ids), items.vectors, items.bias, steering.candidates.eligible),
    )


def merged(steering: Steering, folder: Path) -> tuple[Table, Table]:
    users, items = original(steering)
    return users.merged(read_table(folder, "users")), items.merged(read_table(folder, "items"))


def shown(steering: Steering, steps: Sequence[Step]) -> dict[str, list[str]]:
    """Everyone's list as monoscope ranks it."""
    users, items = steering.recommender.users.ids, steering.recommender.items.ids
    everyone = np.arange(len(users))
    ranked = Cohort(steering, everyone, K).lists(steering.edit(steps))
    return {user: [items[i] for i in row if i >= 0] for user, row in zip(users, ranked.tolist(), strict=True)}


def seen_of(steering: Steering) -> dict[str, set[str]]:
    ids = steering.recommender.items.ids
    seen = steering.candidates.seen
    return {
        user: {ids[item] for item in seen[number].tolist()}
        for number, user in enumerate(steering.recommender.users.ids)
    }


def assert_same(served: dict[str, list[str]], told: dict[str, list[str]]) -> None:
    """Sums in another order may swap neighbours that differ in the last digit: one place in a thousand is let pass."""
    assert served.keys() == told.keys()
    pairs = [(a, b) for user in told for a, b in zip(served[user], told[user], strict=True)]
    assert sum(a != b for a, b in pairs) <= len(pairs) // 1000


@pytest.mark.parametrize("file_format", ["parquet", "npy", "safetensors"])
@pytest.mark.parametrize("order", [by_numpy, by_faiss])
def test_served_by_numpy_and_by_faiss_the_lists_are_those_that_monoscope_shows(
    steering: Steering, tmp_path: Path, file_format: str, order: Order
) -> None:
    steps = everything(steering)
    write_vectors(steering, steps, tmp_path / "out", replace(ALL, file_format=file_format), ABOUT)
    users, items = read_table(tmp_path / "out", "users"), read_table(tmp_path / "out", "items")
    assert users is not None
    assert items is not None
    told = shown(steering, steps)
    filters = read_filters(tmp_path / "out")
    seen = seen_of(steering)
    assert_same(lists(users, items, order(users, items), seen, filters, K), told)
    for missing in ([], filters[:1], filters[1:]):  # neither filter may be left out
        assert lists(users, items, order(users, items), seen, missing, K) != told


def test_the_code_that_the_documentation_gives_serves_the_same_lists(
    steering: Steering, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = everything(steering)
    write_vectors(steering, steps, tmp_path / "out", ALL, ABOUT)
    monkeypatch.chdir(tmp_path)
    text = (Path(__file__).parents[3] / "docs" / "serving.md").read_text(encoding="utf-8")
    there: dict[str, Any] = {}
    for block in re.findall(r"```python\n(.*?)```", text, re.S):
        exec(block, there)
    seen, ranked = seen_of(steering), steering.candidates.eligible
    served = {}
    for user, row in zip(there["user_ids"], there["nearest"], strict=True):
        allowed = [there["item_ids"][item] for item in row if ranked[item]]
        served[user] = there["filtered"](user, [item for item in allowed if item not in seen[user]], K)
    told = shown(steering, steps)
    short = {user for user in told if len(served[user]) < len(told[user])}  # 200 nearest were too few
    assert len(short) < len(told) // 20
    assert_same(*({user: each[user] for user in told if user not in short} for each in (served, told)))


def test_changed_rows_put_into_the_table_of_old_give_the_full_table_bit_by_bit(
    steering: Steering, tmp_path: Path
) -> None:
    steps = everything(steering)
    write_vectors(steering, steps, tmp_path / "all", ALL, ABOUT)
    told = write_vectors(steering, steps, tmp_path / "changed", CHANGED, ABOUT)
    edited = steering.edit(steps)
    assert (told["users"]["rows"], told["users"]["of"]) == (
        len(edited.users.moved),
        len(steering.recommender.users.ids),
    )
    assert (told["items"]["rows"], told["items"]["of"]) == (
        len(edited.items.moved),
        len(steering.recommender.items.ids),
    )
    for side, table in zip(("users", "items"), merged(steering, tmp_path / "changed"), strict=True):
        changed, full = read_table(tmp_path / "changed", side), read_table(tmp_path / "all", side)
        assert changed is not None
        assert full is not None
        assert 0 < len(changed.ids) == told[side]["rows"] < len(full.ids)
        assert table.ids == full.ids
        for name in ("vectors", "bias", "ranked"):
            assert getattr(table, name).tobytes() == getattr(full, name).tobytes()
        assert full.vectors.tobytes() == getattr(edited.recommender, side).vectors.tobytes()
        assert full.vectors.dtype == full.bias.dtype == np.float32


@pytest.mark.parametrize("file_format", ["parquet", "npy", "safetensors"])
def test_every_format_is_read_back_as_a_model_that_a_user_brings(
    steering: Steering, tmp_path: Path, file_format: str
) -> None:
    steps, out = everything(steering), tmp_path / "out"
    write_vectors(steering, steps, out, replace(ALL, file_format=file_format), ABOUT)
    edited = steering.edit(steps).recommender
    for side, tower in (("users", edited.users), ("items", edited.items)):
        ids = None if file_format == "parquet" else out / f"{side}.ids.json"
        bias = out / f"{side}.bias.npy" if file_format == "npy" else None
        found = read_side(side, out / f"{side}.{file_format}", ids, bias)
        assert found.ids == list(tower.ids)
        assert found.vectors.tobytes() == tower.vectors.tobytes()
        assert found.bias is not None
        assert found.bias.tobytes() == tower.bias.tobytes()


def test_a_row_that_the_model_brought_no_vector_for_is_not_exported(steering: Steering, tmp_path: Path) -> None:
    known = np.ones(len(steering.recommender.items.ids), bool)
    known[[5, 6]] = False
    items = replace(steering.recommender.items, known=known)
    partial = replace(steering, recommender=replace(steering.recommender, items=items))
    write_vectors(partial, partial.steps([on_users(steering)]), tmp_path / "out", ALL, ABOUT)
    table = read_table(tmp_path / "out", "items")
    assert table is not None
    assert len(table.ids) == len(known) - 2
    assert not {"i5", "i6"} & set(table.ids)


def test_cosine_vectors_leave_as_they_are_and_rank_by_their_cosine(steering: Steering, tmp_path: Path) -> None:
    users, items = steering.recommender.users, steering.recommender.items
    lengthy = replace(users, vectors=(users.vectors * np.linspace(1, 9, len(users.ids))[:, None]).astype(np.float32))
    unbiased = replace(items, bias=np.zeros_like(items.bias))
    cosine = replace(steering, recommender=Recommender(lengthy, unbiased, Cosine(3.0)))
    steps = cosine.steps([on_users(steering), on_items(steering)])
    told = write_vectors(cosine, steps, tmp_path / "out", CHANGED, ABOUT)
    assert told["scorer"] == {"kind": "cosine", "scale": 3.0}
    users_table, items_table = merged(cosine, tmp_path / "out")
    assert users_table.vectors.tobytes() == cosine.edit(steps).recommender.users.vectors.tobytes()
    for table in (users_table, items_table):
        table.vectors = table.vectors / np.linalg.norm(table.vectors, axis=1, keepdims=True)
    for order in (by_numpy, by_faiss):
        served = lists(users_table, items_table, order(users_table, items_table), seen_of(cosine), [], K)
        assert_same(served, shown(cosine, steps))


def test_vectors_of_a_perceptron_rank_alike_through_the_scorer_that_goes_along(
    perceptron: Steering, tmp_path: Path
) -> None:
    steps = [*perceptron.steps([on_users(perceptron)]), filtering(perceptron, "share(c1)<=0", range(20, 80), 0)]
    told = write_vectors(perceptron, steps, tmp_path / "out", ALL, ABOUT)
    assert told["scorer"]["kind"] == "mlp"
    users, items = read_table(tmp_path / "out", "users"), read_table(tmp_path / "out", "items")
    assert users is not None
    assert items is not None
    score = read_mlp(tmp_path / "out" / "scorer", users.vectors.shape[1], items.vectors.shape[1])
    affinity = score(users.vectors, items.vectors) + items.bias
    order = np.argsort(-affinity, axis=1, kind="stable")
    filters = read_filters(tmp_path / "out")
    assert_same(lists(users, items, order, seen_of(perceptron), filters, K), shown(perceptron, steps))


def test_the_manifest_tells_each_files_hash_the_edits_and_their_measured_effect(
    perceptron: Steering, tmp_path: Path
) -> None:
    steps = perceptron.steps([on_users(perceptron), on_items(perceptron)])
    write_vectors(perceptron, steps, tmp_path / "out", CHANGED, {"run": {"name": "r"}, "session": "s"})
    told = json.loads((tmp_path / "out" / "manifest.json").read_text())
    files = {path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert files - {"manifest.json"} == set(told["files"])
    assert files >= {"users.parquet", "items.parquet", "scorer/scorer.json", "scorer/scorer.safetensors"}
    for name, described in told["files"].items():
        content = (tmp_path / "out" / name).read_bytes()
        assert described == {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}
    assert (told["run"], told["session"]) == ({"name": "r"}, "s")
    assert told["edits"] == json.loads(json.dumps([step.edit.as_dict() for step in steps]))
    everyone = np.arange(len(perceptron.recommender.users.ids))
    effect = perceptron.effect(everyone, steps, K)
    assert told["effect"]["users"] == len(everyone)
    assert told["effect"]["collateral"]["rbo"] == effect["collateral"]["rbo"] < 1
    assert told["effect"]["after"]["diversity"] == effect["after"]["diversity"]
    shares = told["effect"]["after"]["concept_shares"]
    assert shares
    assert all(effect["after"]["concept_shares"][name] == share for name, share in shares.items())


def test_the_effect_of_an_edit_of_users_is_that_on_their_lists(steering: Steering, tmp_path: Path) -> None:
    told = write_vectors(steering, steering.steps([on_users(steering)]), tmp_path / "out", CHANGED, ABOUT)
    assert told["effect"]["users"] == 60
    assert told["items"]["rows"] == 0
    assert not (tmp_path / "out" / "items.parquet").exists()
    assert told["filters"] is None
    assert not (tmp_path / "out" / "filters.json").exists()


def test_ids_of_users_leave_only_where_that_was_asked_for(steering: Steering, tmp_path: Path) -> None:
    out, mine = tmp_path / "out", replace(CHANGED, with_users=False)
    users, items = steering.steps([on_users(steering)]), steering.steps([on_items(steering)])
    with pytest.raises(EditError, match=r"vectors of 60 users.*--with-users"):
        write_vectors(steering, users, out, mine, ABOUT)
    with pytest.raises(EditError, match=r"filter for 60 users.*--with-users"):
        write_vectors(steering, [filtering(steering, "share(c1)<=0", range(60), 0)], out, mine, ABOUT)
    with pytest.raises(EditError, match="vectors of 400 users"):
        write_vectors(steering, items, out, replace(mine, rows="all"), ABOUT)
    assert not out.exists()
    idle = on_users(steering).model_copy(update={"amount": 0.0})
    write_vectors(steering, [*items, *steering.steps([idle])], out, mine, ABOUT)
    assert {path.name for path in out.iterdir()} == {"items.parquet", "manifest.json"}
    ids = set(steering.recommender.users.ids)
    assert not ids & set((out / "manifest.json").read_text().replace('"', " ").split())


def test_edits_that_move_nothing_and_edits_that_wait_leave_nothing_but_all_rows_to_export(
    steering: Steering, tmp_path: Path
) -> None:
    idle = on_users(steering).model_copy(update={"amount": 0.0})
    for steps in ([], steering.steps([idle]), steering.steps([on_users(steering, on=False)])):
        with pytest.raises(NothingMoves):
            write_vectors(steering, steps, tmp_path / "out", CHANGED, ABOUT)
        assert not (tmp_path / "out").exists()
        told = write_vectors(steering, steps, tmp_path / "all", ALL, ABOUT)
        assert (told["users"]["changed"], told["effect"]) == (0, None)
        assert told["users"]["rows"] == told["users"]["of"]


def test_an_edit_that_waits_is_neither_in_the_vectors_nor_in_the_manifest(steering: Steering, tmp_path: Path) -> None:
    waiting = steering.steps([on_users(steering, on=False)])
    told = write_vectors(steering, [*steering.steps([on_items(steering)]), *waiting], tmp_path / "out", CHANGED, ABOUT)
    assert [edit["side"] for edit in told["edits"]] == ["items"]
    assert told["users"]["rows"] == 0


def test_an_earlier_export_is_replaced_and_a_folder_of_anything_else_is_left_alone(
    steering: Steering, tmp_path: Path
) -> None:
    out, steps = tmp_path / "out", steering.steps([on_users(steering)])
    write_vectors(steering, steps, out, replace(ALL, file_format="npy"), ABOUT)
    write_vectors(steering, steps, out, CHANGED, ABOUT)
    assert {path.name for path in out.iterdir()} == {"users.parquet", "manifest.json"}
    (out / "index.faiss").write_text("mine")
    with pytest.raises(HomeError, match="other files"):
        write_vectors(steering, steps, out, CHANGED, ABOUT)
    assert (out / "index.faiss").read_text() == "mine"
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "manifest.json").write_text('{"kind": "something else", "files": {}}')
    with pytest.raises(HomeError, match="other files"):
        write_vectors(steering, steps, tmp_path / "home", CHANGED, ABOUT)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(HomeError, match="is a file"):
        write_vectors(steering, steps, tmp_path / "file", CHANGED, ABOUT)
    (tmp_path / "empty").mkdir()
    assert write_vectors(steering, steps, tmp_path / "empty", CHANGED, ABOUT)["users"]["rows"] == 60


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """The system refuses to let any file grow beyond `size` bytes, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("file_format", ["parquet", "npy", "safetensors"])
def test_a_disk_that_refuses_leaves_no_half_of_an_export_and_the_earlier_one_whole(
    steering: Steering, tmp_path: Path, file_format: str
) -> None:
    out, steps = tmp_path / "out", everything(steering)
    wanted = replace(ALL, file_format=file_format)
    with files_of_at_most(4096), pytest.raises(HomeError, match="Cannot write"):
        write_vectors(steering, steps, out, wanted, ABOUT)
    assert list(tmp_path.iterdir()) == []
    write_vectors(steering, steps, out, CHANGED, ABOUT)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with files_of_at_most(4096), pytest.raises(HomeError, match="Cannot write"):
        write_vectors(steering, steps, out, wanted, ABOUT)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize(
    ("wanted", "told"), [(Wanted("some"), "'some' names no rows"), (Wanted(file_format="csv"), "no file format 'csv'")]
)
def test_what_there_is_no_export_of_is_refused_in_a_sentence(
    steering: Steering, tmp_path: Path, wanted: Wanted, told: str
) -> None:
    with pytest.raises(MonoscopeError, match=told):
        write_vectors(steering, steering.steps([on_users(steering)]), tmp_path / "out", wanted, ABOUT)
