import pytest
from pydantic import SecretStr

from engine.errors import LabelError
from engine.labels.prices import Price
from engine.labels.settings import LlmSettings, configured, settings, shown
from tests.engine.labels.asking import KEY, OURS


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in OURS:
        monkeypatch.delenv(name, raising=False)


def test_settings_come_from_the_arguments_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONOSCOPE_LLM_MODEL", "a")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://a/v1")
    monkeypatch.setenv("OPENAI_API_KEY", f" {KEY}\n")
    monkeypatch.setenv("MONOSCOPE_LLM_TIMEOUT", "120")
    assert settings() == LlmSettings("a", "http://a/v1", SecretStr(KEY), 120.0)
    chosen = settings("b", "http://[::1]:8080/v1/", "1/2", 9)
    price = Price(1.0, 2.0, "--price")
    assert chosen == LlmSettings("b", "http://[::1]:8080/v1", SecretStr(KEY), 120.0, concurrency=9, price=price)
    assert KEY not in repr(settings())
    assert KEY not in str(settings().key)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"OPENAI_API_KEY": KEY}, "--model or set MONOSCOPE_LLM_MODEL"),
        ({"MONOSCOPE_LLM_MODEL": "m"}, "set OPENAI_API_KEY"),
        ({"MONOSCOPE_LLM_MODEL": "m", "OPENAI_BASE_URL": ""}, "set OPENAI_API_KEY"),
        ({"MONOSCOPE_LLM_MODEL": "m", "OPENAI_BASE_URL": "https://api.openai.com/v1/"}, "set OPENAI_API_KEY"),
        ({"MONOSCOPE_LLM_MODEL": "m", "OPENAI_API_KEY": f"{KEY} {KEY}"}, "copy the key again"),
        ({"MONOSCOPE_LLM_MODEL": "m", "OPENAI_API_KEY": f"{KEY}é"}, "copy the key again"),
        ({"MONOSCOPE_LLM_MODEL": "m", "OPENAI_API_KEY": KEY, "MONOSCOPE_LLM_PRICE": "little"}, "must be two prices"),
        *(
            ({"MONOSCOPE_LLM_MODEL": "m", "OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": url}, "must look like")
            for url in (
                "localhost:8080", "ftp://a/v1", "http://", "http://a b/", "http://a:99999/v1", f"http://me:{KEY}@a/v1",
                f"http://a/v1?key={KEY}", "http://[1.2.3.4]/v1", "http://[::x]/v1", "http://999.1.1.1/v1",
            )
        ),
        *(
            ({"MONOSCOPE_LLM_MODEL": "m", "OPENAI_API_KEY": KEY, "MONOSCOPE_LLM_TIMEOUT": seconds}, "number of seconds")
            for seconds in ("soon", "0", "-1", "nan", "inf", "3601")
        ),
    ],
)  # fmt: skip
def test_settings_that_cannot_work_are_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], said: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(LabelError, match=said) as caught:
        settings()
    assert KEY not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("concurrency", [0, -1, 65])
def test_so_many_requests_at_once_are_none(concurrency: int) -> None:
    with pytest.raises(LabelError, match="--concurrency must be from 1 to 64"):
        settings("m", "http://a/v1", None, concurrency)


def test_an_estimate_needs_no_key() -> None:
    assert settings("gpt-4o", needs_key=False).price is not None


def test_a_model_and_a_server_that_could_be_asked_are_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not configured()
    assert not configured("m")
    assert not configured("m", "https://api.openai.com/v1/")
    assert configured("m", "http://a/v1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert configured("m")
    assert not configured()
    monkeypatch.setenv("MONOSCOPE_LLM_MODEL", "m")
    assert configured()
    monkeypatch.setenv("OPENAI_API_KEY", "  ")
    assert not configured()


@pytest.mark.parametrize("key", [KEY, "0123-a-key-of-another-shape"])
def test_keys_are_taken_out_of_what_is_shown(key: str) -> None:
    chosen = LlmSettings("m", "http://a/v1", SecretStr(key))
    assert shown(f"You sent {key}.", chosen) == "You sent [key]."


def test_what_is_shown_is_one_clean_short_line() -> None:
    text = shown("Space\n\x1b[31m hor\u202eror " + "x" * 80, LlmSettings("m", "http://a/v1"), 60)
    assert text.startswith("Space [31m hor ror xxx")
    assert text.isprintable()
    assert len(text) == 60
    assert shown("not ollama", LlmSettings("m", "http://a/v1", SecretStr("ollama"))) == "not ollama"
