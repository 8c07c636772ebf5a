"""What the guides for operators name is what the portal has: log fields, figures, alerts, commands, files, links."""

import ast
import json
import logging
import re
from pathlib import Path

import pytest
from click import Group

from portal.alarms.topics import GOOD_NEWS
from portal.alerts import notices
from portal.logs import JsonFormatter
from portal.web.admin.alert_meanings import MEANINGS
from portal.web.pages import words

ROOT = Path(__file__).resolve().parents[2]
GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text()


def section(title: str) -> str:
    """One chapter of docs/operations.md."""
    return OPERATIONS.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def named(text: str, table: str) -> set[str]:
    """The names in the first column of the table with this head."""
    rows = text.split(f"| {table} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])}


def logged() -> set[str]:
    """Every field that a log line may have: what `extra` and `log_context` are given anywhere, by their literals."""
    found = set()
    for path in (ROOT / "portal").rglob("*.py"):
        if "sandbox" in path.parts:
            continue  # another program, which keeps no such log
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "extra":
                found |= _keys(node.value)
            if isinstance(node, ast.Call):
                found |= {key for word in node.keywords if word.arg == "extra" for key in _keys(word.value)}
                if getattr(node.func, "id", "") == "log_context":
                    found |= {word.arg for word in node.keywords if word.arg}
    return found


def _keys(node) -> set[str]:
    return {key.value for each in ast.walk(node) if isinstance(each, ast.Dict) for key in each.keys if key is not None}


def test_every_field_of_the_log_is_documented_and_no_other():
    record = logging.makeLogRecord({"msg": "x", "exc_info": (ValueError, ValueError("x"), None)})
    always = set(json.loads(JsonFormatter().format(record)))
    assert named(section("Logs"), "field | meaning") == always | logged()


def test_every_figure_is_documented_and_no_other():
    told = set(re.findall(r'"(sendero_\w+)"', (ROOT / "portal" / "web" / "health" / "metrics.py").read_text()))
    assert named(section("Metrics"), "name | labels | watch for") == told
    for guide in GUIDES:
        assert set(re.findall(r"\b(sendero_(?!restored)\w+)\b", guide.read_text())) <= told, guide.name


def test_every_alert_is_documented_and_no_other():
    kinds = {value for name, value in vars(notices).items() if name.isupper()}
    assert named(section("Alerts"), "kind | what to do") == kinds


@pytest.fixture(scope="module")
def commands(tmp_path_factory):
    """Every `flask` command, as its words."""
    from portal import create_app
    from portal.sandbox import Sandbox
    from tests.portal import settings_for

    folder = tmp_path_factory.mktemp("commands")
    sandbox = Sandbox()
    server = sandbox.serve(0)
    cli = create_app(settings_for(f"sqlite:///{folder / 'x.db'}", sandbox, folder)).cli
    server.stop()
    found = set()
    for name, command in cli.commands.items():
        if name != "db":  # Flask-Migrate's own
            found |= {f"{name} {each}" for each in command.commands} if isinstance(command, Group) else {name}
    return found


def test_every_command_is_in_the_readme(commands):
    readme = (ROOT / "README.md").read_text()
    assert sorted(name for name in commands if f"`flask {name}" not in readme) == []


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_every_command_that_a_guide_names_exists(guide, commands):
    words = re.findall(r"(?:bin/|[` ]|^)flask ([a-z]+(?:-[a-z]+)*)(?: ([a-z][a-z-]*))?", guide.read_text(), re.M)
    for first, second in words:
        known = {name for name in commands if name.split()[0] == first}
        assert known, f"flask {first}"
        assert first in commands or not second or f"{first} {second}" in known, f"flask {first} {second}"


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_every_link_and_file_that_a_guide_names_exists(guide):
    text = guide.read_text()
    for target, anchor in re.findall(r"\]\((?!http)([^)#]*)(?:#([\w-]+))?\)", text):
        file = (guide.parent / target).resolve() if target else guide
        assert file.exists(), target
        if anchor:
            heads = re.findall(r"^#+ (.+)$", file.read_text(), re.M)
            assert anchor in {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}, anchor
    for path in re.findall(r"`((?:portal|tests|deploy|docs|migrations|bench)/[\w./-]+)`", text):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_every_setting_that_a_guide_sets_exists(guide):
    known = (ROOT / "portal" / "config.py").read_text()
    block = "\n".join(re.findall(r"```\w*\n(.*?)```", guide.read_text(), re.S))
    for name in re.findall(r"^\s*(?:export )?([A-Z][A-Z_]{3,})=", block, re.M):
        assert f'"{name}"' in known, name


def test_every_alert_has_a_name_and_a_meaning_on_the_pages():
    kinds = {value for name, value in vars(notices).items() if name.isupper() and isinstance(value, str)}
    assert kinds <= set(words.ALERT), "portal/web/pages/words.py"
    assert kinds - GOOD_NEWS <= set(MEANINGS), "portal/web/admin/alert_meanings.py"
