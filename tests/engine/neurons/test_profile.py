import numpy as np
import pytest

from engine.neurons.profile import (
    concept_means,
    decade_shares,
    histogram,
    most_active,
    near_neurons,
    purest_neurons,
    quantile_steps,
    segments,
)

EVERYONE = np.ones(100, bool)


def test_steps_go_from_the_top_to_the_first_above_zero_and_show_no_row_twice() -> None:
    z = np.arange(1001, dtype=np.float32)  # row n has activation n; row 0 is silent
    steps = quantile_steps(z, np.ones(1001, bool))
    assert [step.quantile for step in steps] == [1.0, 0.99, 0.9, 0.75, 0.5, 0.25, 0.0]
    assert steps[0].rows == (1000, 999, 998)
    assert steps[-1].rows == (3, 2, 1)
    assert steps[4].rows[0] in (501, 502)
    shown = [row for step in steps for row in step.rows]
    assert len(shown) == len(set(shown))


def test_steps_leave_out_silent_and_ineligible_rows() -> None:
    z = np.array([5, 4, 0, 3], np.float32)
    steps = quantile_steps(z, np.array([True, False, True, True]), each=1)
    assert {row for step in steps for row in step.rows} == {0, 3}
    assert quantile_steps(np.zeros(4, np.float32), np.ones(4, bool)) == []


def test_permuting_rows_permutes_the_steps() -> None:
    random = np.random.default_rng(0)
    z, order = random.exponential(size=100), random.permutation(100)
    first = [tuple(z[list(step.rows)]) for step in quantile_steps(z, EVERYONE)]
    assert [tuple(z[order][list(step.rows)]) for step in quantile_steps(z[order], EVERYONE)] == first


def test_a_histogram_counts_every_active_row_and_the_share_of_zeros() -> None:
    z = np.array([0, 0, 0, 1, 2, 10, 99], np.float32)
    told = histogram(z, np.array([True] * 6 + [False]), bins=5)
    assert (told.rows, told.zeros, told.edges[-1]) == (6, 0.5, 10.0)
    assert told.counts == (1, 1, 0, 0, 1)
    assert histogram(np.zeros(3), np.ones(3, bool)).counts == ()


def test_concept_means_stand_beside_the_mean_of_all_eligible_items() -> None:
    z = np.array([[4.0, 0], [2, 0], [0, 3], [100, 100]])
    eligible = np.array([True, True, True, False])
    member = np.array([[True, True, False, True], [False, False, False, True]])
    means, overall = concept_means(z, eligible, member)
    assert means[0].tolist() == [3, 0]
    assert np.isnan(means[1]).all()
    assert overall.tolist() == [2, 1]


def test_decades_count_positive_activations_with_a_known_year_alone() -> None:
    z = np.array([5, 4, 3, 0, 1], np.float32)
    year = np.array([1994, 1999, -1, 1980, 1985], np.int16)
    told = {one.decade: one for one in decade_shares(z, np.ones(5, bool), year, depth=4)}
    assert (told[1990].count, told[1980].count) == (2, 1)
    assert told[1990].share == pytest.approx(2 / 3)
    assert told[1980].catalogue == 0.5
    assert most_active(z, np.ones(5, bool), 2).tolist() == [0, 1]


def planted() -> tuple[np.ndarray, list[str]]:
    random = np.random.default_rng(0)
    group = ["fan"] * 40 + ["other"] * 160
    z = random.exponential(size=200) * (random.random(200) < 0.3)
    z[:40] += 2
    return z, group


def test_a_planted_group_is_found_and_a_random_one_is_not() -> None:
    z, group = planted()
    coin = np.random.default_rng(1).choice(["heads", "tails"], 200).tolist()
    found, _ = segments(z, np.ones(200, bool), {"taste": group, "coin": coin}, {"first": np.arange(30)})
    assert (found[0].column, found[0].value) in (("taste", "fan"), ("taste", "other"), ("cohort", "first"))
    of = {(one.column, one.value): one for one in found}
    fan = of["taste", "fan"]
    assert fan.q < 1e-6
    assert fan.difference is not None
    assert fan.difference > 1
    assert fan.active == 1
    assert fan.mean == pytest.approx(z[:40].mean())
    assert of["coin", "heads"].q > 0.05


