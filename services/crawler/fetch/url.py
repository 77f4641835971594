"""Web URLs: what may be asked for, and the one form that names it."""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit

from yarl import URL

from services.servicekit.errors import InvalidInput

URL_MAX_CHARACTERS = 8_192

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST_MAX_CHARACTERS = 253
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_FORBIDDEN_CHARACTERS = re.compile(r"[\x00-\x20\x7f-\xa0\\]")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
# Everything that may stand in a path or query as it is, `%` included: what is escaped stays escaped.
_PATH_SAFE = "/:@!$&'()*+,;=-._~%"
_QUERY_SAFE = _PATH_SAFE + '?[]{}|^`"'
_SHOWN_CHARACTERS = 200
_CREDENTIALS = re.compile(r"(?<=//)[^/?#]*@")
# What `parse_url` leaves as it is, as most addresses are: lower-case names, no port, nothing to escape, no fragment.
# The last label begins with a letter, so it is no number.
_REST = r"/[A-Za-z0-9/:@!$&'()*+,;=\-._~%]*(?:\?[A-Za-z0-9/:@!$&'()*+,;=\-._~%?\[\]{}|^`\"]+)?"
_NAME = r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.){0,126}[a-z](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_CANONICAL = re.compile(rf"(?P<scheme>https?)://(?P<host>{_NAME}){_REST}")
# A path from the host on: one slash, not two.
_ROOTED = re.compile(rf"(?!//){_REST}")


class BadUrl(InvalidInput):
    """A text that is no URL to ask for.

    Attributes:
        url: The text without credentials, at most 200 characters of it.
        cause: What is wrong with it.
    """

    def __init__(self, url: str, cause: str) -> None:
        shown = without_credentials(url)
        if len(shown) > _SHOWN_CHARACTERS:
            shown = f"{shown[:_SHOWN_CHARACTERS]}…"
        super().__init__(f"{shown!r} cannot be asked for: {cause}")
        self.url = shown
        self.cause = cause


@dataclass(frozen=True, slots=True)
class WebUrl:
    """An http or https URL in its canonical form.

    Attributes:
        text: The whole, in ASCII: lower-case host, no default port, no fragment. It is a listing's identity.
        scheme: `http` or `https`.
        host: A name in ASCII, or an IP address without brackets.
        port: As stated, or that of the scheme.
    """

    text: str
    scheme: str
    host: str
    port: int

    @property
    def address(self) -> str:
        """The host if it is an IP address, empty if it is a name."""
        try:
            return str(ipaddress.ip_address(self.host))
        except ValueError:
            return ""

    @property
    def origin(self) -> tuple[str, str, int]:
        """Scheme, host and port."""
        return self.scheme, self.host, self.port

    @property
    def path(self) -> str:
        """The path, percent-encoded, at least `/`."""
        return self.text[self._path_start :].partition("?")[0]

    @property
    def _path_start(self) -> int:
        return self.text.index("/", len(self.scheme) + len("://"))

    @property
    def file_name(self) -> str:
        """The last part of the path that is not empty, decoded, as `PurePosixPath` has it; empty if there is none."""
        parts = unquote(self.path).split("/")
        return next((part for part in reversed(parts) if part not in ("", ".")), "")

    @property
    def suffix(self) -> str:
        """The suffix of the file's name, lower-case, with its dot; empty if it has none."""
        stem, dot, ending = self.file_name.rpartition(".")
        return f"{dot}{ending}".lower() if stem and ending else ""

    def join(self, reference: str) -> WebUrl:
        """Resolves what a page or a Location header says, as browsers read it.

        Blanks at the ends and line breaks do not count, other spaces are escaped.

        Raises:
            BadUrl: It leads to no web URL.
        """
        cleaned = re.sub(r"[\t\r\n]", "", reference.strip("\x00\t\n\f\r ")).replace(" ", "%20")
        if len(cleaned) > URL_MAX_CHARACTERS:
            raise BadUrl(cleaned, f"it has {len(cleaned):,} characters")
        # As most are, there is nothing to resolve: a whole address, or a path from the host on.
        if _CANONICAL.fullmatch(cleaned) and ";" not in cleaned:
            return parse_url(cleaned)
        if _ROOTED.fullmatch(cleaned) and ";" not in cleaned and "/." not in cleaned:
            return parse_url(self.text[: self._path_start] + cleaned)
        return self._join_any(cleaned)

    def _join_any(self, cleaned: str) -> WebUrl:
        # urljoin would read `\\host` as a path, browsers read it as a host.
        if "\\" in cleaned:
            raise BadUrl(cleaned, "it has a backslash")
        try:
            joined = urljoin(self.text, cleaned)
        except ValueError as error:
            raise BadUrl(cleaned, "it cannot be read") from error
        return parse_url(joined)


def without_credentials(text: str) -> str:
    """A URL of any form, as it may be shown: `http://user:password@host/` without what stands before the host."""
    return _CREDENTIALS.sub("…@", text)


def has_scheme(text: str) -> bool:
    """Whether a text starts like a URL of any kind, for example `ftp:`."""
    return _SCHEME.match(text) is not None


def parse_url(text: str) -> WebUrl:
    """Reads an http or https URL.

    Hosts become ASCII (UTS 46) and every way to write an IPv4 address becomes the dotted one, as browsers do
    (https://url.spec.whatwg.org/#host-parsing), so that no spelling passes the guard unseen.

    Raises:
        BadUrl: Another scheme, credentials, a backslash, blank or control character, no or a bad host, a bad port,
            or over 8,192 characters.
    """
    if len(text) > URL_MAX_CHARACTERS:
        raise BadUrl(text, f"it has {len(text):,} characters, over {URL_MAX_CHARACTERS:,}")
    canonical = _CANONICAL.fullmatch(text)
    if canonical and len(canonical["host"]) <= _HOST_MAX_CHARACTERS:
        scheme = canonical["scheme"]
        return WebUrl(text, scheme, canonical["host"], _DEFAULT_PORTS[scheme])
    return _parse_any(text)


def _parse_any(text: str) -> WebUrl:
    if _FORBIDDEN_CHARACTERS.search(text):
        raise BadUrl(text, "it has a backslash, blank or control character")
    try:
        parts = urlsplit(text)
        stated_port = parts.port
    except ValueError as error:
        raise BadUrl(text, "it cannot be read") from error
    if parts.scheme not in _DEFAULT_PORTS:
        raise BadUrl(text, "it is not an http or https URL")
    if "@" in parts.netloc:
        raise BadUrl(text, "it has credentials")
    if stated_port == 0:
        raise BadUrl(text, "it has port 0")
    host = _host(parts, text)
    port = stated_port or _DEFAULT_PORTS[parts.scheme]
    try:
        canonical = _compose(parts, host, port)
    except UnicodeEncodeError as error:
        raise BadUrl(text, "it is not valid Unicode") from error
    if len(canonical) > URL_MAX_CHARACTERS:
        raise BadUrl(text, f"it has {len(canonical):,} characters when escaped")
    return WebUrl(canonical, parts.scheme, host, port)


def _compose(parts: SplitResult, host: str, port: int) -> str:
    bracketed = f"[{host}]" if ":" in host else host
    suffix = "" if port == _DEFAULT_PORTS[parts.scheme] else f":{port}"
    path = quote(parts.path, safe=_PATH_SAFE, errors="surrogateescape") or "/"
    query = quote(parts.query, safe=_QUERY_SAFE, errors="surrogateescape")
    return f"{parts.scheme}://{bracketed}{suffix}{path}" + (f"?{query}" if query else "")


def _host(parts: SplitResult, text: str) -> str:
    host = parts.hostname or ""
    if ":" in host:
        return _ipv6(host, text)
    # `example.com.` is the same host; a certificate and a person know it without the dot.
    ascii_host = _to_ascii(host, text).removesuffix(".")
    labels = ascii_host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _ipv4(ascii_host, text)
    if len(ascii_host) > _HOST_MAX_CHARACTERS or not all(map(_LABEL.fullmatch, labels)):
        raise BadUrl(text, "it has no valid host")
    return ascii_host


def _to_ascii(host: str, text: str) -> str:
    if host.isascii():
        return host
    try:
        return (URL.build(scheme="http", host=host).raw_host or "").lower()
    except ValueError as error:
        raise BadUrl(text, "it has no valid host") from error


def _ipv4(host: str, text: str) -> str:
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except OSError as error:
        raise BadUrl(text, "its host is neither a name nor an IPv4 address") from error


def _ipv6(host: str, text: str) -> str:
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError as error:
        raise BadUrl(text, "its host is not an IPv6 address") from error
    if address.scope_id is not None:
        raise BadUrl(text, "its host names a network interface")
    return str(address)
