"""What a finding, status or grader means: one text for `evalkit explain` and the docs."""

from __future__ import annotations

import difflib
from typing import Any

from evalkit.errors import UsageError
from evalkit.report.catalogue import checks

STATUSES = {
    "pass": "Shown to hold, with evidence.",
    "warn": "Holds, with a remark worth reading. A GO can stand on it; --strict makes it a failure.",
    "fail": "Shown not to hold. In a required item it makes a NO-GO.",
    "inconclusive": "Measured, but the evidence is too thin to tell. The finding says what would settle it.",
    "error": "Could not be measured: a server, a file or a card was not there or misbehaved.",
    "skipped": "Not done, because somebody asked so. The reason is in the report; no GO without the item.",
    "not-applicable": "The checklist declares that it does not apply, with the reason.",
    "waived": "Accepted by a named person until a date. The status it had before stays in the report.",
}
ERRORS = {
    "refused": "Nothing listens at the address. Start the server, or correct the endpoint.",
    "timeout": "A deadline passed: connecting, first byte, silence, or the whole reply.",
    "http": "The server answered with another status than 200; the message quotes it.",
    "protocol": "The reply was not HTTP, not an event stream, not JSON, or too large.",
    "stream-error": "The server sent an error inside the stream.",
    "aborted": "The server stopped the request itself (finish_reason abort).",
    "incomplete": "The stream ended without saying why.",
    "empty": "The stream ended without a single event.",
}


def explain(name: str) -> str:
    """Markdown for a finding, status, grader or error kind.

    Raises:
        UsageError: no such id; the hint names the nearest.
    """
    if name in checks():
        return finding_markdown(checks()[name])
    if name in STATUSES:
        return f"## {name}\n\n{STATUSES[name]}\n"
    graders = _graders()
    if name in graders:
        from evalkit.quality.docs import grader_markdown

        return grader_markdown(graders[name])
    if name in ERRORS:
        return f"## {name}\n\n{ERRORS[name]}\n"
    near = difflib.get_close_matches(name, [*checks(), *STATUSES, *graders, *ERRORS], n=1)
    hint = f"did you mean {near[0]!r}?" if near else "findings read item.what, for example license.commercial-use"
    raise UsageError(f"nothing is called {name[:80]!r}", hint=hint)


def _graders() -> dict[str, Any]:
    from evalkit.quality.graders import registry

    return dict(registry())


def finding_markdown(check: Any) -> str:
    """One finding: what it tests, why, what to do."""
    per = "Decided for each decoding mode." if check.per_mode else "Decided once for the candidate."
    sources = "".join(f"\n- {source}" for source in check.sources)
    tail = f"\nSources:\n{sources}\n" if sources else ""
    return f"## {check.id}\n\n**{check.title}** {per}\n\nWhy: {check.why}\n\nWhat to do: {check.remedy}\n{tail}"


def findings_markdown() -> str:
    """docs/findings.md: every finding, status and error kind. Generated; a test compares it."""
    parts = ["# Findings\n\nGenerated from the checks themselves; `evalkit explain ID` prints the same.\n"]
    parts += [finding_markdown(check) for check in checks().values()]
    parts.append("# Statuses\n")
    parts += [f"## {name}\n\n{text}\n" for name, text in STATUSES.items()]
    parts.append("# Why a request failed\n")
    parts += [f"## {name}\n\n{text}\n" for name, text in ERRORS.items()]
    return "\n".join(parts)
