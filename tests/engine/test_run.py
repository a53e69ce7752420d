import hashlib
from pathlib import Path

import numpy as np
import pytest

from engine.errors import RunError
from engine.fidelity import Audit, Fidelity
from engine.home import Home
from engine.neurons.table import NeuronTable
from engine.run import Run, Screen, free_name, save_run


def test_a_run_that_came_about_meanwhile_is_not_overwritten(demo_run: Run, home: Home) -> None:
    screen = demo_run.screen
    stored = Screen(
        screen["top_item"],
        screen["top_activation"],
        screen["top_match"],
        screen["ranked"],
        demo_run.texts["title"],
        demo_run.texts["detail"],
    )
    hits = {depth: screen[f"hits{depth}"] for depth in (10, 20, 50)}
    table = NeuronTable(demo_run.neurons, demo_run.reach, hits, demo_run.manifest["chance"])
    rows = demo_run.fidelity_by_user
    place = {one: number for number, one in enumerate(demo_run.recommender.users.ids)}
    columns = {
        name: np.array([np.nan if row[name] is None else row[name] for row in rows]) for name in list(rows[0])[1:]
    }
    audited = Audit(
        Fidelity(**demo_run.manifest["fidelity"]), np.array([place[row["user_id"]] for row in rows]), **columns
    )
    names = [
        save_run(home, "one", demo_run.manifest, demo_run.recommender, demo_run.sae, table, stored, [], audited).name
        for _ in range(2)
    ]
    assert names == ["one", "one-2"]
    assert free_name(home, "one") == "one-3"


def test_a_saved_run_comes_back_as_it_was(demo_run: Run, home: Home) -> None:
    test_a_run_that_came_about_meanwhile_is_not_overwritten(demo_run, home)
    back = Run.open(home, "one")
    assert back.neurons == demo_run.neurons
    assert back.fidelity_by_user == demo_run.fidelity_by_user
    assert back.reach == demo_run.reach
    assert back.recommender.users.ids == demo_run.recommender.users.ids
    assert back.recommender.items.vectors.tobytes() == demo_run.recommender.items.vectors.tobytes()
    hashes = back.manifest["hashes"], demo_run.manifest["hashes"]
    # Rows of fidelity come worst first here, and by number from the engine.
    assert all(hashes[0][file] == hashes[1][file] for file in hashes[0] if file != "fidelity.parquet")


def test_fidelity_is_stored_for_every_user_it_was_measured_on(demo_run: Run) -> None:
    rows, fidelity = demo_run.fidelity_by_user, demo_run.manifest["fidelity"]
    assert len({row["user_id"] for row in rows}) == len(rows) == fidelity["users"]
    assert np.mean([row["rbo"] for row in rows]) == pytest.approx(fidelity["rbo"])
    assert [row["rbo"] for row in rows] == sorted(row["rbo"] for row in rows)


def test_the_first_screens_texts_carry_each_neurons_flags(demo_run: Run) -> None:
    assert demo_run.texts["flags"] == [neuron.flags for neuron in demo_run.neurons]


def test_a_neuron_table_with_other_columns_is_refused_in_one_sentence(demo_run: Run, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(
        pq.ParquetFile(demo_run.folder / "neurons.parquet").read().drop_columns(["level"]), tmp_path / "neurons.parquet"
    )
    digest = hashlib.sha256((tmp_path / "neurons.parquet").read_bytes()).hexdigest()
    run = Run(demo_run.home, tmp_path, {**demo_run.manifest, "hashes": {"neurons.parquet": digest}})
    with pytest.raises(RunError, match=r"neurons\.parquet has other columns .*level.*train the run again"):
        _ = run.neurons


def test_a_table_from_before_the_halves_were_measured_has_them_unknown(demo_run: Run, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    table = pq.ParquetFile(demo_run.folder / "neurons.parquet").read()
    pq.write_table(table.drop_columns(["half_concept", "half_purity20", "cap20"]), tmp_path / "neurons.parquet")
    digest = hashlib.sha256((tmp_path / "neurons.parquet").read_bytes()).hexdigest()
    run = Run(demo_run.home, tmp_path, {**demo_run.manifest, "hashes": {"neurons.parquet": digest}})
    assert {neuron.half_purity20 for neuron in run.neurons} == {None}
    assert [neuron.purity20 for neuron in run.neurons] == [neuron.purity20 for neuron in demo_run.neurons]
