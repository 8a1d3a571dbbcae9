"""Tasks of a checklist that another harness grades: its results, or how to run it."""

# ruff: noqa: RUF012  pydantic copies defaults
from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, field_validator, model_validator

from evalkit.checklist.base import EnvName, Positive, Section
from evalkit.modes import INCUMBENT, canonical

Reads = Literal["lm-eval", "inspect", "nel", "promptfoo", "csv"]


class HarnessTask(Section):
    """Results of another harness, case by case: `results` with `from`, or `run`, or `command` with `reads`."""

    model_config = ConfigDict(populate_by_name=True)

    results: Annotated[dict[str, str], Field(min_length=1)] | None = None
    """Folder or file with the results of each mode (and of `incumbent`), for `from`."""
    from_: Annotated[Reads | None, Field(alias="from")] = None
    """The tool that wrote `results`; `csv` is a table or JSON lines with case, mode and score."""
    run: Literal["lm-eval", "inspect", "promptfoo"] | None = None
    """Run this tool once a mode against the live server. It must be installed."""
    command: Annotated[list[str], Field(min_length=1)] | None = None
    """Any other tool, a list of words; `{endpoint}`, `{model}`, `{out}` and `{mode}` are filled in."""
    reads: Reads | None = None
    """What `command` leaves in `{out}`."""
    name: Annotated[str, Field(pattern=r"^[^|\x00-\x1f\x7f]{1,80}$")] | None = None
    """Name in the report, before the task's own; default: the tool's."""
    kind: Literal["chat", "tools", "long", "structured", "custom"] = "custom"
    """Kind of the tasks: sets margin and floor."""
    tasks: list[str] = []
    """`run: lm-eval`: its tasks. `results`: only these; default all that are there."""
    task: str | None = None
    """`run: inspect`: the file or name of its task. `run: promptfoo`: its config file."""
    metric: str | None = None
    """The score that decides, where a task has several (lm-eval: metric; Inspect: scorer)."""
    filter: str | None = None
    """lm-eval: the filter whose answers count, where a task has several."""
    limit: Annotated[int, Field(gt=0)] | None = None
    """The first so many samples of each task."""
    include_path: str | None = None
    """lm-eval: a folder with task files of your own."""
    program: str | None = None
    """Path of the tool, where it is not on PATH (in an environment of its own, say)."""
    args: list[str] = []
    """Further words for the tool's command."""
    env: list[EnvName] = []
    """Variables of the environment that the tool may see in addition to PATH, HOME and those of the Hub."""
    timeout_minutes: Positive = 60.0
    """Longest time of one mode; the tool is ended after it."""
    accept_unwitnessed: bool = False
    """Let results count although nothing shows that they came from the servers of this run; shown in the report."""

    @field_validator("results", mode="before")
    @classmethod
    def _canonical(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {(key if key == INCUMBENT else canonical(str(key))): path for key, path in value.items()}

    @model_validator(mode="after")
    def _one_way(self) -> HarnessTask:
        given = [name for name in ("results", "run", "command") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"give one of results, run and command; found {' and '.join(given) or 'none'}")
        needs = {"results": ("from", self.from_), "command": ("reads", self.reads)}.get(given[0])
        if needs and needs[1] is None:
            raise ValueError(f"{given[0]} needs `{needs[0]}`: lm-eval, inspect, nel, promptfoo or csv")
        if self.run == "lm-eval" and not self.tasks:
            raise ValueError("run: lm-eval needs `tasks`")
        if self.run in ("inspect", "promptfoo") and not self.task:
            raise ValueError(f"run: {self.run} needs `task`")
        return self

    @property
    def names_endpoint(self) -> bool:
        """Whether the command's words give the tool the server of the mode."""
        return self.run in ("lm-eval", "inspect") or any("{endpoint}" in word for word in self.command or ())

    @property
    def reader(self) -> str:
        """The kind of results that are read."""
        return str(self.from_ or self.reads or self.run)
