"""Settings that every service has; each service adds its own in its `config.py`."""

from __future__ import annotations

import difflib
import ipaddress
import os
import sys
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from services.servicekit.errors import Misconfigured

Settings = TypeVar("Settings", bound="ServiceSettings")

# What a supervisor must not restart: the start can only fail again.
EXIT_MISCONFIGURED = 78


class ServiceSettings(BaseSettings):
    """What every service reads from `LODESTONE_<SERVICE>_…`, and LODESTONE_DATA.

    Subclasses set `env_prefix` and default ports (metrics = port + 10000).
    """

    # By name: without it, `Settings(data=…)` would be ignored without a word.
    model_config = SettingsConfigDict(extra="ignore", populate_by_name=True)

    host: str = Field(default="127.0.0.1", description="The address to serve on.")
    port: int = Field(ge=0, le=65_535, description="The gRPC port; 0 takes a free one.")
    metrics_port: int = Field(
        ge=0, le=65_535, description="The port of /metrics; 0 serves no metrics."
    )
    insecure: bool = Field(
        default=False, description="Serve without TLS on an address that others can reach."
    )
    health_port: int = Field(
        default=0,
        ge=0,
        le=65_535,
        description="With TLS: the port of health in plaintext, for probes; 0 serves none.",
    )
    tls: Path | None = Field(
        default=None,
        validation_alias="LODESTONE_TLS",
        description="A folder with `tls.crt`, `tls.key` and `ca.crt`: serve and call with TLS, both ways; read again "
        "when they change. Unset: plaintext.",
    )
    callers: dict[str, tuple[str, ...]] | None = Field(
        default=None,
        description="Who may call, in place of the service's own list: beginnings of methods' names and URI SANs, "
        '`{"": ["spiffe://lodestone/crawler"], "Get": []}`. Needs TLS.',
    )
    tokens_file: Path | None = Field(
        default=None,
        description="Tokens of people, a line each, `name token`: whoever is no service of ours needs one. Needs TLS.",
    )
    connection_age_s: float = Field(
        default=1_200.0,
        gt=0,
        le=2_000_000,
        allow_inf_nan=False,
        description="Connections are made anew after so long, and meet new certificates and replicas, seconds.",
    )
    data: Path = Field(
        default=Path("data"), validation_alias="LODESTONE_DATA", description="The data folder."
    )
    reflection: bool = Field(default=True, description="Answer gRPC reflection.")
    log_json: bool | None = Field(
        default=None, description="Log JSON lines; unset: unless stderr is a terminal."
    )
    stream_idle_s: float = Field(
        default=600.0,
        gt=0,
        allow_inf_nan=False,
        description="Ends a stream on which nothing moved for so long, seconds.",
    )
    drain_s: float = Field(
        default=20.0,
        gt=0,
        allow_inf_nan=False,
        description="How long calls may go on after SIGTERM, seconds.",
    )

    @field_validator("host")
    @classmethod
    def _host_is_address(cls, value: str) -> str:
        ipaddress.ip_address(value)
        return value

    @field_validator("callers", mode="before")
    @classmethod
    def _callers_are_lists(cls, value: object) -> object:
        if value is not None and not _is_lists_of_texts(value):
            message = (
                "it is a JSON object of beginnings of methods' names, each with a list of URI SANs, for example "
                '{"": ["spiffe://lodestone/person"], "Get": []}'
            )
            raise ValueError(message)
        return value

    @field_validator("tls", "tokens_file", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return value or None

    @property
    def address(self) -> str:
        """`host:port`, with brackets around IPv6."""
        return self.address_of(self.port)

    def address_of(self, port: int) -> str:
        """The same for another port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{port}"

    def name_of(self, field: str) -> str:
        """The variable that a setting is read from."""
        return f"{self.model_config.get('env_prefix', '')}{field}".upper()

    def require_safe_bind(self) -> None:
        """Refuses to serve plaintext where others can reach it, unless told so.

        Raises:
            Misconfigured: There is no TLS, and the host is not loopback and `insecure` is not set, or callers are to be
                told apart.
        """
        if self.tls is not None:
            return
        if not ipaddress.ip_address(self.host).is_loopback and not self.insecure:
            message = (
                f"{self.host} can be reached by others: set LODESTONE_TLS to a folder with tls.crt, tls.key and "
                f"ca.crt, serve on 127.0.0.1, or set {self.name_of('insecure')}=true where the network is trusted"
            )
            raise Misconfigured(message)
        for name in ("callers", "tokens_file"):
            if getattr(self, name) is not None:
                message = f"{self.name_of(name)} needs TLS: set LODESTONE_TLS"
                raise Misconfigured(message)


def _is_lists_of_texts(value: object) -> bool:
    lists = value.values() if isinstance(value, dict) else [None]
    return all(
        isinstance(texts, (list, tuple)) and all(isinstance(text, str) for text in texts)
        for texts in lists
    )


def _secrets(settings: type[ServiceSettings], prefix: str) -> dict[str, Any]:
    """Secrets out of the files that `<NAME>_FILE` names: unlike the environment, no child process sees those."""
    found = {}
    for field, facts in settings.model_fields.items():
        name = f"{prefix}{field}_FILE".upper()
        path = os.environ.get(name)
        if facts.annotation is not SecretStr or not path:
            continue
        try:
            found[field] = Path(path).read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            cause = error.strerror if isinstance(error, OSError) else "it is no text"
            sys.stderr.write(f"error: {name}: {path} cannot be read: {cause}\n")
            sys.exit(EXIT_MISCONFIGURED)
    return found


def read_settings(settings: type[Settings]) -> Settings:
    """Reads settings from the environment, or ends the process with one line that names each bad one.

    A variable that begins as the service's settings do and is none of them is a bad one, too: it was meant for one.
    """
    prefix = str(settings.model_config.get("env_prefix", ""))
    problems = _unknown(settings, prefix)
    try:
        read = settings(**_secrets(settings, prefix))
        if not problems:
            return read
    except ValidationError as error:
        problems += _wrong(error, prefix)
    for problem in problems:
        sys.stderr.write(f"error: {problem}\n")
    sys.exit(EXIT_MISCONFIGURED)


def _unknown(settings: type[ServiceSettings], prefix: str) -> list[str]:
    known = [f"{prefix}{field}".upper() for field in settings.model_fields]
    files = [
        f"{prefix}{field}_FILE".upper()
        for field, facts in settings.model_fields.items()
        if facts.annotation is SecretStr
    ]
    found = []
    for name in sorted(os.environ):
        # A setting is read whatever the case of its name, a file's name is not.
        if name.upper().startswith(prefix) and name.upper() not in known and name not in files:
            [nearest] = difflib.get_close_matches(name.upper(), known + files, n=1, cutoff=0.0)
            found.append(f"{name}: there is no such setting; the nearest is {nearest}")
    return found


def _wrong(error: ValidationError, prefix: str) -> list[str]:
    found = []
    for problem in error.errors(include_input=False):
        name = "_".join(str(part) for part in problem["loc"])
        name = name if name.startswith("LODESTONE_") else f"{prefix}{name}".upper()
        found.append(f"{name}: {problem['msg'].removeprefix('Value error, ')}")
    return found
