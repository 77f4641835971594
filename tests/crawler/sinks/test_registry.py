from __future__ import annotations

import base64
import json

import pytest

from services.crawler.sinks.registry import SinkTools, open_sinks
from services.servicekit.errors import Misconfigured

TOOLS = SinkTools(None, None)
TOKEN = "T0kenInThePath99"
SECRET = f"whsec_{base64.b64encode(bytes(32)).decode()}"


def opened(sinks, secrets=None):
    return open_sinks(json.dumps(sinks), json.dumps(secrets or {}), TOOLS)


def test_no_sinks():
    """Nothing is set."""
    assert open_sinks("", "", TOOLS) == []


def test_every_kind():
    """Names, kinds, and how many deliveries go on at a time."""
    sinks = {
        "mirror": "folder:/srv/mirror",
        "hook": f"webhook:https://h.example/{TOKEN}",
        "whole": "webhook+bytes:http://127.0.0.1:9/x",
        "gallery": "scenery:http://10.0.0.1:4000/",
    }
    found = opened(sinks, {"hook": SECRET, "gallery": "password"})
    assert [(one.name, one.kind, one.concurrency, one.max_bytes > 0) for one in found] == [
        ("mirror", "folder", 2, True),
        ("hook", "webhook", 4, False),
        ("whole", "webhook", 4, True),
        ("gallery", "scenery", 1, True),
    ]
    assert str(found[3]._url) == "http://10.0.0.1:4000/import_image"


@pytest.mark.parametrize(
    ("sinks", "secrets", "words"),
    [
        ({"Mirror": "folder:/a"}, {}, "is no name"),
        ({"x" * 33: "folder:/a"}, {}, "is no name"),
        ({"mirror": "folder:"}, {}, "must begin with one of folder:, webhook:"),
        ({"mirror": f"ftp://h/{TOKEN}"}, {}, "must begin with one of"),
        ({"mirror": "folder:here"}, {}, "whole path"),
        ({"hook": f"webhook:h/{TOKEN}"}, {}, "the sink hook: the address"),
        ({"hook": f"webhook:ftp://h/{TOKEN}"}, {}, "the address of a receiver"),
        ({"hook": f"webhook:https://me:{TOKEN}@h/"}, {}, "without a password"),
        ({"hook": f"webhook:https://[{TOKEN}/"}, {}, "the address of a receiver"),
        ({"hook": "webhook:https://h/"}, {"hook": TOKEN}, "whsec_"),
        ({"gallery": "scenery:http://h"}, {}, "needs the password"),
        ({}, {"gallery": TOKEN}, "'gallery', which is no sink"),
        ([TOKEN], {}, "must be a JSON object"),
        ({"mirror": 1}, {}, "must be a JSON object"),
    ],
)
def test_what_is_wrong_is_said_and_not_quoted(sinks, secrets, words):
    """One line that names the sink or the setting; an address and a secret are in none."""
    with pytest.raises(Misconfigured) as raised:
        opened(sinks, secrets)
    assert words in str(raised.value)
    assert TOKEN not in str(raised.value)


def test_what_is_no_json_is_not_quoted():
    """It may be a secret all the same."""
    with pytest.raises(Misconfigured, match="LODESTONE_CRAWLER_SINKS must be") as raised:
        open_sinks(TOKEN, "", TOOLS)
    assert TOKEN not in str(raised.value)
