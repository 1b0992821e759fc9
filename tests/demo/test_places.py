"""Everybody of the demonstration signs in where they are told to begin, and is let in."""

from __future__ import annotations

import re

import httpx
import pytest

from fhir_server.demo.cast import CAST, Role
from tests.demo.served import Demo

WITH_A_PAGE = [role for role in CAST if role.page]


@pytest.mark.parametrize("role", WITH_A_PAGE, ids=lambda role: role.login)
def test_each_account_is_let_in_to_where_it_begins(demo: Demo, role: Role) -> None:
    assert f"{demo.root}{role.page}" in demo.said
    with httpx.Client(base_url=demo.root, follow_redirects=True, timeout=240) as browser:
        asked = browser.get(role.page)
        word = re.search(r'name="word" value="([^"]+)"', asked.text)
        assert word, asked.text
        given = {"word": word[1], "login": role.login, "password": demo.password}
        action = re.search(r'<form method="post" action="([^"]*sign-in[^"]*)"', asked.text)
        assert action
        there = browser.post(action[1].replace("&amp;", "&"), data=given, headers={"Origin": demo.root})
        assert (there.status_code, there.url.path.partition("/s1")[0]) == (200, role.page)
