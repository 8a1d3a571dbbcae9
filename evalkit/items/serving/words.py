"""What the serving item says of servers, models and settings: typed values, and the sentences made of them."""

from __future__ import annotations

from datetime import date
from textwrap import indent
from typing import Literal, NamedTuple

from evalkit.data.records import Record
from evalkit.findings import Values, Words
from evalkit.items.serving.checks import LAUNCH
from evalkit.serving.support import line, recipe_for, unknown

#: what to do about a server that did not answer, by the kind of error
_BY_KIND = {
    "refused": "Start the server, or correct host and port; `evalkit probe URL` shows when it answers.",
    "timeout": "The server accepts connections but does not answer: read its log, then restart it.",
    "auth": "Put the name of the variable that holds the key into modes.NAME.api_key_env and export it.",
    "not-json": "Something else listens there: give the address of the OpenAI-style server itself, without a path.",
    "not-found": "No /v1/models there: give the server's root address, for example http://127.0.0.1:30000.",
    "http": "Ask the server by hand: curl URL/v1/models; give the address behind a redirect directly.",
    "protocol": "The answer is not usable HTTP: check the scheme (http or https), the port, and proxies in between.",
}


UNKNOWN_ENGINE = "an unknown engine"


class Start(NamedTuple):
    """What is known of starting a server for a mode: the remedy wherever one is missing."""

    label: str
    #: the decoding mode behind the label
    decoding: str
    model: str | None
    architectures: tuple[str, ...]
    port: int = 30000

    def text(self) -> str:
        """How to start a server for the mode, in one line, and how to pass its address."""
        model = self.model or "MODEL"
        recipe = recipe_for(model, self.decoding, self.architectures)
        if recipe is None:
            then = f"Start a server that decodes in this mode, then: `evalkit run --mode {self.label}=http://HOST:PORT`"
            return f"{unknown(model, self.decoding, self.architectures)} {then}"
        files = "".join(f"\n  {file.name}:\n{indent(file.text, '    ')}" for file in recipe.side_files)
        start = f"Start {recipe.title} ({recipe.record.note}):\n  `{recipe.command(model=model, port=self.port)}`"
        run = f"`evalkit run --mode {self.label}=http://127.0.0.1:{self.port}`"
        return f"{start}{files.rstrip()}\nthen: {run}"


class Reachable(Values):
    """Whether a mode's server answers. `starts`: how to start one, for each mode that has none."""

    outcome: Literal["answers", "no-mode", "not-configured", "not-probed", "unusable"]
    mode: str | None = None
    endpoint: str | None = None
    engine: str = ""
    error: str | None = None
    error_kind: str | None = None
    starts: tuple[Start, ...] = ()
    #: support records are shown as findings of their own
    recorded: bool = False
    #: the address has to be restarted in this mode
    restart: bool = False

    def data(self) -> dict[str, object]:
        return self.model_dump(mode="json", include={"endpoint", "error_kind"}, exclude_none=True)

    def words(self) -> Words:
        match self.outcome:
            case "answers":
                return Words(f"{self.endpoint} answers ({self.engine}).", self.engine)
            case "no-mode":
                return Words("No mode is configured, so no server was asked.", remedy=self._first_steps())
            case "not-configured":
                text = "neither an endpoint nor a launch command is configured."
                return Words(text, remedy=self.starts[0].text())
            case "not-probed":
                again = f"`evalkit run CHECKLIST --only-mode {self.mode} --resume RUN-FOLDER`"
                remedy = f"Continue the run: {again}"
                if self.restart:
                    remedy = f"Restart the server at {self.endpoint} in this mode, then: {again}"
                return Words("its server was not probed.", remedy=remedy)
            case "unusable":
                text = f"{self.endpoint} cannot be used: {self.error or 'no answer'}."
                return Words(text, self.error_kind, remedy=_BY_KIND.get(self.error_kind or ""))

    def _first_steps(self) -> str:
        first = "as serving.support says below." if self.recorded else f"for example:\n{self.starts[0].text()}"
        given = " ".join(f"--mode {start.label}=http://127.0.0.1:{start.port}" for start in self.starts[:2])
        return (
            f"Start a server for {self.starts[0].label} and one for each mode that you want to adopt, {first}\n"
            f"Then: `evalkit run {given}`\n"
            "One GPU: give modes.NAME.launch in the checklist, and evalkit starts them in turn. "
            "No GPU: `evalkit run --demo` shows a whole run."
        )


