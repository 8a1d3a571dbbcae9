"""Rows of the packaged tables. Every row says where it comes from, of which date, and how well it was read."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from evalkit.findings import Frozen

#: How well a source was read. `general-knowledge`: a published standard text, not read again for the table.
HowRead = Literal[
    "read", "read-through-note", "summary", "inferred", "computed", "third-party", "general-knowledge", "not-read"
]
Answer = Literal["yes", "no", "conditional", "unknown"]
YesNo = Literal["yes", "no", "unknown"]
Purpose = Literal["any", "non-commercial", "research-evaluation", "internal-research", "unknown"]


def _words(value: object) -> object:
    """YAML reads a bare yes or no as a truth value."""
    return {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value


def _text(value: object) -> object:
    return value if isinstance(value, str) else str(value)


YamlAnswer = Annotated[Answer, BeforeValidator(_words)]
YamlYesNo = Annotated[YesNo, BeforeValidator(_words)]
#: ISO date, or year and month where the source says no more
When = Annotated[str, BeforeValidator(_text), Field(pattern=r"^\d{4}-\d{2}(-\d{2})?$")]
Source = Annotated[str, Field(min_length=8)]


class Sourced(Frozen):
    source: Source
    date: When
    how_read: HowRead


class Terms(Frozen):
    """What a license allows. `conditional` without a condition in words depends on the caps alone."""

    commercial: YamlAnswer = "unknown"
    modify: YamlAnswer = "unknown"
    redistribute: YamlAnswer = "unknown"
    purpose: Purpose = "unknown"
    #: largest number of monthly active users without a further license
    user_cap: int | None = None
    #: annual revenue in USD from which the grant ends
    revenue_cap: float | None = None
    use_restrictions: YamlYesNo = "unknown"
    output_terms: str | None = None
    patent_litigation: str | None = None
    revocable: YamlYesNo = "unknown"
    #: by facet: what `conditional` depends on, apart from the caps
    conditions: dict[Literal["commercial", "modify", "redistribute"], tuple[str, ...]] = {}  # noqa: RUF012  pydantic copies defaults


class LicenseRow(Sourced):
    """One license. `family`: a name of several texts; `placeholder`: names nothing; `unread`: nobody read it for us."""

    id: str
    name: str
    spdx: str | None = None
    hub: bool = False  # one of the identifiers that the Hub recognises
    kind: Literal["license", "family", "placeholder", "unread"] = "license"
    aliases: tuple[str, ...] = ()
    #: other names that the license's own notices use: not enough to identify it, no contradiction either
    notice_names: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    #: phrases that occur together in this text only (white space and case folded)
    markers: tuple[str, ...] = ()
    terms: Terms = Terms()
    obligations: tuple[str, ...] = ()
    #: what a person must read when the table cannot decide
    to_read: str | None = None
    notes: tuple[str, ...] = ()


class VendorClaim(Sourced):
    """A figure that the vendor reports. Shown next to a measurement, never used as one."""

    id: str
    claim: str
    value: float
    unit: str
    mode: str | None = None
    variant: str | None = None
    hardware: str | None = None
    precision: str | None = None
    concurrency: int | None = None
    dataset: str | None = None
    conditions: str | None = None


class Variant(Sourced):
    """One repository as it was seen. None: not seen; a sibling's value is never filled in."""

    id: str
    kind: Literal["instruct", "base", "vision-language"]
    license: str
    license_how_read: HowRead = "inferred"
    params: int | None = None
    weight_bytes: int | None = None
    revision_seen: str | None = None
    architecture: str | None = None
    model_type: str | None = None
    layers: int | None = None
    hidden: int | None = None
    ffn: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    head_dim: int | None = None
    vocab: int | None = None
    tied: bool | None = None
    config_context: int | None = None
    rope_original: int | None = None
    rope_factor: float | None = None
    rope_theta: float | None = None
    block_size: int | None = None
    mask_token_id: int | None = None
    eos_token_id: int | None = None
    #: longest sequence in training, in tokens
    trained: int | None = None
    trained_source: str | None = None
    upstream: str | None = None
    wrong_ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    #: the vision tower's part of the configuration
    vision: dict[str, int] | None = None

    def config(self) -> dict[str, Any]:
        """What was seen, in the words of a config.json."""
        rope = {"original_max_position_embeddings": self.rope_original, "factor": self.rope_factor}
        known = {
            "num_hidden_layers": self.layers, "hidden_size": self.hidden, "intermediate_size": self.ffn,
            "num_attention_heads": self.heads, "num_key_value_heads": self.kv_heads, "head_dim": self.head_dim,
            "vocab_size": self.vocab, "tie_word_embeddings": self.tied, "block_size": self.block_size,
            "max_position_embeddings": self.config_context, "mask_token_id": self.mask_token_id,
            "model_type": self.model_type, "architectures": [self.architecture] if self.architecture else None,
            "rope_parameters": {k: v for k, v in rope.items() if v is not None} or None, "vision_config": self.vision,
        }  # fmt: skip
        return {key: value for key, value in known.items() if value is not None}


class Related(Sourced):
    """A cross-link for a directory of models: its kin, code, reports, engines, hosts, KV-cache tools, rivals."""

    id: str
    relation: Literal[
        "code", "report", "collection", "derivative", "upstream", "family", "engine", "provider", "kv-cache", "compare"
    ]
    of: str | None = None
    title: str
    license: str | None = None
    engines: tuple[str, ...] = ()
    modes: tuple[str, ...] = ()
    notes: str | None = None


class TableInfo(Frozen):
    """What a report prints of a table: its date (of the newest row or as stated) and size."""

    name: str
    date: When
    rows: int


RawTable = dict[str, Any]
