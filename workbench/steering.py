"""`steer`: what edits do to a cohort, as facts and on the screen."""

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from engine.errors import EditError
from engine.steering.edits import SERVE, Edit, Serve, Step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from engine.run import Run
    from engine.steering.effect import Steering
    from engine.steering.goals import Limit

WATCHED_AT_MOST = 20


@dataclass(frozen=True)
class Asked:
    """Whose lists are measured, how deep, and what they are measured for."""

    cohort: str | None = None
    """A predicate over users, or the name of a cohort; None: those whom the edits are for, or everyone."""
    k: int = 30
    watch: str | None = None
    about: Sequence[str] | None = None
    by: str | None = None
    serve: str = "change"
    limits: Sequence[str] = ()
    warnings: Sequence[str] = ()
    """Limits that are told of, and not kept to."""

    @property
    def way(self) -> Serve:
        """`serve`, if it is one."""
        for way in SERVE:
            if way == self.serve:
                return way
        raise EditError(f"{self.serve!r} is no way to serve an edit; there are {', '.join(SERVE)}.")


@contextmanager
def opened(run: "Run") -> "Iterator[Steering]":
    """The run beside its catalogue."""
    with run.catalogue() as catalogue:
        yield run.steering(catalogue)


def cohort_of(run: "Run", steering: "Steering", asked: Asked, steps: Sequence[Step]) -> np.ndarray:
    """The numbers of the users whose lists are measured; an `EditError` where there is nobody."""
    known = run.recommender.users.known
    if asked.cohort is None:
        own = [step.rows for step in steps if step.edit.side == "users" and step.edit.on]
        only = own and all(step.edit.side == "users" for step in steps)
        return np.unique(np.concatenate(own)) if only else np.flatnonzero(known)
    assert steering.match is not None
    matching = steering.match("users", asked.cohort)
    found = matching[known[matching]]
    if not len(found):
        with run.catalogue() as catalogue:
            told = catalogue.values_told("users", asked.cohort)
        raise EditError(f"No user matches {asked.cohort!r}, so there is nobody to steer; widen the predicate{told}.")
    return found


def limits_of(run: "Run", steering: "Steering", asked: Asked) -> list["Limit"]:
    """The goals or guards that were typed."""
    from engine.inspector import item_number
    from engine.steering.goals import Limit

    return [Limit.parse(one, steering.concepts, lambda name: item_number(run, name), asked.k) for one in asked.limits]


def steered(
    run: "Run",
    edits: Sequence[Mapping[str, Any]],
    asked: Asked,
    stack: Sequence[Mapping[str, Any]] = (),
    session: str | None = None,
    replaces: int | None = None,
) -> dict[str, Any]:
    """The effect of edits on a cohort, and how it stands to the guards.

    They lie on top of the `stack` of a `session`; with `replaces` one takes the place of that edit of it.
    """
    from engine.steering.kept import steps_of

    parsed = [Edit.parse(edit).as_dict() for edit in edits]
    for edit in parsed:
        run.neuron(edit["neuron"])
    whole = list(stack)
    if replaces is None:
        whole += parsed
    else:
        whole[replaces : replaces + 1] = parsed
    with opened(run) as steering:
        return effect_of(run, steering, asked, steps_of(steering, whole, run.home.amounts(session or run.name)))


def effect_of(run: "Run", steering: "Steering", asked: Asked, steps: Sequence[Step]) -> dict[str, Any]:
    """What `steps` do to the lists that are asked for."""
    cohort = cohort_of(run, steering, asked, steps)
    watched = _watched(steering, cohort, asked.watch)
    return {
        "run": run.name,
        "edits": [step.edit.as_dict() for step in steps],
        "cohort": asked.cohort,
        "k": asked.k,
        "serve": asked.serve,
        **steering.effect(cohort, steps, asked.k, watched, asked.way, asked.about, asked.by),
        "guards": _guards(run, steering, asked, steps, cohort),
    }


