"""Reading settings from an environment: names, files with secrets, and the faults that are met."""

from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACEHOLDERS = ("changeme", "change-me", "change_me", "your_", "your-", "replace", "<")
# What the Cast plugin calls settings of ours, so that its environment can stay: ours counts where both are set.
ELSEWHERE: Mapping[str, str] = {"CAST_ADMIN_KEY": "INBOUND_API_KEY", "APP_URL": "BASE_URL"}


class Reader:
    """Reads one environment, `NAME` or the file named by `NAME_FILE`, and collects the faults it meets."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.faults: list[str] = []

    def text(self, name: str, default: str = "") -> str:
        """The value of a setting, that of a name which another system has for it, or the default."""
        return self._own(name) or self._own(ELSEWHERE.get(name, "")) or default

    def _own(self, name: str) -> str:
        path = self.environ.get(f"{name}_FILE")
        if path:
            try:
                return Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                self.faults.append(f"{name}_FILE cannot be read ({type(error).__name__}): check the path and its mode.")
                return ""
        return self.environ.get(name, "").strip()

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number from `low` to `high`."""
        raw = self.text(name)
        if not raw:
            return default
        if raw.isascii() and raw.isdigit() and low <= int(raw) <= high:
            return int(raw)
        self.faults.append(f"{name} is not a whole number from {low} to {high}: correct it or leave it out.")
        return default

    def flag(self, name: str) -> bool:
        """Is a switch on?"""
        return self.text(name).lower() in ("1", "true", "yes", "on")

    def secret(self, name: str, shortest: int, remedy: str) -> str:
        """A secret that has to be there, long enough and no placeholder."""
        value = self.text(name)
        if not value:
            self.faults.append(f"{name} is missing: {remedy}")
        elif value.lower().startswith(PLACEHOLDERS) or len(set(value)) < 4:
            self.faults.append(f"{name} is a placeholder: {remedy}")
        elif len(value) < shortest:
            self.faults.append(f"{name} is shorter than {shortest} characters: {remedy}")
        return value

    def optional(self, name: str, shortest: int, remedy: str) -> str:
        """A secret that may be left out: whatever needs it says so."""
        return self.secret(name, shortest, remedy) if self.text(name) else ""

    def folder(self, name: str, default: Path) -> Path:
        """A folder; one that is not absolute is below the program's own."""
        path = Path(self.text(name) or default)
        return path if path.is_absolute() else ROOT / path
