"""Edits as plain data."""

import pytest

from engine.errors import EditError
from workbench.edits import amount_of, new_edit, stepped, typed


def test_a_step_is_half_a_unit_and_two_opposite_ones_cancel() -> None:
    edit = new_edit(7, "add", 0.0)
    assert stepped(edit, 1)["amount"] == 0.5
    assert stepped(stepped(edit, 1), -1) == edit


def test_a_neuron_that_is_off_starts_again_as_a_set_value() -> None:
    assert stepped(new_edit(7, "off", None), 1) == new_edit(7, "set", 0.5)


@pytest.mark.parametrize(
    ("text", "operation", "amount"),
    [("1.5", "set", 1.5), ("+1", "add", 1.0), ("-0.5", "add", -0.5), ("x2", "scale", 2.0), (" OFF ", "off", None)],
)
def test_a_typed_value_is_read_as_the_question_says(text: str, operation: str, amount: float | None) -> None:
    assert typed(3, text) == new_edit(3, operation, amount)


@pytest.mark.parametrize("text", ["", "much", "+", "nan", "inf", "x", "1,5", "[/x]"])
def test_a_value_that_makes_no_sense_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(EditError, match="is not a value"):
        typed(3, text)


def test_amounts_are_written_as_they_act() -> None:
    written = [amount_of(typed(1, text)) for text in ("off", "1.5", "+1", "-0.5", "x2", "+0.125")]
    assert written == ["off", "=1.5", "+1.0", "-0.5", "×2.0", "+0.125"]
    assert amount_of({**new_edit(1, "set", 0.8), "unit": "raw"}) == "=0.8r"


def test_an_amount_that_the_engine_refuses_is_refused_before_it_is_kept() -> None:
    with pytest.raises(EditError, match="1,000,000 at most"):
        typed(3, "99999999")