def _watched(steering: "Steering", cohort: np.ndarray, watch: str | None) -> list[int] | None:
    if watch is None:
        return None
    assert steering.match is not None
    found: list[int] = np.intersect1d(cohort, steering.match("users", watch))[:WATCHED_AT_MOST].tolist()
    if not found:
        raise EditError(f"No user of the cohort matches --watch {watch!r}; widen it or leave it out.")
    return found


def _guards(
    run: "Run", steering: "Steering", asked: Asked, steps: Sequence[Step], cohort: np.ndarray
) -> list[dict[str, Any]]:
    """Each limit with the figure before and after, whether it holds (None: unknown), and whether it refuses."""
    from engine.steering.dose import Measured

    limits = limits_of(run, steering, replace(asked, limits=[*asked.limits, *asked.warnings]))
    if not limits:
        return []
    items = steering.meant_items(steps).tolist()
    measured = Measured(steering, cohort, asked.k, limits, steering.meant(steps, asked.about), items)
    held = measured.against(steering.edit(steps, asked.way, cohort))
    return [{**one, "refuses": number < len(asked.limits)} for number, one in enumerate(held)]


def show_ranked(facts: Mapping[str, Any], under: str, *, edited: bool) -> None:
    """One user's list and, where it is `edited`, what the edits did to it."""
    from workbench.tables import percent, say, show_list

    say(f"User {facts['user']}: top {facts['k']}{under}")
    show_list(facts["items"], ranks=edited)
    of = len(facts["items"])
    if edited:
        gone = [f"{item['title']} (now {item['rank_after']})" for item in facts["left"]]
        say(f"left the list: {', '.join(gone)}" if gone else "nothing left the list")
        say(_alike(facts, of))
        for code in facts["codes"]:
            beyond = "; no user has been seen there" if code["outside"] else ""
            say(f"neuron {code['neuron']}: {code['before']:.2f} to {code['after']:.2f}{beyond}")
        shares = [f"{one['concept']} {percent(one['before'])} to {percent(one['after'])}" for one in facts["shares"]]
        say(f"shares of the list: {', '.join(shares)}" if shares else "no concept gained or lost places")
    rebuilt = facts["reconstruction"]
    say(f"Rebuilt from the codes alone, without an edit: RBO {rebuilt['rbo']:.2f}, {rebuilt['kept']} of {of} kept.")


def _alike(figures: Mapping[str, Any], of: int) -> str:
    """How alike a list is to the one before."""
    return f"RBO {figures['rbo']:.2f}, tau {figures['tau']:.2f}, {figures['kept']} of {of} kept"


