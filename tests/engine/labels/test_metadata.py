from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import hypergeom

from engine.labels.metadata import NO_CONCEPT, Label, enriched, metadata_labels
from engine.labels.resolve import members
from engine.neurons.evidence import halves
from engine.neurons.table import ConceptItems
from engine.run import Run
from engine.steering.inputs import concept_items

N = 400
ALL = np.arange(N)


def concept(name: str, kind: str, *items: range) -> ConceptItems:
    member = np.zeros(N, bool)
    for some in items:
        member[list(some)] = True
    return ConceptItems(name, kind, member)


HORROR = concept("Horror", "genre", range(40))
DRAMA = concept("Drama", "genre", range(100, 300))
EIGHTIES = concept("1980s", "decade", range(18), range(200, 240))
NINETIES = concept("1990s", "decade", range(18, 40), range(240, 400))
HEAD = concept("Popular head", "popularity", range(20))
CONCEPTS = [HORROR, DRAMA, EIGHTIES, NINETIES]


def firing(*items: int) -> np.ndarray:
    """One neuron that fires on these items, the most on the first."""
    z = np.zeros((N, 1), np.float32)
    z[list(items), 0] = np.arange(len(items), 0, -1)
    return z


def label(z: np.ndarray, concepts: list[ConceptItems] | None = None, pool: np.ndarray = ALL) -> Label:
    return dict(metadata_labels(z, pool, CONCEPTS if concepts is None else concepts, [0]))[0]


def test_enrichment_counts_the_items_and_takes_its_p_from_the_pool() -> None:
    pool = np.r_[0:20, 100:180]
    found = {e.concept: e for e in enriched(np.r_[0:5, 100:105], pool, CONCEPTS)}
    horror = found["Horror"]
    assert (horror.kind, horror.hits, horror.share, horror.base_rate, horror.lift) == ("genre", 5, 0.5, 0.2, 2.5)
    assert horror.p == pytest.approx(hypergeom.sf(4, 100, 20, 10))
    p = sorted(e.p for e in found.values())
    assert found["Horror"].q == pytest.approx(
        min(1, min(p[k] * len(p) / (k + 1) for k in range(p.index(horror.p), len(p))))
    )


def test_concepts_that_the_pool_lacks_are_not_tested_and_without_items_nothing_is() -> None:
    assert [e.concept for e in enriched(np.arange(5), np.arange(18), CONCEPTS)] == ["Horror", "1980s"]
    assert enriched(np.empty(0, int), ALL, CONCEPTS) == []
    assert enriched(np.arange(5), ALL, []) == []


def test_a_neuron_of_one_theme_is_named_by_it() -> None:
    named = label(firing(*range(10, 30)))
    assert (named.text, named.state, named.concept) == ("Horror", "metadata", "Horror")
    assert named.note is not None
    assert named.note.startswith("Horror 20 of 20 (10% of all that are looked at); corrected p against random items ")
    assert named.time


def test_a_decade_joins_a_theme_and_the_label_resolves_to_both() -> None:
    named = label(firing(*range(18), 30, 31))
    assert (named.text, named.concept) == ("Horror, 1980s", "Horror + 1980s")
    assert named.note is not None
    assert "1980s 18 of these 20 (45% of Horror)" in named.note
    composite = concept("80's Horror", "genre-decade", range(18))
    assert label(firing(*range(18), 30, 31), [*CONCEPTS, composite]).concept == "80's Horror"


def test_the_theme_comes_first_whichever_surprises_more() -> None:
    rare = concept("1910s", "decade", range(10, 30))
    named = label(firing(*range(10, 30)), [HORROR, rare])
    assert named.text == "1910s"  # all of its items are horror: to say so adds nothing
    rare.member[300:302] = True
    named = label(firing(*range(10, 30)), [HORROR, rare])
    assert named.text == "Horror, 1910s"
    assert named.note is not None
    assert named.note.startswith("1910s 20 of 20 (6% of all that are looked at), Horror 20 of these 20 (91% of 1910s)")


def test_a_second_part_that_the_first_implies_is_not_added_nor_one_that_implies_it() -> None:
    early = concept("Golden-Age", "era", range(40), range(90, 190))
    assert label(firing(*range(20)), [HORROR, early]).text == "Horror"
    slashers = concept("Slashers", "own", range(15))
    eighties = concept("1980s", "decade", range(20))
    assert label(firing(*range(20)), [eighties, slashers]).text == "1980s"


def test_what_is_common_among_the_first_ones_items_anyway_is_not_added() -> None:
    # nine in ten horror films are of the 1990s, and so are this neuron's
    nineties = concept("1990s", "decade", range(36), range(240, 280))
    assert label(firing(*range(2, 22)), [HORROR, DRAMA, nineties]).text == "Horror"


