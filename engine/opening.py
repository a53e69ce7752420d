"""What a run says of itself when it is opened: three plain sentences, from its manifest and its table alone."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.run import Run

FLAGS = {
    "dead": ("fires for nothing", "fire for nothing"),
    "dense": ("fires for more than half of the items or users", "fire for more than half of the items or users"),
    "duplicate": ("repeats another", "repeat others"),
    "popularity": ("follows popularity", "follow popularity"),
}
"""What a flag says of one neuron, and of several."""
RARE_Q = 0.05
"""Below, random directions seldom do as well as a neuron does."""


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
        "beyond_chance": sum(neuron.q is not None and neuron.q < RARE_Q for neuron in named),
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
    measured = f"NDCG@10, which is 1 where held-out items come first, is {own:.3f} against {popular:.3f}"
    if told["beats_popularity"]:
        return f"On held-out items the recommender beats popularity alone: {measured}."
    return (
        f"On held-out items the recommender does not beat popularity alone ({measured}), "
        "so its neurons tell about a poor model."
    )


def _survival(told: dict[str, Any]) -> str:
    if told["rbo"] is None:
        return f"How much of its lists {told['neurons']:,} neurons keep is unknown."
    kept = told["ndcg_kept"]
    worth = "their NDCG@10 is unknown" if kept is None else f"they reach {kept:.1%} of its NDCG@10"
    return (
        f"Made from {told['neurons']:,} neurons alone, the lists of {told['users']:,} users are like its own to an RBO "
        f"of {told['rbo']:.2f} (1 is the same list, 0 nothing in common; first places count most), and {worth}."
    )


def _neurons(told: dict[str, Any]) -> str:
    odd = [f"{told[flag]:,} {words[told[flag] > 1]}" for flag, words in FLAGS.items() if told[flag]]
    also = f"; {_listed(odd)}" if odd else ""
    if not told["concepts"]:
        return f"The data set has no concepts to name the {told['neurons']:,} neurons by{also}."
    if not told["named"]:
        return f"No concept names any of the {told['neurons']:,} neurons{also}."
    return f"A concept names {told['named']:,} of {told['neurons']:,} neurons, {_evidence(told)}{also}."


def _evidence(told: dict[str, Any]) -> str:
    """How many of the named neurons random directions of the same vectors seldom match, and what follows."""
    rare = told["beyond_chance"]
    beyond = f"clearly purer than random directions of the same vectors (q below {RARE_Q})"
    if not rare:
        return f"but none of these is {beyond}, so take the names as hints"
    if rare == told["named"]:
        return f"and all of these are {beyond}"
    return f"of which {rare:,} {'is' if rare == 1 else 'are'} {beyond}: trust {'it' if rare == 1 else 'these'} first"


def _listed(parts: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
