"""Rate limits of hosted services: what headers tell, what 429 showed, against the load that is needed. Pure."""

from __future__ import annotations

import re

from evalkit.checklist.schema import Checklist
from evalkit.client.types import Exchange
from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy, Status
from evalkit.items.context import checks as check
from evalkit.serving.facts import EndpointFacts

_KINDS = ("requests", "tokens")
_MINUTE_S = 60.0
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?\Z")


def rates(checklist: Checklist, facts: Facts, endpoint: EndpointFacts | None, mode: str) -> list[Finding]:
    """Against limits.need_rpm and need_tpm; told limits and refusals without a need are shown."""
    limits = checklist.items.context.limits
    needs = {"requests": limits.need_rpm, "tokens": limits.need_tpm}
    headers = endpoint.rate_limits if endpoint else {}
    exchanges = _exchanges(facts, mode)
    for exchange in exchanges:  # replies under load tell more than the probe's first one
        headers = {**headers, **{k: str(v) for k, v in exchange.server.items() if "ratelimit" in k}}
    told, unclear = told_rates(headers)
    refused = [e for e in exchanges if _status(e) == 429]
    found = [_one(kind, needs[kind], told.get(kind), unclear.get(kind), endpoint, refused, mode) for kind in _KINDS]
    shown = [finding for finding in found if finding is not None]
    if refused and not any(needs.values()):
        text = f"{mode}: {_refusals(refused, exchanges)}."
        shown.append(check.RATE_LIMITS.finding(Status.WARN, text, mode=mode, known_by=KnownBy.OBSERVED))
    return shown


def _exchanges(facts: Facts, mode: str) -> list[Exchange]:
    return [s.exchange for s in facts.timed if s.mode == mode] + [a.exchange for a in facts.answers if a.mode == mode]


def _status(exchange: Exchange) -> int | None:
    return exchange.error.status if exchange.error and exchange.error.status else exchange.status


def _refusals(refused: list[Exchange], of: list[Exchange] | None = None) -> str:
    waits = [e.error.retry_after_s for e in refused if e.error and e.error.retry_after_s is not None]
    wait = f", Retry-After up to {max(waits):,.0f} s" if waits else ", without Retry-After"
    among = f" of {len(of)}" if of else ""
    return f"the service refused {len(refused)}{among} requests with 429{wait}"


def _one(  # noqa: PLR0917  one row of what is known
    kind: str,
    wanted: float | None,
    limit: float | None,
    unclear: str | None,
    endpoint: EndpointFacts | None,
    refused: list[Exchange],
    mode: str,
) -> Finding | None:
    if wanted is None:
        if limit is None:
            return None
        text = f"{mode}: the service allows {limit:,.0f} {kind} a minute; nothing is asked of it."
        return check.RATE_LIMITS.finding(Status.PASS, text, mode=mode, known_by=KnownBy.DECLARED, counts=False)
    seen = f" In this run {_refusals(refused)}." if refused else ""
    if limit is None and endpoint is not None and endpoint.place == "here" and not refused:
        text = f"{mode}: a server of your own without rate limits."
        return check.RATE_LIMITS.finding(Status.NOT_APPLICABLE, text, mode=mode)
    if limit is None:
        why = unclear or "the service tells no limit"
        text = f"{mode}: {wanted:,.0f} {kind} a minute are needed, {why}.{seen}"
        remedy = "read the provider's limits page, and declare or waive; a load at your rate shows it too"
        known = KnownBy.OBSERVED if refused else None
        return check.RATE_LIMITS.finding(Status.INCONCLUSIVE, text, mode=mode, remedy=remedy, known_by=known)
    status = Status.FAIL if limit < wanted else Status.WARN if refused else Status.PASS
    text = f"{mode}: {limit:,.0f} {kind} a minute allowed, {wanted:,.0f} needed.{seen}"
    return check.RATE_LIMITS.finding(
        status, text, mode=mode, observed=f"{limit:,.0f}", threshold=f"{wanted:,.0f}", known_by=KnownBy.DECLARED
    )


def told_rates(headers: dict[str, str]) -> tuple[dict[str, float], dict[str, str]]:
    """(limits a minute, why a limit that is told cannot be taken for one a minute), by kind.

    Read are `x-ratelimit-limit-requests` and `-tokens`, the same with the words the other way round, and the policies
    of the RateLimit draft (`100;w=60`). A limit that resets later than in a minute is one of a longer window.
    """
    told: dict[str, float] = {}
    unclear: dict[str, str] = {}
    low = {name.lower(): value for name, value in headers.items()}
    for kind in _KINDS:
        value = next((v for n, v in low.items() if n.endswith(_names(kind)) and _number(v) is not None), None)
        if value is None:
            continue
        number = _number(value) or 0.0
        reset = next((v for n, v in low.items() if n.endswith((f"ratelimit-reset-{kind}", f"{kind}-reset"))), "")
        if (seconds := _seconds(reset)) is not None and seconds > _MINUTE_S + 1:
            unclear[kind] = f"the limit of {number:,.0f} that is told resets in {seconds:,.0f} s only: not a minute's"
        else:
            told[kind] = number
    if "requests" not in told and (policy := _policy(low)) is not None:
        told["requests"] = policy
    return told, unclear


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
