from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import Field
from pydantic_settings import SettingsConfigDict

from services.servicekit.errors import Misconfigured
from services.servicekit.settings import EXIT_MISCONFIGURED, ServiceSettings, read_settings


class EchoSettings(ServiceSettings):
    """Settings of a service that is called echo."""

    model_config = SettingsConfigDict(env_prefix="LODESTONE_ECHO_")

    port: int = Field(default=50_099, ge=0, le=65_535)
    metrics_port: int = Field(default=60_099, ge=0, le=65_535)
    loudness: int = Field(default=3, ge=1, le=11)


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
    monkeypatch.setenv("LODESTONE_ECHO_UNHEARD_OF", "1")

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


def test_each_wrong_setting_has_its_line(monkeypatch, capsys):
    """A person fixes them all at once."""
    monkeypatch.setenv("LODESTONE_ECHO_LOUDNESS", "0")
    monkeypatch.setenv("LODESTONE_ECHO_PORT", "-1")

    with pytest.raises(SystemExit):
        read_settings(EchoSettings)

    lines = capsys.readouterr().err.splitlines()
    assert sorted(line.split(": ")[1] for line in lines) == [
        "LODESTONE_ECHO_LOUDNESS",
        "LODESTONE_ECHO_PORT",
    ]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.7", "::", "8.8.8.8"])
def test_others_are_not_served_plaintext_unless_told_so(host):
    """The refusal names the setting that lifts it."""
    with pytest.raises(Misconfigured, match=f"{host}.*LODESTONE_ECHO_INSECURE=true"):
        EchoSettings(host=host).require_safe_bind()

    EchoSettings(host=host, insecure=True).require_safe_bind()


@pytest.mark.parametrize(
    ("host", "address"), [("127.0.0.2", "127.0.0.2:50099"), ("::1", "[::1]:50099")]
)
def test_loopback_of_both_families_is_served(host, address):
    """IPv6 addresses stand in brackets."""
    settings = EchoSettings(host=host)

    settings.require_safe_bind()
    assert settings.address == address
