"""What a run says of itself when it is opened: three plain sentences, from its manifest and its table alone."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.run import Run

FLAGS = ("dead", "dense", "duplicate", "popularity")


def figures(run: "Run") -> dict[str, Any]:
    """The numbers behind `sentences`; None is unknown."""
    quality, fidelity = run.manifest["recommender"], run.manifest["fidelity"]
    named = [neuron for neuron in run.neurons if neuron.named_by is not None]
    return {
        "ndcg10": quality["metrics"]["ndcg10"],
        "ndcg10_popularity": quality["popularity"]["ndcg10"],
        "beats_popularity": quality.get("beats_popularity"),
        "users": fidelity["users"],
        "rbo": fidelity["rbo"],
        "ndcg_kept": fidelity["ndcg_kept"],
        "neurons": len(run.neurons),
        "concepts": len(run.reach),
        "named": len(named),
        "pure": sum(neuron.purity20 == 1 for neuron in named),
        **{flag: sum(flag in neuron.flags for neuron in run.neurons) for flag in FLAGS},
    }


def sentences(run: "Run") -> list[str]:
    """Whether the recommender is good, how much of it the neurons keep, and which of them to trust."""
    told = figures(run)
    return [_quality(told), _survival(told), _neurons(told)]


def _quality(told: dict[str, Any]) -> str:
    own, popular = told["ndcg10"], told["ndcg10_popularity"]
    if own is None or popular is None or told["beats_popularity"] is None:
        return "How good the recommender is is unknown: nothing was held out that it can be measured on."
    if told["beats_popularity"]:
        return f"On held-out items the recommender beats popularity alone: NDCG@10 {own:.3f} against {popular:.3f}."
    return (
        f"On held-out items the recommender does not beat popularity alone (NDCG@10 {own:.3f} against {popular:.3f}), "
        "so its neurons tell about a poor model."
    )


def _survival(told: dict[str, Any]) -> str:
    if told["rbo"] is None:
        return f"How much of its lists {told['neurons']:,} neurons keep is unknown."
    kept = told["ndcg_kept"]
    worth = "what they keep of its NDCG@10 is unknown" if kept is None else f"they keep {kept:.0%} of its NDCG@10"
    return (
        f"Made from {told['neurons']:,} neurons alone, the lists of {told['users']:,} users have an RBO of "
        f"{told['rbo']:.2f} with its own (1 is identical), and {worth}."
    )


def _neurons(told: dict[str, Any]) -> str:
    odd = (
        f"{told['dead']} dead, {told['dense']} dense, {told['duplicate']} duplicate and {told['popularity']} popularity"
    )
    if not told["concepts"]:
        return f"The data set has no concepts to name the {told['neurons']:,} neurons by; among them are {odd}."
    return (
        f"A concept names {told['named']:,} of {told['neurons']:,} neurons, and all 20 top items carry it for "
        f"{told['pure']:,} of these, which to trust first; among all are {odd}."
    )
