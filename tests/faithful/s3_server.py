"""A real S3 server on loopback: SeaweedFS, with its files in a folder of its own."""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from services.crawler.store.s3_address import S3Access
from tests.fakes.ports import free_ports

_READY_S = 60.0


@dataclass(frozen=True)
class Keys:
    """An identity of the server."""

    access_key_id: str
    secret_access_key: str


OWNER = Keys("ownerkey", "owners-secret")
READER = Keys("readerkey", "readers-secret")
_ALL = ["Admin", "Read", "Write", "List", "Tagging"]


class S3Server:
    """A context manager. What is stored outlives `stop` and the next `start`.

    Attributes:
        port: Of the S3 interface.
    """

    def __init__(self, folder: Path, owner: Keys = OWNER) -> None:
        """Takes the folder, and who may do everything; READER may read."""
        self.owner = owner
        self._folder = folder
        self.port, self._master, self._volume, self._filer = free_ports(4)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def access(self, keys: Keys | None = None, endpoint: str = "") -> S3Access:
        """How a store reaches it, or a proxy before it."""
        keys = keys or self.owner
        return S3Access(
            endpoint or self.endpoint, "us-east-1", keys.access_key_id, keys.secret_access_key
        )

    def __enter__(self) -> Self:
        who = (("owner", self.owner, _ALL), ("reader", READER, ["Read", "List"]))
        identities = [
            {
                "name": name,
                "credentials": [
                    {"accessKey": keys.access_key_id, "secretKey": keys.secret_access_key}
                ],
                "actions": actions,
            }
            for name, keys, actions in who
        ]
        self._config = self._folder / "s3.json"
        self._config.write_text(json.dumps({"identities": identities}))
        (self._folder / "data").mkdir()
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Starts it, unless it runs, and waits until it answers."""
        if self._process is not None:
            return
        with (self._folder / "weed.out").open("ab") as output:
            self._process = subprocess.Popen(self._command(), stdout=output, stderr=output)
        try:
            self._wait_for(lambda: self._ask(self.port, "GET", "/") > 0)
            self._wait_for(lambda: self._ask(self._filer, "GET", "/") == 200)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends it; whoever asks finds nobody."""
        process, self._process = self._process, None
        if process is not None:
            # On SIGTERM it would go on for half a minute.
            process.kill()
            process.wait()

    def make_bucket(self, name: str) -> None:
        """A bucket is a folder of the filer behind the S3 interface. The first write to it takes longest."""
        self._wait_for(lambda: self._ask(self._filer, "POST", f"/buckets/{name}/") in (201, 409))
        self._wait_for(lambda: self._ask(self._filer, "PUT", f"/buckets/{name}/first", b"1") == 201)
        self._wait_for(lambda: self._ask(self._filer, "DELETE", f"/buckets/{name}/first") == 204)

    def _command(self) -> list[str]:
        return [
            str(Path(sys.executable).parent / "weed"), "-v=0", "server", f"-dir={self._folder / 'data'}",
            "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-master.port={self._master}", f"-volume.port={self._volume}",
            f"-filer.port={self._filer}", "-filer=true", "-s3=true", f"-s3.port={self.port}",
            f"-s3.config={self._config}", "-master.volumeSizeLimitMB=64", "-volume.max=100",
            "-volume.preStopSeconds=0", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false",
        ]  # fmt: skip

    def _wait_for(self, condition) -> None:
        deadline_s = time.monotonic() + _READY_S
        while not condition():
            assert self._process is not None
            assert self._process.poll() is None, (self._folder / "weed.out").read_text()[-4_000:]
            assert time.monotonic() < deadline_s, (self._folder / "weed.out").read_text()[-4_000:]
            time.sleep(0.05)

    def _ask(self, port: int, method: str, path: str, body: bytes | None = None) -> int:
        """The status of an answer; 0 if there is none."""
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with (
            contextlib.closing(connection),
            contextlib.suppress(OSError, http.client.HTTPException),
        ):
            connection.request(method, path, body)
            return connection.getresponse().status
        return 0


@contextlib.contextmanager
def running(folder: Path, owner: Keys = OWNER) -> Iterator[S3Server]:
    """A server that runs in a folder."""
    with S3Server(folder, owner) as server:
        yield server
