"""Whether a vision-language model was asked about images. Pure."""

from __future__ import annotations

from typing import Literal

from evalkit.facts import Facts
from evalkit.findings import Finding, KnownBy
from evalkit.items.quality import checks
from evalkit.items.quality.words import Images


def images(facts: Facts, mode: str) -> list[Finding]:
    """One finding for a candidate that takes images; nothing for a model of text."""
    candidate = facts.candidate
    if candidate is None or not candidate.sees:
        return []
    planned = {(suite.name, case) for suite in facts.suites for case in suite.image_cases}
    scored = {(one.suite, one.case_id) for one in facts.answers if one.mode == mode and one.passed is not None}
    outcome: Literal["scored", "not-scored", "none"] = "none"
    if planned:
        outcome = "scored" if planned & scored else "not-scored"
    values = Images(outcome=outcome, mode=mode, model=candidate.model, cases=len(planned), scored=len(planned & scored))
    return [checks.IMAGES.found(values, mode=mode, known_by=KnownBy.OBSERVED if planned else None)]
