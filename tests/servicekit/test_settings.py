from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from services.servicekit.errors import Misconfigured
from services.servicekit.settings import EXIT_MISCONFIGURED, ServiceSettings, read_settings


class EchoSettings(ServiceSettings):
    """Settings of a service that is called echo."""

    model_config = SettingsConfigDict(env_prefix="LODESTONE_ECHO_")

    port: int = Field(default=50_099, ge=0, le=65_535)
    metrics_port: int = Field(default=60_099, ge=0, le=65_535)
    loudness: int = Field(default=3, ge=1, le=11)
    password: SecretStr = Field(default=SecretStr(""))


def test_defaults_are_loopback_and_safe():
    """Nothing has to be set."""
    settings = read_settings(EchoSettings)

    settings.require_safe_bind()
    assert settings.address == "127.0.0.1:50099"
    assert settings.data == Path("data")
    assert settings.reflection


def test_the_environment_is_read_under_the_prefix(monkeypatch):
    """And the data folder under a name that all services share."""
    monkeypatch.setenv("LODESTONE_ECHO_LOUDNESS", "11")
    monkeypatch.setenv("LODESTONE_ECHO_PORT", "0")
    monkeypatch.setenv("LODESTONE_DATA", "/somewhere")

    settings = read_settings(EchoSettings)

    assert (settings.loudness, settings.port, settings.data) == (11, 0, Path("/somewhere"))


def test_the_data_folder_can_be_given_by_name():
    """`data=` is not dropped for its alias."""
    assert EchoSettings(data=Path("elsewhere")).data == Path("elsewhere")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LODESTONE_ECHO_LOUDNESS", "12"),
        ("LODESTONE_ECHO_LOUDNESS", "loud"),
        ("LODESTONE_ECHO_PORT", "65536"),
        ("LODESTONE_ECHO_PORT", ""),
        ("LODESTONE_ECHO_HOST", "localhost"),
        ("LODESTONE_ECHO_HOST", "::g"),
        ("LODESTONE_ECHO_DRAIN_S", "0"),
        ("LODESTONE_ECHO_STREAM_IDLE_S", "nan"),
        ("LODESTONE_ECHO_REFLECTION", "perhaps"),
    ],
)
def test_a_wrong_setting_ends_the_process_with_its_name(monkeypatch, capsys, name, value):
    """One line on stderr, and the exit status of a start that can only fail again."""
    monkeypatch.setenv(name, value)

    with pytest.raises(SystemExit) as caught:
        read_settings(EchoSettings)

    assert caught.value.code == EXIT_MISCONFIGURED == 78
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith(f"error: {name}: ")


@pytest.mark.parametrize(
    "value", ['{"": "spiffe://lodestone/person"}', '{"Delete": [1]}', '{"": null}', "[]", "nope"]
)
def test_callers_that_are_none_are_told_what_to_write(monkeypatch, capsys, value):
    """The name of the variable alone, and an example."""
    monkeypatch.setenv("LODESTONE_ECHO_CALLERS", value)
    with pytest.raises(SystemExit):
        read_settings(EchoSettings)
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: LODESTONE_ECHO_CALLERS: ")
    assert line.endswith('for example {"": ["spiffe://lodestone/person"], "Get": []}')


def test_each_wrong_setting_has_its_line(monkeypatch, capsys):
    """A person fixes them all at once."""
    monkeypatch.setenv("LODESTONE_ECHO_LOUD", "11")
    monkeypatch.setenv("LODESTONE_ECHO_LOUDNESS", "0")
    monkeypatch.setenv("LODESTONE_ECHO_PORT", "-1")

    with pytest.raises(SystemExit):
        read_settings(EchoSettings)

    lines = capsys.readouterr().err.splitlines()
    assert sorted(line.split(": ")[1] for line in lines) == [
        "LODESTONE_ECHO_LOUD",
        "LODESTONE_ECHO_LOUDNESS",
        "LODESTONE_ECHO_PORT",
    ]


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("LODESTONE_ECHO_LOUDNES", "LODESTONE_ECHO_LOUDNESS"),
        ("LODESTONE_ECHO_METRICSPORT", "LODESTONE_ECHO_METRICS_PORT"),
        ("lodestone_echo_drains", "LODESTONE_ECHO_DRAIN_S"),
        ("LODESTONE_ECHO_PASSWORD_FIL", "LODESTONE_ECHO_PASSWORD_FILE"),
        ("LODESTONE_ECHO_LOUDNESS_FILE", "LODESTONE_ECHO_LOUDNESS"),
        ("LODESTONE_ECHO_PORT_50051_TCP", "LODESTONE_ECHO_PORT"),
    ],
)
def test_a_variable_that_is_no_setting_ends_the_process(monkeypatch, capsys, name, nearest):
    """With the name that was probably meant, and no word of what was in it."""
    monkeypatch.setenv(name, "hidden")

    with pytest.raises(SystemExit) as caught:
        read_settings(EchoSettings)

    assert caught.value.code == EXIT_MISCONFIGURED
    said = f"error: {name}: there is no such setting; the nearest is {nearest}\n"
    assert capsys.readouterr().err == said


def test_variables_of_others_are_none_of_a_services_business(monkeypatch):
    """Those of other services, and those that all have."""
    for name in ("LODESTONE_ECHO", "LODESTONE_ECHOES_LOUD", "LODESTONE_TRACEBACK", "ECHO_PORT"):
        monkeypatch.setenv(name, "1")

    assert read_settings(EchoSettings).loudness == 3


def test_every_setting_may_be_set_under_its_name(monkeypatch, tmp_path):
    """In small letters as well; a secret also by the file that holds it."""
    secret = tmp_path / "secret"
    secret.write_text("sesame\n")
    monkeypatch.setenv("LODESTONE_ECHO_DATA", "/elsewhere")
    monkeypatch.setenv("lodestone_echo_loudness", "4")
    monkeypatch.setenv("LODESTONE_ECHO_PASSWORD_FILE", str(secret))

    settings = read_settings(EchoSettings)

    assert (settings.data, settings.loudness) == (Path("/elsewhere"), 4)
    assert settings.password.get_secret_value() == "sesame"


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "8.8.8.8"])
def test_others_are_not_served_plaintext_unless_told_so(host):
    """The refusal names the setting that lifts it."""
    with pytest.raises(Misconfigured, match=f"{host}.*LODESTONE_TLS.*LODESTONE_ECHO_INSECURE=true"):
        EchoSettings(host=host).require_safe_bind()

    EchoSettings(host=host, insecure=True).require_safe_bind()
    EchoSettings(host=host, tls=Path("tls")).require_safe_bind()


@pytest.mark.parametrize(
    ("host", "address"), [("127.0.0.2", "127.0.0.2:50099"), ("::1", "[::1]:50099")]
)
def test_loopback_of_both_families_is_served(host, address):
    """IPv6 addresses stand in brackets."""
    settings = EchoSettings(host=host)

    settings.require_safe_bind()
    assert settings.address == address