class Launch(Values):
    """A start of a server by evalkit, or the try of it before anything is measured."""

    outcome: Literal["ready", "failed", "never-ready", "tried", "try-failed"]
    mode: str
    launch: int | None = None
    ready_s: float | None = None
    why: str = ""
    log_tail: tuple[str, ...] = ()

    def data(self) -> dict[str, object]:
        return self.model_dump(mode="json", include={"launch", "ready_s"}, exclude_none=True)

    def words(self) -> Words:
        ready = None if self.ready_s is None else f"{self.ready_s:.1f} s"
        tail = "\n".join(self.log_tail[-8:])
        remedy = f"{LAUNCH.remedy}\n{tail}" if tail else None
        after = f"ready after {ready}, " if ready else ""
        match self.outcome:
            case "ready":
                return Words(f"start {(self.launch or 0) + 1} was ready after {ready}.", ready)
            case "failed":
                return Words(f"the launch failed: {self.why}.", remedy=remedy)
            case "never-ready":
                return Words("the launch was never seen ready.")
            case "tried":
                return Words(f"its launch was tried: {after}{self.why}.")
            case "try-failed":
                return Words(f"its launch was tried and failed: {after}{self.why}.", remedy=remedy)


class Provenance(Values):
    """Of what kind the engine is. `details`: commit, image, patches, as far as the server reports them."""

    outcome: Literal["release", "allowed", "not-allowed", "unknown", "reference"]
    mode: str
    engine: str
    kind: str
    allowed: tuple[str, ...] = ()
    details: dict[str, str] = {}  # noqa: RUF012  pydantic copies defaults

    def data(self) -> dict[str, object]:
        return {"provenance": self.details}

    def words(self) -> Words:
        kind = {
            "release": "is a release",
            "pre-release": "is a pre-release",
            "fork": "is a fork, not a release",
            "unknown": "does not show whether it is a release",
        }[self.kind]
        more = "".join(f", {name} {value}" for name, value in self.details.items())
        remedy = None
        if self.outcome == "reference":
            kind = "is a reference implementation, not a release"
            remedy = "Serve the mode with an engine before it is adopted: evalkit explain support MODEL lists what can."
        if self.outcome == "unknown":
            remedy = (
                "Let the server's version be read (/server_info, /version), or state it in modes.NAME.note and waive "
                "this."
            )
        return Words(f"{self.engine} {kind}{more}.", self.kind, ", ".join(self.allowed), remedy)


class Distinct(Values):
    """Two modes at one address: `mode` and the one before it."""

    outcome: Literal["same-process", "same-address"]
    first: str
    second: str
    endpoint: str

    def words(self) -> Words:
        both = f"{self.second} and {self.first}"
        if self.outcome == "same-process":
            text = f"{both} are answered by the same server process at {self.endpoint}."
        else:
            text = f"{both} have the same address, and the server does not report whether it was restarted."
        return Words(text, self.endpoint)


class Required(Values):
    outcome: Literal["served", "not-configured", "not-served", "not-shown"]
    mode: str
    start: Start | None = None

    def data(self) -> dict[str, object]:
        return {"mode": self.mode}

    def words(self) -> Words:
        text = {
            "served": "is required, and served",
            "not-configured": "is required, but not configured",
            "not-served": "is required, but not served in this mode",
            "not-shown": "is required, but not shown to be served",
        }[self.outcome]
        return Words(f"{self.mode} {text}.", threshold=self.mode, remedy=self.start.text() if self.start else None)


class Supported(Values):
    """What is documented to serve the mode. It never decides."""

    outcome: Literal["documented"] = "documented"
    rows: tuple[Record, ...]
    start: Start
    #: the day by which records are old
    today: date | None = None

    def data(self) -> dict[str, object]:
        return {"rows": [row.model_dump() for row in self.rows]}

    def words(self) -> Words:
        text = "; ".join(line(row, self.today) for row in self.rows)
        summary = f"{self.start.model or 'MODEL'} in mode {self.start.decoding}, as documented: {text}."
        return Words(summary, remedy=self.start.text())


class Change(NamedTuple):
    """One thing that a server says of itself, before and after. `name`: a field of its identity, or a setting."""

    name: str
    before: str
    after: str


_OF_SERVER = {
    "engine": "the engine",
    "engine_version": "its version",
    "model_path": "the model",
    "model_type": "model_type",
    "architectures": "the architecture",
    "revision": "the revision",
    "served_models": "the served names",
    "declared_mode": "the declared mode",
}


def _setting(name: str) -> str:
    return f"setting {name.removeprefix('settings.')}"


