"""What is shipped for running Sendero as a service says what the portal needs, and nothing that it does not know."""

import re
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

from tests.shipped import COMPOSE, DOCKERFILE, ROOT, ignored, instructions, shipped_sources

DURATION = {"type": "string", "pattern": r"^\d+(s|m)$"}
NAMES = {"type": "array", "items": {"type": "string"}, "uniqueItems": True}
WORDS = {"type": "object", "additionalProperties": {"type": ["string", "null"]}}


def exactly(required=(), **properties):
    """An object of these properties and no others: a mistyped name is a fault, as it is to docker."""
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


# The part of the Compose specification that the file uses.
SERVICE = exactly(
    ["image", "restart", "stop_grace_period"],
    image={"type": "string"},
    build={"type": "string"},
    command={"type": "array", "items": {"type": "string"}},
    restart={"enum": ["unless-stopped", "always"]},
    stop_grace_period=DURATION,
    stop_signal={"type": "string", "pattern": "^SIG[A-Z]+$"},
    depends_on={
        "type": "object",
        "additionalProperties": exactly(["condition"], condition={"const": "service_healthy"}),
    },
    read_only={"type": "boolean"},
    tmpfs=NAMES,
    shm_size={"type": "string", "pattern": r"^\d+[mg]$"},
    cap_drop={"const": ["ALL"]},
    security_opt={"const": ["no-new-privileges:true"]},
    env_file={"type": "string"},
    environment=WORDS,
    secrets=NAMES,
    volumes={"type": "array", "items": {"type": "string", "pattern": r"^[a-z]+:/[\w/.-]+$"}},
    ports={"type": "array", "items": {"type": "string", "pattern": r"^127\.0\.0\.1:\d+:\d+$"}},
    deploy=exactly(replicas={"type": "integer", "minimum": 1}),
    healthcheck=exactly(
        ["test"],
        test={"type": "array", "items": {"type": "string"}},
        interval=DURATION,
        timeout=DURATION,
        start_period=DURATION,
        retries={"type": "integer"},
    ),
)
SPECIFICATION = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "pattern": "^[a-z0-9_-]+$"},
        "services": {"type": "object", "additionalProperties": SERVICE},
        "secrets": {"type": "object", "additionalProperties": exactly(["file"], file={"type": "string"})},
        "volumes": {"type": "object", "additionalProperties": {"type": "null"}},
    },
    "patternProperties": {"^x-": {}},
    "required": ["services"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load(COMPOSE.read_text())


def seconds(duration: str) -> int:
    return int(duration[:-1]) * (60 if duration.endswith("m") else 1)


def portals(compose):
    return {name: service for name, service in compose["services"].items() if service["image"] == "sendero"}


def test_compose_holds_to_its_specification(compose):
    jsonschema.validate(compose, SPECIFICATION)


def test_one_web_and_two_workers_wait_for_a_healthy_database(compose):
    roles = {each["environment"]["PORTAL_ROLE"]: each for each in portals(compose).values()}
    assert set(roles) == {"web", "worker"} and roles["worker"]["deploy"]["replicas"] == 2
    for service in roles.values():
        assert seconds(service["stop_grace_period"]) >= 40
        assert service["depends_on"] == {"database": {"condition": "service_healthy"}}
        assert service["read_only"] and service["cap_drop"] == ["ALL"]
    assert "healthcheck" in compose["services"]["database"]
    assert [name for name, each in compose["services"].items() if "ports" in each] == ["web"]


def test_nothing_is_named_that_is_not_declared(compose):
    for kind in ("secrets", "volumes"):
        used = {each.split(":")[0] for service in compose["services"].values() for each in service.get(kind, [])}
        assert used == set(compose[kind]), kind


def test_secrets_come_from_files_that_are_never_committed(compose):
    for service in compose["services"].values():
        for name, value in service["environment"].items():
            assert name.endswith("_FILE") or not re.search("SECRET|PASSWORD|TOKEN|KEY|URL", name), name
            if name.endswith("_FILE"):
                assert value == f"/run/secrets/{value.rpartition('/')[2]}"
                assert value.rpartition("/")[2] in service["secrets"]
    folders = {Path(secret["file"]).parts[0] for secret in compose["secrets"].values()}
    lines = (ROOT / ".gitignore").read_text().splitlines()
    assert {f"{folder}/" for folder in folders} | {".env"} <= set(lines)


def test_every_setting_of_compose_is_one_of_the_portal(compose):
    source = (ROOT / "portal" / "config.py").read_text()
    for service in portals(compose).values():
        for name in service["environment"]:
            assert f'"{name.removesuffix("_FILE")}"' in source, name


def test_volumes_lie_where_the_portal_writes(compose):
    for service in portals(compose).values():
        told, places = service["environment"], {each.split(":")[1] for each in service["volumes"]}
        assert places == {told["SPOOL_DIR"], told["MEDIA_DIR"]}
        assert told["INSTANCE_DIR"].startswith(tuple(f"{folder}/" for folder in service["tmpfs"]))


def test_the_image_is_built_in_two_stages_and_runs_as_nobody_in_particular():
    steps = instructions(DOCKERFILE)
    kinds = [kind for kind, _ in steps]
    assert kinds.count("FROM") == 2 and len({words.split()[0] for kind, words in steps if kind == "FROM"}) == 1
    user = next(words for kind, words in steps if kind == "USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user), "a number: Kubernetes' runAsNonRoot cannot judge a name"
    assert not {"COPY", "ADD", "RUN"} & set(kinds[kinds.index("USER") :]), "nothing the portal runs is its own to write"
    assert dict(steps)["STOPSIGNAL"] == "SIGTERM"
    assert any("--require-hashes" in words for kind, words in steps if kind == "RUN")


def test_the_image_is_checked_without_curl():
    check = dict(instructions(DOCKERFILE))["HEALTHCHECK"]
    assert "portal.healthcheck" in check and not re.search("curl|wget", check)


def test_no_secret_is_built_into_the_image():
    for kind, words in instructions(DOCKERFILE):
        if kind in ("ENV", "ARG"):
            assert not re.search("SECRET|PASSWORD|TOKEN|_KEY", words), words


def test_only_what_is_copied_is_sent_to_the_builder():
    sources = shipped_sources()
    assert {"app.py", "portal", "migrations", "templates", "static"} <= set(sources)
    assert ignored()[0] == "*", "all is kept out but what is named"
    allowed = {line.removeprefix("!") for line in ignored() if line.startswith("!")}
    assert allowed == {*sources, "requirements.txt", "requirements-sentry.txt"}


UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))


