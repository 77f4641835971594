from __future__ import annotations

import grpc
import pytest
import structlog

from lodestone.cli.certs.authority import Authority, Lifetime, Names
from services.servicekit.callers import CRAWLER, PERSON
from services.servicekit.errors import Misconfigured
from services.servicekit.server import run_service
from tests.fakes.certificate_files import issue, write
from tests.fakes.serving import settings_for_tests
from tests.servicekit.echo_service import EchoClient, EchoService
from tests.servicekit.tls_servers import serving_tls

TOKEN = "0123456789abcdef0123"
CALLERS = {"": (CRAWLER, PERSON), "Collect": (PERSON,)}


@pytest.fixture
def definition():
    async def watch(text):
        yield text

    return EchoService(watch=watch).definition(callers=CALLERS)


@pytest.fixture
async def one(definition, tmp_path):
    async with serving_tls(definition, tmp_path / "tls") as started:
        yield started


@pytest.fixture
def tokens(tmp_path):
    path = tmp_path / "tokens"
    path.write_text(f"anna {TOKEN}\n")
    return path


async def each_kind(channel, **given):
    """What a call of each kind ends with: a text, or a status."""
    client = EchoClient(channel)
    calls = {
        "Unary": client.unary("a", **given),
        "Collect": client.collect(iter("a"), **given),
        "Watch": client.watch("a", **given).read(),
        "Stream": client.stream(iter("a"), **given).read(),
    }
    found = {}
    for name, call in calls.items():
        try:
            found[name] = await call
        except grpc.aio.AioRpcError as error:
            found[name] = error.code()
    return found


def of_all(value):
    return dict.fromkeys(("Unary", "Collect", "Watch", "Stream"), value)


async def test_the_list_of_a_service_says_who_may_call_what(one):
    """By the name in the certificate, whatever else is right about it."""
    denied = grpc.StatusCode.PERMISSION_DENIED
    async with one.channel_of("person") as channel:
        assert await each_kind(channel) == of_all("a")
    async with one.channel_of("crawler") as channel:
        assert await each_kind(channel) == {**of_all("a"), "Collect": denied}
    async with one.channel_of("watermark") as channel:
        assert await each_kind(channel) == of_all(denied)


async def test_a_refusal_says_who_may_not_call_what(one):
    """Both of which the caller knows."""
    async with one.channel_of("watermark") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await EchoClient(channel).unary("a")
    assert caught.value.details() == "spiffe://lodestone/watermark may not call Unary"


async def test_a_refusal_comes_before_the_request_is_read(one):
    """Bytes that are no message are not looked at."""
    async with one.channel_of("watermark") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await EchoClient(channel, raw=True).unary(b"\xff\xff")
    assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED


async def test_who_is_refused_is_logged(definition, tmp_path, tokens):
    """Which method, by whom, from where; no token is in it."""
    with structlog.testing.capture_logs() as logs:
        async with (
            serving_tls(definition, tmp_path / "tls", tokens_file=tokens) as one,
            one.channel_of("watermark") as watermark,
            one.channel_of("person") as person,
        ):
            await each_kind(watermark)
            await each_kind(person, metadata=(("authorization", "Bearer not-the-right-one"),))
    denied, unknown = (entry for entry in logs if entry["event"] == "call_refused")
    assert denied["cause"] == f"{denied['caller']} may not call {denied['method']}"
    assert denied["caller"] == "spiffe://lodestone/watermark"
    assert denied["peer"].startswith("ipv4:127.0.0.1:")
    assert (unknown["caller"], unknown["cause"]) == (PERSON, "the token is not a valid one")
    assert "not-the-right-one" not in str(logs)


async def test_a_dns_name_is_no_uri(one):
    """Not even one that reads as if it were."""
    names = Names("spiffe://elsewhere/person", (PERSON, "localhost"))
    async with one.channel(one.authority.issue(names, Lifetime(1))) as channel:
        assert await each_kind(channel) == of_all(grpc.StatusCode.PERMISSION_DENIED)


async def test_a_setting_takes_the_place_of_the_list(definition, tmp_path):
    """Whole."""
    callers = {"Watch": ("spiffe://lodestone/watermark",)}
    async with (
        serving_tls(definition, tmp_path / "tls", callers=callers) as one,
        one.channel_of("watermark") as watermark,
        one.channel_of("person") as person,
    ):
        denied = grpc.StatusCode.PERMISSION_DENIED
        assert await each_kind(watermark) == {**of_all(denied), "Watch": "a"}
        assert await each_kind(person) == of_all(denied)


def test_a_setting_with_a_beginning_that_no_method_has_stops_the_start(
    definition, tmp_path, capsys
):
    """In one line, with the status of a start that can only fail again."""
    authority = Authority.create()
    write(tmp_path / "tls", issue(authority, "echo"), authority)

    async def build():
        return definition

    callers = {"": (PERSON,), "Colect": ()}
    with pytest.raises(SystemExit) as ended:
        run_service(build, settings_for_tests(tls=tmp_path / "tls", callers=callers))
    assert ended.value.code == 78
    said = (
        "error: CALLERS: no method of this service begins with 'Colect'; the nearest is 'Collect'\n"
    )
    assert capsys.readouterr().err == said


async def test_a_person_needs_a_token_where_there_are_tokens(definition, tmp_path, tokens):
    """Missing, wrong, twice or of another kind is UNAUTHENTICATED; a service needs none."""
    async with (
        serving_tls(definition, tmp_path / "tls", tokens_file=tokens) as one,
        one.channel_of("person") as person,
        one.channel_of("crawler") as crawler,
    ):
        bearer = ("authorization", f"Bearer {TOKEN}")
        unknown = of_all(grpc.StatusCode.UNAUTHENTICATED)
        assert await each_kind(person, metadata=(bearer,)) == of_all("a")
        assert await each_kind(person) == unknown
        for wrong in (f"Bearer {TOKEN}x", f"Basic {TOKEN}", TOKEN, "Bearer", "Bearer "):
            assert await each_kind(person, metadata=(("authorization", wrong),)) == unknown
        assert await each_kind(person, metadata=(bearer, bearer)) == unknown
        assert (await each_kind(crawler))["Unary"] == "a"


async def test_a_token_that_is_replaced_is_wrong_from_then_on(definition, tmp_path, tokens):
    """On the connections that are there, too."""
    async with (
        serving_tls(definition, tmp_path / "tls", tokens_file=tokens) as one,
        one.channel_of("person") as person,
    ):
        old = {"metadata": (("authorization", f"Bearer {TOKEN}"),)}
        new = {"metadata": (("authorization", f"Bearer {TOKEN[::-1]}"),)}
        assert await EchoClient(person).unary("a", **old) == "a"
        tokens.write_text(f"anna {TOKEN}\nanna {TOKEN[::-1]}\n")
        assert await EchoClient(person).unary("a", **old) == "a"
        assert await EchoClient(person).unary("a", **new) == "a"
        tokens.write_text(f"anna {TOKEN[::-1]}\n")
        assert await each_kind(person, **old) == of_all(grpc.StatusCode.UNAUTHENTICATED)
        assert await each_kind(person, **new) == of_all("a")


@pytest.mark.parametrize("setting", [{"callers": {}}, {"tokens_file": "/nothing"}])
def test_names_and_tokens_need_tls(setting):
    """In plaintext anybody could have them."""
    with pytest.raises(Misconfigured, match="needs TLS"):
        settings_for_tests(**setting).require_safe_bind()
