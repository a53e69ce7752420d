"""What the edits of a session do, in a sentence each: for the summary of a report."""

from collections.abc import Mapping, Sequence
from typing import Any

from engine.report.effects import Effect
from engine.report.wording import count, number, of, percent

EDITS_TOLD = 8


def edit_sentences(edits: Sequence[Mapping[str, Any]], problem: str | None, with_users: bool) -> list[str]:
    """A sentence for each of the first edits, measured alone, and how many more there are."""
    if problem is not None and edits:
        return [f"What the edits of the session do could not be measured: {problem}"]
    told = [_sentence(n, edit, with_users) for n, edit in enumerate(edits[:EDITS_TOLD], 1)]
    more = len(edits) - EDITS_TOLD
    return [*told, f"And {more} more edit{'s' if more > 1 else ''}, told below."] if more > 0 else told


def _sentence(n: int, edit: Mapping[str, Any], with_users: bool) -> str:
    what, effect = f"Edit {n} ({edit['title']})", edit["effect"]
    if not edit["on"]:
        return f"{what} is switched off."
    if effect is None or effect.facts is None:
        why = effect.withheld if effect is not None else None
        return f"{what}: what it does is not told{f', because {why}' if why else ''}."
    parts = [*_meant(effect, with_users)]
    changed = effect.facts["collateral"]["lists_changed"]
    parts.append(f"{of(changed, effect.users, with_users)} measured lists change")
    was, now = (effect.facts[arm]["ndcg10"] for arm in ("before", "after"))
    known = was is not None and now is not None
    parts.append(f"NDCG@10 from {number(was)} to {number(now)}" if known else "NDCG@10 is unknown")
    return f"{what}, alone: {'; '.join(parts)}."


def _meant(effect: Effect, with_users: bool) -> list[str]:
    """What the edit is about, before and after: the first item, else the concepts."""
    assert effect.facts is not None
    for row in effect.reach[:1]:
        was, now = row["before"]["users"], row["after"]["users"]
        first, then = count(was, with_users, effect.users), of(now, effect.users, with_users)
        return [f"{row['title']} goes from the lists of {first} to those of {then} users"]
    about = effect.facts["collateral"]["about"]
    return [
        f"{row['concept']} goes from {percent(row['before'])} to {percent(row['after'])} of the places"
        for row in effect.facts["shares"]
        if row["concept"] in about
    ]
