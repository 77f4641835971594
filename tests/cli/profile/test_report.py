"""The page of a profile."""

from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree as ET

from lodestone.cli.profile.liked import LikedOverview
from lodestone.cli.profile.liked_ranking import RankedImage
from lodestone.cli.profile.map import TasteMap
from lodestone.cli.profile.report import Report, write_report
from lodestone.novelty.v1.novelty_service_pb2 import MAP_ROLE_BACKGROUND, MAP_ROLE_LIKED, MapPoint
from lodestone.novelty.v1.profile_pb2 import Profile, ShareEstimate

HOSTILE = '"><script src=http://x.test/a.js></script>\u202egpj.exe\nlast'


class Page(HTMLParser):
    """What is in a page: its text, its tags, the text of its captions and headings, and where it leads."""

    def __init__(self, text):
        super().__init__()
        self.source, self.text, self.tags, self.addresses = text, "", [], []
        self.captions, self.headings, self.alternatives = [], [], []
        self._in = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        found = dict(attrs)
        self.addresses += [
            value for name, value in attrs if name in {"src", "href", "xlink:href", "action"}
        ]
        if "alt" in found or "aria-label" in found:
            self.alternatives.append(found.get("alt") or found.get("aria-label"))
        self._in.append(tag)
        if tag == "figcaption":
            self.captions.append("")
        if tag in {"h1", "h2"}:
            self.headings.append("")

    def handle_endtag(self, tag):
        while self._in and self._in.pop() != tag:
            pass

    def handle_data(self, data):
        self.text += data
        if "figcaption" in self._in:
            self.captions[-1] += data
        if self._in and self._in[-1] in {"h1", "h2"}:
            self.headings[-1] += data


def profile(count=30, **fields):
    one = Profile(
        name="landscapes",
        version=2,
        threshold_nats=3.0,
        liked_count=count,
        background_count=4,
        held_out_log_likelihoods=[float(index) for index in range(count)],
        background_log_likelihoods=[-3.0, -2.0, -1.0, 3.0],
        expected_keep=ShareEstimate(expected=0.92, low=0.73, high=1.0, confidence=0.95),
        expected_pass=ShareEstimate(expected=0.023, low=0.0, high=0.16, confidence=0.95),
        **fields,
    )
    one.create_time.FromJsonString("2026-11-22T10:00:00Z")
    return one


def ranked(count, *, jpeg=b"", name="photo {}.jpg"):
    return [
        RankedImage(
            position=index,
            name=name.format(index),
            digest="",
            log_likelihood=float(index),
            percentile=100 * (index + 1) / count,
            passes=index >= 3,
            jpeg=jpeg,
        )
        for index in range(count)
    ]


def points():
    liked = [
        MapPoint(role=MAP_ROLE_LIKED, position=index, x=index / 30, y=0.5, log_likelihood=index)
        for index in range(30)
    ]
    other = MapPoint(role=MAP_ROLE_BACKGROUND, position=0, x=-0.5, y=-0.5, log_likelihood=-1)
    return [*liked, other]


def page(tmp_path, *, of=None, liked=None, taste_map=None, rows=(("threshold", "3.00 nats"),)):
    report = Report(of or profile(), rows, liked or LikedOverview(ranked(30)), taste_map)
    write_report(report, tmp_path / "a.html")
    return Page((tmp_path / "a.html").read_text(encoding="utf-8"))


def test_the_page_says_what_the_profile_promises(tmp_path):
    """Both shares with their intervals, what it was learned from, its warnings, and the facts of the terminal."""
    found = page(tmp_path, of=profile(warnings=["30 photos make a small profile"]))
    text = " ".join(found.text.split())
    assert found.headings[0] == "landscapes@2"
    for words in (
        "A taste, learned from 30 liked photos, compared with 4 ordinary ones, on 2026-11-22.",
        "92% of new photos like yours are kept 73% to 100%, with 95% confidence",
        "2.3% of ordinary photos pass 0% to 16%, with 95% confidence",
        "30 photos make a small profile",
        "threshold 3.00 nats",
    ):
        assert words in text


def test_the_least_typical_photos_come_first(tmp_path):
    """Twelve from below and twelve from above, the best first; those under the threshold are marked as such."""
    found = page(tmp_path)
    assert [heading for heading in found.headings if "typical" in heading] == [
        "The least typical of your photos: do these belong? ",
        "The most typical ",
    ]
    assert found.captions[0].startswith(
        "photo 0.jpg\npercentile 3.3, 0.00 nats: under the threshold"
    )
    numbers = [int(caption.split(".")[0].removeprefix("photo ")) for caption in found.captions]
    assert numbers == [*range(12), *range(29, 17, -1)]
    assert sum("under the threshold" in caption for caption in found.captions) == 3
    assert found.source.count('class="card bad"') == 3


