"""Reading files of any size: lines, and the values of a JSON array, with line numbers and a bounded memory."""

from __future__ import annotations

import codecs
import json
import os
import re
import stat
from collections.abc import Iterator
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import Any, TextIO

from evalkit import system
from evalkit.checklist.files import decode, was_read
from evalkit.errors import InputFileError
from evalkit.importers.base import Reading
from evalkit.text import one_line

#: one line, or one value of an array
MAX_ENTRY = 16 << 20
_CHUNK = 1 << 18
_BOMS = (
    (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"),
)  # fmt: skip
_SPACE = re.compile(r"[ \t\r\n,]*")
_MARKS = re.compile(r'["{}\[\]]')
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_BROKEN_BYTE = re.compile("[\udc80-\udcff]")
_DECODER = json.JSONDecoder()


def open_binary(path: Path) -> BufferedReader:
    """A regular file; a pipe or a folder is refused before anything is read.

    Raises:
        InputFileError: missing, not regular, or not readable.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | system.NONBLOCK | system.BINARY)
        was_read(path)
    except FileNotFoundError:
        raise InputFileError("no such file", where=str(path)) from None
    except OSError as error:
        raise InputFileError(f"cannot be read: {error.strerror or error}", where=str(path)) from None
    kind = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(kind):
        os.close(descriptor)
        what = "is a folder, not a file" if stat.S_ISDIR(kind) else "is not a regular file"
        raise InputFileError(what, where=str(path))
    return os.fdopen(descriptor, "rb")


def encoding_of(start: bytes, asked: str | None) -> str:
    """The encoding of a file by what is asked, its byte order mark, or UTF-8."""
    if asked:
        return asked
    return next((name for bom, name in _BOMS if start.startswith(bom)), "utf-8-sig")


def check_encoding(name: str | None) -> None:
    """Raises InputFileError for an encoding that does not exist."""
    try:
        known = name is None or codecs.lookup(name)._is_text_encoding  # noqa: SLF001  there is no public question
    except (LookupError, ValueError):
        known = False
    if not known:
        raise InputFileError(f"--encoding {name}: no such encoding", hint="utf-8, cp1252, utf-16, shift_jis, …")


def open_text(reading: Reading) -> TextIO:
    """The file as text, its line ends kept; bytes that are not UTF-8 become lone surrogates, which `broken` finds."""
    raw = open_binary(reading.path)
    encoding = encoding_of(raw.peek(4)[:4], reading.options.encoding)
    errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
    return TextIOWrapper(raw, encoding=encoding, errors=errors, newline="")


def broken(text: str) -> bool:
    """Whether bytes were in it that are not UTF-8."""
    return not text.isascii() and _BROKEN_BYTE.search(text) is not None


def lines(reading: Reading) -> Iterator[tuple[int, str]]:
    """Numbered lines that are not blank, without their ends; a line that cannot be read is bad."""
    with open_text(reading) as file:
        number = 0
        while line := file.readline(MAX_ENTRY + 1):
            number += 1
            if len(line) > MAX_ENTRY and not line.endswith("\n"):
                while line and not line.endswith("\n"):
                    line = file.readline(_CHUNK)
                reading.bad(number, f"the line is longer than {MAX_ENTRY >> 20} MiB")
            elif broken(line):
                reading.bad(number, "not UTF-8", "name the encoding with --encoding, as cp1252")
            elif line.strip():
                yield number, line.rstrip("\r\n")


def json_lines(reading: Reading) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a file of JSON lines."""
    for number, line in lines(reading):
        value = parse(reading, number, line)
        if value is not None:
            yield number, value


def parse(reading: Reading, number: int, text: str) -> dict[str, Any] | None:
    """One JSON object; None when it was bad and is skipped."""
    try:
        value = json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        reading.bad(number, f"not JSON: {one_line(str(error).split(': line')[0], limit=100)}")
        return None
    if not isinstance(value, dict):
        reading.bad(number, "not a JSON object")
        return None
    return value


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Two values under one key are invalid."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found


def objects(reading: Reading, start: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of an array, of values one after the other, or of JSON lines, by how the file starts."""
    text = start.decode("utf-8", "replace").lstrip("\ufeff \t\r\n")
    if not text.startswith("["):
        first = text.split("\n", 1)[0]
        try:
            json.loads(first)
        except (ValueError, RecursionError):
            if "\n" in text and reading.path.suffix not in (".jsonl", ".ndjson") and text.startswith("{"):
                yield from _values(reading)
                return
        yield from json_lines(reading)
        return
    yield from _values(reading)


def _values(reading: Reading) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, text in _elements(reading):
        if broken(text):
            reading.bad(number, "not UTF-8", "name the encoding with --encoding, as cp1252")
            continue
        value = parse(reading, number, text)
        if value is not None:
            yield number, value


class _Window:
    """A moving part of the file: `text` from `at` on is not consumed yet."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.text = ""
        self.at = 0
        self.line = 1
        self.ended = False

    def grow(self) -> bool:
        """Reads as much again as there is, and forgets what was consumed; False at the end of the file."""
        chunk = "" if self.ended else self.file.read(max(_CHUNK, len(self.text) - self.at))
        self.text = self.text[self.at :] + chunk
        self.at, self.ended = 0, self.ended or not chunk
        return bool(chunk)

    def consume(self, end: int) -> None:
        self.line += self.text.count("\n", self.at, end)
        self.at = end

    def skip(self) -> None:
        """White space and commas between values."""
        while True:
            found = _SPACE.match(self.text, self.at)
            self.consume(found.end() if found else self.at)
            if self.at < len(self.text) or not self.grow():
                return


def _elements(reading: Reading) -> Iterator[tuple[int, str]]:
    """Texts of the values of the array (or of the values one after the other), with the line that each begins on."""
    with open_text(reading) as file:
        window = _Window(file)
        window.skip()
        if window.text[window.at : window.at + 1] == "[":
            window.consume(window.at + 1)
        while True:
            window.skip()
            if window.at >= len(window.text):
                return
            if window.text[window.at] == "]":
                return
            line = window.line
            end = _end(window)
            if end is None:
                too_long = len(window.text) - window.at > MAX_ENTRY
                what = f"a value longer than {MAX_ENTRY >> 20} MiB" if too_long else "the file ends inside this value"
                reading.bad(line, f"not JSON: {what}")
                return
            yield line, window.text[window.at : end]
            window.consume(end)


def _end(window: _Window) -> int | None:
    """Where the value at the window's place ends, by its brackets; None when it has no end within the limit."""
    while True:
        end = _closed(window.text, window.at)
        if end is not None and (end < len(window.text) or window.ended or window.text[end - 1] in "}]"):
            return end
        if len(window.text) - window.at > MAX_ENTRY or not window.grow():
            return end if window.ended and end is not None else None


def _closed(text: str, start: int) -> int | None:
    if text[start] not in "{[":
        found = re.compile(r"[^,\]\n]+").match(text, start)  # a bare value: up to what separates it
        return found.end() if found else start + 1
    try:
        return int(_DECODER.raw_decode(text, start)[1])
    except (ValueError, RecursionError):
        pass
    depth, at = 0, start
    while found := _MARKS.search(text, at):
        mark, at = found.group(), found.end()
        if mark == '"':
            string = _STRING.match(text, found.start())
            if string is None:
                return None
            at = string.end()
        elif mark in "{[":
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                return at
    return None


def small_text(path: Path, limit: int) -> str:
    """A small file as UTF-8 text.

    Raises:
        InputFileError: missing, too large or not UTF-8.
    """
    with open_binary(path) as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise InputFileError(f"larger than {limit >> 20} MiB", where=str(path), hint="split it into several files")
    return decode(data, path)
