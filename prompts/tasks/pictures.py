"""Pictures with known content, drawn from numbers alone: shapes, text and bars, as small PNGs of eight colours."""

from __future__ import annotations

import base64
import struct
import zlib

WIDTH, HEIGHT = 256, 192
PALETTE = {
    "white": (255, 255, 255), "black": (0, 0, 0), "red": (210, 30, 40), "green": (30, 150, 60), "blue": (40, 80, 210),
    "yellow": (245, 205, 40), "purple": (130, 50, 160), "orange": (240, 130, 30),
}  # fmt: skip
PAINTS = [name for name in PALETTE if name not in ("white", "black")]
SHAPES = ("circle", "square", "triangle", "diamond", "cross")
_INK = {name: index for index, name in enumerate(PALETTE)}
#: letters and digits of 5 by 7 dots, one byte a column, the lowest bit on top
_FONT = {
    "0": "3e5149453e", "1": "00427f4000", "2": "4261514946", "3": "2141454b31", "4": "1814127f10", "5": "2745454539",
    "6": "3c4a494930", "7": "0171090503", "8": "3649494936", "9": "064949291e", "A": "7e1111117e", "B": "7f49494936",
    "C": "3e41414122", "D": "7f4141221c", "E": "7f49494941", "F": "7f09090901", "G": "3e4149497a", "H": "7f0808087f",
    "I": "00417f4100", "J": "2040413f01", "K": "7f08142241", "L": "7f40404040", "M": "7f020c027f", "N": "7f0408107f",
    "O": "3e4141413e", "P": "7f09090906", "Q": "3e4151215e", "R": "7f09192946", "S": "4649494931", "T": "01017f0101",
    "U": "3f4040403f", "V": "1f2040201f", "W": "3f4038403f", "X": "6314081463", "Y": "0708700807", "Z": "6151494543",
    "-": "0808080808", " ": "0000000000",
}  # fmt: skip


class Picture:
    """A white sheet; coordinates in pixels from the upper left corner."""

    def __init__(self) -> None:
        self._rows = [bytearray(WIDTH) for _ in range(HEIGHT)]

    def bar(self, left: int, top: int, right: int, bottom: int, colour: str) -> None:
        """A filled rectangle, `right` and `bottom` not included."""
        for row in self._rows[max(top, 0) : bottom]:
            row[left:right] = bytes([_INK[colour]]) * (right - left)

    def shape(self, kind: str, x: int, y: int, size: int, colour: str) -> None:
        """A filled shape of `size` pixels about its middle."""
        half = size // 2
        for dy in range(-half, half + 1):
            reach = {
                "circle": int((half * half - dy * dy) ** 0.5),
                "square": half,
                "triangle": (dy + half) // 2,
                "diamond": half - abs(dy),
                "cross": half if abs(dy) <= half // 3 else half // 3,
            }[kind]
            self.bar(x - reach, y + dy, x + reach + 1, y + dy + 1, colour)

    def text(self, words: str, x: int, y: int, scale: int, colour: str = "black") -> None:
        """Capital letters and digits; a character is 6 by 7 times `scale` pixels."""
        for place, letter in enumerate(words):
            for column, bits in enumerate(bytes.fromhex(_FONT[letter])):
                for row in range(7):
                    if bits >> row & 1:
                        left, top = x + (6 * place + column) * scale, y + row * scale
                        self.bar(left, top, left + scale, top + scale, colour)

    def png(self) -> bytes:
        """The picture as a PNG with a palette, four bits a pixel."""

        def chunk(kind: bytes, data: bytes) -> bytes:
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        lines = b"".join(b"\0" + bytes(row[at] << 4 | row[at + 1] for at in range(0, WIDTH, 2)) for row in self._rows)
        head = struct.pack(">IIBBBBB", WIDTH, HEIGHT, 4, 3, 0, 0, 0)
        colours = b"".join(bytes(colour) for colour in PALETTE.values())
        parts = [chunk(b"IHDR", head), chunk(b"PLTE", colours), chunk(b"IDAT", zlib.compress(lines, 9))]
        return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")

    def uri(self) -> str:
        """The PNG as a data: URI."""
        return f"data:image/png;base64,{base64.b64encode(self.png()).decode()}"
