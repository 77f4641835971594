"""A small MediaWiki on loopback that answers as api.php documents, and badly when told to."""

from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

BATCH = 40


def page(number, *, author=None, width=1920, height=1280, mime="image/jpeg", host=""):
    """One page of `generator=categorymembers&prop=imageinfo`, format version 2."""
    author = author or f"Author {number}"
    return {
        "pageid": 1000 + number,
        "ns": 6,
        "title": f"File:Photo {number:03d} (é & ü).jpg",
        "imagerepository": "local",
        "imageinfo": [
            {
                "size": 9_000_000,
                "width": 6000,
                "height": 4000,
                "thumburl": f"{host}/thumb/{number}.jpg",
                "thumbwidth": width,
                "thumbheight": height,
                "url": f"{host}/original/{number}.jpg",
                "descriptionurl": f"https://commons.example/wiki/File:{number}",
                "descriptionshorturl": f"https://commons.example/?curid={number}",
                "mime": mime,
                "extmetadata": {
                    "LicenseShortName": {"value": "CC BY-SA 4.0", "source": "commons-desc-page"},
                    "Artist": {"value": f'<a href="//x.example" title="u">{author}</a> &amp; co'},
                },
            }
        ],
    }


class MediaWiki:
    """What a test sets up and asks afterwards.

    Attributes:
        categories: Pages by category title.
        api: The address of api.php.
        host: Where its files are.
        scripted: (status, headers, body) to answer the next requests with instead.
        requests: (path, parameters, User-Agent) of each so far.
        at_once: How many were being answered at the same time, at most.
    """

    def __init__(self, port):
        self.host = f"http://127.0.0.1:{port}"
        self.api = f"{self.host}/w/api.php"
        self.categories = {}
        self.scripted = []
        self.requests = []
        self.at_once = 0

    def paths(self):
        return [path for path, _, _ in self.requests]

    def answer(self, parameters):
        """The JSON that api.php gives for one query."""
        pages = self.categories.get(parameters["gcmtitle"], [])
        start = int(parameters.get("gcmcontinue", "0"))
        answer = {"batchcomplete": True}
        if start + BATCH < len(pages):
            answer["continue"] = {"gcmcontinue": str(start + BATCH), "continue": "gcmcontinue||"}
        if pages:
            # The API does not promise an order of pages.
            answer["query"] = {"pages": pages[start : start + BATCH][::-1]}
        return answer


@contextmanager
def running():
    """Runs a MediaWiki while the block does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            with lock:
                running_now.append(1)
                wiki.at_once = max(wiki.at_once, len(running_now))
            try:
                status, headers, body = self.answer()
            finally:
                # Before the answer goes out: a client that has it may ask again at once.
                running_now.pop()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def answer(self):
            url = urlsplit(self.path)
            parameters = {key: values[0] for key, values in parse_qs(url.query).items()}
            wiki.requests.append((url.path, parameters, self.headers["User-Agent"]))
            if wiki.scripted:
                return wiki.scripted.pop(0)
            if url.path == "/w/api.php":
                body = json.dumps(wiki.answer(parameters)).encode()
                return 200, {"Content-Type": "application/json; charset=utf-8"}, body
            return 200, {"Content-Type": "image/jpeg"}, url.path.encode()

        def log_message(self, *_):
            pass

    lock, running_now = threading.Lock(), []
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        wiki = MediaWiki(server.server_port)
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield wiki
        finally:
            server.shutdown()
            thread.join()
