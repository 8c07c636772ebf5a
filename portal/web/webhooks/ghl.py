"""`POST /webhooks/ghl`: HighLevel's delivery URL and its app events, told apart by the payload."""

from flask import Response, request

from portal.ghl.payloads import peek
from portal.ghl.signature import SIGNATURE_HEADER
from portal.journal.entry import Entry
from portal.web.context import services
from portal.web.webhooks import bp
from portal.web.webhooks.intake import accepted, evidence, kept_headers, read_body


@bp.post("/ghl")
def receive_ghl() -> Response:
    """Verify the raw bytes, keep them, 200. A retry of the same message changes nothing and is answered the same."""
    parts = services()
    body = read_body()
    if not parts.ghl_verifier.verify(body, request.headers.get(SIGNATURE_HEADER)):
        entry = Entry("ghl", "ghl", body, verified=False, headers=kept_headers(request))
        raise evidence.refuse(parts, entry, "The signature does not prove that HighLevel sent this.")
    seen = peek(body)
    parts.journal.append(
        Entry("ghl", seen.lane, body, action=seen.kind, dedupe_key=seen.dedupe_key, headers=kept_headers(request))
    )
    return accepted()
