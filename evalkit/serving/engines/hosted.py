"""Hosted services and routers, known by their domain; gateways, known by their headers or their /openapi.json."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from evalkit.serving.engines.base import Engine
from evalkit.serving.pages import Pages, Reply
from evalkit.serving.redaction import openapi_title

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
ROUTERS = {
    "openrouter.ai": "openrouter",
    "huggingface.co": "huggingface-router",
    "helicone.ai": "helicone",
    "ai-gateway.vercel.sh": "vercel-ai-gateway",
    "modelslab.com": "modelslab",
}
_GATEWAY_HEADERS = {
    "x-litellm-version": "litellm",
    "x-envoy-upstream-service-time": "envoy",
    "x-kong-proxy-latency": "kong",
    "cf-ray": "cloudflare",
    "x-portkey-trace-id": "portkey",
}
_GATEWAY_SERVERS = ("nginx", "envoy", "haproxy", "traefik", "caddy", "cloudflare", "openresty", "istio", "apisix")


class Hosted(Engine):
    """A service whose engine is not shown; facts carry the service's own name."""

    title = "a hosted service"


def suffix(url: str, table: Mapping[str, str]) -> str | None:
    """The entry of `table` whose domain the host of `url` is or lies under."""
    host = (urlsplit(url).hostname or "").lower()
    return next((name for domain, name in table.items() if host == domain or host.endswith(f".{domain}")), None)


def gateway_of(reply: Reply) -> str | None:
    """What is in front of the server, by the headers of its answer."""
    for header, name in _GATEWAY_HEADERS.items():
        if header in reply.headers:
            return name
    server = reply.headers.get("server", "").lower()
    return next((name for name in _GATEWAY_SERVERS if server.startswith(name)), None) or (
        "proxy" if "via" in reply.headers else None
    )


async def gateway_page(pages: Pages) -> str | None:
    """A gateway that only its description names."""
    title, _ = openapi_title((await pages.get_json("/openapi.json")).page)
    return "litellm" if "litellm" in title.lower() else None


ENGINE = Hosted()