class Unchanged(Values):
    """The server after the work against the one that was probed. `of`: the baseline whose server it is about."""

    outcome: Literal["same", "not-asked", "cut-off", "gone", "changed", "changed-between", "restarted"]
    mode: str
    of: str | None = None
    changes: tuple[Change, ...] = ()
    error: str | None = None

    def data(self) -> dict[str, object]:
        return {
            **({"of": self.of} if self.of else {}),
            **({"changes": [change._asdict() for change in self.changes]} if self.changes else {}),
        }

    def words(self) -> Words:
        of = f"{self.of}, which it is compared with: " if self.of else ""
        return Words(f"{of}{self._text()}.")

    def _text(self) -> str:
        two = "the evidence is of two servers"
        changes = "; ".join(
            f"{_OF_SERVER.get(one.name) or _setting(one.name)} {one.before} became {one.after}" for one in self.changes
        )
        return {
            "same": "its server reports the same of itself as before the work",
            "not-asked": "its server was not asked again after the work, so nothing shows that it is the same",
            "cut-off": "a session was cut off before the server was asked again: it reports the same of itself since, "
            "but whether it was restarted before that session ended is not known",
            "gone": f"after the work the server no longer answered ({self.error or 'no answer'}): {two}",
            "changed": f"during the work {changes}: {two}",
            "changed-between": f"between two sessions {changes}: {two}",
            "restarted": f"the server was restarted during the work: {two}",
        }[self.outcome]


Matches = Literal[
    "same", "declared", "declared-weights", "card-not-read", "not-verified", "other-type", "other-architecture",
    "other-revision", "other-variant", "other-variant-named", "other-model", "differs-type", "differs-architecture",
    "differs-model", "differs-revision", "replies-differ", "replies-mixed", "fingerprints-mixed",
    "replies-of-baseline",
]  # fmt: skip


class SameModel(Values):
    """Which model a mode serves, against the candidate or against the mode `other`."""

    outcome: Matches
    mode: str
    #: what is served, and what it should be
    served: str = ""
    wanted: str = ""
    other: str = ""
    shown: str | None = None
    #: replies that carried each set of names or each fingerprint, and those that carried another than asked for
    named: dict[str, int] = {}  # noqa: RUF012  pydantic copies defaults
    differing: int = 0
    replies: int = 0

    def data(self) -> dict[str, object]:
        return {"outcome": self.outcome, "replies": self.replies, "differing": self.differing, "named": self.named}

    def words(self) -> Words:
        return Words(f"{self._text()}.", self.shown)

    def _text(self) -> str:
        served, wanted = self.served or "(no name)", self.wanted
        if self.outcome.startswith("differs-"):
            what = self.outcome.removeprefix("differs-")
            return f"differs from {self.other}: {what} {served} against {wanted}"
        share = f"{self.differing} of {self.replies} replies"
        names = ", ".join(f"{count:,} {name}" for name, count in self.named.items())
        return {
            "same": f"serves {served}",
            "declared": f"serves {served}, which candidate.same_as declares to be {wanted}",
            "declared-weights": f"serves {served}, but the candidate is {wanted}; candidate.same_weights declares one "
            "checkpoint",
            "card-not-read": "the candidate's card was not read, so the served model cannot be verified against it",
            "not-verified": f"the served name {served} does not show whether it is {wanted}",
            "other-type": f"serves model_type {served}, but the candidate is {wanted}",
            "other-architecture": f"serves {served}, but the candidate is {wanted}",
            "other-model": f"serves {served}, but the candidate is {wanted}",
            "other-revision": f"serves revision {served}, but the candidate is {wanted}",
            "other-variant": f"serves {served}, another variant than {wanted}",
            "other-variant-named": f"serves {served}, the name of another variant than {wanted}",
            "replies-differ": f"{share} name another model than {wanted} ({names})",
            "replies-mixed": f"{share} name another model than {wanted}, and not the same one ({names})",
            "replies-of-baseline": f"{share} of {self.other}, its baseline, are of another model ({names})",
            "fingerprints-mixed": f"{share} have another system_fingerprint than the others ({names})",
        }[self.outcome]


class Difference(Values):
    """A setting that is not equal in two modes, and what became of it."""

    outcome: Literal["unequal", "declared", "forced"]
    name: str
    mode: str
    baseline: str

    def words(self) -> Words:
        ending = {"unequal": "", "declared": " (part of the offer)", "forced": " (forced by the mode)"}
        return Words(f"{self.name} {self.mode} against {self.baseline}{ending[self.outcome]}")


class SameSettings(Values):
    outcome: Literal["equal", "not-known", "forced", "declared", "unequal"]
    mode: str
    other: str
    differ: tuple[Difference, ...] = ()
    not_known: tuple[str, ...] = ()

    def data(self) -> dict[str, object]:
        return {
            "against": self.other,
            "differ": {one.name: one.model_dump(mode="json", exclude={"name"}) for one in self.differ},
            "not_known": list(self.not_known),
        }

    def words(self) -> Words:
        shown = "; ".join(one.words().summary for one in self.differ)
        match self.outcome:
            case "equal":
                return Words(f"{self.mode} is started like {self.other}.")
            case "not-known":
                names = ", ".join(self.not_known)
                return Words(f"{names} could not be compared with {self.other}, as a server does not say.")
            case _:
                return Words(f"{self.mode} is not started like {self.other}: {shown}.", shown)
