"""What the benches share: signed deliveries, processes of the portal, wrk."""

import base64
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ROOT = Path(__file__).resolve().parent.parent
KEY = Ed25519PrivateKey.generate()
PUBLIC_KEY = base64.b64encode(KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
SHIFT = "Take your medicine with food, and call us when it does not help. " * 20

_LUA = """
local lines, n = {}, 0
for line in io.lines(os.getenv("BENCH_REQUESTS")) do n = n + 1; lines[n] = line end
local threads = 0
function setup(thread) thread:set("start", threads); threads = threads + 1 end
local i = nil
request = function()
  if i == nil then i = start * math.floor(n / 2) end
  i = i % n + 1
  local tab = lines[i]:find("\\t", 1, true)
  return wrk.format("POST", "/webhooks/ghl",
    {["X-GHL-Signature"] = lines[i]:sub(1, tab - 1), ["Content-Type"] = "application/json"}, lines[i]:sub(tab + 1))
end
"""


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def write_requests(path: Path, count: int) -> None:
    """Signed deliveries of about 2 KB, one a line: signature, tab, body. Every message id is new."""
    run = secrets.token_hex(4)
    with path.open("w") as file:
        for number in range(count):
            body = json.dumps(
                {
                    "contactId": f"contact{number % 500:013d}",
                    "locationId": "GKAWb4yu7A4LSc0skQ6g",
                    "messageId": f"{run}{number:012d}",
                    "type": "SMS",
                    "phone": f"+63917{1_000_000 + number % 500}",
                    "message": SHIFT,
                    "attachments": [],
                    "userId": "GK56r6wdJDrkUPd0xsmx",
                }
            )
            file.write(f"{base64.b64encode(KEY.sign(body.encode())).decode()}\t{body}\n")


def environment(folder: Path, port: int, database_url: str, **more: str) -> dict[str, str]:
    """The settings of a portal for a bench."""
    return {
        "PATH": os.environ["PATH"],
        "APP_URL": f"http://127.0.0.1:{port}",
        "PORT": str(port),
        "DATABASE_URL": database_url,
        "SECRET_KEY": secrets.token_urlsafe(48),
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "GHL_CLIENT_ID": "0123456789abcdef01234567-bench001",
        "GHL_CLIENT_SECRET": "00000000-bench-secret",
        "GHL_CONVERSATION_PROVIDER_ID": "benchprovider",
        "GHL_API_URL": "http://127.0.0.1:9",
        "GHL_WEBHOOK_PUBLIC_KEYS": PUBLIC_KEY,
        "INSTANCE_DIR": str(folder),
        **more,
    }


@contextmanager
def process(
    command: list[str], port: int, env: dict[str, str], path: str = "/livez"
) -> Iterator[subprocess.Popen[bytes]]:
    """A server process that answers, ended afterwards."""
    log = tempfile.TemporaryFile()  # noqa: SIM115 - closed below
    running = subprocess.Popen(command, cwd=ROOT, env=env, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                urlopen(f"http://127.0.0.1:{port}{path}", timeout=2).close()
                break
            except OSError as error:
                if getattr(error, "code", None) in (404, 405):
                    break
                if running.poll() is not None or time.monotonic() > deadline:
                    log.seek(0)
                    raise RuntimeError(log.read()[-2000:].decode()) from None
                time.sleep(0.1)
        yield running
    finally:
        running.terminate()
        try:
            running.wait(40)
        except subprocess.TimeoutExpired:
            running.kill()
        log.close()


def wrk(port: int, requests: Path, seconds: int = 8, connections: int = 32) -> dict[str, float]:
    """Requests a second and the 50th and 99th percentile in milliseconds, as wrk measures them."""
    if shutil.which("wrk") is None:
        raise RuntimeError("wrk is not installed: apt install wrk")
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write(_LUA)
        script.flush()
        command = ["wrk", "-t2", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script.name]
        env = {**os.environ, "BENCH_REQUESTS": str(requests)}
        command.append(f"http://127.0.0.1:{port}")
        out = subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", out)[1])  # type: ignore[index]
    wrong = re.search(r"Non-2xx or 3xx responses: (\d+)", out)
    percentiles = {"p50": _percentile(out, "50%"), "p99": _percentile(out, "99%")}
    return {"rate": rate, **percentiles, "errors": float(wrong[1]) if wrong else 0.0}


def _percentile(out: str, name: str) -> float:
    value, unit = re.search(rf"{name}\s+([\d.]+)(us|ms|s)", out).groups()  # type: ignore[union-attr]
    return float(value) * {"us": 0.001, "ms": 1.0, "s": 1000.0}[unit]


def python() -> str:
    """The interpreter of this run."""
    return sys.executable
