"""What the tests of verdict_table and item_status share."""

from __future__ import annotations

from evalkit.checklist.schema import Checklist
from evalkit.findings import ITEM_IDS, Finding, Status

AR, DIFF, SPEC = MODES = ("autoregressive", "diffusion", "self-speculation")


PER_MODE = ("modes", "serving", "quality")


def checklist(modes=MODES, **more) -> Checklist:
    return Checklist.model_validate({"modes": {m: {"endpoint": "http://127.0.0.1:1"} for m in modes}, **more})


def finding(item, status=Status.PASS, mode=None, name="x", **more) -> Finding:
    return Finding(id=f"{item}.{name}", item=item, status=status, summary=f"{item} {status.value}", mode=mode, **more)


def everything(changes=(), modes=MODES):
    """All pass but what `changes` says: (item, mode) -> status."""
    changed = dict(changes)
    return {
        item: [
            finding(item, changed.get((item, mode), Status.PASS), mode)
            for mode in (modes if item in PER_MODE else (None,))
        ]
        for item in ITEM_IDS
    }


def item(decision, name):
    return next(i for i in decision.items if i.id == name)
