"""The table of hostile URLs and answers."""

from __future__ import annotations

from tests.hostile.web_address_cases import ADDRESS_CASES
from tests.hostile.web_answer_cases import ANSWER_CASES
from tests.hostile.web_case import WebCase
from tests.hostile.web_redirect_cases import REDIRECT_CASES
from tests.hostile.web_rule_cases import RULE_CASES

WEB_CASES: tuple[WebCase, ...] = (*ADDRESS_CASES, *REDIRECT_CASES, *ANSWER_CASES, *RULE_CASES)
