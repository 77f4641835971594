from collections import Counter

from samples.photo_folder import Role
from samples.photo_list import read_photo_list


def listed():
    return [photo for package in read_photo_list().packages for photo in package.photos]


def test_the_list_has_the_promised_mix():
    """18 liked and 10 held-back nature photos, and twice as many other pictures."""
    counts = Counter(photo.role for photo in listed())
    assert counts == {Role.LIKED: 18, Role.HELD_BACK: 10, Role.BACKGROUND: 21, Role.OTHER: 38}


def test_every_picture_stands_once():
    """No path and no name is listed twice, so no photo is in two roles and none overwrites another."""
    packages = read_photo_list().packages
    paths = [(package.name, photo.path) for package in packages for photo in package.photos]
    assert len(set(paths)) == len(paths)
    assert len({photo.name for photo in listed()}) == len(listed())


def test_every_package_says_where_it_is_from():
    """A licence and a source for each, and paths that stay inside it, of formats that the crawl reads."""
    for package in read_photo_list().packages:
        assert package.licence
        assert "https://" in package.source
        assert "\n" not in package.source
        for photo in package.photos:
            assert not photo.path.is_absolute()
            assert ".." not in photo.path.parts
            assert photo.path.suffix in {".jpg", ".png", ".webp"}


def test_a_picture_named_by_its_size_takes_its_folders_name():
    """`Autumn/contents/images/2560x1600.jpg` is Autumn."""
    names = {photo.name for photo in listed()}
    assert "plasma-workspace-wallpapers_Autumn.jpg" in names
    assert "mate-backgrounds_Dune.jpg" in names


def test_another_list_has_another_key(tmp_path):
    """What was fetched by an older list is not taken for this one's."""
    changed = tmp_path / "photos.toml"
    changed.write_text("package = []\n")
    assert read_photo_list(changed).packages == ()
    assert read_photo_list(changed).key != read_photo_list().key
