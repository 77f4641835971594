from __future__ import annotations

from pathlib import Path

import grpc
import pytest
import structlog

from lodestone.client import BadTlsFiles, BadToken, Transport, connect
from tests.fakes.certificate_files import issue, write
from tests.servicekit.echo_service import EchoClient, EchoService
from tests.servicekit.tls_servers import serving_tls

OLD, NEW = "old-0123456789abcdef", "new-0123456789abcdef"


@pytest.fixture(autouse=True)
def _quiet():
    with structlog.testing.capture_logs():
        yield


def test_the_environment_says_how_services_are_reached():
    """Unset or empty is plaintext, without a token."""
    given = {"LODESTONE_TLS": "/tls", "LODESTONE_TOKEN_FILE": "/token"}
    assert Transport.from_environment(given) == Transport(Path("/tls"), Path("/token"))
    assert Transport.from_environment({"LODESTONE_TLS": ""}) == Transport()
    assert Transport.from_environment({}) == Transport()


async def test_a_token_goes_with_every_call(tmp_path):
    """That of the file as it is now."""
    tokens, token_file = tmp_path / "tokens", tmp_path / "token"
    tokens.write_text(f"anna {OLD}\n")
    token_file.write_text(f"{OLD}\n")
    definition = EchoService().definition()
    async with serving_tls(definition, tmp_path / "echo", tokens_file=tokens) as one:
        tls = write(tmp_path / "person", issue(one.authority, "person"), one.authority)
        async with connect(one.address, transport=Transport(tls)) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await EchoClient(channel).unary("a")
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        async with connect(one.address, transport=Transport(tls, token_file)) as channel:
            client = EchoClient(channel)
            assert await client.unary("a") == "a"
            stream = client.stream()
            await stream.write("b")
            assert await stream.read() == "b"
            tokens.write_text(f"anna {NEW}\n")
            token_file.write_text("")
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await client.unary("c")
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
            token_file.write_text(NEW)
            assert await client.unary("d") == "d"


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (None, "cannot be read: No such file"),
        (b"", "not one token alone"),
        (b"anna a-token-of-the-services-file\n", "not one token alone"),
        ("tökenökenökenöken".encode(), "it is no token"),
    ],
)
async def test_a_file_without_a_token_is_one_clear_error(tmp_path, content, cause):
    """When the channel is made."""
    token_file = tmp_path / "token"
    if content is not None:
        token_file.write_bytes(content)
    with pytest.raises(BadToken, match=cause) as caught:
        connect("127.0.0.1:1", transport=Transport(tmp_path, token_file))
    assert str(caught.value).startswith(f"LODESTONE_TOKEN_FILE: {token_file}: ")


async def test_a_token_is_not_sent_in_plaintext(tmp_path):
    """There is no channel that would."""
    with pytest.raises(BadToken, match="set LODESTONE_TLS"):
        connect("127.0.0.1:1", transport=Transport(token_file=tmp_path / "token"))


async def test_files_that_are_no_good_are_one_clear_error(tmp_path):
    """When the channel is made."""
    with pytest.raises(BadTlsFiles, match="tls.crt cannot be read"):
        connect("127.0.0.1:1", transport=Transport(tmp_path))