def unit(path: Path) -> dict[str, list[str]]:
    """The settings of a unit, each with all its values."""
    found: dict[str, list[str]] = {}
    for line in path.read_text().splitlines():
        name, given, value = line.partition("=")
        if given and not line.startswith(("#", "[")):
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_gives_time_to_end_and_little_to_write(path):
    told = unit(path)
    assert int(told["TimeoutStopSec"][0]) >= 40 and told["KillSignal"] == ["SIGTERM"] and told["Restart"] == ["always"]
    assert told["User"] == ["sendero"] and told["ProtectSystem"] == ["strict"] and told["NoNewPrivileges"] == ["yes"]
    assert told["CapabilityBoundingSet"] == [""] and "ReadWritePaths" not in told
    assert told["EnvironmentFile"] == ["/etc/sendero/sendero.env"]
    secrets = {value.split(":")[0] for value in told["LoadCredential"]}
    named = {value.partition("=%d/")[2] for value in told["Environment"] if "=%d/" in value}
    assert named == secrets
    source = (ROOT / "portal" / "config.py").read_text()
    assert all(f'"{name.upper()}"' in source for name in secrets)


def test_web_and_workers_share_spool_and_media_but_no_sign_of_life():
    worker = " ".join(unit(ROOT / "deploy" / "systemd" / "sendero-worker@.service")["Environment"])
    assert "INSTANCE_DIR=/var/lib/sendero/worker-%i" in worker
    assert "SPOOL_DIR=/var/lib/sendero/spool" in worker and "MEDIA_DIR=/var/lib/sendero/media" in worker
    web = " ".join(unit(ROOT / "deploy" / "systemd" / "sendero.service")["Environment"])
    assert "INSTANCE_DIR=/var/lib/sendero" in web.split(), "whose spool is /var/lib/sendero/spool"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_understands_the_units():
    command = ["systemd-analyze", "verify", *map(str, UNITS)]
    said = subprocess.run(command, capture_output=True, text=True, check=False).stderr.splitlines()
    ours = [line for line in said if "sendero" in line]
    assert [line for line in ours if ".venv/bin/python is not executable" not in line] == []