def test_no_photo_is_both_least_and_most_typical(tmp_path):
    """Nine make five and four; one is only the least."""
    few = page(tmp_path, liked=LikedOverview(ranked(9)))
    assert sorted(caption[:7] for caption in few.captions) == [f"photo {n}" for n in range(9)]
    one = page(tmp_path, liked=LikedOverview(ranked(1)))
    assert len(one.captions) == 1
    assert not any("most" in heading for heading in one.headings)


def test_the_histogram_has_a_form_for_wide_and_for_narrow_windows(tmp_path):
    """Drawings inside the page, each told in words for who does not see it; no id stands twice."""
    found = page(tmp_path, taste_map=TasteMap(points(), ""))
    words = (
        "Histogram of log-likelihoods: 27 of 30 liked photos and 1 of 4 ordinary ones are at or over the "
        "threshold of 3.00 nats."
    )
    assert found.alternatives.count(words) == 2
    assert found.tags.count("svg") == 3
    ids = [part.split('"')[0] for part in found.source.split(' id="')[1:]]
    assert ids
    assert len(ids) == len(set(ids))


def test_the_drawings_are_xml(tmp_path):
    """Each one by itself."""
    found = page(tmp_path, taste_map=TasteMap(points(), ""))
    drawings = [f"<svg {part.split('</svg>')[0]}</svg>" for part in found.source.split("<svg ")[1:]]
    assert len(drawings) == 3
    assert all(ET.fromstring(drawing).tag.endswith("svg") for drawing in drawings)


def test_the_map_has_its_legend_and_what_it_lacks(tmp_path):
    """Counts by role, what axes mean, and a note."""
    found = page(tmp_path, taste_map=TasteMap(points(), "2 kept photos not on the map"))
    assert "your liked photos: 30, of which 27 pass" in found.text
    assert "ordinary photos (the background): 1, of which 0 pass" in found.text
    assert "kept by crawls" not in found.text
    assert "axes mean nothing" in found.text
    assert "2 kept photos not on the map" in found.text
    assert "Map" not in page(tmp_path).headings


def test_repeated_photos_are_named(tmp_path):
    """Each with the one that counts; of more than the profile lists, how many."""
    liked = LikedOverview(ranked(30), repeated=[("b.jpg", "a.jpg"), ("c.jpg", "a.jpg")])
    found = page(tmp_path, of=profile(duplicate_count=1234), liked=liked)
    assert "b.jpg repeats a.jpg" in found.text
    assert "c.jpg repeats a.jpg" in found.text
    assert "(1,234)" in found.text
    assert "And 1,232 more." in found.text
    assert "repeat another" not in page(tmp_path).text


def test_a_profile_of_an_earlier_format_says_that_its_photos_are_not_known(tmp_path):
    """The rest is there; no empty sections."""
    why = "landscapes@2 was fitted before profiles kept their liked images: fit it again"
    found = page(tmp_path, liked=LikedOverview(unknown=why))
    assert f"Which photos it was learned from is not known: {why}." in found.text
    assert found.captions == []
    assert found.tags.count("svg") == 2
    assert not any("typical" in heading for heading in found.headings)


def test_without_thumbnails_names_stand_alone(tmp_path):
    """No empty frames; with some, a photo without says so."""
    bare = page(tmp_path)
    assert "img" not in bare.tags
    assert "no picture" not in bare.text
    liked = LikedOverview([*ranked(1, jpeg=b"jpeg"), *ranked(30)[1:]])
    some = page(tmp_path, liked=liked)
    assert some.tags.count("img") == 1
    assert "photo 0.jpg" in some.alternatives
    assert "no picture" in some.text


def test_hostile_names_are_text_and_the_page_asks_for_nothing(tmp_path):
    """Names of photos, of repeated ones, of warnings and facts: no tag, no address, no turned text comes of them."""
    found = page(
        tmp_path,
        of=profile(warnings=[HOSTILE], duplicate_count=1),
        liked=LikedOverview(
            ranked(30, jpeg=b"jpeg", name=HOSTILE + "{}"), repeated=[(HOSTILE, HOSTILE)]
        ),
        taste_map=TasteMap(points(), HOSTILE),
        rows=[("threshold", HOSTILE)],
    )
    assert "script" not in found.tags
    assert "link" not in found.tags
    assert "\u202e" not in found.source
    harmless = '"><script src=http://x.test/a.js></script>�gpj.exe last'
    assert found.text.count(harmless) == 24 + 2 + 1 + 1 + 1
    assert found.addresses
    assert all(one.startswith(("data:image/", "#")) for one in found.addresses)
