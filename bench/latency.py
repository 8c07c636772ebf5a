"""From webhook to provider: how long after a delivery has come in the provider is called, at a steady pace."""

import base64
import json
import statistics
import tempfile
import threading
import time
from pathlib import Path

import requests

from bench.dispatch import fill, fresh, provider
from bench.world import KEY, environment, free_port, process, python


def latency(database_url: str, pace: int, seconds: int) -> dict[str, float]:
    """Milliseconds from the first byte of the webhook to the call of the provider (p50, p95), and how many came."""
    with tempfile.TemporaryDirectory() as folder:
        calls = Path(folder) / "calls"
        stand_in, provider_port = provider(calls)
        try:
            port = free_port()
            env = environment(Path(folder), port, database_url, GHL_API_URL=f"http://127.0.0.1:{provider_port}")
            parts = fresh(env)
            fill(parts, 0, 1, provider_port)
            parts.database.engine.dispose()
            with process([python(), "app.py"], port, env):
                sent = _post(port, pace, seconds)
                time.sleep(2)
        finally:
            stand_in.terminate()
            stand_in.wait()
        took = [(at - sent[text]) * 1000 for text, at in _read(calls) if text in sent]
    ordered = statistics.quantiles(took, n=100)
    return {"p50": ordered[49], "p95": ordered[94], "share": len(took) / len(sent)}


def _post(port: int, pace: int, seconds: int) -> dict[str, float]:
    """Posts signed deliveries, one every 1/pace s, each from a thread of its own; gives when each set out."""
    sent: dict[str, float] = {}
    local = threading.local()

    def one(number: int) -> None:
        if not hasattr(local, "session"):
            local.session = requests.Session()
        text = f"latency {number}"
        delivery = {
            "contactId": f"contact{number % 40}",
            "locationId": "bench",
            "messageId": f"latency{number:012d}",
            "type": "SMS",
            "phone": f"+63917{1_000_000 + number % 40}",
            "message": text,
            "attachments": [],
            "userId": "GK56r6wdJDrkUPd0xsmx",
        }
        body = json.dumps(delivery).encode()
        headers = {"X-GHL-Signature": base64.b64encode(KEY.sign(body)).decode(), "Content-Type": "application/json"}
        sent[text] = time.monotonic()
        local.session.post(f"http://127.0.0.1:{port}/webhooks/ghl", data=body, headers=headers, timeout=30)

    begun = time.monotonic()

    def some(first: int) -> None:
        for number in range(first, pace * seconds, 4):
            time.sleep(max(0.0, begun + number / pace - time.monotonic()))
            one(number)

    posting = [threading.Thread(target=some, args=(first,)) for first in range(4)]
    for thread in posting:
        thread.start()
    for thread in posting:
        thread.join()
    return sent


def _read(calls: Path) -> list[tuple[str, float]]:
    entries = (json.loads(line) for line in calls.read_text().splitlines())
    return [(json.loads(body).get("message", ""), at) for at, body in entries]
