"""The kinds of sinks, and those that the settings name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from services.crawler.receivers.receiver_client import ReceiverClient, receiver_url
from services.crawler.sinks.folder_sink import BlobPath, FolderSink
from services.crawler.sinks.scenery_sink import ScenerySink
from services.crawler.sinks.signing import parse_secrets
from services.crawler.sinks.sink import Sink
from services.crawler.sinks.webhook_sink import WebhookSink
from services.servicekit.errors import Misconfigured

_NAME: Final = re.compile("[a-z][a-z0-9_-]{0,31}")
_SINKS, _SECRETS = "LODESTONE_CRAWLER_SINKS", "LODESTONE_CRAWLER_SINK_SECRETS"


@dataclass(frozen=True, slots=True)
class SinkTools:
    """What sinks are made with.

    Attributes:
        client: Posts.
        blob_path: Where stored bytes lie, if they are in a folder.
    """

    client: ReceiverClient
    blob_path: BlobPath | None


Make = Callable[[str, str, str, SinkTools], Sink]


def _folder(name: str, address: str, _secret: str, tools: SinkTools) -> Sink:
    path = Path(address).expanduser()
    if not path.is_absolute():
        raise Misconfigured("a folder is named by its whole path")
    return FolderSink(name, path, tools.blob_path)


def _webhook(name: str, address: str, secret: str, tools: SinkTools) -> Sink:
    return WebhookSink(name, tools.client, receiver_url(address), parse_secrets(secret))


def _webhook_with_bytes(name: str, address: str, secret: str, tools: SinkTools) -> Sink:
    keys = parse_secrets(secret)
    return WebhookSink(name, tools.client, receiver_url(address), keys, with_bytes=True)


def _scenery(name: str, address: str, secret: str, tools: SinkTools) -> Sink:
    if not secret:
        raise Misconfigured(f"scenery needs the password of its import bot in {_SECRETS}")
    return ScenerySink(name, tools.client, receiver_url(address, path="/import_image"), secret)


# A kind of sink is added by one file and one line here.
_KINDS: Final[Mapping[str, Make]] = {
    "folder": _folder,
    "webhook": _webhook,
    "webhook+bytes": _webhook_with_bytes,
    "scenery": _scenery,
}


def open_sinks(text: str, secrets_text: str, tools: SinkTools) -> list[Sink]:
    """Makes the sinks that the settings name.

    Args:
        text: A JSON object, `{"mirror": "folder:/srv/mirror"}`; empty for none.
        secrets_text: A JSON object with the secrets of some, by name; empty for none.
        tools: What they are made with.

    Raises:
        Misconfigured: Something is wrong. Neither an address nor a secret is quoted.
    """
    addresses, secrets = _object(_SINKS, text), _object(_SECRETS, secrets_text)
    if unknown := sorted(secrets.keys() - addresses.keys()):
        raise Misconfigured(f"{_SECRETS} has a secret for {unknown[0]!r}, which is no sink")
    return [_make(name, uri, secrets.get(name, ""), tools) for name, uri in addresses.items()]


def _make(name: str, uri: str, secret: str, tools: SinkTools) -> Sink:
    kind, _, address = uri.partition(":")
    if _NAME.fullmatch(name) is None:
        raise Misconfigured(f"{_SINKS}: {name[:80]!r} is no name: small letters, digits, - and _")
    if kind not in _KINDS or not address:
        kinds = ", ".join(f"{one}:" for one in _KINDS)
        raise Misconfigured(f"{_SINKS}: the sink {name} must begin with one of {kinds}")
    try:
        return _KINDS[kind](name, address, secret, tools)
    except Misconfigured as error:
        raise Misconfigured(f"the sink {name}: {error}") from error


def _object(setting: str, text: str) -> dict[str, str]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(isinstance(one, str) for one in found.values()):
        raise Misconfigured(f'{setting} must be a JSON object of texts: {{"name": "…"}}')
    return found
