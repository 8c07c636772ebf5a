"""Names of files: what strangers gave them made harmless, with the ending that belongs to what the file is."""

import re
import unicodedata
from email.message import Message
from urllib.parse import unquote, urlsplit

from portal.media import sniffing

LONGEST = 120
_ENDINGS: dict[str, tuple[str, ...]] = {
    "image/jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "image/png": (".png",),
    "image/gif": (".gif",),
    "image/webp": (".webp",),
    "image/avif": (".avif",),
    "image/heic": (".heic",),
    "image/heif": (".heif", ".heic"),
    "image/tiff": (".tif", ".tiff"),
    sniffing.SVG: (".svg",),
    "audio/mpeg": (".mp3",),
    "audio/mp4": (".m4a", ".mp4"),
    "audio/aac": (".aac", ".m4a"),
    "audio/ogg": (".ogg", ".oga", ".opus"),
    "audio/opus": (".opus", ".ogg", ".oga"),
    "audio/wav": (".wav",),
    "audio/amr": (".amr",),
    "audio/flac": (".flac",),
    "audio/webm": (".weba", ".webm"),
    "audio/3gpp": (".3gp",),
    "video/mp4": (".mp4", ".m4v"),
    "video/3gpp": (".3gp",),
    "video/quicktime": (".mov", ".qt"),
    "video/webm": (".webm",),
    "video/ogg": (".ogv", ".ogg"),
    "video/mpeg": (".mpeg", ".mpg"),
    "video/x-msvideo": (".avi",),
    "video/x-matroska": (".mkv",),
    sniffing.PDF: (".pdf",),
    "application/msword": (".doc",),
    "application/vnd.ms-excel": (".xls",),
    "application/vnd.ms-powerpoint": (".ppt", ".pps"),
    sniffing.DOCX: (".docx",),
    sniffing.XLSX: (".xlsx",),
    sniffing.PPTX: (".pptx",),
    sniffing.ZIP: (".zip",),
    "application/vnd.rar": (".rar",),
    "application/x-7z-compressed": (".7z",),
    "application/gzip": (".gz", ".tgz"),
    "application/rtf": (".rtf",),
    "application/json": (".json",),
    "application/x-msdownload": (".exe", ".dll"),
    sniffing.HTML: (".html", ".htm"),
    "text/csv": (".csv",),
    "text/vcard": (".vcf",),
    "text/calendar": (".ics",),
}
# Of these many kinds of files look the same: whatever ending is there stays.
_ANY_ENDING = (sniffing.BYTES, sniffing.TEXT, sniffing.OLE, sniffing.ZIP, "application/gzip")
_SUFFIX = re.compile(r"\.[A-Za-z0-9]{1,10}\Z")
# Controls, what turns the reading direction round, and what a file system or a header gives a meaning.
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff/\\:*?"<>|%;]+')


def clean(name: str, kind: str) -> str:
    """The name as it may be shown and saved under, with an ending that fits the type `kind`; "" becomes a plain one."""
    text = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode())
    text = " ".join(_UNSAFE.sub(" ", text).split()).strip(". ")
    found = _SUFFIX.search(text)
    ending = found[0] if found else ""
    stem = text[: len(text) - len(ending)].strip(". ") or _plain(kind)
    fitting = _ENDINGS.get(kind, ())
    if kind in _ANY_ENDING and ending:
        return stem[: LONGEST - len(ending)] + ending
    if fitting and ending.lower() not in fitting:
        # A photo called .png that is a JPEG; anything else that lies keeps its old ending, to be seen.
        stem, ending = stem if ending.lower() in _of_family(kind) else stem + ending, fitting[0]
    if not ending and kind == sniffing.TEXT:
        ending = ".txt"
    return stem[: LONGEST - len(ending)].strip(". ") + ending


def in_address(name: str) -> str:
    """The name as the last part of an address: letters, digits, dot and dash, the ending kept.

    GREEN-API takes no spaces and special characters in the address of a file (SendFileByUrl).
    """
    found = _SUFFIX.search(name)
    ending = found[0] if found else ""
    plain = unicodedata.normalize("NFKD", name.removesuffix(ending)).encode("ascii", "ignore").decode()
    stem = re.sub(r"[^A-Za-z0-9_]+", "-", plain).strip("-_")[:80]
    return (stem or "file") + ending.lower()


def told(headers: dict[str, str], url: str) -> str:
    """The name that an answer gives its file (Content-Disposition, RFC 6266), else the last part of the address."""
    message = Message()
    message["Content-Disposition"] = headers.get("content-disposition", "")
    try:
        given = message.get_filename()
        return given or unquote(urlsplit(url).path.rsplit("/", 1)[-1])
    except (ValueError, LookupError, TypeError):  # the last: `filename*` beside `filename*0`, which it cannot sort
        return ""


def _of_family(kind: str) -> set[str]:
    family = kind.partition("/")[0]
    alike = (each for each in _ENDINGS if family in ("image", "audio", "video") and each.startswith(f"{family}/"))
    return {ending for each in alike for ending in _ENDINGS[each]}


def _plain(kind: str) -> str:
    family = kind.partition("/")[0]
    return family if family in ("image", "audio", "video") else "file"
