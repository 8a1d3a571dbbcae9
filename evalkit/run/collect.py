"""Collects all facts of a run, item by item, into the journal. Whatever fails becomes a fact, never a crash."""

from __future__ import annotations

import asyncio
import platform
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime

import evalkit
from evalkit import client as clients
from evalkit.checklist.schema import Endpoint
from evalkit.client.types import ChatClient, Target
from evalkit.errors import EvalkitError, LaunchError, UsageError
from evalkit.findings import ITEM_IDS, Frozen, ItemId
from evalkit.modes import INCUMBENT
from evalkit.quality import collect as cases
from evalkit.quality.suite import facts_of
from evalkit.run.facts import CollectError, Facts, RunEnd, RunStart, SkippedItem
from evalkit.run.fold import KINDS, Fold
from evalkit.run.folder import RunFolder, plan_hash
from evalkit.run.journal import Journal
from evalkit.run.setup import Setup
from evalkit.serving import flush as flushing
from evalkit.serving.launch import LaunchFailed, Running, launched
from evalkit.serving.probe import probe, target_for
from evalkit.timing.calibrate import calibrate
from evalkit.timing.execute import Event, Settings, Stopped, run_modes
from evalkit.timing.facts import CacheState

Say = Callable[[str, str], None]
_KIND_OF = {kind.model: name for name, kind in KINDS.items()}