def test_the_test_of_a_segment_is_scipys() -> None:
    from scipy.stats import false_discovery_control, mannwhitneyu

    z, group = planted()
    z = np.round(z, 1)  # ties
    colour = np.random.default_rng(2).choice(["red", "green", "blue"], 200)
    found, _ = segments(z, np.ones(200, bool), {"taste": group, "colour": colour.tolist()}, {})
    masks = {("taste", name): np.array(group) == name for name in ("fan", "other")}
    masks |= {("colour", name): colour == name for name in ("red", "green", "blue")}
    p = {key: mannwhitneyu(z[mask], z[~mask], method="asymptotic").pvalue for key, mask in masks.items()}
    q = dict(zip(p, false_discovery_control(list(p.values())), strict=True))
    assert len(found) == 5
    for one in found:
        assert one.p == pytest.approx(p[one.column, one.value], rel=1e-6)
        assert one.q == pytest.approx(q[one.column, one.value], rel=1e-6)


def test_groups_under_ten_users_are_neither_shown_nor_had_by_subtraction() -> None:
    z = np.random.default_rng(0).random(100)
    told, _ = segments(z, EVERYONE, {"job": ["a"] * 60 + ["b"] * 25 + ["c"] * 15}, {})
    assert {one.value for one in told} == {"a", "b", "c"}
    told, _ = segments(z, EVERYONE, {"job": ["a"] * 60 + ["b"] * 31 + ["c"] * 9}, {})
    assert {one.value for one in told} == {"a"}, "b is hidden, or c would be everyone less a and b"
    told, skipped = segments(z, EVERYONE, {"job": ["a"] * 95 + [None] * 5}, {"few": np.arange(9), "all": np.arange(95)})
    assert told == []
    assert skipped == dict.fromkeys(("job", "cohort few", "cohort all"), "too few users")


def test_a_column_that_names_people_is_skipped_and_users_without_a_vector_do_not_count() -> None:
    z = np.random.default_rng(0).random(100)
    known = np.arange(100) < 90
    told, skipped = segments(z, known, {"zip": list(range(100)), "sex": ["f"] * 45 + ["m"] * 55}, {})
    assert skipped == {"zip": "too many values"}
    assert {one.value: one.users for one in told} == {"f": 45, "m": 45}


def test_near_neurons_are_those_of_like_direction_with_the_overlap_of_their_items() -> None:
    w = np.array([[1, 0], [0, 1], [2, 0.1], [-1, 0]], np.float32)
    z = np.array([[1, 0, 1, 0], [1, 0, 0, 0], [0, 1, 1, 0], [0, 0, 9, 9]], np.float32)
    told = near_neurons(w, z, np.array([True, True, True, False]), 0)
    assert [one.neuron for one in told] == [2, 1, 3]
    assert told[0].cosine == pytest.approx(2 / np.hypot(2, 0.1))
    assert [one.jaccard for one in told] == [pytest.approx(1 / 3), 0, 0]
    assert near_neurons(w, 0 * z, np.ones(4, bool), 0, k=1)[0].jaccard is None


def test_of_neurons_as_pure_the_most_selective_stands_for_a_concept() -> None:
    random = np.random.default_rng(5)
    member_ci = np.zeros((2, 200), bool)
    member_ci[0, :60], member_ci[1, 60:90] = True, True
    broad = np.concatenate([np.linspace(3, 2, 60), np.full(140, 1.5)])  # its top 20 are of the first, and all fire
    sharp = np.concatenate([np.linspace(2, 1, 60), random.random(140) * 0.1])
    second = np.where(member_ci[1], 1.0, 0.0) + random.random(200) * 0.01
    z_im = np.stack([broad, sharp, second], axis=1)
    first, other = purest_neurons(z_im, np.ones(200, bool), member_ci)
    assert (first.neuron, first.purity) == (1, 1.0)  # by number it would be 0
    assert first.lift == pytest.approx(sharp[:60].mean() / sharp.mean())
    assert (other.neuron, other.purity) == (2, 1.0)
