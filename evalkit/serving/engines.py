"""Which engine answers: by host for hosted services, else by the routes that only one engine has."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from evalkit.secrets import redact
from evalkit.serving.control import Control, Reply
from evalkit.serving.declared import OWN_CODE
from evalkit.serving.redaction import text_of, unwrap
from evalkit.text import one_line

HOSTED = {
    "groq.com": "groq",
    "together.ai": "together",
    "together.xyz": "together",
    "fireworks.ai": "fireworks",
    "openai.com": "openai",
    "openai.azure.com": "azure-openai",
    "deepinfra.com": "deepinfra",
    "cerebras.ai": "cerebras",
    "sambanova.ai": "sambanova",
    "mistral.ai": "mistral",
    "inceptionlabs.ai": "inception",
    "nvidia.com": "nvidia-nim",
    "googleapis.com": "google",
    "deepseek.com": "deepseek",
    "x.ai": "xai",
    "anthropic.com": "anthropic",
    "novita.ai": "novita",
    "baseten.co": "baseten",
    "hyperbolic.xyz": "hyperbolic",
    "perplexity.ai": "perplexity",
}
HOSTED_ROUTERS = {"openrouter.ai": "openrouter", "huggingface.co": "huggingface-router", "helicone.ai": "helicone"}
_GATEWAY_HEADERS = {
    "x-litellm-version": "litellm",
    "x-envoy-upstream-service-time": "envoy",
    "x-kong-proxy-latency": "kong",
    "cf-ray": "cloudflare",
    "x-portkey-trace-id": "portkey",
}
_GATEWAY_SERVERS = ("nginx", "envoy", "haproxy", "traefik", "caddy", "cloudflare", "openresty", "istio", "apisix")


@dataclass
class Answers:
    """What the routes answered, before anything is kept."""

    models: Reply
    engine: str | None = None
    version: str | None = None
    gateway: str | None = None
    info: dict[str, Any] = field(default_factory=dict)  # /server_info or the engine's own page, unwrapped
    model_info: dict[str, Any] = field(default_factory=dict)
    metrics: str | None = None
    router: bool = False


def suffix(url: str, table: Mapping[str, str]) -> str | None:
    """The entry of `table` whose domain the host of `url` is or lies under."""
    host = (urlsplit(url).hostname or "").lower()
    return next((name for domain, name in table.items() if host == domain or host.endswith(f".{domain}")), None)


def gateway_of(reply: Reply) -> str | None:
    for header, name in _GATEWAY_HEADERS.items():
        if header in reply.headers:
            return name
    server = reply.headers.get("server", "").lower()
    return next((name for name in _GATEWAY_SERVERS if server.startswith(name)), None) or (
        "proxy" if "via" in reply.headers else None
    )


def cards(models: Reply) -> list[dict[str, Any]]:
    """The model cards of /v1/models, whatever its shape."""
    data = models.json.get("data") if isinstance(models.json, dict) else models.json
    return [card for card in data[:200] if isinstance(card, dict)] if isinstance(data, list) else []


async def ask(control: Control) -> Answers:
    """Asks in the order that costs a server least, and stops when it has the engine or the server stops answering."""
    models = await control.get_json("/v1/models")
    answers = Answers(models, gateway=gateway_of(models))
    hosted = suffix(control.base, HOSTED)
    router = suffix(control.base, HOSTED_ROUTERS)
    if hosted or router:
        answers.engine, answers.gateway = hosted, router or answers.gateway
        return answers
    if models.error and models.error.kind in ("refused", "timeout", "auth", "protocol"):
        return answers
    owner = next((card.get("owned_by") for card in cards(models)), None)
    for step in _order(owner):
        if await step(control, answers):
            break
    if answers.engine in ("sglang", "vllm"):
        page = await control.get_text("/metrics")
        answers.metrics = page.text if page.ok else None
    return answers


def _order(owner: object) -> list[Any]:
    if owner == OWN_CODE:
        return [_own_code]
    if owner == "vllm":
        return [_vllm, _sglang, _others]
    return [_sglang, _vllm, _others]


async def _sglang(control: Control, answers: Answers) -> bool:
    reply = await control.get_json("/server_info")
    if not reply.ok and reply.error and reply.error.kind != "timeout":
        reply = await control.get_json("/get_server_info")
    raw = reply.json
    if isinstance(raw, dict) and "vllm_config" in raw:
        answers.info = raw
        return await _vllm(control, answers)
    info = unwrap(raw)
    model = await control.get_json("/model_info")
    if not model.ok and model.error and model.error.kind != "timeout":
        model = await control.get_json("/get_model_info")
    answers.model_info = model.json if isinstance(model.json, dict) else {}
    owner = next((card.get("owned_by") for card in cards(answers.models)), None)
    told = "model_path" in info and ({"internal_states", "tp_size", "dllm_algorithm"} & set(info))
    if not told and "model_path" not in answers.model_info and owner != "sglang":
        answers.model_info = {}
        return False
    answers.engine, answers.info, answers.router = "sglang", info, info is not raw
    answers.version = text_of(info.get("version"))
    if answers.version is None:
        loads = await control.get_json("/v1/loads")
        answers.version = text_of(loads.json.get("version")) if isinstance(loads.json, dict) else None
    return True


async def _own_code(control: Control, answers: Answers) -> bool:
    """The example server around a model's own code; /server_info names the decoding mode."""
    answers.engine = OWN_CODE
    page, model = await control.get_json("/server_info"), await control.get_json("/model_info")
    answers.info = page.json if isinstance(page.json, dict) else {}
    answers.model_info = model.json if isinstance(model.json, dict) else {}
    answers.version = text_of(answers.info.get("version"))
    return True