class Collector:
    """One sitting of a run: appends to the journal what is not in it yet."""

    def __init__(self, setup: Setup, folder: RunFolder, say: Say) -> None:
        self.setup, self.folder, self.say = setup, folder, say
        self.checklist = setup.checklist
        self.journal = Journal(folder.journal)
        self.before = folder.facts() if folder.journal.stat().st_size else None
        self.seen = Fold(self.before)
        self.stopped: str | None = None

    def keep(self, fact: Frozen) -> None:
        kind = _KIND_OF[type(fact)]
        self.journal.append(kind, fact)
        self.seen.add(KINDS[kind], fact)

    def wanted(self, item: ItemId) -> bool:
        return item not in self.setup.skip and self.checklist.items.of(item).not_applicable is None

    def run(self) -> Facts:
        """Collect; the facts of the whole run so far."""
        try:
            if self.before is None:
                self._start()
            self._collect()
        finally:
            self.journal.close()
        return self.folder.facts()

    def _collect(self) -> None:
        try:
            self._candidate()
            clients.run(self._servers())
        except (KeyboardInterrupt, asyncio.CancelledError):
            self.keep(RunEnd(finished_at=_now(), interrupted=True, stopped_by="interrupted"))
            raise KeyboardInterrupt from None
        self.keep(RunEnd(finished_at=_now(), stopped_by=self.stopped))

    def _start(self) -> None:
        self.keep(
            RunStart(
                run_id=uuid.uuid4().hex[:12],
                started_at=_now(),
                evalkit_version=evalkit.__version__,
                plan_sha256=plan_hash(self.folder.plan()),
                checklist_sha256=self.setup.loaded.sha256,
                simulated=self.setup.simulated,
                argv=tuple(sys.argv[1:]),
                platform=platform.platform(),
                python=platform.python_version(),
                seed=self.setup.plan.seed,
            )
        )
        for item in ITEM_IDS:
            if item in self.setup.skip:
                self.keep(SkippedItem(item=item, reason=self.setup.skip[item]))
        for prompts in self.setup.prompts.facts:
            self.keep(prompts)
        for suite in self.setup.suites:
            self.keep(facts_of(suite))

    def _candidate(self) -> None:
        """Card, configuration and license sources of the candidate and its variants."""
        from evalkit import hub

        chosen = self.checklist.candidate
        if chosen is None or (self.before and self.before.candidates):
            return
        self.say("license", f"reading {chosen.model}")
        evidence = self.folder.evidence
        model = self._located(chosen.model)
        self.keep(hub.collect(model, revision=chosen.revision, role="candidate", evidence_dir=evidence))
        for variant in chosen.variants:
            self.keep(hub.collect(self._located(variant), role="variant", evidence_dir=evidence))

    def _located(self, model: str) -> str:
        """A folder or snapshot beside the checklist; else the Hub id as it is."""
        beside = self.setup.loaded.folder / model
        return str(beside) if beside.exists() else model

    async def _servers(self) -> None:
        endpoints: dict[str, Endpoint] = dict(self.checklist.modes)
        if self.checklist.incumbent:
            endpoints[INCUMBENT] = self.checklist.incumbent
        live = {label: e for label, e in endpoints.items() if e.launch is None}
        urls = [e.endpoint for e in endpoints.values() if e.endpoint]
        client = clients.open_client(urls)
        try:
            if live or not endpoints:
                await self._sitting(client, live)
            for label, endpoint in endpoints.items():
                if endpoint.launch is not None:
                    await self._launch(client, label, endpoint)
        finally:
            await client.aclose()

    async def _launch(self, client: ChatClient, label: str, endpoint: Endpoint) -> None:
        """One mode's server started, its work done, and stopped."""
        self.say("serving", f"starting {label}")
        chosen = self.checklist.candidate
        try:
            async with launched(
                label, endpoint, model=chosen.model if chosen else "", log_dir=self.folder.logs,
                revision=chosen.revision if chosen else "main", context=self.checklist.items.context.need_tokens,
            ) as running:  # fmt: skip
                self.keep(running.facts)
                served = endpoint.model_copy(update={"endpoint": running.base_url})
                await self._sitting(client, {label: served}, running)
        except LaunchFailed as error:
            self.keep(error.facts)
            self._error("serving", label, error)
        except LaunchError as error:
            self._error("serving", label, error)

    def _error(self, item: ItemId, mode: str | None, error: EvalkitError) -> None:
        self.keep(CollectError(item=item, mode=mode, summary=str(error), remedy=error.hint))

    async def _sitting(
        self, client: ChatClient, endpoints: dict[str, Endpoint], running: Running | None = None
    ) -> None:
        """All work of the servers that are up together."""
        targets: dict[str, Target] = {}
        for label, endpoint in endpoints.items():
            self.say("serving", f"probing {label}")
            try:
                facts = await probe(label, endpoint, client=client)
            except UsageError as error:
                self._error("serving", label, error)
                continue
            if running is not None:
                facts = facts.model_copy(update={"launched": True, "ready_s": running.facts.ready_s})
            self.keep(facts)
            if facts.reachable:
                targets[label] = target_for(label, endpoint, facts)
        self._hardware()
        if not targets or not self._goes_on():
            return
        if self.wanted("modes"):
            await self._time(client, endpoints, targets)
        if self.wanted("quality"):
            await self._quality(client, targets)
        if self.wanted("context") and self.checklist.items.context.probe:
            await self._context(client, targets)

    def _goes_on(self) -> bool:
        """A required candidate item that fails already stops the run before any timed request."""
        from evalkit.findings import CANDIDATE_ITEMS, Status
        from evalkit.verdict import gather

        if self.setup.keep_going:
            return True
        facts = self.seen.facts()
        for item in CANDIDATE_ITEMS:
            found = gather(item, self.checklist, facts, datetime.now(UTC))
            failed = [f for f in found if f.counts and f.mode is None and f.status is Status.FAIL]
            if failed and self.checklist.required(item):
                self.stopped = f"{failed[0].id} fails already; --keep-going measures all the same"
                return False
        return True

    def _hardware(self) -> None:
        from evalkit.gpu.nvml import collect

        facts = self.seen.facts()
        declared = self.checklist.items.hardware.declared
        endpoints = {} if self.setup.simulated else {k: v for k, v in facts.endpoints.items() if k != INCUMBENT}
        self.say("hardware", "looking at this machine")
        self.keep(collect(declared=declared, endpoints=endpoints))

    async def _time(self, client: ChatClient, endpoints: dict[str, Endpoint], targets: dict[str, Target]) -> None:
        item = self.checklist.items.modes
        facts = self.seen.facts()
        if not facts.client_errors:
            self.say("modes", "measuring evalkit's own timing error")
            for fact in await calibrate(client, item.concurrency):
                self.keep(fact)
        flushable = await self._flush(endpoints, facts, list(targets))

        async def flush(mode: str) -> bool:
            return (await flushing.flush(mode, endpoints[mode], facts.endpoints.get(mode))).method == "flush"

        def event(one: Event) -> None:
            if isinstance(one, Stopped):
                self.stopped = one.reason
            elif type(one) in _KIND_OF:
                self.keep(one)

        self.say("modes", f"timing {', '.join(targets)}")
        await run_modes(
            targets, self.setup.prompts, self.setup.plan, client,
            done=frozenset(s.key for s in facts.timed), known=facts.timed, on_sample=self.keep, on_event=event,
            settings=Settings(
                minutes=self.checklist.budget.minutes, requests=self.checklist.budget.requests,
                flush=flush if flushable else None, salt=not flushable,
                at_least=item.speedup.at_least, confidence=item.confidence, early_stop=False,
            ),
        )  # fmt: skip

    async def _flush(self, endpoints: dict[str, Endpoint], facts: Facts, modes: list[str]) -> bool:
        """Whether every server's cache can be flushed; what was done is a fact either way."""
        states = [await flushing.flush(mode, endpoints[mode], facts.endpoints.get(mode)) for mode in modes]
        every = all(state.method == "flush" for state in states)
        for state in states:
            method = "flush" if every else "salt"
            self.keep(CacheState(mode=state.mode, method=method, verified=state.verified, detail=state.detail))
        return every

    async def _quality(self, client: ChatClient, targets: dict[str, Target]) -> None:
        baseline = self.checklist.baseline.quality
        planned = cases.plan(self.setup.suites, list(targets), baseline=baseline)
        facts = self.seen.facts()
        self.say("quality", f"asking {len(planned)} task requests")
        await cases.run_cases(
            targets, planned, client, done={a.key for a in facts.answers}, on_answer=self.keep,
            concurrency=self.checklist.items.quality.concurrency, allow_exec=self.checklist.items.quality.allow_exec,
        )  # fmt: skip
        probed = {p.mode for p in facts.sampling}
        for label, target in targets.items():
            if label not in probed and self.checklist.request.temperature > 0:
                self.keep(await cases.probe_sampling(label, target, client))

    async def _context(self, client: ChatClient, targets: dict[str, Target]) -> None:
        from evalkit.items.context_need import need
        from evalkit.serving.context_probe import probe_context

        facts = self.seen.facts()
        wanted = need(self.checklist, facts)
        for label, target in targets.items():
            if label == INCUMBENT or label in facts.context_probes:
                continue
            self.say("context", f"probing the window of {label}")
            served = facts.endpoints[label].context
            self.keep(
                await probe_context(
                    target, need_tokens=wanted.tokens if wanted else None, client=client, seed=self.setup.plan.seed,
                    need_output_tokens=self.checklist.items.context.need_output_tokens,
                    server_limit=served.max_model_len or served.context_length,
                )
            )  # fmt: skip


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
