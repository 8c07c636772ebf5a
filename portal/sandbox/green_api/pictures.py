"""Small PNGs made on the spot: something to scan, and pictures that people send."""

import hashlib
import struct
import zlib
from collections.abc import Callable, Sequence

MODULES, SCALE, QUIET = 29, 6, 4
SIDE = 96
Pixel = tuple[int, int, int]
BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def png(width: int, height: int, pixel: Callable[[int, int], Pixel]) -> bytes:
    """An image of that many pixels (PNG, 8 bits for each of red, green and blue)."""
    rows = b"".join(b"\x00" + bytes(part for x in range(width) for part in pixel(x, y)) for y in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )


def scannable(word: str) -> bytes:
    """What looks like a QR code and is another one for every word. No phone can read it: the page scans it."""
    bits = _bits(word)

    def pixel(x: int, y: int) -> Pixel:
        column, row = x // SCALE - QUIET, y // SCALE - QUIET
        if not (0 <= column < MODULES and 0 <= row < MODULES):
            return WHITE
        return BLACK if _dark(column, row, bits) else WHITE

    side = (MODULES + 2 * QUIET) * SCALE
    return png(side, side, pixel)


def picture(word: str) -> bytes:
    """A picture in the colours of the word."""
    colours = hashlib.sha256(word.encode()).digest()
    one, two = tuple(colours[:3]), tuple(colours[3:6])

    def pixel(x: int, y: int) -> Pixel:
        inside = (x - SIDE // 2) ** 2 + (y - SIDE // 2) ** 2 < (SIDE // 3) ** 2
        return (one[0], one[1], one[2]) if inside else (two[0], two[1], two[2])

    return png(SIDE, SIDE, pixel)


def _bits(word: str) -> bytes:
    return b"".join(hashlib.sha256(f"{word}/{part}".encode()).digest() for part in range(4))


def _dark(column: int, row: int, bits: Sequence[int]) -> bool:
    """The three corner marks, and dots in between."""
    for left, top in ((0, 0), (MODULES - 7, 0), (0, MODULES - 7)):
        x, y = column - left, row - top
        if 0 <= x < 7 and 0 <= y < 7:
            return max(abs(x - 3), abs(y - 3)) != 2
        if -1 <= x < 8 and -1 <= y < 8:
            return False
    place = row * MODULES + column
    return bool(bits[place // 8 % len(bits)] >> (place % 8) & 1)
