from __future__ import annotations

import asyncio

import pytest

from services.novelty.additions import NOTHING_ADDED
from services.novelty.liked_images import NoLikedImages
from services.novelty.stored.addition_store import AdditionStore
from services.novelty.stored.damage import ProfileDamaged
from services.novelty.stored.profile_cache import ProfileCache
from services.novelty.stored.profile_store import ProfileStore
from services.servicekit.errors import InvalidInput, NotFound
from tests.novelty.tastes import liked_images, taste
from tests.novelty.thumbnail_samples import precision_check, thumbnails


class CountingStore(ProfileStore):
    """Remembers what is read."""

    def __init__(self, root):
        super().__init__(root, libraries={})
        self.loads = []
        self.listings = 0

    def load(self, name, version):
        self.loads.append(f"{name}@{version}")
        return super().load(name, version)

    def newest_version(self, name):
        self.listings += 1
        return super().newest_version(name)


@pytest.fixture
def store(root):
    return CountingStore(root)


def save(store, request_id, name="landscapes"):
    return store.save(taste(), name=name, request_id=request_id)


async def test_a_version_is_read_once(store):
    """By name or by version, in turn or at the same time."""
    save(store, "a")
    cache = ProfileCache(store, limit_bytes=10**6)
    names = ["landscapes", "landscapes@1"] * 5
    found = await asyncio.gather(*(cache.find(name) for name in names))
    assert all(profile is found[0] for profile in found)
    assert store.loads == ["landscapes@1"]


async def test_a_version_stored_here_is_the_newest_at_once(store):
    """Once the process that stored it says so."""
    save(store, "a")
    cache = ProfileCache(store, limit_bytes=10**6)
    for number in range(2, 30):
        await cache.find("landscapes")
        save(store, str(number))
        cache.forget("landscapes")
        assert str(await cache.find("landscapes")) == f"landscapes@{number}"
    assert str(await cache.find("landscapes@1")) == "landscapes@1"


async def test_a_version_stored_elsewhere_is_the_newest_after_a_second(store, root):
    """Until then the name costs no look at the disk."""
    now_s = 100.0
    save(store, "a")
    cache = ProfileCache(store, limit_bytes=10**6, clock=lambda: now_s)
    await cache.find("landscapes")
    save(ProfileStore(root, libraries={}), "b")
    now_s = 100.9
    assert str(await cache.find("landscapes")) == "landscapes@1"
    assert store.listings == 1
    now_s = 101.0
    assert str(await cache.find("landscapes")) == "landscapes@2"


async def test_the_least_recently_used_are_forgotten(store):
    """Over the limit the oldest go; the one just read always stays."""
    size = taste().mixture.size_bytes
    for request_id in "abc":
        save(store, request_id)
    cache = ProfileCache(store, limit_bytes=2 * size)
    for version in (1, 2, 1, 3, 1, 2):
        await cache.find(f"landscapes@{version}")
    assert store.loads == ["landscapes@1", "landscapes@2", "landscapes@3", "landscapes@2"]
    tiny = ProfileCache(store, limit_bytes=1)
    assert await tiny.find("landscapes@1") is await tiny.find("landscapes@1")


async def test_what_is_not_there(store):
    """Missing and malformed names are errors, and a profile stored afterwards is found."""
    cache = ProfileCache(store, limit_bytes=10**6)
    with pytest.raises(NotFound, match="there is no profile 'landscapes'"):
        await cache.find("landscapes")
    with pytest.raises(InvalidInput, match="names no profile"):
        await cache.find("../landscapes")
    save(store, "a")
    assert str(await cache.find("landscapes")) == "landscapes@1"
    with pytest.raises(NotFound, match="landscapes@2"):
        await cache.find("landscapes@2")


async def test_a_corrupt_profile_is_not_kept(store, root):
    """It is an error each time, until its file is whole again."""
    save(store, "a")
    path = root / "landscapes" / "1" / "profile.npz"
    whole = path.read_bytes()
    path.write_bytes(b"broken")
    cache = ProfileCache(store, limit_bytes=10**6)
    for _ in range(2):
        with pytest.raises(ProfileDamaged):
            await cache.find("landscapes")
    path.write_bytes(whole)
    assert str(await cache.find("landscapes")) == "landscapes@1"


async def test_the_newest_is_not_replaced_by_an_older_one(store, root):
    """Scores of another version would pass for its own: the error names the damaged one and the newest whole one."""
    for request_id in "abcd":
        save(store, request_id)
    for version in (3, 4):
        (root / "landscapes" / str(version) / "profile.json").write_text("{")
    cache = ProfileCache(store, limit_bytes=10**6)
    with pytest.raises(ProfileDamaged) as caught:
        await cache.find("landscapes")
    assert (caught.value.profile, caught.value.instead) == ("landscapes@4", "landscapes@2")
    assert str(await cache.find("landscapes@2")) == "landscapes@2"
    with pytest.raises(ProfileDamaged) as caught:
        await cache.find("landscapes@4")
    assert caught.value.instead == ""


async def test_no_version_is_whole(store, root):
    """Then none is named."""
    for request_id in "ab":
        save(store, request_id)
    for version in (1, 2):
        (root / "landscapes" / str(version) / "profile.npz").unlink()
    with pytest.raises(ProfileDamaged, match="restore the file or fit the profile again$"):
        await ProfileCache(store, limit_bytes=10**6).find("landscapes")


