from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from evalkit.checklist.schema import Checklist, LoadedChecklist
from evalkit.errors import RunFolderError
from evalkit.report.gate import gate
from tests.report.test_stored import NOW, Stored


class Damaged(Stored):
    def facts(self):
        raise RunFolderError("torn")


class Changed(Stored):
    def verify(self):
        return ["evidence/card.md was changed after it was written"]


def loaded(**items) -> LoadedChecklist:
    checklist = Checklist.model_validate({"items": items})
    return LoadedChecklist(checklist=checklist, path=None, folder=Path(), sha256="x")


LOOSER = loaded(modes={"speedup": {"at_least": 0.5}})
STRICTER = loaded(modes={"speedup": {"at_least": 1.5}})


@pytest.mark.parametrize(
    ("source", "options", "decided", "expected"),
    [
        (Stored(), {}, 0, 0),
        (Stored(), {}, 1, 1),
        (Stored(), {}, 3, 3),
        (Damaged(), {}, 0, 3),
        (Changed(), {}, 0, 3),
        (Changed(), {}, 1, 3),
        (Stored(), {"max_age": timedelta(minutes=1)}, 0, 3),
        (Stored(), {"revision": "f" * 40}, 0, 3),
        (Stored(), {"checklist": LOOSER}, 0, 3),
        (Stored(), {"checklist": LOOSER, "accept_changed_checklist": True}, 0, 0),
        (Stored(), {"checklist": STRICTER}, 0, 0),
    ],
)
def test_gate_trusts_only_what_can_be_trusted(monkeypatch, source, options, decided, expected) -> None:
    verdict = ModuleType("evalkit.verdict")
    verdict.decide = lambda *_, **__: SimpleNamespace(exit_code=decided, verdict="x", reasons=("because",), waivers=())
    monkeypatch.setitem(sys.modules, "evalkit.verdict", verdict)
    result = gate(source, NOW, **options)
    assert result.exit_code == expected
    assert result.reasons
