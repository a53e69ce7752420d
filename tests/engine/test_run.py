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
    names = [
        save_run(home, "one", demo_run.manifest, demo_run.recommender, demo_run.sae, table, stored, []).name
        for _ in range(2)
    ]
    assert names == ["one", "one-2"]
    assert free_name(home, "one") == "one-3"


def test_a_saved_run_comes_back_as_it_was(demo_run: Run, home: Home) -> None:
    test_a_run_that_came_about_meanwhile_is_not_overwritten(demo_run, home)
    back = Run.open(home, "one")
    assert back.neurons == demo_run.neurons
    assert back.reach == demo_run.reach
    assert back.recommender.users.ids == demo_run.recommender.users.ids
    assert back.recommender.items.vectors.tobytes() == demo_run.recommender.items.vectors.tobytes()
    assert back.manifest["hashes"] == demo_run.manifest["hashes"]