async def test_a_damaged_name_is_whole_again_after_a_new_fit(store, root):
    """The way out that the error names."""
    save(store, "a")
    (root / "landscapes" / "1" / "profile.json").unlink()
    cache = ProfileCache(store, limit_bytes=10**6)
    with pytest.raises(ProfileDamaged):
        await cache.find("landscapes")
    save(store, "b")
    cache.forget("landscapes")
    assert str(await cache.find("landscapes")) == "landscapes@2"


def save_whole(store, request_id):
    return store.save(taste(), name="landscapes", request_id=request_id, liked=liked_images())


async def test_liked_images_are_read_once(store, monkeypatch):
    """By name or by version, in turn or at the same time; the four versions asked for last are kept."""
    reads = []
    read = ProfileStore.liked_images

    def counted(self, name, version):
        reads.append(version)
        return read(self, name, version)

    monkeypatch.setattr(ProfileStore, "liked_images", counted)
    save_whole(store, "1")
    cache = ProfileCache(store, limit_bytes=10**6)
    names = ["landscapes", "landscapes@1"] * 3
    found = await asyncio.gather(*(cache.find_liked(name) for name in names))
    assert all(liked is found[0][1] for _, liked in found)
    assert (str(found[0][0]), len(found[0][1]), reads) == ("landscapes@1", 21, [1])
    for version in (2, 3, 4, 5):
        save_whole(store, str(version))
        await cache.find_liked(f"landscapes@{version}")
    await cache.find_liked("landscapes@2")
    await cache.find_liked("landscapes@1")
    assert reads == [1, 2, 3, 4, 5, 1]


async def test_liked_images_that_are_not_there(store, root):
    """A profile without them, and one whose files are damaged, still score."""
    save(store, "a")
    save_whole(store, "b")
    (root / "landscapes" / "2" / "liked.json").unlink()
    cache = ProfileCache(store, limit_bytes=10**6)
    with pytest.raises(NoLikedImages, match="landscapes@1"):
        await cache.find_liked("landscapes@1")
    with pytest.raises(ProfileDamaged, match=r"landscapes@2 is damaged: liked\.json is missing"):
        await cache.find_liked("landscapes")
    assert str(await cache.find("landscapes")) == "landscapes@2"


async def test_a_version_deleted_here_is_gone_at_once(store):
    """Once the process that deleted it says so; the name means the newest that is left."""
    for request_id in "ab":
        save_whole(store, request_id)
    cache = ProfileCache(store, limit_bytes=10**6)
    await cache.find_liked("landscapes")
    store.delete("landscapes", 2)
    cache.forget("landscapes")
    for find in (cache.find, cache.find_liked):
        with pytest.raises(NotFound, match="there is no profile 'landscapes@2'"):
            await find("landscapes@2")
    assert str(await cache.find("landscapes")) == "landscapes@1"


async def test_a_version_deleted_elsewhere_is_gone_after_a_second(store, root):
    """Then its name means the newest that is left, and without any left it is none."""
    now_s = 100.0
    for request_id in "ab":
        save_whole(store, request_id)
    cache = ProfileCache(store, limit_bytes=10**6, clock=lambda: now_s)
    for name in ("landscapes", "landscapes@1"):
        await cache.find(name)
    await cache.find("landscapes@1")
    other = ProfileStore(root, libraries={})
    other.delete("landscapes", 2)
    assert str(await cache.find("landscapes@1")) == "landscapes@1"
    now_s = 101.5
    with pytest.raises(NotFound, match="landscapes@2"):
        await cache.find("landscapes@2")
    assert str(await cache.find("landscapes")) == "landscapes@1"
    other.delete("landscapes", None)
    now_s = 103.0
    with pytest.raises(NotFound, match="there is no profile 'landscapes'"):
        await cache.find("landscapes")


async def test_a_newest_version_deleted_just_now(store, root):
    """A name that is known for less than a second, of a version that was not read: the next one serves."""
    for request_id in "ab":
        save_whole(store, request_id)
    cache = ProfileCache(store, limit_bytes=1, clock=lambda: 100.0)
    await cache.find("landscapes")
    await cache.find("landscapes@1")
    ProfileStore(root, libraries={}).delete("landscapes", 2)
    assert str(await cache.find("landscapes")) == "landscapes@1"


async def test_what_is_added_elsewhere_is_known_after_a_second(store, root):
    """And what is added here at once; the mixture is not read again."""
    now_s = 100.0
    save(store, "a")
    cache = ProfileCache(store, limit_bytes=10**6, clock=lambda: now_s)
    profile = await cache.find("landscapes@1")
    assert profile.additions == NOTHING_ADDED
    elsewhere = AdditionStore(ProfileStore(root, libraries={}))
    elsewhere.put_thumbnails(profile, thumbnails())
    now_s = 100.9
    assert await cache.find("landscapes@1") is profile
    now_s = 101.0
    assert (await cache.find("landscapes@1")).additions.thumbnail_count == 9
    thumbnail_set = elsewhere.thumbnail_set(profile)
    elsewhere.keep_check(profile, precision_check(), thumbnail_set.sha256)
    cache.forget("landscapes")
    found = await cache.find("landscapes")
    assert found.additions.precision_checks == (precision_check(),)
    assert found.taste is profile.taste
    assert store.loads == ["landscapes@1"]
