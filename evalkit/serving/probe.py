"""What a server is, which mode it declares and which is seen: one endpoint in, `EndpointFacts` out."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from evalkit.checklist.schema import Endpoint
from evalkit.client.origin import address_of
from evalkit.client.types import ChatClient, Exchange, Target
from evalkit.environment import resolve_key
from evalkit.errors import UsageError
from evalkit.findings import KnownBy
from evalkit.limits import CONTROL, GENERATION, ControlLimits, Limits
from evalkit.secrets import redact
from evalkit.serving import capabilities, place, redaction
from evalkit.serving import observe as observing
from evalkit.serving.control import Control
from evalkit.serving.counters import sampled
from evalkit.serving.engines import ask, engine_of
from evalkit.serving.engines.base import commit_of
from evalkit.serving.facts import EndpointFacts, ServerContext, ServerWarning
from evalkit.serving.observe import SHAPE_OF
from evalkit.serving.pages import Answers
from evalkit.text import one_line

#: start arguments that distinguish servers of another machine
_IDENTITY = (
    "startup_time",
    "random_seed",
    "port",
    "dllm_algorithm",
    "dllm_algorithm_config",
    "speculative_algorithm",
    "json_model_override_args",
)


#: names of served models that are kept
_MOST_NAMES = 20
#: a server of these kinds of answer may still chat: it has no list of models
_UNLISTED = ("not-found", "not-json")
_NO_CHAT = re.compile(
    r"(?:^|[-_/.:])(?:embed\w*|rerank\w*|bge|e5|gte|whisper|tts|asr|speech|audio|clip|moderation|dall-e|image|diffusers"
    r"|stable-diffusion|flux)(?:$|[-_/.:\d])|text-embedding|embedding"
)


async def probe(
    label: str,
    endpoint: Endpoint,
    *,
    client: ChatClient | None,
    observe: bool = True,
    ask_capabilities: bool = False,
    temperature: float = 0.0,
    limits: ControlLimits = CONTROL,
    generation: Limits = GENERATION,
) -> EndpointFacts:
    """Probes `endpoint`. Never raises for what a server does; with `client`, streams one prompt to see the mode.

    `ask_capabilities` sends a few more short requests (tools, JSON schema, `ignore_eos`, logprobs, seed), and one at
    `temperature`, which later requests will have.

    Raises:
        UsageError: a variable named for a key is not set, or the address is malformed.
    """
    when = datetime.now(UTC).isoformat(timespec="seconds")
    if endpoint.endpoint is None:
        return EndpointFacts(
            label=label,
            endpoint="",
            reachable=False,
            error="no endpoint is configured",
            error_kind="launch",
            probed_at=when,
        )
    key = resolve_key(endpoint.api_key_env)
    async with Control(endpoint.endpoint, key, limits=limits, key_header=endpoint.api_key_header) as control:
        await control.find_api()
        answers = await ask(control, endpoint.launch or ())
        facts = await _describe(label, endpoint, control, answers, when)
        if facts.reachable and observe and client is not None:
            facts = await _look(facts, target_for(label, endpoint, facts, generation), client, control)
        if facts.reachable and ask_capabilities and client is not None:
            target = target_for(label, endpoint, facts, generation)
            found = await capabilities.ask(client, target, facts, temperature=temperature)
            facts = facts.model_copy(update={"capabilities": capabilities.merge(facts.capabilities, found)})
    return noted(facts)


def target_for(label: str, endpoint: Endpoint, facts: EndpointFacts | None, limits: Limits = GENERATION) -> Target:
    """Where the mode's requests go. The model's name: configured, else the first that the server serves.

    Raises:
        UsageError: no endpoint, or a variable named for the key is not set.
    """
    address = endpoint.endpoint or (facts.endpoint if facts else None)
    if not address:
        raise UsageError(f"mode {label} has no endpoint", hint=f"give --mode {label}=http://host:port")
    served = facts.served_models[0] if facts and facts.served_models else "default"
    where = address_of(address)
    return Target(
        label=label,
        base_url=where.base,
        model=endpoint.model or served,
        api_key=resolve_key(endpoint.api_key_env),
        api=facts.api if facts else where.guess,
        query=where.query,
        key_header=endpoint.api_key_header,
        limits=limits,
        probe_temperature=facts.probe_temperature if facts else 0.0,
    )


async def _describe(label: str, endpoint: Endpoint, control: Control, answers: Answers, when: str) -> EndpointFacts:
    problem, base = answers.models.error, control.base
    shown = redact(base)
    unlisted = endpoint.model is not None and problem is not None and (problem.kind in _UNLISTED or answers.chat)
    if problem is not None and answers.engine is None and not unlisted:
        return EndpointFacts(
            label=label,
            endpoint=shown,
            reachable=False,
            error=_not_listed(problem.message, control) if problem.kind in _UNLISTED else problem.message,
            error_kind=problem.kind,
            gateway=answers.gateway,
            probed_at=when,
        )
    where = await place.find(base)
    engine = engine_of(answers.engine)
    settings = engine.settings(answers)
    info, about, listed = answers.info, answers.model_info, answers.cards
    card, served = _card(listed, endpoint.model)
    counters = sampled(answers.metrics) if answers.metrics is not None else None
    said = engine.declared(answers, settings, counters)
    architectures = _texts(about.get("architectures"))
    version = answers.version
    return EndpointFacts(
        label=label,
        endpoint=shown,
        reachable=True,
        error=problem.message if problem else None,
        error_kind=problem.kind if problem else None,
        api=control.api,
        round_trip_ms=control.round_trip_ms and round(control.round_trip_ms, 3),
        engine=answers.engine,
        engine_version=version,
        release=engine.release(version, settings),
        gateway=answers.gateway,
        model=endpoint.model or redaction.text_of(about.get("served_model_name")) or (served[0] if served else None),
        served_models=served,
        model_path=_model_path(info, about, card),
        model_type=redaction.text_of(about.get("model_type")),
        architectures=architectures,
        revision=redaction.text_of(info.get("revision")),
        declared_mode=said.mode,
        declared_why=said.why,
        block_loop=said.block_loop,
        block_size=engine.block_size(settings, architectures),
        known_by=KnownBy.DECLARED if said.mode else None,
        context=_context(info, card, settings),
        memory_gib=engine.memory_gib(info),
        capabilities=engine.capabilities(settings, said.mode),
        settings=settings,
        process=_process(info, settings, counters, where),
        place=where.where,
        place_why=where.why,
        pid=where.pid,
        provenance=_provenance(endpoint, version, settings, info),
        counters_before=counters or {},
        rate_limits={k: v for k, v in answers.models.headers.items() if "ratelimit" in k},
        probed_at=when,
    )


def _not_listed(message: str, control: Control) -> str:
    where = control.url("/v1/models").partition("?")[0].removeprefix(control.base) or "/"
    return f"{message} at {where}: a server without a list of models can be used when its model is given"


def _card(listed: list[dict[str, Any]], asked: str | None) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The card of the model that is asked, and the served names, that model's first.

    Nothing is taken from another model's card: a gateway lists many. Models that do not chat come last.
    """
    names = [(name, card) for card in listed if (name := redaction.text_of(card.get("id")))]
    names.sort(key=lambda one: _is_no_chat(*one))
    mine = next((one for one in names if one[0] == asked), None)
    if mine is None and (asked is None or len(names) == 1):
        mine = names[0] if names else None
    ordered = [mine[0]] if mine else []
    ordered += [name for name, _ in names if name not in ordered][: _MOST_NAMES - len(ordered)]
    return (mine[1] if mine else {}), tuple(ordered)


