"""`lodestone certs`: an authority, and a certificate for each service and for those who call them."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from lodestone.cli.errors import CliError
from lodestone.cli.options import JsonOption, given_path
from lodestone.cli.output import Output
from lodestone.client.tls_files import AUTHORITY, CERTIFICATE, KEY

if TYPE_CHECKING:
    from lodestone.cli.certs.authority import Authority, Names, Pair

_SERVICES: Final = ("embedder", "novelty", "watermark", "crawler")
_PERSON: Final = "person"
# They call, and nobody calls them.
_CLIENTS: Final = ("bulk", _PERSON)
_AUTHORITY_KEY: Final = "ca.key"
# What a cluster puts behind the name of a service.
_ENDS: Final = (".lodestone", ".lodestone.svc", ".lodestone.svc.cluster.local")


def certs(
    folder: Annotated[
        Path,
        typer.Argument(
            parser=given_path, metavar="DIR", help="Where a folder for each of them is made."
        ),
    ],
    renew: Annotated[
        bool,
        typer.Option("--renew", help="Sign new ones with the authority that is there."),
    ] = False,
    days: Annotated[int, typer.Option(min=1, max=3_650, help="For how long they are valid.")] = 365,
    as_json: JsonOption = False,
) -> None:
    """Make certificates for TLS between the services and you, on this machine.

    DIR gets a folder for each: `embedder`, `novelty`, `watermark`, `crawler`, `bulk` (a cluster's Job that has a table
    mined) and `person`, with `tls.crt`, `tls.key` and `ca.crt`; and `ca` with the key of the authority, which no
    service needs. Then `LODESTONE_TLS=DIR/person lodestone up` serves with them.
    """
    authority = _authority(folder / "ca", renew=renew)
    made = []
    for word in (*_SERVICES, *_CLIENTS):
        pair = _issue(authority, word, days)
        _write(folder / word, pair, authority)
        made.append(folder / word)
    output = Output(as_json=as_json)
    if as_json:
        output.object({"folders": [str(one) for one in made]})
        return
    output.table(("~folder",), [(str(one),) for one in made])
    output.text(
        f"for this shell: export LODESTONE_TLS={shlex.quote(str((folder / _PERSON).absolute()))}"
    )


def _authority(folder: Path, *, renew: bool) -> Authority:
    from lodestone.cli.certs.authority import Authority, Pair

    certificate, key = folder / AUTHORITY, folder / _AUTHORITY_KEY
    if renew:
        try:
            return Authority(Pair(certificate.read_bytes(), key.read_bytes()))
        except OSError as error:
            message = f"there is no authority to sign with: {error.filename}: {error.strerror}"
            raise CliError(message) from error
        except (ValueError, TypeError) as error:
            raise CliError(f"{folder} is not an authority of `lodestone certs`: {error}") from error
    if certificate.exists() or key.exists():
        message = (
            f"there is an authority in {folder}: --renew signs new certificates with it; remove the folder to begin "
            "anew, which makes all that it has signed worthless"
        )
        raise CliError(message)
    authority = Authority.create()
    _put(key, authority.pair.key, mode=0o600)
    _put(certificate, authority.pair.certificate, mode=0o644)
    return authority


def _issue(authority: Authority, word: str, days: int) -> Pair:
    from lodestone.cli.certs.authority import Lifetime

    return authority.issue(_names(word), Lifetime(days))


def _names(word: str) -> Names:
    from lodestone.cli.certs.authority import Names

    uri = f"spiffe://lodestone/{word}"
    if word in _CLIENTS:
        return Names(uri)
    inside = [f"{word}{end}" for end in ("", *_ENDS)]
    return Names(uri, (*inside, "localhost"), ("127.0.0.1", "::1"))


def _write(folder: Path, pair: Pair, authority: Authority) -> None:
    """Whoever reads meanwhile finds that key and certificate do not fit, and reads again."""
    _put(folder / KEY, pair.key, mode=0o600)
    _put(folder / CERTIFICATE, pair.certificate, mode=0o644)
    _put(folder / AUTHORITY, authority.pair.certificate, mode=0o644)


def _put(path: Path, content: bytes, *, mode: int) -> None:
    partial = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content)
        partial.replace(path)
    except OSError as error:
        raise CliError(f"{path} cannot be written: {error.strerror}") from error
