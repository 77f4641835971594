"""What marks say: one set of texts to train with and another to test with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Texts:
    """Templates of short texts; `{name}`, `{year}` and `{number}` are filled in.

    Attributes:
        syllables: What names are put together from, two or three a name.
        signatures: They credit somebody.
        trades: What somebody who signs does; under the name.
        addresses: They say where somebody is found.
        rights: They claim rights.
        warnings: They forbid or advertise.
        scene: They are found on signs, covers and clothes; none is a mark.
        foreign: What is said in other scripts, by script.
    """

    syllables: tuple[str, ...]
    signatures: tuple[str, ...]
    trades: tuple[str, ...]
    addresses: tuple[str, ...]
    rights: tuple[str, ...]
    warnings: tuple[str, ...]
    scene: tuple[str, ...]
    foreign: tuple[tuple[str, ...], ...]

    def fill(self, templates: Sequence[str], rng: np.random.Generator) -> str:
        """One of the templates, filled in, sometimes in capitals or in small letters."""
        text = templates[int(rng.integers(len(templates)))]
        while "{name}" in text:
            text = text.replace("{name}", self.name(rng), 1)
        text = text.replace("{year}", str(rng.integers(1998, 2027)))
        text = text.replace("{number}", str(rng.integers(10_000, 10**9)))
        change = rng.random()
        return text.upper() if change < 0.2 else text.lower() if change < 0.3 else text

    def name(self, rng: np.random.Generator) -> str:
        """A name that nobody has."""
        return "".join(rng.choice(self.syllables, size=int(rng.integers(2, 4)))).capitalize()


TRAINING_TEXTS = Texts(
    syllables=(
        "al", "an", "ber", "cor", "del", "el", "fer", "gar", "hol", "in", "jo", "ka", "lin", "mar",
        "nor", "os", "pet", "ri", "sun", "tor", "um", "ver", "win", "yor", "zen", "land", "ton",
        "field", "smith", "berg",
    ),
    signatures=(
        "{name} Photography", "@{name}", "photo: {name}", "{name} {name}", "{name}", "by {name}",
        "Foto {name}", "{name} Images", "f/{name}", "u/{name}{year}", "{name}_{name}",
        "{name} fotografie",
    ),
    trades=("photography", "fine art prints", "nature photos", "{year}", "travel & wildlife"),
    addresses=(
        "www.{name}.com", "{name}.de", "{name}.photos", "{name}{name}.com", "http://{name}.net/",
        "{name}.ru", "{name}.tumblr.com", "flickr.com/{name}", "www.{name}-{name}.co.uk",
    ),
    rights=(
        "© {name}", "© {year} {name}", "(c) {name} {year}", "© {name} {name}", "©{name}.com",
        "© {year} {name} {name}. All rights reserved", "Copyright {name} {year}",
    ),
    warnings=(
        "SAMPLE", "PREVIEW", "{name}stock", "DRAFT", "DO NOT COPY", "{name} images", "COPYRIGHT",
        "{name}.com", "PROOF", "© {name}", "WATERMARK", "{name} {year}", "ALL RIGHTS RESERVED",
        "CONFIDENTIAL", "NOT FOR SALE", "{name}", "{name} #{number}",
    ),
    scene=(
        "EXIT", "BAKERY", "{name} Street", "STOP", "OPEN", "{name} & Sons", "NO PARKING", "CAFE",
        "{number}", "Platform 3", "{name}", "HOTEL {name}", "PUSH", "7", "23", "SALE", "LIBRARY",
        "The {name} of {name}", "Route 66", "BUS",
    ),
    foreign=(
        ("Образец", "Фото {name}", "© Все права защищены", "Вася Иванов", "фотобанк"),
        ("ΔΕΙΓΜΑ", "Φωτογραφία", "Αντίγραφο", "© Γιώργος {year}"),
        ("样图", "版权所有", "图片网", "摄影", "禁止转载"),
        ("サンプル", "写真素材", "無断転載禁止"),
        ("샘플", "사진", "무단전재금지"),
        ("דוגמה", "צילום"),
        ("عينة", "تصوير"),
        ("नमूना", "छायाचित्र"),
        ("ตัวอย่าง", "ภาพถ่าย"),
    ),
)  # fmt: skip

HELD_OUT_TEXTS = Texts(
    syllables=(
        "bi", "chu", "dra", "eth", "fio", "gwen", "hux", "ix", "kei", "lum", "moy", "neb", "oph",
        "qua", "rhi", "sko", "tae", "ulv", "wex", "yps", "zo", "wood", "mann", "sson", "ley",
        "vale",
    ),
    signatures=(
        "{name} Studio", "shot by {name}", "#{name}", "{name} & {name}", "Picture {name}/{name}",
        "{name} Pictures", "pic: {name}",
    ),
    trades=("photographer", "pictures", "landscapes", "wedding studio"),
    addresses=("instagram.com/{name}", "{name}.net", "{name}-art.org", "{name}.500px.com"),
    rights=("Copyright {year} {name}", "©{year} {name} {name}", "(C) {name} Studio"),
    warnings=(
        "{name}pix", "UNLICENSED", "EVALUATION", "{name} agency", "COMP IMAGE", "PROTECTED",
        "{name} premium", "www.{name}.org", "TRIAL VERSION",
    ),
    scene=("ENTRANCE", "PHARMACY", "{name} Avenue", "GIVE WAY", "CLOSED", "TICKETS", "11", "TAXI"),
    foreign=(
        ("Пример", "Снимок {name}", "запрещено копировать"),
        ("ΠΡΟΕΠΙΣΚΟΠΗΣΗ", "© Μαρία {year}"),
        ("预览", "水印"),
        ("見本", "プレビュー"),
        ("미리보기", "견본"),
        ("תצוגה", "לדוגמא"),
        ("معاينة", "صورة"),
        ("झलक", "चित्र"),
        ("พรีวิว", "รูปภาพ"),
    ),
)  # fmt: skip
