"""Probes the window that each server of a session really serves."""

from __future__ import annotations

from evalkit.modes import INCUMBENT
from evalkit.run.recorder import Recorder, Session


async def probe_windows(run: Recorder, session: Session) -> None:
    """One probe a mode, up to the need; modes probed in an earlier session are left out."""
    from evalkit.analysis.need import need
    from evalkit.serving.context_probe import probe_context

    facts, item = run.facts, run.checklist.items.context
    wanted = need(run.checklist, facts)
    for label, target in session.targets.items():
        if label == INCUMBENT or label in facts.context_probes:
            continue
        run.say("context", f"probing the window of {label}")
        served = facts.endpoints[label].context
        run.keep(
            await probe_context(
                target, need_tokens=wanted.tokens if wanted else None, client=session.client, seed=run.setup.plan.seed,
                need_output_tokens=item.need_output_tokens,
                server_limit=served.max_model_len or served.context_length,
            )
        )  # fmt: skip
