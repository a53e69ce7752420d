import pytest

from engine.errors import LabelError
from engine.labels.prices import Price, dollars, parse, price_of
from engine.labels.settings import DEFAULT_BASE_URL


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MONOSCOPE_LLM_PRICE", raising=False)


def test_a_price_comes_from_the_option_before_the_environment_before_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = price_of("gpt-4o-mini", DEFAULT_BASE_URL)
    assert listed is not None
    assert (listed.usd_in, listed.usd_out) == (0.15, 0.6)
    assert listed.source.startswith("list prices of OpenAI, read on 20")
    monkeypatch.setenv("MONOSCOPE_LLM_PRICE", "1/2")
    assert price_of("gpt-4o-mini", DEFAULT_BASE_URL) == Price(1.0, 2.0, "MONOSCOPE_LLM_PRICE")
    assert price_of("gpt-4o-mini", DEFAULT_BASE_URL, "2.5/10") == Price(2.5, 10.0, "--price")


@pytest.mark.parametrize(
    ("model", "price"),
    [
        ("gpt-4o-mini-2024-07-18", (0.15, 0.6)),
        ("gpt-4o-2024-05-13", (5.0, 15.0)),
        ("gpt-4o-2024-08-06", (2.5, 10.0)),
        ("gpt-4o-mini-realtime", None),
        ("gpt-4o-mini-2024-07", None),
        ("my-2024-07-18", None),
        ("GPT-4o", None),
    ],
)
def test_a_model_is_listed_by_its_exact_name_or_a_dated_snapshot_of_it(
    model: str, price: tuple[float, float] | None
) -> None:
    found = price_of(model, DEFAULT_BASE_URL)
    assert (found and (found.usd_in, found.usd_out)) == price


@pytest.mark.parametrize("url", ["http://localhost:8080/v1", "https://api.openai.com.evil/v1", "https://eu.x.com/v1"])
def test_list_prices_hold_at_openais_own_server_alone(url: str) -> None:
    assert price_of("gpt-4o", url) is None


@pytest.mark.parametrize("text", ["", "cheap", "1", "1/2/3", "-1/2", "1/-2", "nan/1", "1/inf", "1/x", "1;2"])
def test_a_price_that_is_none_is_told_in_a_sentence(text: str) -> None:
    with pytest.raises(LabelError, match=r"--price must be two prices .* such as 2\.5/10, not"):
        parse(text, "--price")


def test_tokens_cost_their_price_for_a_million() -> None:
    assert Price(2.5, 10.0, "").usd(1_000_000, 500_000) == 7.5


@pytest.mark.parametrize(
    ("usd", "text"), [(0, "$0.00"), (0.5, "$0.50"), (12.0, "$12.00"), (0.000125, "$0.000125"), (1e-9, "$0.00")]
)
def test_amounts_are_exact_to_a_millionth(usd: float, text: str) -> None:
    assert dollars(usd) == text
