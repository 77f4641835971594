"""`make run`: learns a taste, mines a site with the real services, shows what was kept and why.

Settings from the environment: DATA (default `data`), and LIKED and SOURCE for one's own photos and source.
"""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lodestone.cli.running import crawler_client
from lodestone.cli.words import spoken, word
from lodestone.crawler.v1.crawl_pb2 import SettledListing
from lodestone.crawler.v1.outcome_pb2 import OutcomeReason, OutcomeState
from lodestone.image.v1.verdict_pb2 import Verdict
from samples.contact_sheet import Picture, write_contact_sheet
from samples.photo_folder import Role
from samples.photos import SamplePhotosError, fetch_sample_photos
from samples.running import CommandFailed, NotReady, ask, lodestone, quietly, services
from samples.site import SampleSite, build_site, serve
from samples.summary import goal_lines, hint_lines, news_line

_CACHE = Path(".cache/samples")
# Fixed, so that a second run lists the same addresses and finds all of them known.
_SITE_PORT = 8765


@dataclass(frozen=True, slots=True)
class Plan:
    """What to learn from and what to mine.

    Attributes:
        profile: The profile's name.
        liked: The folder of liked photos.
        background: A folder to compare with in the histogram; None if there is none.
        source: What to crawl.
        options: Options of `lodestone up`.
        site: The sample site; None for one's own source.
    """

    profile: str
    liked: Path
    background: Path | None
    source: str
    options: tuple[str, ...]
    site: SampleSite | None


def main() -> int:
    """Runs it all; the exit status is 0 if everything worked."""
    data = Path(os.environ.get("DATA") or "data").absolute()
    try:
        with ExitStack() as stack:
            plan = _plan(stack)
            stack.enter_context(services(data, *plan.options))
            _learn(plan, data)
            kept_before = asyncio.run(_kept_count(plan.profile))
            lodestone("crawl", plan.source, "--profile", plan.profile, "--data", str(data))
            _report(plan, data, kept_before)
    except CommandFailed as error:
        # It has said why.
        return error.code
    except (NotReady, SamplePhotosError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _plan(stack: ExitStack) -> Plan:
    liked, source = os.environ.get("LIKED", ""), os.environ.get("SOURCE", "")
    if bool(liked) != bool(source):
        message = "give both LIKED (a folder of photos you like) and SOURCE (a folder, file of URLs or page)"
        raise OSError(message)
    if liked:
        folder = Path(liked).expanduser()
        if not folder.is_dir():
            raise OSError(f"LIKED: there is no folder {folder}")
        return Plan("mine", folder, None, source, (), None)
    print("Fetching the sample photos (once) ...", flush=True)
    photos = fetch_sample_photos(_CACHE, progress=_say)
    _say(
        f"{len(photos.liked)} liked photos to learn from, {len(photos.held_back)} of the same kind to be "
        f"found again, {len(photos.other)} others to be left."
    )
    site = build_site(photos, _CACHE / "site", progress=_say)
    server = stack.enter_context(serve(site.folder, _SITE_PORT))
    # One host, and it is ours: it need not be spared.
    options = ("--allow-address", f"127.0.0.1:{server.port}", "--host-requests-per-s", "100")
    folder = photos.folder
    return Plan("nature", folder / Role.LIKED, folder / Role.BACKGROUND, server.url, options, site)


def _say(line: str) -> None:
    print(f"  {line}", flush=True)


def _learn(plan: Plan, data: Path) -> None:
    """Fits the profile unless it is there from an earlier run, and shows it."""
    known = ask("profile", "show", plan.profile, "--json", "--data", str(data))
    if known is None or plan.site is None:
        background = ("--background", str(plan.background)) if plan.background else ()
        lodestone("profile", "fit", plan.profile, str(plan.liked), *background, "--data", str(data))
    png = data / "histogram.png"
    lodestone("profile", "show", plan.profile, "--png", str(png), "--data", str(data))


def _report(plan: Plan, data: Path, kept_before: int) -> None:
    settled = asyncio.run(_settled())
    page = data / "report.html"
    pictures = [_picture(listing) for listing in settled]
    stored = {one.listing.url: _blob(data, one.outcome.digest) for one in settled}
    write_contact_sheet(
        page,
        pictures,
        title=f"What Lodestone kept for the profile {plan.profile}",
        find_file=lambda picture: _file(picture, plan) or stored.get(picture.url),
    )
    new_count = asyncio.run(_kept_count(plan.profile)) - kept_before
    print("\n" + news_line(settled, new_count))
    if plan.site is not None:
        print("\n".join(goal_lines(settled, plan.site, plan.source)))
        print("Eighteen photos make a small profile: a few mistakes are to be expected.")
    else:
        for line in hint_lines(settled):
            print(line)
    profile_page = data / "profile.html"
    words = ("profile", "show", plan.profile, "--report", str(profile_page), "--data", str(data))
    # As JSON it leaves out the warnings that a person has just read.
    quietly(*words, "--json")
    kept = data / "kept" / plan.profile
    print(f"\nKept pictures:  {kept if kept.is_dir() else 'none'}")
    print(f"Contact sheet:  {page}")
    print(f"Profile page:   {profile_page}")
    print(f"Histogram:      {data / 'histogram.png'}")


async def _settled() -> list[SettledListing]:
    """Everything that the newest crawl has settled."""
    async with crawler_client() as crawler:
        [newest, *_] = await crawler.list_crawls()
        return [
            event.settled_listing
            async for event in crawler.watch_crawl(newest.crawl_id)
            if event.HasField("settled_listing")
        ]


async def _kept_count(profile: str) -> int:
    """How many pictures are kept for the profile."""
    async with crawler_client() as crawler:
        return len([answer async for answer in crawler.list_images(profile)])


def _picture(listing: SettledListing) -> Picture:
    url = listing.listing.url
    if listing.HasField("judgement"):
        group = spoken(word(Verdict, listing.judgement.verdict))
        return Picture(unquote(Path(url).name), group, listing.judgement.reason, url)
    state = spoken(word(OutcomeState, listing.outcome.state))
    reason = spoken(word(OutcomeReason, listing.outcome.reason))
    return Picture(unquote(Path(url).name), f"{state}, {reason}", listing.outcome.message, url)


def _file(picture: Picture, plan: Plan) -> Path | None:
    if plan.site is not None:
        file = plan.site.folder / unquote(picture.url.removeprefix(plan.source))
        return file if file.is_file() else None
    address = urlsplit(picture.url)
    return Path(unquote(address.path)) if address.scheme == "file" else None


def _blob(data: Path, digest: str) -> Path | None:
    """The bytes in the store; of what was not kept, there are none."""
    file = data / "blobs" / digest[:2] / digest
    return file if file.is_file() else None


if __name__ == "__main__":
    sys.exit(main())
