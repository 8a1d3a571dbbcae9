"""What another harness reported of one task in one mode: columns, a row each, and what must be the same to compare."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from pydantic import field_serializer, field_validator, model_validator

from evalkit.findings import Frozen, Quoted


class HarnessFacts(Frozen):
    """One task in one mode. The columns `cases` to `scores` have one entry a graded sample."""

    #: place in the checklist's `tasks`
    entry: int
    task: str
    kind: str
    mode: str
    reader: str
    tool_version: str | None = None
    #: what must be equal in both modes: task version and hash, prompts, sampling, limits
    settings: dict[str, Any] = {}  # noqa: RUF012  pydantic copies defaults
    #: the server as the harness names it; None: it does not say
    endpoint: str | None = None
    model: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    #: evalkit started the harness itself, against this mode's server, in this run
    ran_here: bool = False
    #: why the results are not whole
    problems: tuple[Quoted, ...] = ()
    #: samples that the harness says it had, repeats included; None: it does not say
    planned: int | None = None
    #: files that were read, with their hashes
    sources: tuple[tuple[str, str], ...] = ()
    #: the rows are some of a table that has those of other modes too; None: a journal that does not say
    shared: bool | None = None
    cases: tuple[str, ...] = ()
    #: hash of the document, and of what was asked; empty: unknown
    docs: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    #: empty: no case goes with another
    clusters: tuple[str, ...] = ()
    repeats: tuple[int, ...] = ()
    #: from 0 to 1; None: the sample was not graded
    scores: tuple[float | None, ...] = ()

    @field_validator("cases", "docs", "prompts", "clusters", mode="before")
    @classmethod
    def _lines(cls, value: object) -> object:
        return tuple(value.split("\n")) if isinstance(value, str) and value else () if value == "" else value

    @field_serializer("cases", "docs", "prompts", "clusters", when_used="json")
    def _joined(self, value: tuple[str, ...]) -> str:
        """One text a column: a hundred thousand texts would each be searched for secrets."""
        return "\n".join(value)

    @model_validator(mode="after")
    def _columns(self) -> HarnessFacts:
        n = len(self.cases)
        columns = (self.docs, self.prompts, self.clusters, self.repeats, self.scores)
        if any(len(column) not in (0, n) for column in columns) or len(self.scores) != n:
            raise ValueError("the columns differ in length")
        return self

    @property
    def key(self) -> str:
        return f"{self.entry}|{self.task}|{self.mode}"

    @cached_property
    def by_case(self) -> dict[str, list[int]]:
        """Rows of each case, in order."""
        found: dict[str, list[int]] = {}
        for row, case in enumerate(self.cases):
            found.setdefault(case, []).append(row)
        return found