async def _vllm(control: Control, answers: Answers) -> bool:
    reply = await control.get_json("/version")
    owner = next((card.get("owned_by") for card in cards(answers.models)), None)
    version = text_of(reply.json.get("version")) if isinstance(reply.json, dict) else None
    if owner != "vllm" and "vllm_config" not in answers.info and version is None:
        return False
    if owner not in ("vllm", None) and "vllm_config" not in answers.info:
        return False
    answers.engine, answers.version = "vllm", version
    if not answers.info:
        details = await control.get_json("/server_info?config_format=json")
        answers.info = details.json if isinstance(details.json, dict) else {}
    return True


async def _others(control: Control, answers: Answers) -> bool:
    """Ollama, TGI, llama.cpp, llama-cpp-python, transformers serve, MLX servers. Only these are asked for /health."""
    for path, read in (("/api/version", _ollama), ("/info", _tgi), ("/props", _llama_cpp), ("/openapi.json", _openapi)):
        reply = await control.get_json(path)
        if reply.error and reply.error.kind == "timeout":
            return False
        if isinstance(reply.json, dict) and read(reply.json, answers):
            return True
    reply = await control.get_json("/health")
    if isinstance(reply.json, dict) and {"loaded_model", "loaded_context_size"} & set(reply.json):
        answers.engine, answers.info = "mlx", reply.json
        return True
    return False


def _ollama(page: dict[str, Any], answers: Answers) -> bool:
    if "version" not in page or len(page) > 3:
        return False
    answers.engine, answers.version = "ollama", text_of(page["version"])
    return True


def _tgi(page: dict[str, Any], answers: Answers) -> bool:
    if "model_id" not in page or not ({"max_total_tokens", "max_input_tokens", "max_input_length"} & set(page)):
        return False
    answers.engine, answers.version, answers.info = "tgi", text_of(page.get("version")), page
    return True


def _llama_cpp(page: dict[str, Any], answers: Answers) -> bool:
    if "default_generation_settings" not in page and "build_info" not in page:
        return False
    answers.engine, answers.version, answers.info = "llama.cpp", text_of(page.get("build_info")), page
    return True


def _openapi(page: dict[str, Any], answers: Answers) -> bool:
    about, paths = page.get("info"), page.get("paths")
    if not isinstance(about, dict) or not isinstance(paths, dict):
        return False
    title = redact(one_line(str(about.get("title", "")), limit=100))
    if "llama.cpp" in title:
        answers.engine, answers.version = "llama.cpp", text_of(about.get("version"))
    elif "/load_model" in paths and "/v1/chat/completions" in paths:
        answers.engine = "transformers"
    elif "litellm" in title.lower():
        answers.gateway = "litellm"
        return False
    elif "mlx" in title.lower():
        answers.engine, answers.version = "mlx", text_of(about.get("version"))
    return answers.engine is not None
