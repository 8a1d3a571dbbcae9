"""Whether the server at the end of the work is the one that was probed."""

from __future__ import annotations

import pytest

from evalkit.findings import Status
from evalkit.items.serving.decide import decide
from evalkit.serving.facts import Afterwards, Identity
from tests.timing.support import sample

from .test_decide import AR, DIFF, NOW, checklist, facts, one, served

HERE = Identity(reachable=True, engine="sglang", model_path="m", settings={"tp_size": 1}, process="p")
AGAIN = {"settings": {"tp_size": 1, "random_seed": 2, "max_total_num_tokens": 99_000}, "process": "q"}
ONCE = HERE.model_copy(
    update={**AGAIN, "settings": {**AGAIN["settings"], "random_seed": 1, "max_total_num_tokens": 100_000}}
)
ANEW, SMALLER = (ONCE.model_copy(update={**AGAIN, "settings": {**AGAIN["settings"], "max_total_num_tokens": n}})
                 for n in (99_000, 80_000))  # fmt: skip
OTHER = HERE.model_copy(update={"settings": {"tp_size": 2}, "process": "q"})


def session(mode, before=HERE, after=HERE, *, opening=False):
    return Afterwards(mode=mode, before=before, after=before if opening else after, opening=opening)


def found(*sessions):
    seen = facts(served(AR), served(DIFF, DIFF), timed=(sample(DIFF, "p0", 0, 10.0),), afterwards=sessions)
    return one(decide(checklist(AR, DIFF), seen, NOW), "serving.unchanged", DIFF)


@pytest.mark.parametrize(
    ("sessions", "outcome", "of", "status"),
    [
        ([session(DIFF)], "same", None, Status.PASS),
        ([session(DIFF, opening=True)], "not-asked", None, Status.INCONCLUSIVE),
        ([session(DIFF), session(AR, opening=True)], "not-asked", AR, Status.INCONCLUSIVE),
        ([session(DIFF, after=Identity(reachable=False))], "gone", None, Status.INCONCLUSIVE),
        ([session(DIFF, after=OTHER)], "changed", None, Status.INCONCLUSIVE),
        ([session(DIFF), session(AR, after=OTHER)], "changed", AR, Status.INCONCLUSIVE),
        ([session(DIFF), session(DIFF, OTHER, OTHER)], "changed-between", None, Status.INCONCLUSIVE),
        ([session(DIFF, after=HERE.model_copy(update={"process": "q"}))], "restarted", None, Status.INCONCLUSIVE),
        ([session(DIFF), session(DIFF, *[HERE.model_copy(update={"process": "q"})] * 2)], "same", None, Status.PASS),
        # a new start draws its seed and reckons its pool from the memory that is free; one process does not
        ([session(DIFF, ONCE, ONCE), session(DIFF, ANEW, ANEW)], "same", None, Status.PASS),
        ([session(DIFF, ONCE, ONCE), session(DIFF, SMALLER, SMALLER)], "changed-between", None, Status.INCONCLUSIVE),
        ([session(DIFF, ONCE, ANEW)], "changed", None, Status.INCONCLUSIVE),
        (
            [session(DIFF, HERE.model_copy(update={"process": "o"}), opening=True), session(DIFF, opening=True),
             session(DIFF)], "cut-off", None, Status.WARN,
        ),
    ],
)  # fmt: skip
def test_a_server_is_the_one_that_was_probed(sessions, outcome, of, status):
    finding = found(*sessions)
    assert (finding.outcome, finding.data.get("of"), finding.status) == (outcome, of, status)


def test_what_changed_is_named_with_both_values():
    assert found(session(DIFF, after=OTHER)).data["changes"] == [
        {"name": "settings.tp_size", "before": "1", "after": "2"}
    ]


def test_a_mode_that_was_measured_and_not_asked_again_is_open():
    assert (found(session(AR)).outcome, found(session(AR)).status) == ("not-asked", Status.INCONCLUSIVE)