def _is_no_chat(name: str, card: Mapping[str, Any]) -> bool:
    """Whether a card is of a model that embeds, ranks, hears or draws."""
    kind = next(
        (str(card[key]).lower() for key in ("type", "task", "model_type") if isinstance(card.get(key), str)), ""
    )
    return _NO_CHAT.search(kind) is not None or _NO_CHAT.search(name.lower()) is not None


def _texts(value: object) -> tuple[str, ...]:
    return tuple(t for v in value[:8] if (t := redaction.text_of(v))) if isinstance(value, list) else ()


def _model_path(info: Mapping[str, Any], about: Mapping[str, Any], card: Mapping[str, Any]) -> str | None:
    values = (
        info.get("model_path"),
        about.get("model_path"),
        info.get("model_id"),
        info.get("loaded_model"),
        card.get("root"),
    )
    return next((name for value in values if (name := redaction.model_name(value))), None)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**40 else None


def _context(info: Mapping[str, Any], card: Mapping[str, Any], settings: Mapping[str, Any]) -> ServerContext:
    limits = (
        card.get("max_model_len"),
        card.get("context_window"),
        card.get("context_length"),
        info.get("max_total_tokens"),
    )
    props = info.get("default_generation_settings")
    extra = props.get("n_ctx") if isinstance(props, dict) else info.get("effective_context_limit")
    return ServerContext(
        max_model_len=next((n for v in (*limits, extra) if (n := _count(v))), None),
        context_length=_count(settings.get("context_length")),
        max_req_input_len=_count(settings.get("max_req_input_len")) or _count(info.get("max_input_tokens")),
        max_total_num_tokens=_count(settings.get("max_total_num_tokens")),
        max_output_tokens=_count(card.get("max_completion_tokens")),
    )


