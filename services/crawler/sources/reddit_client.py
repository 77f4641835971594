"""Reddit's API with our application: asyncpraw, one for all sources and resolvers of the process."""

from __future__ import annotations

import asyncio
import configparser
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp
import asyncpraw
from asyncpraw.exceptions import AsyncPRAWException
from asyncprawcore.exceptions import (
    AsyncPrawcoreException,
    BadJSON,
    OAuthException,
    ResponseException,
)

from services.crawler.fetch.failure import failure_of_status
from services.crawler.fetch.url import parse_url
from services.crawler.outcome import FetchFailed, OutcomeReason
from services.crawler.sources.credentials import Credentials
from services.crawler.sources.reddit_requestor import GuardedRequestor
from services.crawler.sources.text import clean_text

API = "https://oauth.reddit.com"
_TOKENS = "https://www.reddit.com"
# What asyncpraw raises of a token's answer that is not what it expects.
_MISREAD = (AttributeError, KeyError, TypeError, ValueError)


class RedditClient:
    """Asks Reddit's API, read-only, one request after the other; asyncpraw waits for the rate limit.

    Nothing is asked, nor asyncpraw set up, before the first request.
    """

    def __init__(
        self,
        open_session: Callable[[str], aiohttp.ClientSession],
        api_base: Callable[[str], str],
        credentials: Credentials,
    ) -> None:
        """Takes what opens a session over the guarded connector, where interfaces are, and the application's keys."""
        self._open_session = open_session
        self._api_base = api_base
        self._credentials = credentials
        self._reddit: asyncpraw.Reddit | None = None
        self._turn = asyncio.Lock()

    @property
    def has_credentials(self) -> bool:
        """Whether an application is configured."""
        return bool(self._credentials.reddit_client_id and self._credentials.reddit_client_secret)

    async def get(self, path: str, params: Mapping[str, str]) -> Any:
        """The JSON that the API answers, as it comes.

        Args:
            path: Below the API's address, without a slash at its start: `r/EarthPorn/new`.
            params: The query; `raw_json` is always 1.

        Raises:
            FetchFailed: There is no answer, or none that can be read. A `StatusFailed` with 401 if the application is
                refused, with 429 if there were too many requests.
            ContactMissing: Reddit is not our own host, and no contact is configured.
        """
        async with self._turn:
            try:
                if self._reddit is None:
                    self._reddit = self._set_up()
                return await self._reddit.request(method="GET", path=path, params=dict(params))
            except (AsyncPrawcoreException, AsyncPRAWException, configparser.Error) as error:
                raise _failure(error) from error
            except _MISREAD as error:
                raise _unreadable() from error

    def _set_up(self) -> asyncpraw.Reddit:
        """Names every setting: no `praw.ini` and no environment variable has a say in who is asked, and as whom."""
        session = self._open_session(self._api_base(API))
        with warnings.catch_warnings():
            # asyncpraw warns of addresses in a `praw.ini`, which do not count here.
            warnings.simplefilter("ignore", UserWarning)
            return asyncpraw.Reddit(
                "DEFAULT",
                client_id=self._credentials.reddit_client_id,
                client_secret=self._credentials.reddit_client_secret,
                user_agent=session.headers["User-Agent"],
                username=None,
                password=None,
                refresh_token=None,
                redirect_uri=None,
                oauth_url=self._api_base(API),
                reddit_url=self._api_base(_TOKENS).rstrip("/"),
                ratelimit_seconds=5,
                timeout=30,
                window_size=600,
                check_for_updates=False,
                requestor_class=GuardedRequestor,
                requestor_kwargs={"session": session},
            )


def _failure(error: Exception) -> FetchFailed:
    match error:
        case BadJSON():
            return _unreadable()
        case ResponseException():
            answer: Any = error.response
            return failure_of_status(
                answer.status, parse_url(API), retry_after_s=answer.retry_after_s
            )
        case OAuthException():
            return failure_of_status(401, parse_url(_TOKENS))
        case configparser.Error():
            message = "a praw.ini of this machine cannot be read, and asyncpraw insists on that"
            return FetchFailed(OutcomeReason.UNREACHABLE, message)
        case _:
            return FetchFailed(
                OutcomeReason.SERVER_ERROR, f"asyncpraw failed: {clean_text(str(error))}"
            )


def _unreadable() -> FetchFailed:
    message = "Reddit answered with something that is not the JSON it should be"
    return FetchFailed(OutcomeReason.SERVER_ERROR, message)
