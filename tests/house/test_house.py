"""The house keeps its own rules: sizes, names, migrations, settings that are documented, routes that are guarded."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "portal").rglob("*.py"))
TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))


def lines(path):
    return path.read_text(encoding="utf-8").count("\n")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_file_is_too_long(path):
    assert lines(path) <= 400


def test_the_usual_file_and_function_are_small():
    sizes = sorted(lines(path) for path in SOURCES if lines(path) > 1)
    assert sizes[len(sizes) // 2] <= 110 and sizes[int(len(sizes) * 0.9)] <= 260
    functions = sorted(
        node.end_lineno - node.lineno + 1
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef)
    )
    assert functions[len(functions) // 2] <= 9 and functions[int(len(functions) * 0.9)] <= 30


def test_every_file_says_why_it_exists():
    silent = [
        path.relative_to(ROOT)
        for path in SOURCES
        if lines(path) and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_names_say_something():
    nothing = {"utils.py", "helpers.py", "misc.py", "common.py"}
    assert [path for path in SOURCES if path.name in nothing] == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_templates_trust_nothing(path):
    text = path.read_text(encoding="utf-8")
    assert lines(path) <= 150
    assert not re.search(r"\|\s*safe\b|\bon[a-z]+=\"|\sstyle=\"|<script(?![^>]*\bsrc=)", text)


def test_there_is_one_migration_head():
    found = [path.read_text() for path in (ROOT / "migrations" / "versions").glob("*.py")]
    revisions = {re.search(r'^revision = "(.+?)"', text, re.M)[1] for text in found}
    parents = {match[1] for text in found if (match := re.search(r'^down_revision = "(.+?)"', text, re.M))}
    assert len(revisions - parents) == 1


def test_revisions_say_which_older_portal_may_run_on_them():
    """`NNNN_since_MMMM` promises that a portal of revision MMMM still works: a later one cannot promise more."""
    names = sorted(path.name for path in (ROOT / "migrations" / "versions").glob("*.py"))
    oldest = "0000"
    for number, name in enumerate(names, start=1):
        revision = re.search(r'^revision = "(.+?)"', (ROOT / "migrations" / "versions" / name).read_text(), re.M)[1]
        match = re.fullmatch(r"(\d{4})(?:_since_(\d{4}))?", revision)
        assert match and int(match[1]) == number and name.startswith(revision), name
        assert (match[2] or match[1]) >= oldest, name
        oldest = match[2] or match[1]


def test_every_setting_is_documented():
    source = "".join((ROOT / "portal" / name).read_text() for name in ("config.py", "environment.py"))
    names = set(re.findall(r'reader\.(?:text|number|flag|secret|optional|folder)\(\s*"([A-Z_]+)"', source))
    readme = (ROOT / "README.md").read_text()
    assert sorted(name for name in names if name not in readme) == []


def test_every_route_is_public_on_purpose_or_behind_the_sign_in(tmp_path, sandbox):
    from portal import create_app
    from tests.portal import settings_for

    app = create_app(settings_for(f"sqlite:///{tmp_path / 'x.db'}", sandbox, tmp_path))
    public = (
        "webhooks.",
        "health.",
        "media.",
        "oauth.",
        "auth.",
        "link.",
        "static",
        "home",
        "api_v1.openapi",
        "api_v1.docs",
        "imqs.ping",
    )
    client = app.test_client()
    for rule in app.url_map.iter_rules():
        if rule.endpoint.startswith(public):
            continue
        # The custom page's addresses answer a browser with the shell, which knows nothing, and a script with 401.
        script = {"HX-Request": "true"} if rule.endpoint.startswith("app.") else {}
        path = re.sub(r"<[^>]+>", "1", rule.rule)
        for method in rule.methods - {"HEAD", "OPTIONS"}:
            answer = client.open(path, method=method, headers=script)
            assert answer.status_code in (302, 303, 400, 401, 404, 405), (method, rule.rule, answer.status_code)
            assert answer.status_code != 200


def test_every_page_asks_for_a_permission(tmp_path, sandbox):
    from portal import create_app
    from portal.accounts.permissions import Permission
    from tests.portal import settings_for

    app = create_app(settings_for(f"sqlite:///{tmp_path / 'x.db'}", sandbox, tmp_path))
    # Beginning a session, a link made anew for its owner, and what does not exist.
    before_anybody = ("app.begin", "app.once", "app.anything")
    asked = {
        rule.endpoint: getattr(app.view_functions[rule.endpoint], "permission", None)
        for rule in app.url_map.iter_rules()
        if rule.endpoint.startswith(("admin.", "app.")) and rule.endpoint not in before_anybody
    }
    assert len(asked) > 40 and set(asked.values()) <= set(Permission)
    # Behind the sign-in besides: one's own account, what asks for a key, and a link that somebody was given.
    others = {rule.endpoint for rule in app.url_map.iter_rules()} - set(asked)
    public = ("webhooks.", "health.", "media.", "oauth.", "auth.", "static", "home", "account.", "operator_api.")
    public += ("api_v1.", "link.", "imqs.", "whatapp_go.", "green_instances.", "courier.", *before_anybody)
    assert sorted(name for name in others if not name.startswith(public)) == []
    deeds = [rule.endpoint for rule in app.url_map.iter_rules() if "POST" in rule.methods and rule.endpoint in asked]
    # To choose a sub-account is to look at it.
    assert [name for name in deeds if asked[name] is Permission.VIEW] == ["app.choose"]


def test_no_tracked_file_names_a_download_address():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False).stdout.split()
    locks = {"uv.lock", "package-lock.json", "yarn.lock", "poetry.lock"}
    assert [name for name in tracked if Path(name).name in locks] == []
    for name in ("requirements.txt", "requirements-sentry.txt", "requirements-dev.txt"):
        assert "://" not in (ROOT / name).read_text()
