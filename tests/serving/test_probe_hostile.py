from __future__ import annotations

import asyncio
import gzip
import json
from dataclasses import replace

import pytest

from evalkit.checklist.schema import Endpoint
from evalkit.cli.probe import text
from evalkit.errors import UsageError
from evalkit.limits import GENERATION, ControlLimits
from evalkit.serving.control import base_url
from evalkit.serving.engines.hosted import HOSTED, gateway_of, suffix
from evalkit.serving.pages import Reply
from evalkit.serving.probe import probe, resolve_key, target_for
from tests.serving.probe_cases import probed
from tests.serving.replay import info, recorded, serving

FAST = ControlLimits(connect_s=1, idle_s=0.3, total_s=0.8)


HASTY = replace(GENERATION, first_byte_s=0.5, idle_s=0.4, total_s=1.0)


async def _drip(writer):
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
    for _ in range(100):
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)


async def _silent(writer):
    await asyncio.sleep(30)


async def _flood(writer):
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 104857600\r\n\r\n")
    try:
        for _ in range(1600):
            writer.write(b"[" * 65536)
            await writer.drain()
    except ConnectionError:
        pass


async def _bomb(writer):
    body = gzip.compress(b"0" * 10_000_000)
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(body) + body)
    await writer.drain()


async def _loop(writer):
    writer.write(b"HTTP/1.1 302 Found\r\nlocation: /v1/models\r\ncontent-length: 0\r\n\r\n")
    await writer.drain()


async def _noise(writer):
    writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    await writer.drain()


@pytest.mark.parametrize(
    ("route", "kind"),
    [
        ((200, "text/html", b"<!doctype html><title>hello</title>"), "not-json"),
        ((200, "application/json", b"\xff\xfe\xfa"), "not-json"),
        ((200, "application/json", b"[" * 100_000), "not-json"),
        ((401, "application/json", b'{"error":"Unauthorized"}'), "auth"),
        ((403, "application/json", b"{}"), "auth"),
        ((404, "text/plain", b""), "not-found"),
        ((503, "text/plain", b""), "http"),
        (_drip, "timeout"),
        (_silent, "timeout"),
        (_flood, "protocol"),
        (_bomb, "protocol"),
        (_loop, "http"),
        (_noise, "protocol"),
    ],
)
def test_hostile_servers_give_one_clear_error(route, kind):
    facts, _ = probed({"/v1/models": route}, limits=FAST)
    assert not facts.reachable
    assert facts.error_kind == kind
    assert facts.error
    assert "\n" not in facts.error


@pytest.mark.parametrize("route", ["/server_info", "/model_info", "/metrics", "POST /v1/chat/completions"])
@pytest.mark.parametrize(
    "answer",
    [
        _drip,
        _silent,
        _flood,
        _bomb,
        _loop,
        _noise,
        (200, "text/html", b"<!doctype html>"),
        (200, "application/json", b"\xff\xfe\xfa"),
        (200, "application/json", b"[" * 100_000),
        (200, "application/json", b"null"),
        (401, "application/json", b"{}"),
        (500, "text/plain", b"\x1b[31m" + b"x" * 100_000),
    ],
)
def test_one_hostile_route_leaves_the_rest_of_the_probe_standing(route, answer):
    routes = {**recorded("sglang-0.5.23-trimode-ar"), route: answer}
    facts, _ = probed(routes, limits=FAST, generation=HASTY)
    assert facts.reachable
    assert facts.engine == "sglang"
    if route.endswith("completions"):
        assert facts.declared_mode == "autoregressive"
    if route == "/server_info":
        assert facts.declared_mode is None
    assert "\x1b" not in facts.model_dump_json()


def test_the_wrong_scheme_is_one_clear_error():
    async def main():
        async with serving(recorded("sglang-0.5.23")) as server:
            url = server.url.replace("http://", "https://")
            return await probe("m", Endpoint(endpoint=url), client=None, limits=FAST)

    facts = asyncio.run(main())
    assert not facts.reachable
    assert facts.error_kind in ("refused", "protocol", "timeout")
    assert facts.error


def test_a_closed_port_is_refused():
    from evalkit.serving.launch import free_port

    facts = asyncio.run(probe("m", Endpoint(endpoint=f"http://127.0.0.1:{free_port()}"), client=None))
    assert (facts.reachable, facts.error_kind) == (False, "refused")


def test_a_redirect_never_carries_the_key_to_another_origin(monkeypatch):
    monkeypatch.setenv("PROBE_KEY", "sk-canary-123456")

    async def main():
        async with serving({}) as other:

            async def away(writer):
                writer.write(f"HTTP/1.1 307 X\r\nlocation: {other.url}/v1/models\r\ncontent-length: 0\r\n\r\n".encode())
                await writer.drain()

            async with serving({"/v1/models": away}) as first:
                facts = await probe("m", Endpoint(endpoint=first.url, api_key_env="PROBE_KEY"), client=None)
                return facts, first.seen, other.seen

    facts, first, other = asyncio.run(main())
    assert first[0][2]["authorization"] == "Bearer sk-canary-123456"
    assert other == []
    assert "sk-canary" not in facts.model_dump_json()


def test_a_missing_key_variable_is_named(monkeypatch):
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(UsageError, match="NO_SUCH_KEY"):
        resolve_key("NO_SUCH_KEY")
    assert resolve_key(None) is None


@pytest.mark.parametrize("tail", ["", "/", "/v1", "/v1/", "/v1/models", "/v1/chat/completions"])
def test_an_address_may_carry_the_route(tail):
    assert base_url(f"http://127.0.0.1:30000{tail}") == "http://127.0.0.1:30000"


