from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import signal
import socket
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from lodestone.cli.certs.authority import Authority, Lifetime
from lodestone.novelty.v1 import novelty_service_pb2 as pb
from lodestone.novelty.v1.novelty_service_pb2_grpc import NoveltyServiceStub
from tests.fakes.certificate_files import issue, write
from tests.fakes.ports import free_port

ROOT = Path(__file__).parents[3]
START_S = 60.0
NAME = "lodestone.novelty.v1.NoveltyService"


@asynccontextmanager
async def novelty(folder, **settings):
    """The process; its stderr goes to `folder`/stderr. Killed if it still runs at the end."""
    environment = {f"LODESTONE_NOVELTY_{name}": str(value) for name, value in settings.items()}
    environment |= {"LODESTONE_DATA": str(folder / "data"), "LODESTONE_NOVELTY_METRICS_PORT": "0"}
    with (folder / "stderr").open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-W", "error", "-m", "services.novelty",
            cwd=ROOT, env={**os.environ, **environment}, stdout=stderr, stderr=stderr,
        )  # fmt: skip
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def test_the_process_serves_until_it_is_told_to_stop(tmp_path):
    """Healthy, with reflection, and gone with 0 after SIGTERM."""
    port = free_port()
    async with (
        novelty(tmp_path, PORT=port) as process,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        answer = await NoveltyServiceStub(channel).ListProfiles(
            pb.ListProfilesRequest(), wait_for_ready=True, timeout=START_S
        )
        assert not answer.profiles
        check = health_pb2.HealthCheckRequest(service=NAME)
        async for health in health_pb2_grpc.HealthStub(channel).Watch(check, timeout=START_S):
            if health.status == health_pb2.HealthCheckResponse.SERVING:
                break
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        ask = reflection_pb2.ServerReflectionRequest(list_services="")
        async for listing in stub.ServerReflectionInfo(iter([ask])):
            assert NAME in [service.name for service in listing.list_services_response.service]
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            assert await process.wait() == 0
    entries = [json.loads(line) for line in (tmp_path / "stderr").read_text().splitlines()]
    assert [entry["event"] for entry in entries] == ["ready", "draining"]


async def test_a_fit_does_not_hold_the_end_up(tmp_path):
    """Told to stop during a fit, the process is gone long before the end of the drain, and leaves no profile."""
    port = free_port()
    async with (
        novelty(tmp_path, PORT=port, DRAIN_S=60) as process,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        stub = NoveltyServiceStub(channel)
        await stub.ListProfiles(pb.ListProfilesRequest(), wait_for_ready=True, timeout=START_S)
        call = stub.FitProfile()
        options = pb.FitOptions(request_id="one", name="landscapes")
        await call.write(pb.FitProfileRequest(options=options))
        await channel_is_quiet(stub)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            assert await process.wait() == 0
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    profiles = tmp_path / "data" / "artifacts" / "profiles"
    assert [path.name for path in profiles.iterdir()] == [".lock"]


async def channel_is_quiet(stub):
    """A later call on the same connection was answered: the server has seen the earlier one."""
    await stub.ListProfiles(pb.ListProfilesRequest(), timeout=START_S)


async def failed_start(folder, **settings):
    async with novelty(folder, **settings) as process, asyncio.timeout(START_S):
        status = await process.wait()
    return status, (folder / "stderr").read_text()


async def test_a_port_in_use_is_one_line(tmp_path):
    """With the address, and the status of a start that can only fail again."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, stderr = await failed_start(tmp_path, PORT=port)
    assert status == 78
    [line] = stderr.splitlines()
    assert line.startswith(f"error: cannot serve on 127.0.0.1:{port}")


async def test_a_data_folder_that_is_a_file_is_one_line(tmp_path):
    """With the folder."""
    (tmp_path / "data").write_text("in the way")
    status, stderr = await failed_start(tmp_path, PORT=0)
    assert status == 78
    [line] = stderr.splitlines()
    assert line.startswith(f"error: cannot keep profiles in {tmp_path}/data/artifacts/profiles")


async def test_a_bad_certificate_stops_the_start(tmp_path):
    """In one line, with the status of a start that can only fail again."""
    authority = Authority.create()
    past = Lifetime(1, dt.datetime.now(dt.UTC) - dt.timedelta(days=2))
    write(tmp_path / "tls", issue(authority, "novelty", lifetime=past), authority)
    async with novelty(tmp_path, PORT=free_port(), TLS=tmp_path / "tls") as process:
        assert await process.wait() == 78
    [line] = (tmp_path / "stderr").read_text().splitlines()
    assert line == f"error: LODESTONE_TLS: {tmp_path}/tls: tls.crt: certificate has expired"
