"""What the tests of wrong_go and wrong_go_prompts share."""

from __future__ import annotations

from typing import Any

from evalkit.checklist.schema import Checklist
from evalkit.facts import Facts
from evalkit.serving.facts import Afterwards, EndpointFacts, Identity
from evalkit.timing.facts import TimedSample
from evalkit.timing.prompts import PromptSet
from tests.support.quality_run import DECIDING, run_facts

AR, DIFF, SELF = "autoregressive", "diffusion", "self-speculation"


GO = run_facts(cases=40, prompts=22)


def checklist(items: dict[str, Any] | None = None, **more: Any) -> Checklist:
    data = DECIDING.model_dump(mode="json", exclude_unset=True)
    return Checklist.model_validate(data | more | {"items": data["items"] | (items or {})})


def of(findings, name, mode=None):
    return [f for f in findings if f.id == name and (mode is None or f.mode == mode)]


def served(label: str, declared: str | None, observed: str | None = None, **more: Any) -> EndpointFacts:
    return EndpointFacts(
        label=label, endpoint=f"http://h/{label}", reachable=True, engine="sglang", engine_version="0.5.23",
        release="release", model_path="org/model", process=label, declared_mode=declared, observed_mode=observed, **more
    )  # fmt: skip


def asked(prompts: PromptSet, samples: tuple[TimedSample, ...] = GO.timed) -> Facts:
    """The constructed run, had it sent these prompts."""
    by_id = {p.id: p for p in prompts.prompts}
    sent = [
        s.model_copy(update={"same_as": by_id[s.prompt_id].same_as, "cluster": by_id[s.prompt_id].cluster})
        for s in samples
    ]
    return GO.model_copy(update={"timed": tuple(sent), "prompts": prompts.facts})


def sessions(*identities: tuple[str, Identity, Identity | None]) -> list[Afterwards]:
    """Each session as it is kept: a look before the work, and one after it unless the session was killed."""
    kept = []
    for mode, before, after in identities:
        kept.append(Afterwards(mode=mode, before=before, after=before, opening=True))
        kept += [Afterwards(mode=mode, before=before, after=after)] if after else []
    return kept
