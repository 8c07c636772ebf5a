"""Sentences of Python: which are found, and how one that was kept with its values finds its translation."""

import io

from babel.messages.catalog import Catalog

from portal.translations.finding import LONGEST, Sentences
from portal.translations.sentences import of_code


def found(source):
    return [said for _, _, said, _ in of_code(io.BytesIO(source.encode()), None, None, None)]


def test_a_whole_sentence_needs_no_mark():
    assert found('x = "It is paused: resume it."') == ["It is paused: resume it."]
    assert found('x = ("It is paused: "\n  "resume it.")') == ["It is paused: resume it."]


def test_what_nobody_reads_is_none():
    assert found('"""What this file is for."""\nx = "a_key"\ny = "GET"\nlog.info("It is. Not read.")') == []
    assert found('def f():\n    """It says what it does."""\n    raise ValueError("no capital, no sentence")') == []


def test_values_get_the_names_they_have():
    assert found('x = f"At most {MOST_RULES} rules for {place.name}."') == ["At most {most_rules} rules for {name}."]
    assert found('x = f"From {a.name} to {b.name!r} it goes."') == ["From {name} to {name_} it goes."]


def test_words_are_found_where_they_are_marked():
    assert found('A = noted("active")') == ["active"]
    assert found('A: Mapping[str, str] = {X: "active", "b": ""}') == ["active"]
    assert found('A = {"b": "active"}') == []
    assert found('Line("Token", BAD, "dead", text, at, "connect")') == ["Token", "dead"]
    assert found('raise InvalidInput("no" if a else "or yes")') == ["no", "or yes"]
    assert found('ngettext("%(num)d day", "%(num)d days", n)') == [("%(num)d day", "%(num)d days")]


def spanish(**said):
    catalogue = Catalog(locale="es")
    for english, translation in said.items():
        catalogue.add(english, translation)
    return Sentences.of(catalogue)


SAID = spanish(
    **{
        "It is paused.": "Está en pausa.",
        "Try again.": "Otra vez.",
        "{name} has {count} parts, not {most}.": "{count} partes tiene {name} y no {most}.",
        "HighLevel was told: {status}.": "Se dijo a HighLevel: {status}.",
        "It could not be read. {why}": "No se pudo leer. {why}",
        "Nothing said": "",
    }
)


def test_a_count_inside_of_a_sentence_is_said_as_the_language_has_it():
    catalogue = Catalog(locale="es")
    catalogue.add("Over at {at}, after {time}.", "Terminó a las {at}, tras {time}.")
    catalogue.add(("%(num)d minute", "%(num)d minutes"), ("%(num)d minuto", "%(num)d minutos"))
    catalogue.add(("%(num)d day", "%(num)d days"), ("", ""))
    said = Sentences.of(catalogue)
    assert said.find("Over at 10:42 UTC, after 1 minute.") == "Terminó a las 10:42 UTC, tras 1 minuto."
    assert said.find("Over at 10:42 UTC, after 12 minutes.") == "Terminó a las 10:42 UTC, tras 12 minutos."
    assert said.find("Over at 10:42 UTC, after 3 days.") == "Terminó a las 10:42 UTC, tras 3 days."


def test_fixed_sentences_and_what_has_no_translation():
    assert SAID.find("It is paused.") == "Está en pausa."
    assert SAID.find("Nothing said") == "Nothing said"
    assert SAID.find("Acme") == "Acme"


def test_values_go_where_the_translation_wants_them():
    assert SAID.find("A {line} has 12 parts, not 3.") == "12 partes tiene A {line} y no 3."
    assert SAID.find("HighLevel was told: .") == "Se dijo a HighLevel: ."


def test_a_value_is_not_read_over_the_end_of_a_sentence():
    assert SAID.find("Try again. Cast has 12 parts, not 3.") == "Otra vez. 12 partes tiene Cast y no 3."


def test_a_sentence_inside_of_another_is_translated_too():
    assert SAID.find("It could not be read. Try again.") == "No se pudo leer. Otra vez."
    assert SAID.find("It could not be read. Try again") == "No se pudo leer. Try again"


def test_sentences_side_by_side_are_translated_one_by_one():
    assert SAID.find("It is paused. Try again. Unknown it is.") == "Está en pausa. Otra vez. Unknown it is."


def test_a_text_of_any_length_is_answered():
    long = "It is paused. " * LONGEST
    assert SAID.find(long) == long
