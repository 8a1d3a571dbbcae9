"""What the tests of decide and decide_shares share."""

from __future__ import annotations

from evalkit.checklist.schema import Checklist
from evalkit.client.types import Exchange
from evalkit.facts import Facts
from evalkit.items.quality.decide import decide
from evalkit.quality.facts import Answer, Grade, Signals, SuiteFacts
from tests.support.start import NOW, START

AR, SPEC, DLM = "autoregressive", "self-speculation", "diffusion"


def checklist(**more):
    return Checklist.model_validate({"modes": {AR: {}, DLM: {}, SPEC: {}}, **more})


def suite(n=130, *, name="s", kind="chat", shipped=True, critical=(), repeats=1):
    return SuiteFacts(
        name=name, kind=kind, path="p", sha256="0", cases=n, shipped=shipped, critical=tuple(critical), repeats=repeats
    )


def one(mode, case, passed=True, *, text=None, of=None, repeat=0, **more):
    of = of or suite()
    text = text if text is not None else f"reply {case}"
    error = more.pop("error", None)
    reply = Exchange(
        ok=error is None,
        text=text,
        error=error,
        finish_reason="stop",
        completion_tokens=more.pop("tokens", 20),
        tool_calls=more.pop("calls", ()),
    )
    return Answer(
        mode=mode, suite=of.name, kind=of.kind, case_id=str(case), repeat=repeat, request_sha256=f"asks {case}", exchange=reply,
        passed=None if error else passed, reply_sha256=text, signals=None if error else more.pop("signals", Signals()),
        severity="critical" if str(case) in of.critical else "normal", grades=(Grade(grader="g", passed=passed, reason="wrong"),), **more,
    )  # fmt: skip


def both(of, lost=(), gained=(), mode=DLM, noise=(), **more):
    """Baseline passes all but `gained`; the mode all but `lost`. The baseline answers twice."""
    found = []
    for i in range(of.cases):
        found += [
            one(AR, i, i not in gained, of=of),
            one(AR, i, i not in gained, of=of, repeat=1, text="other" if i in noise else None),
        ]
        found.append(one(mode, i, i not in lost, of=of, text=f"bad {i}" if i in lost else None, **more))
    return found


def found(findings, check, mode=DLM):
    return [f for f in findings if f.id == f"quality.{check}" and f.mode == mode]


def status(findings, check, mode=DLM):
    return [f.status for f in found(findings, check, mode)]


def outcome(findings, check, mode=DLM):
    return [f.outcome for f in found(findings, check, mode)]


def run(answers, *suites, items=None, **facts):
    asked = checklist(items={"quality": items or {}}, **facts.pop("asked", {}))
    return decide(asked, Facts(start=START, suites=suites, answers=tuple(answers), **facts), NOW)
