import numpy as np
import pytest

from engine.labels.evidence import EXPLAINED, ROUNDS, SCORED, Evidence, Source, Split, evidence_for, likeness


def codes(items: int = 600, seed: int = 3) -> np.ndarray:
    """Codes of three neurons: 0 fires for a quarter of the items, 1 for other ones, 2 for all."""
    rng = np.random.default_rng(seed)
    z = np.zeros((items, 3), np.float32)
    z[: items // 4, 0] = rng.uniform(0.1, 5, items // 4)
    z[items // 8 : items // 2, 1] = rng.uniform(0.1, 5, items // 2 - items // 8)
    z[:, 2] = rng.uniform(1, 2, items)
    return z[rng.permutation(items)]


def made(z: np.ndarray, neuron: int = 0, seed: int = 0, neighbour: int | None = 1) -> tuple[Evidence, Split]:
    eligible = np.ones(len(z), bool)
    eligible[::7] = False
    labels = [["a"] if z[item, 0] > 0 or item % 5 == 0 else ["b"] for item in range(len(z))]
    split = Split.of(eligible, seed)
    return evidence_for(neuron, z * eligible[:, None], split, likeness(labels), neighbour), split


def items_of(evidence: Evidence, half: str) -> set[int]:
    if half == "explain":
        return {shown.item for shown in evidence.explain}
    return {shown.item for shown in evidence.score} | {item for one in evidence.rounds for item in one.items}


def test_no_item_that_a_labeller_sees_is_one_that_its_label_is_tested_on() -> None:
    for seed in range(5):
        for neuron in range(3):
            evidence, split = made(codes(), neuron, seed)
            shown, tested = items_of(evidence, "explain"), items_of(evidence, "score")
            assert shown <= set(split.explain.tolist())
            assert tested <= set(split.score.tolist())
            assert not shown & tested
    assert not set(split.explain.tolist()) & set(split.score.tolist())
    assert len(split.explain) + len(split.score) == int((np.arange(600) % 7 != 0).sum())


@pytest.mark.parametrize(("half", "wanted"), [("explain", EXPLAINED), ("score", SCORED)])
def test_each_source_has_its_share_of_items_once(half: str, wanted: dict[Source, int]) -> None:
    evidence, _ = made(codes())
    shown = getattr(evidence, half)
    for source, count in wanted.items():
        assert sum(one.source == source for one in shown) == count
    assert len({one.item for one in shown}) == len(shown)


def test_top_are_the_most_active_lower_go_down_in_bands_and_the_rest_is_silent() -> None:
    z = codes()
    evidence, split = made(z)
    best = sorted(split.explain, key=lambda item: (-z[item, 0], item))[:20]
    assert evidence.of("top") == best
    lower = z[evidence.of("lower"), 0]
    assert (np.diff(lower) < 0).all()
    assert z[best, 0].min() > lower.max()
    assert lower.min() < 0.6  # the weakest band is there as well
    near = evidence.of("near by neuron")
    assert (z[near, 0] == 0).all()
    assert (z[near, 1] > 0).all()
    assert all(
        item % 5 == 0 for item in evidence.of("near by metadata")
    )  # of silent items, those labelled like its own
    assert (z[evidence.of("random"), 0] == 0).all()


def test_scored_items_come_in_an_order_that_tells_nothing() -> None:
    positions = [
        np.mean([place for place, one in enumerate(made(codes(), seed=seed)[0].score) if one.active])
        for seed in range(30)
    ]
    assert np.mean(positions) == pytest.approx(24.5, abs=2)


def test_rounds_have_four_of_its_best_items_and_a_silent_one_of_its_own() -> None:
    z = codes()
    evidence, split = made(z)
    assert len(evidence.rounds) == ROUNDS
    alike: list[int] = []
    for one in evidence.rounds:
        assert len(one.items) == 5
        assert [item for item in one.items if z[item, 0] == 0] == [one.intruder]
        alike += [item for item in one.items if item != one.intruder]
    best = sorted(split.score, key=lambda item: (-z[item, 0], item))[:20]
    assert sorted(alike) == sorted([*best, *best])
    assert len({one.intruder for one in evidence.rounds}) == len(evidence.rounds)
    assert not {one.intruder for one in evidence.rounds} & {shown.item for shown in evidence.score}
    assert len({one.items.index(one.intruder) for one in evidence.rounds}) > 1


def test_the_same_seed_draws_the_same_and_another_draws_others() -> None:
    assert made(codes())[0] == made(codes())[0]
    assert made(codes())[0].explain != made(codes(), seed=1)[0].explain


def test_a_neuron_that_always_or_never_fires_has_what_there_is() -> None:
    always, _ = made(codes(), neuron=2)
    assert {shown.source for shown in always.explain} == {"top", "lower"}
    assert always.rounds == ()
    never, _ = made(np.zeros((600, 3), np.float32))
    assert {shown.source for shown in never.score} == {"random"}
    assert never.rounds == ()
    few, _ = made(codes(items=12))
    assert len(few.explain) <= 6


def test_items_are_alike_by_rare_labels_first() -> None:
    labels = [["common", "rare"], ["rare"], ["common"], [], *[["common"]] * 30]
    alike = likeness(labels) @ likeness(labels).T
    assert alike[0, 1] > alike[0, 2] > 0
    assert alike[0, 0] == pytest.approx(1)
    assert not alike[3].any()
