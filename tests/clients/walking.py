"""A person at a browser without JavaScript: follows redirections, keeps cookies, fills in the forms of authorization."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urlsplit

import httpx

from tests.server.people import PASSWORD

#: Pages a launch leads through at most; more is a loop.
PAGES = 12


@dataclass
class Form:
    """A form as a browser would send it: what is hidden, ticked or chosen already, by name."""

    action: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Forms(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.posted: list[Form] = []
        self._inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, given: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in given}
        if tag == "form":
            self._inside = values.get("method") == "post"
            if self._inside:
                self.posted.append(Form(values["action"]))
        elif self._inside and "name" in values and "disabled" not in values:
            pair = (values["name"], values.get("value", "on" if tag == "input" else ""))
            if tag == "button":
                self.posted[-1].buttons.append(pair)
            elif tag == "input" and (values.get("type") not in ("checkbox", "radio") or _ticked(values)):
                self.posted[-1].fields.append(pair)

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "form"


def _ticked(box: dict[str, str]) -> bool:
    """Whether it is ticked: already, or by somebody who allows whatever is asked."""
    return "checked" in box or box["name"] == "scope"


class Person:
    """Somebody with an account, who allows what an app asks for."""

    def __init__(self, root: str, login: str, patient: str = "") -> None:
        self._root = root
        self._patient = patient
        self._login = login
        self.seen: list[str] = []
        self.http = httpx.Client(base_url=root, timeout=240)

    def __enter__(self) -> Person:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def go(self, address: str) -> str:
        """Where `address` leads outside the server, every form on the way filled in: the app's redirect URI."""
        answer = self.http.get(address)
        for _ in range(PAGES):
            answer = self._followed(answer)
            if answer.is_redirect:
                return answer.headers["location"]
            assert answer.status_code == 200, answer.text
            answer = self._filled(answer)
        raise AssertionError("The pages do not end.")

    def open(self, client: str, patient: str) -> str:
        """The app's launch address, with `iss` and `launch`, opened on a patient from the record (EHR launch)."""
        page = self._followed(self.http.get("/auth/sign-in"))
        word = dict(self._form(page).fields)["word"]
        self._followed(self._filled(page))
        opened = self._send("/auth/launch", {"word": word, "client": client, "patient": patient})
        assert opened.is_redirect, opened.text
        return opened.headers["location"]

    def _followed(self, answer: httpx.Response) -> httpx.Response:
        while answer.is_redirect and urlsplit(answer.headers["location"]).netloc in ("", urlsplit(self._root).netloc):
            answer = self.http.get(answer.headers["location"])
        return answer

    def _filled(self, page: httpx.Response) -> httpx.Response:
        form = self._form(page)
        step = urlsplit(form.action).path.rpartition("/")[2]
        self.seen.append(step)
        return self._send(form.action, self._values(form, step))

    def _values(self, form: Form, step: str) -> dict[str, list[str] | str]:
        values: dict[str, list[str] | str] = {}
        for name, value in form.fields:
            values[name] = [*values.get(name, []), value]
        chosen: dict[str, dict[str, str]] = {
            "sign-in": {"login": self._login, "password": PASSWORD},
            "patient": {"patient": self._patient},
            "consent": {"decision": "allow"},
        }
        return values | chosen.get(step, dict(form.buttons[:1]))

    def _form(self, page: httpx.Response) -> Form:
        return _Forms(page.text).posted[-1]

    def _send(self, action: str, values: dict[str, list[str] | str]) -> httpx.Response:
        return self.http.post(action, data=values, headers={"Origin": self._root})
