from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

pytestmark = pytest.mark.e2e

FIELDS = [
    "path", "verdict", "reason", "log_likelihood", "percentile", "watermark_probability",
    "quadrant_probabilities", "perceptual_hash", "width_px", "height_px",
]  # fmt: skip


@pytest.fixture(scope="module")
def crawled(lodestone, pictures):
    """The events of a first crawl of the site folder, by file name."""
    _, *settled, last = lodestone.ask("crawl", str(pictures / "site"), "--profile", "hills")
    return {Path(one["url"]).name: one for one in settled}, last["crawl"]


def test_everything_found_has_one_end(crawled, pictures):
    """Each file of the site is settled once."""
    settled, crawl = crawled
    assert set(settled) == {path.name for path in (pictures / "site").iterdir()}
    assert crawl["state"] == "COMPLETED"


def test_it_keeps_what_fits_and_no_copies(crawled):
    """Most other hills are kept, hardly a graphic, and of each picture at most one copy."""
    settled, _ = crawled
    kept = {name for name, one in settled.items() if one.get("verdict") == "ACCEPTED"}
    same = {
        "copy-resized.jpg": "find-0.jpg",
        "copy-recompressed.jpg": "find-1.jpg",
        "copy-exact.jpg": "find-2.jpg",
    }
    pictures_kept = [same.get(name, name) for name in kept]
    assert len(pictures_kept) == len(set(pictures_kept))
    assert sum(name.startswith("find-") for name in pictures_kept) >= 6
    assert sum(name.startswith("graphic-") for name in pictures_kept) <= 1
    assert "copy-of-liked.jpg" not in kept


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("small.jpg", "TOO_SMALL"),
        ("dot.png", "TOO_SMALL"),
        ("truncated.jpg", "TRUNCATED"),
        ("text.jpg", "UNSUPPORTED_FORMAT"),
    ],
)
def test_bad_files_are_outcomes_with_a_reason(crawled, name, reason):
    """A bad file costs one outcome, and nothing else."""
    one = crawled[0][name]
    assert (one["outcome"], one["outcome_reason"]) == ("FAILED", reason)
    assert one["message"]


def test_kept_images_are_stored_once(crawled, lodestone):
    """Bytes under their digest, a sidecar, a readable name that is the same file, and a row."""
    images = lodestone.ask("images", "list", "--profile", "hills")
    accepted = [one for one in crawled[0].values() if one.get("verdict") == "ACCEPTED"]
    assert sorted(one["digest"] for one in images) == sorted(one["digest"] for one in accepted)
    for image in images:
        blob = lodestone.data / "blobs" / image["digest"][:2] / image["digest"]
        assert sha256(blob.read_bytes()).hexdigest() == image["digest"]
        assert (lodestone.data / "kept" / "hills" / image["file_name"]).samefile(blob)
        sidecar = json.loads(blob.with_suffix(".json").read_text())
        judged = sidecar["judgements"]["hills@1"]
        assert judged["log_likelihood"] >= judged["threshold_nats"]
        assert judged["watermark_probability"] <= judged["watermark_threshold"]
        assert sidecar["encoder_id"]
        assert sidecar["listing"]["source"].startswith("folder:")


def test_the_data_folder_is_well(crawled, lodestone):
    """Catalogue and files agree while the services run, and every image decodes and embeds to what was recorded."""
    accepted = [one for one in crawled[0].values() if one.get("verdict") == "ACCEPTED"]
    checked = lodestone.verify("--deep")
    assert checked["image_count"] == checked["deep"]["embedded_count"] == len(accepted)


def test_every_scored_candidate_is_counted(crawled, lodestone):
    """The profile shows how the day's candidates scored: each once, and how many are at the threshold or over."""
    [shown] = lodestone.ask("profile", "show", "hills")
    counted = shown["score_distributions"]
    by_digest = {one["digest"]: one.get("log_likelihood") for one in crawled[0].values()}
    scores = [one for one in by_digest.values() if one is not None]
    assert sum(one["candidate_count"] for one in counted) == len(scores) > 0
    passed = sum(one >= shown["threshold_nats"] for one in scores)
    assert sum(one["passed_count"] for one in counted) == passed > 0
    assert all(one["source"].startswith("folder:") for one in counted)


def test_again_keeps_and_fetches_nothing(crawled, lodestone, pictures):
    """A second crawl of the same source knows everything."""
    before = lodestone.ask("images", "list")
    *_, last = lodestone.ask("crawl", str(pictures / "site"), "--profile", "hills")
    assert last["crawl"]["fetched_count"] == 0
    assert last["crawl"]["known_count"] == last["crawl"]["found_count"]
    assert lodestone.ask("images", "list") == before


