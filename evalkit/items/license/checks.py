"""The checks of the license item, each with its decision table."""

from __future__ import annotations

from evalkit.findings import Check, Status
from evalkit.items.license.words import Facet

_READ = "read the license text at the pinned commit and record it under items.license.readings"
_HUB = "https://huggingface.co/docs/hub/repositories-licenses"
_PASS, _WARN, _FAIL, _OPEN, _ERROR = Status.PASS, Status.WARN, Status.FAIL, Status.INCONCLUSIVE, Status.ERROR

IDENTIFIED = Check(
    "license.identified",
    "The license is identified",
    "A family name, `other` or nothing at all grants no right that could be checked.",
    _READ,
    sources=(_HUB,),
    outcomes={
        "in-table": _PASS, "read": _PASS, "provider": _PASS, "no-candidate": _OPEN, "not-known": _OPEN,
        "not-read": _ERROR,
    },
)  # fmt: skip
_USE = {
    "allowed": _PASS, "read-allowed": _PASS, "provider-allows": _PASS,
    "forbidden": _FAIL, "read-forbidden": _FAIL, "provider-forbids": _FAIL, "over-limit": _FAIL,
    "limit-unknown": _OPEN, "not-known": _OPEN, "sources-differ": _OPEN, "conditional": _OPEN,
    "provider-silent": _OPEN, "not-read": _ERROR,
}  # fmt: skip
USES: dict[Facet, Check] = {
    "commercial": Check(
        "license.commercial-use", "Commercial use is allowed", "Variants of one family carry different terms.", _READ,
        outcomes=_USE,
    ),
    "modify": Check(
        "license.modify", "Modification is allowed", "Fine-tuning and quantising make a derived work.", _READ,
        outcomes=_USE,
    ),
    "redistribute": Check(
        "license.redistribute", "Redistribution is allowed", "Shipping weights to customers is redistribution.", _READ,
        outcomes=_USE,
    ),
}  # fmt: skip
PURPOSE = Check(
    "license.purpose", "The purpose is allowed", "Some licenses allow research or evaluation only.",
    "choose a variant whose license allows the purpose, or change `use.purpose`",
    outcomes={"allowed": _PASS, "forbidden": _FAIL, "not-known": _OPEN},
)  # fmt: skip
CONSISTENT = Check(
    "license.consistent", "Card, license file and links state the same license",
    "Where they differ, the table's answer for the card's license says nothing about the text that binds you.",
    "read the texts in question, record that under items.license.readings, and ask the publisher which applies",
    outcomes={
        "file-agrees": _PASS, "file-differs": _OPEN, "file-differs-read": _WARN, "link-differs": _OPEN,
        "link-missing": _WARN, "badge-differs": _OPEN, "badge-differs-minor": _WARN, "other-license-linked": _WARN,
        "prose-restricts": _OPEN, "prose-restricts-read": _WARN, "weights-linked": _OPEN, "weights-linked-read": _WARN,
    },
)  # fmt: skip
BASE = Check(
    "license.base-model", "The licenses of the base models allow the use",
    "A fine-tune, a merge or a quantised copy stays bound by the license of its original, whatever its own card says.",
    "read the base model's license; where it is the stricter one, it counts: use the original's terms or another model",
    outcomes={"allows": _PASS, "not-known": _OPEN, "stricter": _OPEN, "by-table": _WARN, "unnamed": _WARN},
)  # fmt: skip
CODE = Check(
    "license.code", "The code's license allows the use",
    "Code that is shipped with weights can have a license of its own.",
    "read the code's license file, or serve the weights with code of another license",
    outcomes={
        "allows": _PASS, "forbids": _FAIL, "open": _OPEN, "forbids-unused": _WARN, "not-recognised": _OPEN,
        "not-recognised-unused": _WARN,
    },
)  # fmt: skip
PINNED = Check(
    "license.text-pinned", "The license text is pinned by the repository",
    "A link without a version can change after the decision.",
    "keep a dated copy of the text you relied on: `evalkit license MODEL --fetch-license` or `--license-text FILE`, or"
    " items.license.text in the checklist",
    outcomes={"in-repository": _PASS, "given": _WARN, "fetched": _WARN, "missing": _WARN},
)  # fmt: skip
GATED = Check(
    "license.gated", "Access is not gated", "Gated access is granted to a user and can be withdrawn.",
    "make sure that your organisation keeps its access", sources=("https://huggingface.co/docs/hub/models-gated",),
    outcomes={"gated": _WARN, "no-access": _WARN},
)  # fmt: skip
REMOTE = Check(
    "license.remote-code", "No remote code is needed", "Remote code runs with your rights and its own license.",
    "review these files at the pinned commit before trusting them", outcomes={"needed": _WARN},
)  # fmt: skip
STALE = Check(
    "license.reading", "Recorded readings match the text", "A reading is bound to the text that was read.",
    "read the present text and record its hash", outcomes={"stale": _OPEN},
)  # fmt: skip
VARIANTS = Check(
    "license.variant-use", "Another variant allows the use", "Terms differ between variants of a family.",
    "check the variant's own card before switching to it",
    outcomes={"allows": _PASS, "allows-with-care": _WARN, "forbids": _FAIL, "open": _OPEN, "not-read": _ERROR},
)  # fmt: skip
RECORD = Check(
    "license.shipped-record", "The repository itself was read",
    "What evalkit ships about a repository was seen on a date: the card may have changed, and no commit is pinned.",
    "run again with network, or on a snapshot: `evalkit snapshot MODEL -o FILE` on a machine that has it",
    outcomes={"not-this-commit": _OPEN},
)  # fmt: skip
CHECKS = (IDENTIFIED, *USES.values(), PURPOSE, CONSISTENT, BASE, CODE, PINNED, GATED, REMOTE, STALE, RECORD, VARIANTS)
