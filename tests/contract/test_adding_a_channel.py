"""docs/add-a-channel.md is true to the letter: a toy channel is added by it to a copy of the project, and works."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOY = Path(__file__).parent / "toy"
GUIDE = (ROOT / "docs" / "add-a-channel.md").read_text()
NEEDED = ("app.py", "pyproject.toml", "portal", "tests", "migrations", "templates", "static", "README.md", "docs")


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """The project with the toy in it, each change where the guide says."""
    root = tmp_path_factory.mktemp("copy")
    for name in NEEDED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, root / name)
    folder = root / "portal" / "channels" / "toy"
    folder.mkdir()
    (folder / "__init__.py").write_text('"""Toy."""\n')
    for name in ("client.py", "codes.py", "webhook.py"):
        shutil.copy(TOY / name, folder / name)
    edit(root / "portal/journal/entry.py", r"KEPT_HEADERS = \(", 'KEPT_HEADERS = ("x-toy-signature",')
    registry = root / "portal/channels/registry.py"
    edit(registry, r"(from portal\.channels\.simulator)", r"from portal.channels.toy.client import Toy\n\1")
    edit(registry, r"_CHANNELS: tuple\[Channel, \.\.\.\] = \(\n", r"\g<0>    Toy(),\n")
    shutil.copy(TOY / "case.py", root / "tests/contract/cases/toy.py")
    return root


def edit(path: Path, pattern: str, replacement: str) -> None:
    text, count = re.subn(pattern, replacement, path.read_text(), count=1)
    assert count == 1, f"{path.name}: the guide speaks of something that is not there"
    path.write_text(text)


def python(root: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, *words],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(root)},
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def test_the_contract_suite_takes_the_new_channel_in_by_itself(copy):
    said = python(
        copy,
        "-m",
        "pytest",
        "-q",
        "-k",
        "toy",
        "tests/contract/test_sending.py",
        "tests/contract/test_every_channel.py",
        "tests/contract/test_webhooks.py",
    )
    assert int(re.search(r"(\d+) passed", said)[1]) >= 40, said


def test_command_line_and_webhooks_know_the_new_channel(copy, tmp_path):
    assert "toy works" in python(copy, "tests/contract/toy/try_it.py", str(tmp_path))


def test_the_guide_names_what_a_channel_has():
    from portal.channels.base import Channel, ChannelError

    flags = set(re.findall(r"`(idempotent|polls|separate_attachments|confirms_delivery|calls_back)`", GUIDE))
    assert flags == {name for name, kind in Channel.__annotations__.items() if kind is bool or kind == "bool"}
    for word in ("scope", "retry", "retry_after", "unknown"):
        assert f"`{word}" in GUIDE and word in ChannelError.__init__.__annotations__
    for method in ("lane", "verify", "answer", "parse"):
        assert f"`{method}`" in GUIDE and hasattr(Channel, method)
