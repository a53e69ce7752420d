"""The demo: fetch and train what is missing, and a printed tour where there is no terminal."""

from engine.actions import State
from engine.home import Home
from engine.run import Run
from workbench.facts import neuron_facts, recommended
from workbench.steering import Asked, steered
from workbench.tables import moved, progress_bar, say, show, show_list, show_neurons

DATASET = RUN = "demo"


def make_demo(home: Home) -> Run:
    """The demo's run; its data set and the run itself are made where they are missing."""
    if (home.run(RUN) / "manifest.json").exists():
        return Run.open(home, RUN)
    from engine.catalogue.fetch import fetch
    from engine.train import train

    if not (home.dataset(DATASET) / "catalogue.duckdb").exists():
        with progress_bar("Simulating the demo's audience") as progress:
            fetch(home, DATASET, source=None, assent=True, progress=progress)
    with progress_bar("Training the demo") as progress:
        return train(home, DATASET, {}, RUN, progress)


def print_tour(run: Run) -> None:
    """Neurons with their best concept, one neuron's top items, one user's list before and after an edit."""
    say(f"Run {run.name}: {run.manifest['items']} films, {run.manifest['users']} viewers.")
    rows = [neuron_facts(run, neuron.neuron, State()) for neuron in run.neurons]
    rows.sort(key=lambda row: -(row["purity20"] or 0) * (row["lift"] or 0))
    say("\n1. What the model has learned: its neurons, the most telling first")
    show_neurons(rows, [vars(entry) for entry in run.reach], run.manifest["notice"])
    genres = {entry.concept for entry in run.reach if entry.kind == "genre"}
    chosen = next((row for row in rows if row["concept"] in genres and row["named_by_metadata"]), rows[0])
    items, users = run.top(chosen["neuron"], 10)
    say(f"\n2. The items that neuron {chosen['neuron']} ({chosen['concept']}) stands for")
    show(
        "",
        ("rank", "title", "activation", "carries"),
        [(item["rank"], item["title"], item["activation"], ", ".join(item["concepts"])) for item in items],
        "rank, activation",
    )
    user = users[0]["user_id"]
    predicate = f"user_id = '{user}'"
    effect = steered(run, [{"neuron": chosen["neuron"], "operation": "off", "where": predicate}], Asked(k=10))
    say(f"\n3. What happens if you change it: viewer {user}'s list, then the same with neuron {chosen['neuron']} off")
    show_list(recommended(run, [user], 10)[0]["items"], ranks=False)
    after = effect["after"]["lists"][0]["items"]
    show(
        "",
        ("rank", "before", "change", "title"),
        [(i["rank"], i["rank_before"], moved(i["rank"], i["rank_before"]), i["title"]) for i in after],
        "rank, before",
    )
    before_share, after_share = (effect[arm]["concept_shares"][chosen["concept"]] for arm in ("before", "after"))
    say(f"{chosen['concept']}: {before_share:.0%} of the list before, {after_share:.0%} after.")
    say(f"\nOpen the workbench with: monoscope tui {run.name}")
