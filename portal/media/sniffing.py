"""What a file is, by its first bytes: what a provider or a sender claims decides nothing that could do harm.

A table of our own and no library: it needs to know for certain only the few types that a browser may show in place
(`SHOWN`), and to name the documents that people send. Everything else is bytes to be saved.
"""

import re

# So much of a file's beginning is looked at.
HEAD = 8192
BYTES, TEXT, HTML, SVG, PDF = (
    "application/octet-stream",
    "text/plain",
    "text/html",
    "image/svg+xml",
    "application/pdf",
)
ZIP, OLE = "application/zip", "application/x-ole-storage"

_OFFICE = "application/vnd.openxmlformats-officedocument."
DOCX, XLSX, PPTX = (
    f"{_OFFICE}wordprocessingml.document",
    f"{_OFFICE}spreadsheetml.sheet",
    f"{_OFFICE}presentationml.presentation",
)

_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"%PDF-", PDF),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
    (b"\xff\xf1", "audio/aac"),
    (b"\xff\xf9", "audio/aac"),
    (b"#!AMR", "audio/amr"),
    (b"fLaC", "audio/flac"),
    (b"MThd", "audio/midi"),
    (b"\x00\x00\x01\xba", "video/mpeg"),
    (b"\x00\x00\x01\xb3", "video/mpeg"),
    (b"FLV\x01", "video/x-flv"),
    (b"PK\x03\x04", ZIP),
    (b"PK\x05\x06", ZIP),
    (b"Rar!\x1a\x07", "application/vnd.rar"),
    (b"7z\xbc\xaf\x27\x1c", "application/x-7z-compressed"),
    (b"\x1f\x8b", "application/gzip"),
    (b"BZh", "application/x-bzip2"),
    (b"\xfd7zXZ\x00", "application/x-xz"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OLE),
    (b"{\\rtf", "application/rtf"),
    (b"MZ", "application/x-msdownload"),
    (b"\x7fELF", "application/x-executable"),
    (b"BEGIN:VCARD", "text/vcard"),
    (b"BEGIN:VCALENDAR", "text/calendar"),
)
# The brand of an ISO base media file (ISO/IEC 14496-12) tells what is in it; any other one is a film.
_BRANDS = {
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heif",
    b"avif": "image/avif",
    b"M4A ": "audio/mp4",
    b"qt  ": "video/quicktime",
    b"3gp4": "video/3gpp",
    b"3gp5": "video/3gpp",
    b"3gp6": "video/3gpp",
}
_RIFF = {b"WAVE": "audio/wav", b"WEBP": "image/webp", b"AVI ": "video/x-msvideo"}
_IN_ZIP = (
    (b"word/", DOCX),
    (b"xl/", XLSX),
    (b"ppt/", PPTX),
    (b"AndroidManifest.xml", "application/vnd.android.package-archive"),
)

# The content alone cannot tell these from one another, and none of them does more than another: the claim is believed.
_ALIKE: dict[str, frozenset[str]] = {
    ZIP: frozenset({DOCX, XLSX, PPTX, "application/epub+zip", "application/vnd.apple.pkpass"}),
    OLE: frozenset({"application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint"}),
    TEXT: frozenset({"text/csv", "text/vcard", "text/calendar", "application/json"}),
    "video/mp4": frozenset({"audio/mp4", "audio/aac", "video/3gpp", "audio/3gpp", "video/quicktime"}),
    "audio/ogg": frozenset({"audio/opus", "video/ogg"}),
    "video/webm": frozenset({"audio/webm"}),
}

# What a browser may show in place: none of these can run anything under our address.
SHOWN = frozenset(
    {
        *("image/jpeg", "image/png", "image/gif", "image/webp", "image/avif", "image/heic", "image/heif"),
        *("audio/mpeg", "audio/mp4", "audio/aac", "audio/ogg", "audio/opus", "audio/wav", "audio/amr", "audio/flac"),
        *("audio/webm", "audio/3gpp"),
        *("video/mp4", "video/3gpp", "video/quicktime", "video/webm", "video/ogg", "video/mpeg"),
        PDF,
    }
)
# What a browser might run: sent as mere bytes.
_ACTIVE = re.compile(r"html|\bxml\b|svg|script|shockwave|x-msdownload|executable")

# OpenDocument and EPUB begin with their type, uncompressed.
_SAYS_ITSELF = re.compile(rb"mimetype(application/(?:epub\+zip|vnd\.oasis\.opendocument\.[a-z-]{3,40}?))PK")
_MARKUP = re.compile(rb"<(?:!doctype|!--|\?xml|/?[a-z])", re.I)


def sniff(head: bytes, claimed: str = "") -> str:
    """The MIME type by the file's first `HEAD` bytes. `claimed` only chooses among what looks alike."""
    found = _container(head) or next((kind for magic, kind in _MAGIC if head.startswith(magic)), "") or _text(head)
    wanted = claimed.partition(";")[0].strip().lower()
    return wanted if wanted in _ALIKE.get(found, ()) else found


def served_as(kind: str) -> str:
    """The Content-Type under which a file of this type leaves us."""
    if kind in SHOWN:
        return kind
    if not kind or _ACTIVE.search(kind):
        return BYTES
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _container(head: bytes) -> str:
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12], "video/mp4")
    if head.startswith(b"RIFF"):
        return _RIFF.get(head[8:12], BYTES)
    if head.startswith(b"OggS"):
        return "video/ogg" if b"theora" in head[:512] else "audio/ogg"
    if head.startswith(b"\x1aE\xdf\xa3"):
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head.startswith(b"PK\x03\x04"):
        if said := _SAYS_ITSELF.match(head, 30):
            return said[1].decode()
        return next((kind for mark, kind in _IN_ZIP if mark in head), ZIP)
    return ""


def _text(head: bytes) -> str:
    """Text is what is valid UTF-8 without control characters; what begins like markup is markup."""
    if not head or re.search(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]", head):
        return BYTES
    try:
        # The last character may be cut.
        head[: max(len(head) - 3, 1)].decode("utf-8-sig" if len(head) > 3 else "utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 6:
            return BYTES
    begins = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1024].lower()
    if _MARKUP.match(begins):
        return SVG if b"<svg" in begins else HTML
    return TEXT
