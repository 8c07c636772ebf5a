"""A sentence is translated, whatever was put into it before it was kept."""

import pytest
from babel.messages.catalog import Catalog

from portal.translations.finding import Sentences

SAID = {
    "It is paused.": "Está en pausa.",
    "The permission has ended: nothing comes in. {failure}": "El permiso terminó: no llega nada. {failure}",
    "{name} is removed.": "{name} se quitó.",
}


@pytest.fixture(scope="module")
def sentences() -> Sentences:
    catalogue = Catalog(locale="es")
    for sentence, said in SAID.items():
        catalogue.add(sentence, said)
    return Sentences.of(catalogue)


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("It is paused.", "Está en pausa."),
        ("Front desk is removed.", "Front desk se quitó."),
        ("Front desk is removed. It is paused.", "Front desk se quitó. Está en pausa."),
        (
            "The permission has ended: nothing comes in. It is paused.",
            "El permiso terminó: no llega nada. Está en pausa.",
        ),
        ("The permission has ended: nothing comes in. 401", "El permiso terminó: no llega nada. 401"),
        # Nobody said why: the sentence is kept without the space before the reason.
        ("The permission has ended: nothing comes in.", "El permiso terminó: no llega nada."),
        ("Nobody wrote this.", "Nobody wrote this."),
    ],
)
def test_a_sentence_is_found(sentences, sentence, said) -> None:
    assert sentences.find(sentence) == said
