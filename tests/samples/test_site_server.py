import time
from http.client import HTTPConnection
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from samples.site import serve


def test_it_serves_the_folder_and_counts(tmp_path):
    """Pages and files come over HTTP, with their types, and every request is remembered."""
    (tmp_path / "index.html").write_text("<p>front</p>")
    (tmp_path / "a b.jpg").write_bytes(b"jpeg")
    with serve(tmp_path) as server:
        assert server.url == f"http://127.0.0.1:{server.port}/"
        with urlopen(server.url) as response:
            assert response.read() == b"<p>front</p>"
            assert response.headers.get_content_type() == "text/html"
        for _ in range(2):
            with urlopen(f"{server.url}a%20b.jpg") as response:
                assert response.headers.get_content_type() == "image/jpeg"
        with pytest.raises(HTTPError, match="404") as caught:
            urlopen(f"{server.url}gone.jpg")
        caught.value.close()
        assert server.requests == ["/", "/a b.jpg", "/a b.jpg", "/gone.jpg"]
        assert server.counts()["/a b.jpg"] == 2


def test_it_prints_nothing(tmp_path, capfd):
    """The run's own output stays readable."""
    (tmp_path / "index.html").touch()
    with serve(tmp_path) as server, urlopen(server.url):
        pass
    assert capfd.readouterr() == ("", "")


def test_it_ends_with_its_block_though_a_client_stays(tmp_path):
    """A connection that is kept open does not keep the server, and the port is free afterwards."""
    (tmp_path / "index.html").touch()
    with serve(tmp_path) as server:
        begun = time.monotonic()
        client = HTTPConnection("127.0.0.1", server.port)
        client.request("GET", "/")
        assert client.getresponse().status == 200
    assert time.monotonic() - begun < 15
    with pytest.raises(ConnectionError):
        HTTPConnection("127.0.0.1", server.port, timeout=10).request("GET", "/")
    client.close()


def test_a_port_in_use_is_an_error(tmp_path):
    """It is not served elsewhere instead."""
    with (
        serve(tmp_path) as server,
        pytest.raises(OSError, match="in use"),
        serve(tmp_path, server.port),
    ):
        pass
