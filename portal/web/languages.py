"""The languages of the pages: which are there, which one somebody reads, and how their sentences are found.

A catalogue is `portal/translations/<language>/LC_MESSAGES/messages.po`, read where it is first needed. There is no
compiled file that could be missing or older than what a translator wrote; reading a thousand sentences takes a fraction
of a second, once in each process.
"""

import io
from functools import cached_property
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask import Flask, has_request_context, request
from flask_babel import Babel, Domain, get_locale

from portal.wording import Sentence

ENGLISH = "en"
FOLDER = Path(__file__).resolve().parents[1] / "translations"
_FILE = Path("LC_MESSAGES", "messages.po")


class Catalogues(Domain):
    """The catalogues of a folder, by language. The pages are written in English, so that one needs none."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self.folder = folder
        self.languages = sorted(path.parent.parent.name for path in folder.glob(f"*/{_FILE}"))
        self.read: dict[str, NullTranslations] = {}

    def get_translations(self) -> NullTranslations:
        """Those of the request's language; outside of a request, English."""
        language = str(get_locale() or ENGLISH)
        if language not in self.read:
            self.read[language] = self._load(language) if language in self.languages else NullTranslations()
        return self.read[language]

    def _load(self, language: str) -> Translations:
        compiled = io.BytesIO()
        with (self.folder / language / _FILE).open("rb") as file:
            write_mo(compiled, read_po(file, locale=language))
        compiled.seek(0)
        return Translations(compiled)


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
    """What the browser asks for, as far as there is a catalogue for it.

    HighLevel's handshake names no language, and the frame's browser is the reader's own.
    """
    if not has_request_context():
        return ENGLISH
    there = [ENGLISH, *_catalogues().languages]
    found = request.accept_languages.best_match([name.replace("_", "-") for name in there], ENGLISH)
    return found.replace("-", "_")


def translated(sentence: str) -> str:
    """A fixed sentence, or one put together by `portal.wording.noted`, in the reader's language.

    What has no translation stays as it is. For the portal's own words only: a customer may well be called "Active".
    """
    if not sentence:
        return sentence
    found = _catalogues().get_translations()
    if isinstance(sentence, Sentence):
        told = {name: translated(value) if isinstance(value, str) else value for name, value in sentence.values.items()}
        return found.gettext(sentence.pattern).format(**told)
    return found.gettext(str(sentence))


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
    from flask import current_app

    found: Catalogues = current_app.extensions["languages"].domain_instance
    return found
