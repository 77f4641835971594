"""Texts for made-up posts: nine in ten in English, the others in several scripts; names; tokens."""

from __future__ import annotations

import random
import string

_ENGLISH = (
    "the a of to and in is for on with my this what how why help first today new old best photo picture sunset lake "
    "mountain river city night morning train house garden dog cat bread coffee guitar keyboard game season team "
    "match winter summer after before anyone someone looking found made built bought repaired finally really almost "
    "never always question advice opinion update discussion weekly thread rate review tips beginner years days hours "
    "don't can't it's i'm [OC] (4032x3024) 10/10"
)
_OTHERS = "straße naïve café señor été zürich 東京 写真 猫 привет фото закат 🌄 🔥 😂 — the de la und 2024"
_WORDS = _ENGLISH.split()
_MIXED = _OTHERS.split()
# Of texts that are not in English alone.
_MIXED_SHARE = 0.1
_LETTERS = string.ascii_letters + string.digits


def token(rng: random.Random, length: int) -> str:
    """Letters and digits, as ids and signatures have them."""
    return "".join(rng.choices(_LETTERS, k=length))


def name(rng: random.Random) -> str:
    """A name of a person or community."""
    words = [word for word in rng.choices(_WORDS, k=4) if word.isascii() and word.isalpha()]
    return "".join(map(str.capitalize, words))[:16] + str(rng.randint(0, 9_999))


def sentence(rng: random.Random, least: int, most: int) -> str:
    """Words in one line."""
    words = _MIXED if rng.random() < _MIXED_SHARE else _WORDS
    return " ".join(rng.choices(words, k=rng.randint(least, most)))


def caption(rng: random.Random) -> str:
    """What stands below an image of a gallery."""
    return sentence(rng, 1, 8)


def paragraph(rng: random.Random, characters: int) -> str:
    """Sentences of about so many characters, with line breaks and markdown."""
    text = sentence(rng, characters // 6 + 1, characters // 6 + 1)
    return (
        text.replace(" today ", ".\n\n").replace(" this ", " **this** ").replace(" & ", " &amp; ")
    )
