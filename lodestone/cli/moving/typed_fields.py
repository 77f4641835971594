"""Objects of JSON that are read as dataclasses, field by field."""

from __future__ import annotations

import json
from typing import Any, Final, TypeVar, get_type_hints

Kind = TypeVar("Kind")

_WORDS: Final = {str: "a text", int: "a whole number", bool: "true or false"}
_SHOWN_CHARACTERS: Final = 60


def read_fields(kind: type[Kind], facts: Any, where: str) -> Kind:
    """Reads a dataclass whose fields are texts, whole numbers and booleans.

    Args:
        kind: The dataclass.
        facts: What JSON has for it.
        where: What to call it: `shards[0]`.

    Raises:
        ValueError: It is no object, or a field is missing, another than it should be or unknown; the text names it.
    """
    if not isinstance(facts, dict):
        raise ValueError(f"{where} is {_shown(facts)}, and should be an object")  # noqa: TRY004 - what is read is wrong
    types = get_type_hints(kind)
    for name, wanted in types.items():
        if name not in facts:
            raise ValueError(f"{where}.{name} is missing")
        if type(facts[name]) is not wanted:
            should = _WORDS[wanted]
            raise ValueError(f"{where}.{name} is {_shown(facts[name])}, and should be {should}")
    for name in facts.keys() - types.keys():
        raise ValueError(f"{where} has a field that is not known here, {_shown(name)}")
    return kind(**facts)


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
