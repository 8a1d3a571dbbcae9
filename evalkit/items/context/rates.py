"""Rate limits of hosted services: what headers report and 429s showed, against the load that is needed. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from evalkit.analysis.exchanges import of_mode
from evalkit.checklist.schema import Checklist
from evalkit.client.types import Exchange
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy
from evalkit.items.context import checks as check
from evalkit.items.context.words import RateLimit
from evalkit.serving.facts import EndpointFacts

_KINDS = ("requests", "tokens")
_MINUTE_S = 60.0
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?\Z")


def rates(checklist: Checklist, facts: Facts, endpoint: EndpointFacts | None, mode: str) -> list[Finding]:
    """Against limits.need_rpm and need_tpm; reported limits and refusals without a need are shown."""
    limits = checklist.items.context.limits
    needs = {"requests": limits.need_rpm, "tokens": limits.need_tpm}
    headers = endpoint.rate_limits if endpoint else {}
    exchanges = of_mode(facts, mode)
    for exchange in exchanges:  # replies under load tell more than the probe's first one
        headers = {**headers, **{k: str(v) for k, v in exchange.server.items() if "ratelimit" in k}}
    refused = [e for e in exchanges if _status(e) == 429]
    waits = [e.error.retry_after_s for e in refused if e.error and e.error.retry_after_s is not None]
    seen = RateLimit(outcome="refusals", mode=mode, refused=len(refused), retry_after_s=max(waits, default=None))
    here = endpoint is not None and endpoint.place == "here"
    reported = reported_rates(headers)
    found = [_one(seen.model_copy(update={"kind": k, "needed": needs[k]}), reported.get(k), here=here) for k in _KINDS]
    shown = [finding for finding in found if finding is not None]
    if refused and not any(needs.values()):
        values = seen.model_copy(update={"of": len(exchanges)})
        shown.append(check.RATE_LIMITS.found(values, mode=mode, known_by=KnownBy.OBSERVED))
    return shown


def _status(exchange: Exchange) -> int | None:
    return exchange.error.status if exchange.error and exchange.error.status else exchange.status


def _one(seen: RateLimit, reported: Reported | None, *, here: bool) -> Finding | None:
    """One kind of limit against what is needed; None where nothing is reported and nothing needed."""
    limit = reported.limit if reported and reported.resets_s is None else None
    counts, known = True, KnownBy.DECLARED if limit is not None else KnownBy.OBSERVED if seen.refused else None
    update: dict[str, object] = {"limit": reported.limit if reported else None}
    if seen.needed is None:
        if limit is None:
            return None
        update |= {"outcome": "information", "refused": 0}
        counts = False
    elif limit is None and here and not seen.refused:
        update["outcome"], known = "no-limits-here", None
    elif limit is None:
        longer = reported is not None
        update |= {"outcome": "longer-window" if longer else "not-reported"}
        update |= {"resets_s": reported.resets_s if reported else None}
    else:
        refused = "allowed-but-refused" if seen.refused else "allowed"
        update["outcome"] = "below" if limit < seen.needed else refused
    return check.RATE_LIMITS.found(seen.model_copy(update=update), mode=seen.mode, counts=counts, known_by=known)


class Reported(NamedTuple):
    """A limit as the service reports it: a minute's where `resets_s` is None, else one of a longer window."""

    limit: float
    resets_s: float | None = None


def reported_rates(headers: dict[str, str]) -> dict[str, Reported]:
    """Limits by kind.

    Read are `x-ratelimit-limit-requests` and `-tokens`, the same with the words the other way round, and the policies
    of the RateLimit draft (`100;w=60`). A limit that resets later than in a minute is one of a longer window.
    """
    found: dict[str, Reported] = {}
    low = {name.lower(): value for name, value in headers.items()}
    for kind in _KINDS:
        value = next((v for n, v in low.items() if n.endswith(_names(kind)) and _number(v) is not None), None)
        if value is None:
            continue
        reset = next((v for n, v in low.items() if n.endswith((f"ratelimit-reset-{kind}", f"{kind}-reset"))), "")
        seconds = _seconds(reset)
        longer = seconds if seconds is not None and seconds > _MINUTE_S + 1 else None
        found[kind] = Reported(_number(value) or 0.0, longer)
    policy = _policy(low)
    if policy is not None and ("requests" not in found or found["requests"].resets_s is not None):
        found["requests"] = Reported(policy)
    return found


def _names(kind: str) -> tuple[str, ...]:
    return (
        f"ratelimit-limit-{kind}",
        f"ratelimit-limit-{kind}-minute",
        f"ratelimit-{kind}-limit",
        f"{kind}_per_minute",
    )


def _number(value: str) -> float | None:
    digits = value.split(",", maxsplit=1)[0].strip().replace("_", "")
    return float(digits) if digits.isascii() and digits.isdigit() and len(digits) < 16 else None


def _seconds(text: str) -> float | None:
    """`1s`, `6m0s`, `2m59.56s`, `250ms`; a bare number is seconds, a huge one a moment in time."""
    bare = text.strip().lower()
    if not bare:
        return None
    if re.fullmatch(r"\d+(\.\d+)?", bare):
        return float(bare) if float(bare) < 1e8 else None
    match = _DURATION.match(bare)
    if match is None or not any(match.groups()):
        return None
    hours, minutes, seconds, milli = (float(part) if part else 0.0 for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds + milli / 1000


def _policy(headers: dict[str, str]) -> float | None:
    """The least of the draft's policies, in requests a minute: `ratelimit-policy: 100;w=60` or `"a";q=100;w=60`."""
    text = headers.get("ratelimit-policy") or headers.get("ratelimit-limit") or ""
    found = []
    for entry in text.split(",")[:20]:
        quota = re.search(r"(?:q\s*=\s*|^\s*)(\d{1,12})", entry)
        window = re.search(r"w\s*=\s*(\d{1,9})", entry)
        if quota and window and int(window[1]) > 0:
            found.append(int(quota[1]) * _MINUTE_S / int(window[1]))
    return min(found, default=None)
