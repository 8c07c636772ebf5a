"""The pages in another language: what the browser asks for is given, and nothing is left in English."""

import io
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import write_po
from flask import Flask

from portal.channels import registry
from portal.translations.extracting import extracted
from portal.web import languages
from tests.web import test_every_route
from tests.web.framed import connect, framed

# A language that the portal does not have: its catalogue is made of the English sentences, each in brackets.
PRETENDED = "eo"
ids = test_every_route.ids
SPEAKS = {"Accept-Language": PRETENDED}


def pretend(folder: Path) -> None:
    catalogue = Catalog(locale=PRETENDED)
    for message in extracted():
        if message.id:
            plural = not isinstance(message.id, str)
            said = tuple(f"⟦{each}⟧" for each in message.id) if plural else f"⟦{message.id}⟧"
            catalogue.add(message.id, said, flags=message.flags)
    file = folder / PRETENDED / "LC_MESSAGES" / "messages.po"
    file.parent.mkdir(parents=True)
    text = io.BytesIO()
    write_po(text, catalogue)
    file.write_bytes(text.getvalue())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("translations")
    pretend(made)
    return made


@pytest.fixture
def pretending(app: Flask, folder: Path) -> Flask:
    app.extensions["languages"].domain_instance = languages.Catalogues(folder)
    return app


# What no language changes: what people and machines named, units, and what Babel itself says in that language.
NAMES = re.compile(
    "|".join(re.escape(channel.name) for channel in sorted(registry.all(), key=lambda each: -len(each.name)))
    + r"|Acme( dentists| line)?|For Acme's eyes|contact wrote STOP|location-|company-|Anna Example|user-anna|simulator|"
    r"^See$|Sendero|HighLevel|WhatsApp|Viber|SMS|UTC|CSV|JSON|KiB|MiB|\bms\b|STOP|[\w.]+@[\w.]+|https?://\S+|"
    r"text/plain|^.+ \([A-Z]{2}\)$|(\w+, la \d+-a de )?\w+ 20\d\d$"
    r"|^\d+ \w+( \d\d:00)?$|\bUSD\b"
)
READ = ("placeholder", "title", "aria-label", "alt", "data-confirm", "data-afterwards", "data-stale", "data-failed")
# Names and texts of people, moments, and what is to be copied as it stands.
ASIDE = ("time", "bdi", "code", "script", "style", "textarea")


