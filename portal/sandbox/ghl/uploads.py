"""HighLevel's route that takes files for a conversation, and the address at which it then shows them."""

import threading
from collections import OrderedDict
from dataclasses import dataclass

from flask import Response, abort, jsonify, request

from portal.sandbox.context import sandbox
from portal.sandbox.ghl.access import blueprint, foreign, location_call, refuse
from portal.sandbox.world import Ids

LARGEST = 5_000_000
ENDINGS = frozenset(
    ("jpg", "jpeg", "png", "mp4", "mpeg", "zip", "rar", "pdf", "doc", "docx", "txt", "mp3", "wav"),
)
FIELDS = ("conversationId", "contactId", "locationId")
MOST_KEPT = 50


@dataclass(frozen=True, slots=True)
class Uploaded:
    """A file as it was given to HighLevel."""

    id: str
    location_id: str
    name: str
    type: str
    content: bytes


class Uploads:
    """The files that were given, the last `MOST_KEPT` of them."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._lock = threading.Lock()
        self._files: OrderedDict[str, Uploaded] = OrderedDict()

    def add(self, location_id: str, name: str, kind: str, content: bytes) -> Uploaded:
        """Keeps a file under a new id."""
        file = Uploaded(self._ids.new("upload"), location_id, name, kind, content)
        with self._lock:
            self._files[file.id] = file
            while len(self._files) > MOST_KEPT:
                self._files.popitem(last=False)
        return file

    def get(self, upload_id: str) -> Uploaded | None:
        """The file with this id."""
        with self._lock:
            return self._files.get(upload_id)

    def all(self) -> list[Uploaded]:
        """All that are kept, oldest first."""
        with self._lock:
            return list(self._files.values())


@blueprint.post("/conversations/messages/upload")
@location_call
def upload_files() -> Response:
    """Takes one file, of the few types and the size that HighLevel takes."""
    missing = [f"{name} should not be empty" for name in FIELDS if not request.form.get(name)]
    file = request.files.get("fileAttachment")
    if missing or file is None or not file.filename:
        return refuse(400, missing or ["fileAttachment should not be empty"])
    refusal = foreign(request.form["locationId"])
    if refusal is not None:
        return refusal
    content = file.read()
    if file.filename.rpartition(".")[2].lower() not in ENDINGS:
        return _failed(415, "Unsupported media type")
    if len(content) > LARGEST:
        return _failed(413, "Payload too large")
    kept = sandbox().ghl.uploads.add(request.form["locationId"], file.filename, file.mimetype, content)
    return jsonify(uploadedFiles={kept.name: f"{request.host_url}uploads/{kept.id}/{kept.name}"})


@blueprint.get("/uploads/<upload_id>/<name>")
def show_upload(upload_id: str, name: str) -> Response:
    """The file, as HighLevel's storage shows it to anybody."""
    file = sandbox().ghl.uploads.get(upload_id)
    if file is None or file.name != name:
        abort(404)
    return Response(file.content, content_type=file.type)


def _failed(status: int, words: str) -> Response:
    response = jsonify(status=status, message=words)
    response.status_code = status
    return response
