"""`python -m portal.healthcheck`: is the process of this container alive? Exit 0 or 1, with one line that says why.

A web process is asked over HTTP, a worker by its sign of life. Neither asks for the database: a container that is
started anew because the database is away helps nobody, and a web process takes webhooks meanwhile.
"""

import os
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ANSWER_SECONDS = 4
# The worker touches its file every 5 seconds.
SILENT_SECONDS = 30.0


def main() -> int:
    """Looks once, by the same settings as the process itself."""
    fault = _worker() if os.environ.get("PORTAL_ROLE") == "worker" else _web()
    print(fault or "alive")
    return 1 if fault else 0


def _web() -> str:
    host = os.environ.get("BIND_HOST") or "127.0.0.1"
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 - compared, not listened on
    url = f"http://{host}:{os.environ.get('PORT') or 8000}/livez"
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with direct.open(url, timeout=ANSWER_SECONDS) as answer:
            return "" if answer.status == 200 else f"{url} answers {answer.status}."
    except (urllib.error.URLError, OSError) as error:
        return f"{url} does not answer: {error}"


def _worker() -> str:
    file = ROOT / (os.environ.get("INSTANCE_DIR") or "instance") / "worker.alive"
    try:
        silent = time.time() - file.stat().st_mtime
    except OSError:
        return "The worker has given no sign of life yet."
    return f"The worker's last sign of life is {silent:.0f} seconds old." if silent > SILENT_SECONDS else ""


if __name__ == "__main__":
    sys.exit(main())
