import json
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from samples.commons_client import CommonsClient
from samples.errors import DownloadError
from tests.samples.mediawiki import running

QUERY = {"gcmtitle": "Category:None"}
BUSY = json.dumps(
    {"error": {"code": "maxlag", "info": "Waiting for a database: 7 s lagged", "lag": 7}}
)


@pytest.fixture
def wiki():
    with running() as wiki:
        yield wiki


@pytest.fixture
def waits():
    return []


@pytest.fixture
def client(wiki, waits):
    return CommonsClient(wiki.api, sleep=waits.append)


def test_retry_after_is_honoured(wiki, client, waits):
    """Too many requests, and a lagging database, are asked again after just the time they give."""
    wiki.scripted = [(429, {"Retry-After": "3"}, b""), (200, {"Retry-After": "7"}, BUSY.encode())]
    assert client.ask(QUERY) == {"batchcomplete": True}
    assert waits == [3, 7]


def test_retry_after_may_be_a_date(wiki, client, waits):
    """RFC 9110 allows a date."""
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=50), usegmt=True)
    wiki.scripted = [(503, {"Retry-After": later}, b"")]
    client.ask(QUERY)
    assert 40 < waits[0] <= 50


def test_a_long_wait_is_an_error(wiki, client, waits):
    """Nobody waits an hour for a sample."""
    wiki.scripted = [(429, {"Retry-After": "3600"}, b"")]
    with pytest.raises(DownloadError, match="HTTP 429"):
        client.ask(QUERY)
    assert waits == []


def test_without_a_time_it_waits_longer_each_time(wiki, client, waits):
    """Five tries, then it is over."""
    wiki.scripted = [(500, {"Retry-After": "soon"}, b"")] * 5
    with pytest.raises(DownloadError, match="HTTP 500"):
        client.ask(QUERY)
    assert waits == [1, 2, 4, 8]
    assert len(wiki.requests) == 5


def test_no_network_is_one_line(free_port, waits):
    """A host that does not answer is an error that names it."""
    client = CommonsClient(f"http://127.0.0.1:{free_port}/w/api.php", sleep=waits.append)
    with pytest.raises(DownloadError, match=f"{free_port}.*refused") as caught:
        client.ask(QUERY)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((404, {}, b""), "HTTP 404"),
        ((200, {}, b"<html>"), "not JSON"),
        ((200, {}, b'{"error": {"code": "badvalue", "info": "Unrecognized"}}'), "Unrecognized"),
    ],
)
def test_what_will_not_change_is_not_asked_again(wiki, client, waits, answer, reason):
    """A refusal and an answer that is none are errors at once."""
    wiki.scripted = [answer]
    with pytest.raises(DownloadError, match=reason):
        client.ask(QUERY)
    assert waits == []


def test_a_download_cut_short_is_tried_again(wiki, client, waits, tmp_path):
    """Fewer bytes than promised are not a photo."""
    wiki.scripted = [(200, {"Content-Type": "image/jpeg", "Content-Length": "100"}, b"half")]
    client.download(f"{wiki.host}/thumb/1.jpg", tmp_path / "a.jpg")
    assert (tmp_path / "a.jpg").read_bytes() == b"/thumb/1.jpg"
    assert waits == [1]
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]


def test_only_images_are_downloaded(wiki, client, tmp_path):
    """An error page is not kept as a photo."""
    wiki.scripted = [(200, {"Content-Type": "text/html"}, b"<html>")]
    with pytest.raises(DownloadError, match="text/html, not an image"):
        client.download(f"{wiki.host}/thumb/1.jpg", tmp_path / "a.jpg")
    assert not (tmp_path / "a.jpg").exists()


def test_only_web_addresses_are_opened(client, tmp_path):
    """An answer cannot make it read local files."""
    with pytest.raises(DownloadError, match="not an https address"):
        client.download("file:///etc/passwd", tmp_path / "a.jpg")
