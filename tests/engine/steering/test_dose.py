import numpy as np
import pytest

from engine.errors import EditError
from engine.steering.cohort import Cohort
from engine.steering.dose import Dose, Measured, grid
from engine.steering.edits import Edit, Step
from engine.steering.effect import Steering
from engine.steering.goals import Limit
from tests.engine.steering.test_steering import full_lists, item_neuron, steering, strongest

__all__ = ["steering"]

USERS = np.arange(0, 120, 2)
K = 10


def limit(steering: Steering, text: str) -> Limit:
    return Limit.parse(text, steering.concepts, steering.recommender.items.ids.index, K)


def reach_of(steering: Steering, edit: Edit, item: int, amount: float) -> float:
    step = Step(edit.model_copy(update={"amount": amount}), steering.steps([edit])[0].rows)
    lists = full_lists(steering, steering.edit([step]).recommender, USERS, K)
    return float((lists == item).any(axis=1).mean())


def user_dose(steering: Steering, text: str, operation: str = "add") -> tuple[Dose, Edit, int]:
    """An item of some taste, raised among everybody by that taste's neuron."""
    neuron = item_neuron(steering)
    z = steering.sae.encode(steering.recommender.items.vectors, "items")[:, neuron]
    item = int(np.argsort(-z)[3])
    edit = Edit(neuron=neuron, operation=operation, amount=0.0)  # type: ignore[arg-type]
    return Dose(steering, edit, USERS, K, [limit(steering, text.replace("ITEM", f"i{item}"))]), edit, item


@pytest.mark.parametrize("operation", ["add", "set", "scale"])
@pytest.mark.parametrize("share", [0.2, 0.6])
def test_the_exact_dose_is_the_first_at_which_enough_users_see_the_item(
    steering: Steering, operation: str, share: float
) -> None:
    dose, edit, item = user_dose(steering, f"reach(ITEM,10)>={share}", operation)
    amounts, start = grid(operation, None, None, 9)
    found = dose.minimum(dose.curve(amounts), start)
    assert found.exact
    fine = np.linspace(amounts[0], amounts[-1], 161)
    reached = [amount for amount in fine if reach_of(steering, edit, item, amount) >= share]
    if found.amount is None:
        assert not reached
        return
    assert found.point is not None
    assert found.point.kept
    assert reach_of(steering, edit, item, found.amount) >= share
    nearer = [amount for amount in reached if abs(amount - start) < abs(found.amount - start) - 1e-6]
    assert not nearer


def test_just_below_the_exact_dose_the_goal_is_missed(steering: Steering) -> None:
    dose, edit, item = user_dose(steering, "reach(ITEM,10)>=0.5")
    amounts, start = grid("add", -40.0, 40.0, 9)
    found = dose.minimum(dose.curve(amounts), start)
    assert found.amount is not None
    assert abs(found.amount) > 0.01
    assert reach_of(steering, edit, item, found.amount * (1 - 1e-4)) < 0.5


def test_an_item_raised_in_its_own_code_is_solved_for_too(steering: Steering) -> None:
    item = 17
    neuron = item_neuron(steering)
    edit = Edit(side="items", neuron=neuron, operation="add", amount=0.0, ids=(f"i{item}",))
    dose = Dose(steering, edit, USERS, K, [limit(steering, f"reach(i{item})>=0.15")])
    found = dose.minimum(dose.curve([0.0, 2.0, 4.0, 8.0]), 0.0)
    assert found.exact
    assert found.amount is not None
    assert reach_of(steering, edit, item, found.amount) >= 0.15
    assert found.amount == 0 or reach_of(steering, edit, item, found.amount * (1 - 1e-4)) < 0.15


def test_a_share_is_bisected_and_measured_where_it_is_met(steering: Steering) -> None:
    taste = next(n for n in steering.neurons if n.named_by)
    goal = limit(steering, f"share({taste.concept})<=2%")
    edit = Edit(neuron=taste.neuron, operation="add", amount=0.0)
    dose = Dose(steering, edit, USERS, K, [goal])
    found = dose.minimum(dose.curve([-4.0, -2.0, 0.0, 2.0, 4.0]), 0.0)
    assert not found.exact
    assert found.amount is not None
    assert found.amount < 0
    member = next(c.member for c in steering.concepts if c.name == taste.concept)

    def share(amount: float) -> float:
        step = steering.steps([edit.model_copy(update={"amount": amount})])
        return float(member[full_lists(steering, steering.edit(step).recommender, USERS, K)].mean())

    assert share(found.amount) <= 0.02 < share(found.amount * (1 - 1e-3))