def test_judge_gives_the_documented_fields(lodestone, pictures):
    """One object per file, in order, with scores only of the gates that were asked."""
    judged = lodestone.ask("judge", str(pictures / "site"), "--profile", "hills")
    files = sorted((pictures / "site").iterdir())
    assert [Path(one["path"]).name for one in judged] == [path.name for path in files]
    by_name = {Path(one["path"]).name: one for one in judged}
    assert set(by_name["text.jpg"]) == {"path", "verdict", "reason"}
    assert set(by_name["find-0.jpg"]) == set(FIELDS)
    assert len(by_name["find-0.jpg"]["perceptual_hash"]) == 16
    assert by_name["graphic-0.png"]["verdict"] == "OFF_PROFILE"
    assert by_name["graphic-0.png"]["watermark_probability"] is None
    assert by_name["graphic-0.png"]["log_likelihood"] is not None


def test_judge_with_all_gates_fills_all_fields(lodestone, pictures):
    """`--all-gates` computes every score of every readable file."""
    judged = lodestone.ask("judge", str(pictures / "site"), "--profile", "hills", "--all-gates")
    readable = [one for one in judged if len(one) > 3]
    assert len(readable) == len(judged) - 3
    for one in readable:
        assert all(one[name] is not None for name in FIELDS), one
        assert len(one["quadrant_probabilities"]) == 4


def test_judge_with_the_screen(lodestone, pictures, crawled):
    """`--screen` adds size and duplicates; nothing that is judged is stored."""
    site, liked = pictures / "site", pictures / "liked"
    names = [site / "small.jpg", liked / "hill-03.jpg"]
    judged = lodestone.ask("judge", *map(str, names), "--profile", "hills", "--screen")
    assert [one["verdict"] for one in judged] == ["TOO_SMALL", "DUPLICATE"]


def test_judge_explains(lodestone, pictures):
    """`--explain` names three liked photos, nearest first: of a copy of a liked one, that one."""
    site, liked = pictures / "site", pictures / "liked"
    names = [site / "copy-of-liked.jpg", site / "graphic-0.png"]
    words = ("judge", *map(str, names), "--profile", "hills", "--explain")
    copy, graphic = lodestone.ask(*words)
    first = copy["nearest_liked"][0]
    assert first["name"] == "hill-03.jpg"
    assert first["digest"] == sha256((liked / "hill-03.jpg").read_bytes()).hexdigest()
    assert graphic["verdict"] == "OFF_PROFILE"
    for judged in (copy, graphic):
        similarities = [one["cosine_similarity"] for one in judged["nearest_liked"]]
        assert len(similarities) == 3
        assert similarities == sorted(similarities, reverse=True)
    assert first["cosine_similarity"] > 0.9 > graphic["nearest_liked"][0]["cosine_similarity"]
    spoken = lodestone.run(*words).stdout
    assert "nearest liked photos, by similarity: hill-03.jpg" in spoken


def test_one_kept_image_is_shown(crawled, lodestone):
    """By the beginning of its digest: where it came from, and its two files, which are one."""
    listed = lodestone.ask("images", "list", "--profile", "hills")[-1]
    [shown] = lodestone.ask("images", "show", listed["digest"][:8])
    assert listed.items() <= shown.items()
    assert Path(shown["file"]).samefile(shown["blob"])
    assert sha256(Path(shown["file"]).read_bytes()).hexdigest() == shown["digest"]
    assert (len(shown["encoder_id"]), shown["precision"]) == (64, "FP32")


def test_sources_show_their_yield(lodestone, pictures, crawled):
    """`lodestone sources` counts what the folder has given."""
    # Others who share the services have sources as well.
    name = f"folder:{pictures / 'site'}"
    [source] = [one for one in lodestone.ask("sources") if one["source"] == name]
    kept = [one for one in lodestone.ask("images", "list") if one["source"] == name]
    assert source["accepted_count"] == len(kept)
    assert 0 < source["yield"] <= 1


def test_one_line_for_each_mistake(lodestone, pictures, tmp_path):
    """Missing folders, profiles and encoders are one clear line and a status that is not 0."""
    (tmp_path / "empty").mkdir()
    mistakes = [
        (("profile", "fit", "x", str(tmp_path / "nowhere")), "nowhere"),
        (("profile", "fit", "x", str(tmp_path / "empty")), "empty"),
        (("profile", "show", "nobody"), "nobody"),
        (("crawl", str(tmp_path / "nowhere"), "--profile", "hills"), "nowhere"),
        (("crawl", str(tmp_path / "empty"), "--profile", "hills"), "no images"),
        (("crawl", str(tmp_path / "empty"), "--profile", "nobody"), "nobody"),
        (("judge", str(tmp_path / "nowhere.jpg"), "--profile", "hills"), "nowhere.jpg"),
        (("judge", str(pictures / "site" / "find-0.jpg"), "--profile", "nobody"), "nobody"),
    ]
    for words, named in mistakes:
        done = lodestone.run(*words)
        assert done.returncode != 0, words
        assert named in done.stderr, (words, done.stderr)
        assert "Traceback" not in done.stderr
        assert len(done.stderr.strip().splitlines()) <= 3, done.stderr
