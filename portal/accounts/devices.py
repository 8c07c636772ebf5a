"""What a browser calls itself, in words: enough to know one's own again."""

from portal.wording import noted

# The first that is in the text counts: browsers name those that they descend from, too.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox", "Firefox"),
    ("FxiOS", "Firefox"),
    ("CriOS", "Chrome"),
    ("Chrom", "Chrome"),
    ("Safari", "Safari"),
    ("curl", "curl"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "Mac"),
    ("CrOS", "Chromebook"),
    ("Linux", "Linux"),
)


def in_words(device: str) -> str:
    """As "Firefox on Windows", as far as the `User-Agent` tells."""
    browser = next((name for mark, name in _BROWSERS if mark in device), "")
    system = next((name for mark, name in _SYSTEMS if mark in device), "")
    if browser and system:
        return f"{browser} on {system}"
    return browser or system or noted("an unknown device")
