"""The languages of the pages: which are there, which one somebody reads, and how their sentences are found.

A catalogue is `portal/translations/<language>/LC_MESSAGES/messages.po`, read where it is first needed. There is no
compiled file that could be missing or older than what a translator wrote; reading a thousand sentences takes a fraction
of a second, once in each process.
"""

import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, current_app, has_request_context, request
from flask_babel import Babel, Domain, get_locale
from markupsafe import Markup

from portal.translations.extracting import untranslated
from portal.translations.finding import Sentences

ENGLISH = "en"
FOLDER = Path(__file__).resolve().parents[1] / "translations"
_FILE = Path("LC_MESSAGES", "messages.po")
# The agency's own pages, and where their sentences stand. A page in two languages is worse than one in English, so a
# language is shown there once nearly all of it is translated.
_AGENCY = frozenset({"admin", "account"})
_AGENCY_PAGES = ("templates/admin/", "templates/account/")
_NEARLY = 0.95


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What one language says: `gettext` for what templates mark, `sentences` for what Python says. `whole` when the
    agency's own pages are translated too."""

    gettext: NullTranslations
    sentences: Sentences
    whole: bool = True


class Catalogues(Domain):
    """The catalogues of a folder, by language. The pages are written in English, so that one needs none."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.folder = folder
        self.languages = sorted(path.parent.parent.name for path in folder.glob(f"*/{_FILE}"))
        self.read: dict[str, Catalogue] = {}

    def get_translations(self) -> NullTranslations:
        """Those of the request's language; outside of a request, English."""
        return self.mine().gettext

    def mine(self) -> Catalogue:
        """The catalogue of whoever asks."""
        return self.of(str(get_locale() or ENGLISH))

    def of(self, language: str) -> Catalogue:
        """A language's catalogue; without one, English."""
        if language not in self.read:
            self.read[language] = self._load(language)
        return self.read[language]

    def _load(self, language: str) -> Catalogue:
        if language not in self.languages:
            return Catalogue(NullTranslations(), Sentences())
        with (self.folder / language / _FILE).open("rb") as file:
            found = read_po(file, locale=language)
        compiled = io.BytesIO()
        write_mo(compiled, found)
        compiled.seek(0)
        return Catalogue(Translations(compiled), Sentences.of(found), _is_whole(found))


def _is_whole(catalogue: Catalog) -> bool:
    missing = {message.id for message in untranslated(catalogue)}
    there = [
        message.id not in missing
        for message in catalogue
        if any(path.startswith(_AGENCY_PAGES) for path, _ in message.locations)
    ]
    return sum(there) >= _NEARLY * len(there)


class Languages(Babel):
    """Flask-Babel with catalogues that are read as they were written."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    @cached_property
    def domain_instance(self) -> Catalogues:
        """The catalogues."""
        return Catalogues(self.folder)


def chosen() -> str:
    """What the browser asks for first of what there is a catalogue for; English without any.

    HighLevel's handshake names no language, and the frame's browser is the reader's own. `es-MX` is content with `es`:
    werkzeug's `best_match` would rather give a reader of `es-MX, en;q=0.5` English.
    """
    if not has_request_context():
        return ENGLISH
    there = {name.replace("_", "-").lower(): name for name in (ENGLISH, *_catalogues().languages)}
    agencys = request.blueprint in _AGENCY
    for asked, quality in request.accept_languages:
        wanted = asked.replace("_", "-").lower()
        while quality > 0 and wanted:
            if wanted in there and (not agencys or _catalogues().of(there[wanted]).whole):
                return there[wanted]
            wanted = wanted.rpartition("-")[0]
    return ENGLISH


def translated(text: str) -> str:
    """Words or sentences that come from Python, in the reader's language; what has no translation stays as it is.

    For the portal's own words only: a customer may well be called "Active". Markup is none of them.
    """
    if not text or isinstance(text, Markup):
        return text
    return _catalogues().mine().sentences.find(str(text))


def language() -> str:
    """Of the page, for `<html lang>`."""
    return str(get_locale() or ENGLISH).replace("_", "-")


def init_app(app: Flask, folder: Path = FOLDER) -> None:
    """Gives templates `{% trans %}`, `_()`, `ngettext()`, the filter `translated`, and `language()`."""
    app.extensions["languages"] = languages = Languages(folder)
    languages.init_app(app, default_locale=ENGLISH, locale_selector=chosen)
    app.jinja_env.policies["ext.i18n.trimmed"] = True
    app.add_template_filter(translated)
    app.add_template_global(language, "language")


def _catalogues() -> Catalogues:
    found: Catalogues = current_app.extensions["languages"].domain_instance
    return found
