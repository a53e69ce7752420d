"""A stand-in for a language model that reads the questions as a model does: by what they show, and by nothing else."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.engine.labels.chat_server import Reply, completion

Card = Mapping[str, Any]


def tagged(body: Mapping[str, Any], tag: str) -> list[dict[str, Any]]:
    """The rows between a tag's ends in what the user's turn shows."""
    content = body["messages"][1]["content"]
    inside = content.split(f"<{tag}>\n", 1)[1].split(f"\n</{tag}>", 1)[0] if f"<{tag}>\n" in content else ""
    return [json.loads(line) for line in inside.splitlines() if line]


def purpose(body: Mapping[str, Any]) -> str:
    """What a request is for, by the name of its answer's form."""
    return str(body["response_format"]["json_schema"]["name"])


def reader(
    named: Callable[[list[dict[str, Any]]], str | None] = lambda cards: commonest(cards),
    fits: Callable[[str, Card], bool] = lambda name, card: name in card.get("concepts", []),
) -> Callable[[dict[str, Any], int], Reply]:
    """Names a neuron by `named` of its top cards, judges by `fits`, picks whoever shares least with the others."""

    def choose(body: dict[str, Any], _before: int) -> Reply:
        if purpose(body) == "label":
            label = named(tagged(body, "responds_most"))
            return told({"label": label, "coherent": label is not None, "reason": "What most of them have."})
        if purpose(body) == "detection":
            (name,) = (row["name"] for row in tagged(body, "name"))
            items = tagged(body, "items")
            return told({"answers": [{"id": item["id"], "fits": fits(name, item)} for item in items]})
        rounds = tagged(body, "rounds")
        return told({"answers": [{"round": one["round"], "intruder": least_alike(one["items"])} for one in rounds]})

    return choose


def told(answer: Mapping[str, Any]) -> Reply:
    """A reply with this answer, and what it took."""
    return completion(json.dumps(answer), usage=(500, 40))


def commonest(cards: list[dict[str, Any]]) -> str | None:
    """The concept that most cards carry, if half of them do."""
    concepts = [concept for card in cards for concept in card.get("concepts", [])]
    if not concepts:
        return None
    best = max(sorted(set(concepts)), key=concepts.count)
    return best if concepts.count(best) * 2 >= len(cards) else None


def least_alike(items: list[dict[str, Any]]) -> str:
    """The id of the item whose concepts the others carry least."""

    def shared(item: Card) -> int:
        mine = set(item.get("concepts", []))
        return sum(len(mine & set(other.get("concepts", []))) for other in items if other is not item)

    return str(min(items, key=shared)["id"])
