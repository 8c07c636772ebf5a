"""What people read can be translated: no sentence of a template is left unmarked, and catalogues fit the sources."""

import functools
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from jinja2 import Environment, nodes

from portal.translations import extracting
from portal.translations.extracting import FOLDER, TEMPLATE, untranslated, updated

extracted = functools.cache(extracting.extracted)
ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
# The sandbox and the API's documentation are read by developers, in English.
ENGLISH = ("sandbox/", "api/")
MARKED = [
    path for path in sorted(TEMPLATES.rglob("*.html")) if not path.relative_to(TEMPLATES).as_posix().startswith(ENGLISH)
]
CATALOGUES = sorted(FOLDER.glob("*/LC_MESSAGES/messages.po"))
# Names are names everywhere, and these are no words.
NAMES = re.compile(r"\b(Sendero|HighLevel|WhatsApp|SMS|UTC|CSV|JSON|[a-z]+=\S*)\b|&\w+;|%[+.\d]*[df]")
READ = {"placeholder", "title", "aria-label", "alt", "data-confirm", "data-afterwards", "data-stale", "data-failed"}
# Stands in the text where an expression was: what it may say itself is looked at too.
SPOT = "\ue000{}\ue001"


def words_of(text):
    return re.search(r"[^\W\d_]", NAMES.sub("", re.sub("\ue000\\d+\ue001", "", text)))


def constants(node):
    """The literal texts that an expression may come to."""
    if isinstance(node, nodes.Const):
        return [node.value] if isinstance(node.value, str) else []
    inner = {
        nodes.CondExpr: ("expr1", "expr2"),
        nodes.Or: ("left", "right"),
        nodes.And: ("right",),
        nodes.Filter: ("node",),
        nodes.Add: ("left", "right"),
    }.get(type(node), ())
    inside = [getattr(node, name) for name in inner]
    if isinstance(node, nodes.Concat):
        inside = node.nodes
    return [text for each in inside if each is not None for text in constants(each)]


class Reader(HTMLParser):
    """The texts and attributes that people read."""

    def __init__(self):
        super().__init__(convert_charrefs=False)
        self.found = []

    def handle_starttag(self, tag, attrs):
        self.found += [value for name, value in attrs if name in READ and value]

    def handle_data(self, data):
        self.found.append(data)


def unmarked(source):
    """What a template would show in English whatever the catalogue says."""
    environment = Environment(extensions=["jinja2.ext.i18n", "jinja2.ext.do"], autoescape=True)
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_null_translations(newstyle=True)
    spots, text = [], []
    for output in environment.parse(source).find_all(nodes.Output):
        for node in output.nodes:
            if isinstance(node, nodes.TemplateData):
                text.append(node.data)
            else:
                spots.append(node)
                text.append(SPOT.format(len(spots) - 1))
    reader = Reader()
    reader.feed("".join(text))
    reader.close()
    found = []
    for each in reader.found:
        if words_of(each):
            found.append(" ".join(re.sub("\ue000\\d+\ue001", "…", each).split()))
        for spot in re.findall("\ue000(\\d+)\ue001", each):
            found += [said for said in constants(spots[int(spot)]) if words_of(said)]
    return found


@pytest.mark.parametrize("path", MARKED, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_no_sentence_of_a_template_is_left_in_english(path):
    assert unmarked(path.read_text(encoding="utf-8")) == []


def test_an_unmarked_sentence_is_found():
    assert unmarked("<p>Paused {{ at }}</p>") == ["Paused …"]
    assert unmarked('<a title="Look">{{ _("Look") }}</a>') == ["Look"]
    assert unmarked('<b>{{ "on" if x else _("off") }}</b>') == ["on"]
    assert unmarked('<b class="row">{% trans %}on{% endtrans %}, {{ x|in_words("y") }} SMS</b>') == []


def test_the_list_of_sentences_is_that_of_the_sources():
    """`make words` after a sentence was added, changed or taken away."""
    with TEMPLATE.open("rb") as file:
        written = {message.id for message in read_po(file)}
    assert written == {message.id for message in extracted()}


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parent.parent.name)
def test_a_catalogue_keeps_what_is_put_into_its_sentences(path):
    language = path.parent.parent.name
    with path.open("rb") as file:
        catalogue = read_po(file, locale=language)
    assert catalogue.num_plurals == updated(None, language, extracted()).num_plurals
    for message in catalogue:
        if not message.id:
            continue
        assert not message.fuzzy, message.id
        said = [message.string] if isinstance(message.string, str) else message.string
        whole = message.id if isinstance(message.id, str) else message.id[-1]
        for each in filter(None, said):
            assert values(each) <= values(whole) and values(each) >= values(whole) - {"%(count)s"}, message.id
            assert tags(each) == tags(whole), message.id


def values(text):
    return set(re.findall(r"%\(\w+\)s|\{\w+\}", text))


def tags(text):
    return sorted(re.findall(r"<[^>]+>", text))


@pytest.mark.parametrize("path", CATALOGUES, ids=lambda path: path.parent.parent.name)
def test_a_sentence_with_several_forms_has_all_of_them_or_none(path):
    with path.open("rb") as file:
        catalogue = read_po(file, locale=path.parent.parent.name)
    half = [each.id for each in untranslated(catalogue) if not isinstance(each.string, str) and any(each.string)]
    assert half == []