class Reader(HTMLParser):
    """What a page says outside of the brackets."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.aside = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.aside += tag in ASIDE
        self.texts += [value for name, value in attrs if name in READ and value]

    def handle_endtag(self, tag: str) -> None:
        self.aside -= tag in ASIDE

    def handle_data(self, data: str) -> None:
        self.texts.append("" if self.aside else data)


def in_english(html: str) -> list[str]:
    """The texts of a page that went through no catalogue."""
    reader = Reader()
    reader.feed(html)
    whole = "\x1f".join(reader.texts)
    while (shorter := re.sub(r"⟦[^⟦⟧]*⟧", "", whole)) != whole:
        whole = shorter
    left = [NAMES.sub("", " ".join(each.split())) for each in whole.split("\x1f")]
    return [each for each in left if re.search(r"[^\W\d_]{2,}", each)]


def test_every_page_of_the_custom_page_speaks_the_readers_language(pretending, ids, acme, database) -> None:
    connect(database, acme)
    page = framed(pretending.test_client(), acme)
    found = {}
    for method, address, _ in test_every_route.addresses(pretending, ids, test_every_route.FRAMED):
        if method == "GET":
            answer = page.get(address, headers=SPEAKS, follow_redirects=True)
            if answer.mimetype == "text/html" and (left := in_english(answer.text)):
                found[address] = left
    assert found == {}


def test_the_shell_speaks_it_before_anybody_is_known(pretending) -> None:
    answer = pretending.test_client().get("/app", headers=SPEAKS)
    assert '<html lang="eo">' in answer.text and 'id="handshake"' in answer.text
    assert in_english(answer.text) == []


SPANISH = {"Accept-Language": "es-MX,es;q=0.9,en;q=0.5"}


ASKED = {
    "": "en",
    "es": "es",
    "es-419,es;q=0.9": "es",
    "es-MX,en;q=0.5": "es",
    "en-US,es;q=0.9": "en",
    "tlh,es;q=0.3": "es",
    "tlh": "en",
    "*": "en",
    "es;q=0": "en",
    ";;=,es;q=0.1": "es",
}


def test_the_browser_chooses_among_the_languages_that_are_there(app) -> None:
    for asked, given in ASKED.items():
        answer = app.test_client().get("/login", headers={"Accept-Language": asked})
        assert f'<html lang="{given}">' in answer.text, asked
        assert ("Iniciar sesión" in answer.text) == (given == "es"), asked


def test_spanish_counts_as_spanish_does(app) -> None:
    with app.test_request_context(headers=SPANISH):
        forms = [app.jinja_env.from_string(PARTS).render(count=count) for count in (0, 1, 2)]
    assert forms == ["0 partes", "1 parte", "2 partes"]


PARTS = "{% trans count=count %}{{ count }} part{% pluralize %}{{ count }} parts{% endtrans %}"


def test_machines_are_answered_in_english(app, client) -> None:
    answer = client.get("/api/v1/messages", headers=SPANISH)
    assert answer.status_code == 401
    assert answer.json["detail"] == client.get("/api/v1/messages").json["detail"]
    assert client.get("/nowhere", headers=SPANISH).text.count("Aquí no hay nada") == 1
    told = client.get("/nowhere", headers={**SPANISH, "Accept": "application/json"})
    assert told.json["error"] == "There is nothing here, or it is not yours to see."


def test_what_stands_where_a_value_stood_is_put_there_and_escaped(app) -> None:
    with app.test_request_context(headers=SPANISH):
        shown = app.jinja_env.from_string("{{ text|translated }}").render(text="<b>Line</b> has no phone to link.")
    assert shown == "&lt;b&gt;Line&lt;/b&gt; no tiene ningún teléfono que vincular."


def test_a_page_is_told_in_english_where_the_catalogue_says_nothing(app, tmp_path) -> None:
    (tmp_path / "fr" / "LC_MESSAGES").mkdir(parents=True)
    (tmp_path / "fr" / "LC_MESSAGES" / "messages.po").write_text('msgid "Sign in"\nmsgstr "Se connecter"\n')
    app.extensions["languages"].domain_instance = languages.Catalogues(tmp_path)
    answer = app.test_client().get("/login", headers={"Accept-Language": "fr"})
    assert '<html lang="fr">' in answer.text and "Se connecter" in answer.text and "Forgotten password" in answer.text


def test_the_agencys_pages_are_in_one_language(acme, app, signed_in, tmp_path) -> None:
    """A language is shown there once nearly all of their sentences are translated; elsewhere as far as it goes."""
    client = signed_in(acme.agency)
    shown = client.get("/admin", headers={"Accept-Language": "fr,es;q=0.5"}).text
    assert '<html lang="en">' in shown and "Conversaciones" not in shown
    (tmp_path / "fr" / "LC_MESSAGES").mkdir(parents=True)
    kept = '#: templates/admin/wall.html\nmsgid "Overview"\nmsgstr "Vue"\n\n'
    half = kept + '#: templates/admin/users.html\nmsgid "Users"\nmsgstr ""\n'
    for told, given in ((half, "en"), (kept, "fr")):
        (tmp_path / "fr" / "LC_MESSAGES" / "messages.po").write_text(told)
        app.extensions["languages"].domain_instance = languages.Catalogues(tmp_path)
        assert f'<html lang="{given}">' in client.get("/admin", headers={"Accept-Language": "fr"}).text
