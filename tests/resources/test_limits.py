import pytest

from regime import ConfigError
from regime.resources.limits import Limits, limits


def test_each_limit_has_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    assert limits() == Limits()
    for name, value in {"MAX_SECONDS": 12.5, "HELD_BYTES": 7, "MAX_PARAMETERS": 3, "HUB": 0}.items():
        monkeypatch.setenv(f"REGIME_{name}", str(value))
        assert limits().to_dict()[name.lower()] == value


@pytest.mark.parametrize(("name", "text"), [("MAX_SECONDS", "nan"), ("HUB", "yes"), ("HELD_BYTES", "-1"), ("MAX_BYTES", "1.5")])
def test_what_is_no_such_number_is_named(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"REGIME_{name}", text)
    with pytest.raises(ConfigError, match=f"REGIME_{name} = '{text}' is not allowed; allowed: a"):
        limits()
