"""What the Dockerfile and compose.yaml say, for the tests that follow them step by step."""

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMPOSE = ROOT / "compose.yaml"
DOCKERFILE = ROOT / "Dockerfile"


def instructions(dockerfile: Path) -> list[tuple[str, str]]:
    """Each instruction with its words, lines joined and comments left out."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(kind, words.strip()) for kind, _, words in (line.partition(" ") for line in joined.splitlines() if line)]


def ignored() -> list[str]:
    """The rules of .dockerignore."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def shipped_sources() -> list[str]:
    """What the last stage copies out of the project."""
    steps = instructions(DOCKERFILE)
    last = max(place for place, (kind, _) in enumerate(steps) if kind == "FROM")
    return [words.split()[0] for kind, words in steps[last:] if kind == "COPY" and not words.startswith("--from")]


def ship(folder: Path) -> Path:
    """A folder with exactly what an image holds of the project, which nobody may write to."""
    app = folder / "app"
    app.mkdir(parents=True)
    for name in shipped_sources():
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, app / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))
        else:
            shutil.copy(source, app / name)
    for path in [app, *app.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    return app