def _process(
    info: Mapping[str, Any], settings: Mapping[str, Any], counters: Mapping[str, float] | None, where: place.Place
) -> str | None:
    """Equal for one server process only: the port's owner where it is known, else start time, seed and arguments.

    A hash, so nothing leaks.
    """
    marks: list[object] = []
    if where.pid is not None and where.port is not None:
        marks.append([where.pid, where.started, where.port])
    elif info.get("startup_time") is not None or settings.get("random_seed") is not None:
        marks.append({name: info.get(name) for name in _IDENTITY})
    if not marks and counters and "process_start_time_seconds" in counters:
        marks.append(counters["process_start_time_seconds"])
    if not marks:
        return None
    return hashlib.sha256(json.dumps(marks, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _provenance(
    endpoint: Endpoint, version: str | None, settings: Mapping[str, Any], info: Mapping[str, Any]
) -> dict[str, str]:
    told: dict[str, str] = {}
    sha = commit_of(version)
    if sha:
        told["commit"] = sha
    if settings.get("adapters"):
        told["adapters"] = str(settings["adapters"])
    argv = endpoint.launch or []
    image = next((part for part in argv if "@sha256:" in part), None)
    if image:
        told["image"] = one_line(image, limit=200)
    if "--code-revision" in argv[:-1]:
        told["remote code revision"] = one_line(argv[argv.index("--code-revision") + 1], limit=64)
    if settings.get("dllm_algorithm_config"):
        told["algorithm config"] = str(settings["dllm_algorithm_config"])
    for key, name in (("remote_code_sha256", "remote code"), ("adapter", "adapter"), ("weight_version", "weights")):
        value = redaction.model_name(info.get(key)) if key == "adapter" else redaction.text_of(info.get(key))
        if value and value != "default":
            told[name] = value
    if endpoint.note:
        told["note"] = one_line(endpoint.note)
    return told


async def _look(facts: EndpointFacts, target: Target, client: ChatClient, control: Control) -> EndpointFacts:
    interval = facts.settings.get("stream_interval")
    engine = engine_of(facts.engine)
    extra: dict[str, Any] = {"ignore_eos": True} if engine.takes_ignore_eos else {}

    async def stream(target: Target) -> observing.Seen:
        return await observing.observe(
            client, target, stream_interval=interval if isinstance(interval, int) else None, extra_body=extra,
            native=engine.native_counts,
        )  # fmt: skip

    deltas, seen, exchange = await stream(target)
    if extra and capabilities.refuses(exchange, "ignore_eos"):
        extra = {}
        deltas, seen, exchange = await stream(target)
    takes = capabilities.temperature(exchange, 0.0)
    if takes and takes[0].value is False:
        deltas, seen, exchange = await stream(replace(target, probe_temperature=1.0))
        takes += capabilities.temperature(exchange, 1.0)
    if facts.engine is None and facts.error_kind in _UNLISTED and exchange.error is not None:
        return facts.model_copy(update={"reachable": False, "error": exchange.error.message})
    result = observing.reconcile(facts.declared_mode, seen)
    page = await control.get_text("/metrics") if facts.counters_before else None
    known = facts.known_by or (KnownBy.INFERRED if result.mode else None)
    return facts.model_copy(
        update={
            "observed_mode": result.mode,
            "observed_why": result.why,
            "deltas": deltas,
            "block_size": (seen.block if seen.shape == "blocks" and result.mode == "diffusion" else None)
            or facts.block_size,
            "known_by": KnownBy.OBSERVED if result.mode and result.mode == facts.declared_mode else known,
            "counters_after": sampled(page.text) if page and page.ok else {},
            "capabilities": capabilities.merge(facts.capabilities, (*takes, *capabilities.observed(exchange))),
            "rate_limits": {**facts.rate_limits, **_rate_limits(exchange)},
            "gateway": facts.gateway,
        }
    )


def _rate_limits(exchange: Exchange) -> dict[str, str]:
    return {one_line(k, limit=60): one_line(str(v), limit=60) for k, v in exchange.server.items() if "ratelimit" in k}


__all__ = ["probe", "resolve_key", "target_for"]


_CAUSES = {
    "autoregressive": "the server streams blocks or merges events: look for a diffusion algorithm, a drafter or a "
    "stream_interval behind it",
    "diffusion": "a threshold so high, or so few steps skipped, that a block brings nothing; or a proxy that re-chunks",
    "self-speculation": "the drafter (adapter) is probably not loaded: look at lora_path and the server's log",
    "speculative": "the drafter accepts nothing, or is not loaded",
}


def noted(facts: EndpointFacts) -> EndpointFacts:
    """`facts` with its warnings."""
    if not facts.reachable:
        return facts
    found = [ServerWarning(id=name, summary=text) for name, text in _all(facts)]
    return facts.model_copy(update={"warnings": (*facts.warnings, *found)})


def _all(facts: EndpointFacts) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    said, seen = facts.declared_mode, facts.observed_mode
    if facts.block_loop:
        text = "declares autoregressive, but runs the block loop over causal attention: no valid AR quality baseline"
        found.append(("serving.block-loop-baseline", text))
    elif said and seen and SHAPE_OF.get(said) != SHAPE_OF.get(seen):
        text = (
            f"declares {said}, but streams like {seen} ({facts.observed_why}): {_CAUSES.get(said, 'look at its log')}"
        )
        found.append(("serving.mode", text))
    if said is None:
        found.append(("serving.mode", f"the decoding mode is not declared: {facts.declared_why}"))
    parallel = facts.capability("max_running_requests")
    if parallel and parallel.value == 1 and facts.settings.get("max_running_requests") is None:
        found.append(("serving.max-running-requests", f"max_running_requests is {parallel.detail}"))
    temperature = facts.capability("temperature")
    if temperature and temperature.value is False:
        found.append(("serving.sampling-honoured", f"temperature is not honoured: {temperature.detail}"))
    if facts.release in ("fork", "pre-release"):
        found.append(
            ("serving.engine-provenance", f"{facts.engine} {facts.engine_version or ''} is a {facts.release} build")
        )
    engine = engine_of(facts.engine)
    if engine.timing_label:
        found.append(("modes.reference-implementation", f"{engine.title} is a {engine.timing_label}"))
    if facts.gateway:
        found.append(("serving.engine-provenance", f"{facts.gateway} is in front of the server"))
    usage = facts.capability("continuous_usage")
    if usage and usage.value is False:
        found.append(
            ("serving.streaming-usage", "events carry no token counts, so the mode cannot be seen from outside")
        )
    return found
