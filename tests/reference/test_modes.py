"""Each mode streams in its own rhythm, and what a server declares can differ from what it does."""

import json

import pytest

from evalkit.modes import Mode
from evalkit.reference import Script, preset
from tests.reference.wire import chat, chat_events, content_of, deltas_of, events, get, post, say

LIST = "Write a numbered list of 30 lines."


def test_autoregressive_streams_one_token_an_event(serve):
    stream = chat_events(serve(), LIST)
    assert set(deltas_of(stream)) == {1}
    assert stream[-2]["usage"]["completion_tokens"] == sum(deltas_of(stream)) + 1, "the end token has no text"


@pytest.mark.parametrize("block", [4, 32])
def test_diffusion_streams_whole_blocks_but_for_the_first_and_last(serve, block):
    stream = chat_events(serve(mode="diffusion", block_size=block), LIST)
    first, *middle, last = deltas_of(stream)
    prompt = stream[-2]["usage"]["prompt_tokens"]
    assert first == block - prompt % block
    assert set(middle) == {block}
    assert 1 <= last <= block
    alone = stream[-2]["usage"]["completion_tokens"] - (first + sum(middle) + last)
    assert alone == (last == block), "the end token is in the last block, or alone in one more"


def test_blocks_can_start_behind_the_prompt(serve):
    server = serve(mode="diffusion", block_size=16, align_blocks=False)
    assert {deltas_of(chat_events(server, LIST + " " * n))[0] for n in range(5)} == {16}


def test_self_speculation_streams_runs_of_varying_length(serve):
    runs = deltas_of(chat_events(serve(mode="self-speculation", accept_max=8), LIST))
    assert len(set(runs)) > 4
    assert 1 <= min(runs) <= max(runs) <= 8


def test_accept_runs_can_be_scripted(serve):
    runs = deltas_of(chat_events(serve(mode="self-speculation", accept_runs=[3, 1, 7]), LIST))
    assert runs[:6] == [3, 1, 7, 3, 1, 7]


def test_a_drafter_starts_with_one_token_and_counts_its_verify_steps(serve):
    server = serve(mode="speculative", accept_max=6)
    runs = deltas_of(chat_events(server, LIST))
    assert runs[0] == 1
    assert max(runs) <= 6
    body = {"text": LIST, "sampling_params": {"temperature": 0, "max_new_tokens": 500}}
    meta = post(server, "/generate", body).json()["meta_info"]
    assert meta["spec_accept_length"] == pytest.approx(meta["completion_tokens"] / meta["spec_verify_ct"])
    assert sum(meta["spec_correct_drafts_histogram"]) == meta["spec_verify_ct"]
    assert meta["spec_num_correct_drafts"] == meta["completion_tokens"] - 1 - meta["spec_verify_ct"]


@pytest.mark.parametrize("prompt", [LIST, "Tell me something.", "Give the record of Rome as JSON.", "What is 3 * 4?"])
def test_all_modes_say_the_same_so_self_speculation_is_lossless(serve, prompt):
    said = {mode: say(serve(mode=mode), prompt) for mode in Mode}
    assert len(set(said.values())) == 1
    assert content_of(chat_events(serve(mode="self-speculation"), prompt)) == said[Mode.AUTOREGRESSIVE]


def test_denoising_rounds_show_on_generate_and_not_in_chat(serve):
    server = serve(mode="diffusion", block_size=8, forwards_per_block=4, disable_radix_cache=True)
    body = {"text": LIST, "sampling_params": {"temperature": 0, "max_new_tokens": 64}, "stream": True}
    counts = [e["meta_info"]["completion_tokens"] for e in events(server, "/generate", body)[:-1]]
    prompt = events(server, "/generate", body)[0]["meta_info"]["prompt_tokens"]
    assert counts.count(0) == prompt // 8 + 3, "one round per block of the prompt, three before the first text"
    assert {counts.count(n) for n in set(counts) - {0, counts[-1]}} == {4}
    assert all(e["choices"][0]["delta"] for e in chat_events(server, LIST) if e != "[DONE]" and e["choices"])


@pytest.mark.parametrize(
    ("script", "algorithm", "speculative"),
    [
        ({}, None, None),
        ({"mode": "diffusion"}, "LowConfidence", None),
        ({"mode": "diffusion", "dllm_algorithm": "FastDiffuser"}, "FastDiffuser", None),
        ({"mode": "self-speculation"}, "LinearSpec", None),
        ({"mode": "speculative"}, None, "NGRAM"),
        ({"mode": "autoregressive", "declares": "diffusion"}, "LowConfidence", None),
        ({"mode": "diffusion", "declares": "autoregressive"}, None, None),
    ],
)
def test_the_declared_mode_is_in_server_info(serve, script, algorithm, speculative):
    info = get(serve(**script), "/server_info").json()
    assert (info["dllm_algorithm"], info["speculative_algorithm"]) == (algorithm, speculative)


def test_a_declared_mode_does_not_change_the_emission(serve):
    server = serve(mode="diffusion", declares="autoregressive", block_size=8)
    assert set(deltas_of(chat_events(server, LIST))[1:-1]) == {8}


def test_a_block_loop_declares_ar_in_its_overrides_and_streams_blocks(serve):
    server = serve(block_loop_ar=True, block_size=32)
    info = get(server, "/server_info").json()
    assert json.loads(info["json_model_override_args"])["ar_mode"] is True
    assert info["dllm_algorithm"] == "FastDiffuser"
    assert set(deltas_of(chat_events(server, LIST))[1:-1]) == {32}


def test_block_loop_is_refused_for_other_modes():
    with pytest.raises(ValueError, match="block_loop_ar"):
        Script(mode="diffusion", block_loop_ar=True)


def test_speculation_without_any_acceptance_streams_single_tokens(serve):
    server = serve(mode="self-speculation", accept_runs_all_one=True)
    assert set(deltas_of(chat_events(server, LIST))) == {1}


def test_coalesced_steps_arrive_in_one_event(serve):
    runs = deltas_of(chat_events(serve(coalesce=5), LIST))
    assert set(runs[:-1]) == {5}


def test_stream_interval_holds_tokens_back(serve):
    runs = deltas_of(chat_events(serve(mode="speculative", accept_runs=[2, 5], stream_interval=4), LIST))
    assert min(runs[:-1]) >= 4


@pytest.mark.parametrize("mode", Mode)
def test_a_block_never_exceeds_max_tokens(serve, mode):
    reply = chat(serve(mode=mode), LIST, max_tokens=5)
    assert reply["usage"]["completion_tokens"] == 5
    assert reply["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("mode", Mode)
def test_presets_are_valid_scripts(mode):
    assert preset(mode, seed=3).mode is mode
    assert preset(mode, speed=2).ms_per_forward == preset(mode).ms_per_forward / 2
    assert preset(mode, speed=2).accept_max == preset(mode).accept_max
    assert preset("dlm").mode is Mode.DIFFUSION