def test_a_second_part_that_says_less_than_the_first_alone_is_not_added() -> None:
    # half of the twenty are popular, against a quarter of all horror: true, but half of the items lose their name
    head = concept("Popular head", "popularity", range(11), range(300, 309))
    assert label(firing(*range(22)), [HORROR, head]).text == "Horror"


def test_two_themes_do_not_join_and_a_genre_in_a_decade_is_no_part() -> None:
    slasher = concept("Slasher", "tag", range(20), range(300, 305))
    composite = concept("80's Horror", "genre-decade", range(18))
    assert label(firing(*range(20)), [HORROR, slasher]).text == "Slasher"
    assert label(firing(*range(18), 390, 391), [composite]).text == NO_CONCEPT


def test_a_concept_that_most_of_the_catalogue_has_names_nothing() -> None:
    common = concept("Common", "genre", range(300))
    named = label(firing(*range(100, 120)), [common, HORROR])
    assert (named.text, named.concept) == (NO_CONCEPT, None)
    assert named.note is not None
    assert named.note.endswith("the nearest is Common, 20 of 20 (75% of all).")


def test_less_than_half_of_the_items_name_nothing() -> None:
    assert label(firing(*range(10), *range(300, 310)), [HORROR]).text == "Horror"
    assert label(firing(*range(9), *range(300, 311)), [HORROR]).text == NO_CONCEPT


@pytest.mark.parametrize(
    ("items", "note"),
    [(0, "It fires on no item"), (1, "It fires on only 1 item "), (9, "It fires on only 9 items ")],
)
def test_a_neuron_that_fires_on_few_items_or_none_has_no_name_and_says_why(items: int, note: str) -> None:
    named = label(firing(*range(items)))
    assert (named.text, named.state, named.concept) == (NO_CONCEPT, "metadata", None)
    assert named.note is not None
    assert named.note.startswith(note)


def test_ten_items_are_enough_and_the_note_counts_them() -> None:
    named = label(firing(*range(15, 25)))
    assert named.text == "Horror"
    assert named.note is not None
    assert named.note.startswith("Horror 10 of 10 ")


def test_only_the_pools_items_count_and_only_its_twenty_most_active() -> None:
    z = firing(*range(300, 320), *range(10, 30), *range(320, 360))
    assert label(z, [HORROR]).text == NO_CONCEPT
    assert label(z, [HORROR], np.setdiff1d(ALL, np.arange(300, 320))).text == "Horror"
    assert label(z, [HORROR], np.arange(300, N)).text == NO_CONCEPT


def test_equal_activations_are_taken_by_number_whatever_the_pools_order() -> None:
    z = np.zeros((N, 1), np.float32)
    z[:200] = 1
    assert label(z, [HORROR], ALL[::-1]).text == "Horror"


def test_a_label_does_not_depend_on_the_neurons_asked_beside_it(demo_run: Run) -> None:
    z, pool, concepts = _half_of(demo_run)
    together = dict(metadata_labels(z, pool, concepts, range(z.shape[1])))
    for number in (5, 2, 17):
        alone = dict(metadata_labels(z, pool, concepts, [number]))
        assert list(alone) == [number]
        assert replace(alone[number], time="") == replace(together[number], time="")


def test_names_from_one_half_of_the_demo_hold_on_the_other(demo_run: Run) -> None:
    z, pool, concepts = _half_of(demo_run)
    named = {one.name: one.member for one in concepts}
    other = np.setdiff1d(np.flatnonzero(demo_run.screen["ranked"]), pool)
    pure = []
    for number, found in metadata_labels(z, pool, concepts, range(z.shape[1])):
        if found.concept is not None:
            member = members(found.concept, named)
            assert member is not None
            pure.append(member[other[np.argsort(-z[other, number], kind="stable")[:20]]].mean())
    assert len(pure) >= 10
    assert np.mean(pure) > 0.8


def test_hardly_a_neuron_is_named_where_the_concepts_lie_on_other_items(demo_run: Run) -> None:
    z, pool, concepts = _half_of(demo_run)
    count, rounds = 0, 10
    for seed in range(rounds):
        order = np.random.default_rng(seed).permutation(z.shape[0])
        moved = [replace(one, member=one.member[order]) for one in concepts]
        labels = dict(metadata_labels(z, pool, moved, range(z.shape[1])))
        count += sum(found.text != NO_CONCEPT for found in labels.values())
    # at most one in a hundred is expected; of real concepts, more than a third have a name
    assert count <= 0.01 * rounds * z.shape[1]


def _half_of(run: Run) -> tuple[np.ndarray, np.ndarray, list[ConceptItems]]:
    """A run's codes, half of its ranked items, its concepts."""
    eligible = np.flatnonzero(run.screen["ranked"])
    with run.catalogue() as catalogue:
        concepts = concept_items(catalogue, len(run.texts["title"]))
    return run.sae.encode(run.recommender.items.vectors, "items"), eligible[halves(len(eligible), 0)[0]], concepts
