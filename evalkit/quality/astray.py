"""Where a reply leaves what was asked: it goes on in another script, or with the user's next turn."""

from __future__ import annotations

import re

#: scripts in which a text of another one has no stray word; Latin and Greek are in any text, as names and formulas
_SCRIPTS = tuple(
    re.compile(f"[{letters}]")
    for letters in (
        "\u0400-\u052f", "\u0530-\u058f", "\u0590-\u05ff", "\u0600-\u077f\u08a0-\u08ff", "\u0900-\u0dff",
        "\u0e00-\u0eff", "\u1000-\u109f", "\u10a0-\u10ff", "\u1200-\u139f", "\u1780-\u17ff",
        "\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff", "\u1100-\u11ff\uac00-\ud7af",
    )
)  # fmt: skip
_LETTER = re.compile(r"[^\W\d_]")
#: share of the letters from which on a reply is written in a script, and fewest of them
_WRITTEN, _FEWEST = 0.15, 8
#: how a transcript marks the user's turn
_USER = re.compile(
    r"^(?:#{2,4}[ \t]*(?:human|user|instruction|input)|\**(?:user|human)\**)[ \t]*:", re.MULTILINE | re.IGNORECASE
)


def other_script(text: str, prompt: str) -> bool:
    """Whether much of a text is written in a script that its prompt has no letter of."""
    if text.isascii():
        return False
    counts = [(len(script.findall(text)), script) for script in _SCRIPTS]
    letters = max(len(_LETTER.findall(text)), sum(count for count, _ in counts))
    return any(
        count >= max(_FEWEST, _WRITTEN * letters) and not script.search(prompt) for count, script in counts if count
    )


def next_turn(text: str, prompt: str) -> bool:
    """Whether a text goes on with a turn of the user: its end was missed. A prompt in that form may ask for one."""
    found = _USER.search(text)
    return found is not None and bool(text[: found.start()].strip()) and not _USER.search(prompt)