def test_goals_that_cannot_hold_together_have_no_dose(steering: Steering) -> None:
    taste = next(n for n in steering.neurons if n.named_by)
    limits = [limit(steering, f"share({taste.concept})<=0"), limit(steering, "rbo>=0.999")]
    dose = Dose(steering, Edit(neuron=taste.neuron, operation="add", amount=0.0), USERS, K, limits)
    assert dose.minimum(dose.curve([-4.0, 0.0, 4.0]), 0.0).amount is None


def test_a_goal_that_is_lost_again_beyond_is_told(steering: Steering) -> None:
    neuron = strongest(steering, 5)
    concept = steering.neurons[neuron].concept
    assert concept is not None
    edit = Edit(neuron=neuron, operation="add", amount=0.0)
    narrow = [limit(steering, f"share({concept})>=0.2"), limit(steering, "rbo>=0.6")]
    dose = Dose(steering, edit, USERS, K, narrow)
    points = dose.curve(np.linspace(0, 8, 17).tolist())
    kept = [point.kept for point in points]
    found = dose.minimum(points, 0.0)
    assert found.amount is not None
    assert not kept[-1]
    assert found.lost_again == next(p.amount for p in points[kept.index(True) :] if not p.kept)


def test_the_figures_of_limits_are_those_of_the_lists(steering: Steering) -> None:
    taste = next(n for n in steering.neurons if n.named_by)
    texts = [f"share({taste.concept})<=1", "ndcg>=0.5", "rbo>=0", "rest>=0", "novelty>=0", "diversity>=0.5x"]
    limits = [limit(steering, text) for text in [*texts, "coverage>=0", "gini<=1", "reach(i3,5)>=0"]]
    measured = Measured(steering, USERS, K, limits)
    edited = steering.edit(steering.steps([Edit(neuron=taste.neuron, operation="off")]))
    cohort = Cohort(steering, USERS, K)
    lists = cohort.lists(edited)
    found = {row["limit"]: row for row in measured.against(edited)}
    assert found["rbo>=0"]["after"] == pytest.approx(cohort.rbo(lists).mean())
    assert found["ndcg>=0.5"]["before"] == pytest.approx(np.nanmean(cohort.ndcg(cohort.before)))
    assert found["reach(i3,5)>=0"]["after"] == pytest.approx((lists[:, :5] == 3).any(axis=1).mean())
    assert found["novelty>=0"]["after"] == pytest.approx(np.nanmean(cohort.novelty(lists)))
    assert found["gini<=1"]["after"] == pytest.approx(cohort.exposure(lists)["gini"])
    collateral = steering.effect(USERS, [Edit(neuron=taste.neuron, operation="off")], K)["collateral"]
    assert found["rest>=0"]["after"] == pytest.approx(collateral["rbo_of_the_rest"])


def test_a_relative_limit_is_met_against_what_was_there() -> None:
    kept = Limit("ndcg", ">=", 0.99, relative=True, text="ndcg>=0.99")
    assert kept.met(0.1, 0.1)
    assert not kept.met(0.098, 0.1)
    assert kept.met(None, 0.1) is None
    assert kept.met(0.1, None) is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Horror<2", "no goal"),
        ("share>=0.2", "no goal"),
        ("ndcg(Horror)>=1", "no goal"),
        ("share(nothing)>=0.2", "no concept 'nothing'"),
        ("novelty>=30", "Did you mean 30%"),
        ("rbo>=0.1.2", "no number"),
        ("reach(i3,40)>=0.1", "40 places deep"),
    ],
)
def test_what_is_no_limit_is_refused_in_a_sentence(steering: Steering, text: str, told: str) -> None:
    with pytest.raises(EditError, match=told):
        limit(steering, text)


def test_an_edit_that_is_off_has_no_dose_and_a_range_goes_upward(steering: Steering) -> None:
    with pytest.raises(EditError, match="no amount to vary"):
        Dose(steering, Edit(neuron=0, operation="off"), USERS, K, [])
    with pytest.raises(EditError, match="from a smaller"):
        grid("add", 2.0, 1.0, 5)
    assert grid("scale", None, 3.0, 4)[1] == 1.0
    assert grid("add", 1.0, 3.0, 3) == ([1.0, 2.0, 3.0], 1.0)
