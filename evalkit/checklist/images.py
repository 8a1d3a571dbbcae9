"""Images in prompts and tasks: files beside the file that names them, or data: URIs. What is sent is fixed."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from evalkit.checklist.files import read_bytes, resolve
from evalkit.errors import InputFileError

MAX_IMAGE_BYTES = 10 << 20
_TYPES = {
    ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif",
}  # fmt: skip


def data_uri(written: str, folder: Path, where: str, digest: Any) -> str:
    """A local image as a data: URI: what is sent is fixed, and hashed with the file that names it.

    Raises:
        InputFileError: an address, no image file, missing, or larger than 10 MiB.
    """
    if written.startswith("data:image/"):
        return written
    if "://" in written:
        raise InputFileError(
            "images are files in the folder of the suite or prompts, not addresses", where=where,
            hint="download it and name the file",
        )  # fmt: skip
    path = resolve(folder, written, where=where)
    kind = _TYPES.get(path.suffix.lower())
    if kind is None:
        raise InputFileError(f"{written} is not a {', '.join(sorted(_TYPES))} file", where=where)
    if not path.is_file():
        raise InputFileError(f"no such image: {written}", where=where, hint=f"paths are relative to {folder}")
    data = read_bytes(path, max_bytes=MAX_IMAGE_BYTES)
    digest.update(data)
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def image_parts(content: object) -> list[dict[str, Any]]:
    """The image parts of a message's content that have an address; each may be changed in place."""
    parts = content if isinstance(content, list) else ()
    links = [part.get("image_url") for part in parts if isinstance(part, dict)]
    return [link for link in links if isinstance(link, dict) and isinstance(link.get("url"), str)]


def has_image(messages: Iterable[Mapping[str, Any]]) -> bool:
    """Whether a message shows an image."""
    return any(image_parts(message.get("content")) for message in messages)
