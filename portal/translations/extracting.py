"""Finds the sentences that people read, and carries what was translated over to the next version of them."""

import io
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from portal.translations.sentences import of_code

FOLDER = Path(__file__).resolve().parent
TEMPLATE = FOLDER / "messages.pot"
ROOT = FOLDER.parents[1]
# Read by developers and machines, in English: the stand-ins, the API, the command line, what is written into a log.
_ENGLISH = ("sandbox", "cli", "doctor", "replaced", "operator_api", "api", "webhooks", "translations")
_ENGLISH_FILES = ("config", "preflight", "serve", "migrate", "demo", "healthcheck", "connections", "writer_lock")
_WHERE: Mapping[str, list[tuple[str, Any]]] = {
    "portal": [
        *((f"{name}/**", "ignore") for name in _ENGLISH),
        *((f"**/{name}/**", "ignore") for name in _ENGLISH),
        *((f"{name}.py", "ignore") for name in _ENGLISH_FILES),
        ("**_commands.py", "ignore"),
        ("**.py", of_code),
    ],
    "templates": [("sandbox/**", "ignore"), ("api/**", "ignore"), ("**.html", "jinja2")],
}
_OPTIONS = {"**.html": {"trimmed": "true", "silent": "false", "newstyle_gettext": "true"}}
# The same sentences give the same file: no date of the day moves it.
_WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def extracted() -> Catalog:
    """Every sentence of the sources, with the files it is in."""
    catalogue = Catalog(project="Sendero", charset="utf-8", creation_date=_WHEN, revision_date=_WHEN)
    catalogue.header_comment = "# What the portal's pages say. Written by `make words`."
    for folder, methods in _WHERE.items():
        options = _OPTIONS if folder == "templates" else {}
        found = extract_from_dir(ROOT / folder, methods, options, directory_filter=_any)
        for name, _line, sentence, comments, context in found:
            if sentence:
                catalogue.add(sentence, None, [(f"{folder}/{name}", 0)], auto_comments=comments, context=context)
    return catalogue


def updated(path: Path | None, language: str, found: Catalog) -> Catalog:
    """The catalogue at `path`, or a new one, with exactly the sentences of `found`. A sentence that changed loses its
    translation: a guess would be shown as if somebody had written it."""
    catalogue = Catalog(locale=language)
    if path:
        with path.open("rb") as file:
            catalogue = read_po(file, locale=language)
    catalogue.update(found, no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    catalogue.creation_date = _WHEN
    catalogue.revision_date = _WHEN
    return catalogue


def untranslated(catalogue: Catalog) -> list[Message]:
    """What is still shown in English: a sentence with several forms needs all of them."""
    return [
        each
        for each in catalogue
        if each.id and not all([each.string] if isinstance(each.string, str) else each.string or [""])
    ]


def text_of(catalogue: Catalog) -> bytes:
    """As a file: sorted, so that two branches that add sentences seldom touch the same lines."""
    file = io.BytesIO()
    write_po(file, catalogue, width=120, sort_output=True, include_lineno=False, include_previous=False)
    return file.getvalue()


def _any(_folder: str) -> bool:
    return True