def test_the_target_takes_the_configured_model_else_the_first_served():
    facts, _ = probed(recorded("sglang-0.5.23-trimode-ar"), observe=False)
    assert target_for("m", Endpoint(endpoint=facts.endpoint), facts).model == "tiny-trimode"
    assert target_for("m", Endpoint(endpoint=facts.endpoint, model="other"), facts).model == "other"


def test_provenance_is_kept_as_far_as_it_can_be_had():
    changed = {
        "version": "0.5.24.dev12+g1a2b3c4d",
        "dllm_algorithm_config": "/srv/secret-folder/nemotron_labs_linearspec.yaml",
        "weight_version": "step-900",
        "lora_paths": [{"lora_name": "a", "lora_path": "/srv/secret-folder/lora"}],
    }
    digest = "lmsysorg/sglang@sha256:" + "ab" * 32
    argv = ["docker", "run", digest, "--code-revision", "c" * 40]
    facts, _ = probed(
        info(recorded("sglang-0.5.23-trimode-diffusion"), **changed), observe=False, launch=argv, note="scheduler patch"
    )
    assert facts.release == "pre-release"
    assert facts.provenance == {
        "commit": "1a2b3c4d",
        "adapters": "1",
        "image": digest,
        "remote code revision": "c" * 40,
        "algorithm config": "…/nemotron_labs_linearspec.yaml",
        "weights": "step-900",
        "note": "scheduler patch",
    }
    assert "secret-folder" not in facts.model_dump_json()


#: how /server_info looked in the versions that were read (0.5.6 to 0.5.23)
_VERSIONS = {
    "0.5.6": {"add": {"dllm_block_size": 32}, "drop": ("dllm_algorithm_config", "dllm_fdfo", "page_size"), "old": True},
    "0.5.9": {"add": {}, "drop": ("dllm_fdfo", "launch_command", "page_size"), "old": True},
    "0.5.10.post1": {"add": {"total_retractions": 0}, "drop": ("dllm_fdfo", "launch_command"), "old": False},
    "0.5.16": {"add": {"kv_events": None}, "drop": ("launch_command",), "old": False},
    "0.5.23": {"add": {"frontend": "python", "hicache_object_layout": "x"}, "drop": (), "old": False},
    "0.0.0.dev1+g23472a0": {"add": {}, "drop": ("version",), "old": False},
}


@pytest.mark.parametrize("version", _VERSIONS)
@pytest.mark.parametrize(
    ("settings", "mode"),
    [
        ({"dllm_algorithm": None, "speculative_algorithm": None}, "autoregressive"),
        ({"dllm_algorithm": None, "speculative_algorithm": "EAGLE3"}, "speculative"),
        ({"dllm_algorithm": "LowConfidence", "speculative_algorithm": None}, "diffusion"),
        ({"dllm_algorithm": "LinearSpec", "speculative_algorithm": None}, "self-speculation"),
        ({"dllm_algorithm": "FastDiffuser", "json_model_override_args": '{"ar_mode": true}'}, "autoregressive"),
        ({"dllm_algorithm": "FastDiffuser", "json_model_override_args": "not json"}, "diffusion"),
        ({"dllm_algorithm": "Brandnew"}, None),
    ],
)
def test_every_version_that_was_read_declares_its_mode(version, settings, mode):
    shape = _VERSIONS[version]
    routes = recorded("sglang-0.5.23-trimode-diffusion")
    page = {**json.loads(routes["/server_info"][2]), "version": version, **settings, **shape["add"]}
    for name in shape["drop"]:
        page.pop(name, None)
    routes["/server_info"] = (200, "application/json", json.dumps(page).encode())
    if shape["old"]:  # the older names answered alone
        routes["/get_server_info"] = routes.pop("/server_info")
        routes["/get_model_info"] = routes.pop("/model_info")
    facts, _ = probed(routes, observe=False)
    assert facts.engine == "sglang"
    assert facts.declared_mode == mode
    assert facts.block_loop is ("ar_mode" in str(settings))
    if mode is None:
        assert "Brandnew" in facts.declared_why


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.groq.com/openai", "groq"),
        ("https://api.together.xyz", "together"),
        ("https://api.fireworks.ai/inference", "fireworks"),
        ("https://my.openai.azure.com", "azure-openai"),
        ("https://notgroq.com", None),
        ("https://groq.com.evil.example", None),
        ("http://127.0.0.1:30000", None),
    ],
)
def test_hosted_services_are_known_by_their_own_domain_only(url, name):
    assert suffix(url, HOSTED) == name


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({"x-litellm-version": "1.80"}, "litellm"),
        ({"server": "nginx/1.27"}, "nginx"),
        ({"via": "1.1 something"}, "proxy"),
        ({"server": "uvicorn"}, None),
    ],
)
def test_a_gateway_in_front_is_told_by_its_headers(headers, name):
    assert gateway_of(Reply(status=200, headers=headers)) == name


def test_a_person_reads_what_matters_in_a_few_lines():
    facts, _ = probed(info(recorded("sglang-0.5.23-trimode-diffusion"), disable_radix_cache=False))
    lines = text(facts).splitlines()
    assert len(lines) <= 12
    shown = "\n".join(lines)
    for part in (
        "sglang 0.5.23 (release)",
        "diffusion, blocks of 4 (observed)",
        "tool parser qwen",
        "2048 tokens",
        "here",
    ):
        assert part in shown, shown
    assert facts.capability("prefix_cache").value is True
    assert facts.capability("reasoning").value is False
