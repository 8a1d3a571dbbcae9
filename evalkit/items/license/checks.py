"""The statements of the license item."""

from __future__ import annotations

from typing import Literal

from evalkit.findings import Check

Facet = Literal["commercial", "modify", "redistribute"]
_READ = "read the license text at the pinned commit and record it under items.license.readings"
_HUB = "https://huggingface.co/docs/hub/repositories-licenses"

IDENTIFIED = Check(
    "license.identified",
    "The license is identified",
    "A family name, `other` or nothing at all grants no right that could be checked.",
    _READ,
    sources=(_HUB,),
)
USES: dict[Facet, Check] = {
    "commercial": Check(
        "license.commercial-use", "Commercial use is allowed", "Variants of one family carry different terms.", _READ
    ),
    "modify": Check(
        "license.modify", "Modification is allowed", "Fine-tuning and quantising make a derived work.", _READ
    ),
    "redistribute": Check(
        "license.redistribute", "Redistribution is allowed", "Shipping weights to customers is redistribution.", _READ
    ),
}
PURPOSE = Check(
    "license.purpose", "The purpose is allowed", "Some licenses allow research or evaluation only.",
    "choose a variant whose license allows the purpose, or change `use.purpose`",
)  # fmt: skip
CONSISTENT = Check(
    "license.consistent", "Card, license file and links name the same license",
    "Where they differ, the table's answer for the card's name says nothing about the text that binds you.",
    "read the texts that are named, record that under items.license.readings, and ask the publisher which applies",
)  # fmt: skip
BASE = Check(
    "license.base-model", "The licenses of the base models allow the use",
    "A fine-tune, a merge or a quantised copy stays bound by the license of its original, whatever its own card says.",
    "read the base model's license; where it is the stricter one, it counts: use the original's terms or another model",
)  # fmt: skip
CODE = Check(
    "license.code", "The code's license allows the use",
    "Code that is shipped with weights can have a license of its own.",
    "read the code's license file, or serve the weights with code of another license",
)  # fmt: skip
PINNED = Check(
    "license.text-pinned", "The license text is pinned by the repository",
    "A link without a version can change after the decision.",
    "keep a dated copy of the text you relied on: `evalkit license MODEL --fetch-license` or `--license-text FILE`, or"
    " items.license.text in the checklist",
)  # fmt: skip
GATED = Check(
    "license.gated", "Access is not gated", "Gated access is granted to a user and can be withdrawn.",
    "make sure that your organisation keeps its access", sources=("https://huggingface.co/docs/hub/models-gated",),
)  # fmt: skip
REMOTE = Check(
    "license.remote-code", "No remote code is needed", "Remote code runs with your rights and its own license.",
    "review the named files at the pinned commit before trusting them",
)  # fmt: skip
STALE = Check(
    "license.reading", "Recorded readings fit the text", "A reading is bound to the text that was read.",
    "read the present text and record its hash",
)  # fmt: skip
VARIANTS = Check(
    "license.variant-use", "Another variant allows the use", "Terms differ between variants of a family.",
    "check the variant's own card before switching to it",
)  # fmt: skip
CHECKS = (IDENTIFIED, *USES.values(), PURPOSE, CONSISTENT, BASE, CODE, PINNED, GATED, REMOTE, STALE, VARIANTS)
