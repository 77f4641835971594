"""What went wrong with a request to S3, in words that name no key.

What obstore says of it quotes URLs, headers and whole answers, and services repeat the access key id in theirs.
"""

from __future__ import annotations

import re

_STATUS = re.compile(r"status(?: code)?: (\d{3})")
_CODE = re.compile(r"<Code>(\w{1,64})</Code>")
_HINTS = {
    "NoSuchBucket": "there is no such bucket",
    "AccessDenied": "permission is denied",
    "InvalidAccessKeyId": "the access key id is not known there",
    "SignatureDoesNotMatch": "the secret access key does not fit the access key id",
    "ExpiredToken": "the credentials have expired",
    "RequestTimeTooSkewed": "the clock of this machine is wrong",
    "PermanentRedirect": "the bucket is in another region",
    "AuthorizationHeaderMalformed": "the bucket is in another region",
    "SlowDown": "it asks for fewer requests",
}
_BY_STATUS = {
    "401": "the credentials are not accepted",
    "403": "permission is denied",
    "404": "there is no such bucket",
}
# Words in what obstore and the libraries below it say, lower-case; the first that fits counts.
_PHRASES = (
    ("instancecredential", "no keys are configured, and none are offered on this machine"),
    ("/latest/api/token", "no keys are configured, and none are offered on this machine"),
    ("incorrectly configured region", "the bucket is in another region"),
    ("bareredirect", "the bucket is in another region"),
    ("dns error", "its name is not known"),
    ("certificate", "its certificate is not accepted"),
    ("timedout", "no answer in time"),
    ("timed out", "no answer in time"),
    ("connection refused", "nobody listens there"),
    ("connect", "no connection"),
)
# What waiting alone does not change, where there is no status.
_LASTING = (
    "instancecredential",
    "/latest/api/token",
    "incorrectly configured region",
    "bareredirect",
    "certificate",
)
_PASSING = ("408", "409", "429")


def cause_of(error: Exception) -> str:
    """Says why a request failed: the service's own code and what it means, or what happened on the way."""
    text = str(error)
    if code := _CODE.search(text):
        hint = _HINTS.get(code[1])
        return f"{hint} ({code[1]})" if hint else code[1]
    if status := _STATUS.search(text):
        hint = _BY_STATUS.get(status[1], "the service failed")
        return f"{hint} (status {status[1]})"
    lower = text.lower()
    for phrase, cause in _PHRASES:
        if phrase in lower:
            return cause
    return f"an unexpected {type(error).__name__}"


def lasts(error: Exception) -> bool:
    """Whether a request would fail so tomorrow as well: it was refused, not failed."""
    text = str(error)
    if status := _STATUS.search(text):
        return status[1] < "500" and status[1] not in _PASSING
    lower = text.lower()
    return any(phrase in lower for phrase in _LASTING)