def show_effect(effect: Mapping[str, Any]) -> None:
    """A cohort's lists without an edit, reconstructed and edited, and what else changed."""
    from workbench.tables import percent, say, show, show_list

    before, middle, after = effect["before"], effect["reconstruction"], effect["after"]
    k, collateral = effect["k"], effect["collateral"]
    for first, second, third in zip(before["lists"], after["lists"], middle["lists"], strict=True):
        entered = [item for item in second["items"] if item["rank_before"] > k]
        say(f"\nUser {second['user']}: {len(entered)} of {len(second['items'])} items are new in the top {k}")
        show_list(second["items"], ranks=True)
        staying = {item["item_id"] for item in second["items"]}
        gone = [item["title"] for item in first["items"] if item["item_id"] not in staying]
        if gone:
            say(f"left the top {k}: {', '.join(gone)}")
        say(f"{_alike(second, len(second['items']))}; rebuilt without an edit: {_alike(third, len(third['items']))}")
    shares = [
        (name, share, middle["concept_shares"][name], after["concept_shares"][name])
        for name, share in before["concept_shares"].items()
    ]
    shares.sort(key=lambda row: -abs(row[3] - row[1]))
    show(
        f"Share of the cohort's top {k}",
        ("concept", "before", "reconstructed", "after", "change"),
        [
            (name, percent(was), percent(between), percent(now), f"{100 * (now - was):+.1f} points")
            for name, was, between, now in shares[:10]
        ],
        "before, reconstructed, after, change",
    )
    figures = {
        "different items shown": lambda arm: arm["reach"]["items_shown"],
        "share of the items that anybody is shown": lambda arm: arm["exposure"]["coverage"],
        "held-out NDCG@10": lambda arm: arm["ndcg10"],
        "popularity percentile of a place": lambda arm: arm["exposure"]["popularity_percentile"],
        "Gini of the places": lambda arm: arm["exposure"]["gini"],
        "novelty": lambda arm: arm["novelty"],
        "diversity": lambda arm: arm["diversity"],
        "RBO with the lists before": lambda arm: arm["rbo"],
        f"items of the top {k} that stay, mean": lambda arm: arm["kept"],
    }
    rows = [(name, *(read(arm) for arm in (before, middle, after))) for name, read in figures.items()]
    seen = list(zip(*(arm["reach"]["edited_items"] for arm in (before, middle, after)), strict=True))
    rows += [(f"users who see {item[0]['title']}", *(arm["users"] for arm in item)) for item in seen]
    rows += [(f"median place of {item[0]['title']}", *(arm["median_place"] for arm in item)) for item in seen]
    show(
        "Effect",
        ("what", "before", "reconstructed", "after"),
        rows,
        "before, reconstructed, after",
    )
    _show_collateral(collateral, k)
    _show_groups(effect["groups"])
    for told in effect["outside"]:
        say(
            f"Neuron {told['neuron']} stands outside what it was seen to be (0 to {told['observed_most']:.2f}) for "
            f"{told['rows']:,} of {told['of']:,} {told['side']}."
        )
    show_guards(effect)


def show_guards(effect: Mapping[str, Any]) -> None:
    """Each limit that the edit was to keep to, and whether it does."""
    from workbench.tables import say

    for guard in effect["guards"]:
        state = {True: "holds", False: "is crossed", None: "is unknown"}[guard["holds"]]
        word = "Guard" if guard["refuses"] else "Limit" if guard["holds"] else "WARNING: limit"
        say(f"{word} {guard['limit']} {state}: {number(guard['before'])} before, {number(guard['after'])} after.")


def _show_collateral(collateral: Mapping[str, Any], k: int) -> None:
    from workbench.tables import say, show

    meant = ", ".join([*collateral["about"], *(["the edited items"] if collateral["about_items"] else [])])
    about = f"without {meant}" if meant else "its neurons have no concept"
    show(
        "Collateral",
        ("what", "value"),
        [
            ("users in the cohort", collateral["users"]),
            ("users whose code changed", collateral["users_changed"]),
            *([("users served by a filter", collateral["users_filtered"])] if collateral["users_filtered"] else []),
            ("items whose code changed", collateral["items_changed"]),
            ("lists that changed", collateral["lists_changed"]),
            (f"items of the top {k} that stay, mean", collateral["kept"]),
            ("RBO of the lists (1 = unchanged)", collateral["rbo"]),
            (f"RBO of the rest ({about})", collateral["rbo_of_the_rest"]),
            ("drift of other concepts' shares, mean", collateral["drift_of_other_concepts"]),
        ],
        "value",
    )
    lost = ", ".join(f"{u['user']} ({u['before']:.2f} to {u['after']:.2f})" for u in collateral["lost_most_ndcg"])
    if lost:
        say(f"Lost most held-out NDCG@10: {lost}.")


def _show_groups(groups: Mapping[str, Any] | None) -> None:
    from workbench.tables import percent, show

    if groups is None:
        return
    show(
        f"By {groups['column']}",
        ("value", "users", "share", "after", "RBO", "NDCG@10", "after", "novelty", "after"),
        [
            (
                row["value"],
                row["users"],
                percent(row["share_before"]),
                percent(row["share_after"]),
                row["rbo"],
                row["ndcg10_before"],
                row["ndcg10_after"],
                row["novelty_before"],
                row["novelty_after"],
            )
            for row in groups["rows"]
        ],
        "users, share, after, RBO, NDCG@10, novelty",
    )


def number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3g}"
