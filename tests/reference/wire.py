"""A plain client for the tests: whole replies, and streams as lists of parsed events."""

import json

import httpx2

# One client for all, as its TLS context is slow to make; no kept connections, as servers come and go.
CLIENT = httpx2.Client(limits=httpx2.Limits(max_keepalive_connections=0), timeout=30, trust_env=False)


def post(server, path, body, **headers):
    return CLIENT.post(server.base_url + path, json=body, headers=headers)


def get(server, path, **headers):
    return CLIENT.get(server.base_url + path, headers=headers)


def ask(prompt, **more):
    return {"messages": [{"role": "user", "content": prompt}], "temperature": 0, **more}


def chat(server, prompt, **more):
    """The whole reply of a chat completion, as JSON."""
    reply = post(server, "/v1/chat/completions", ask(prompt, **more))
    assert reply.status_code == 200, reply.text
    return reply.json()


def say(server, prompt, **more):
    """The text of a chat completion."""
    return chat(server, prompt, **more)["choices"][0]["message"]["content"]


def events(server, path, body, **headers):
    """The events of a stream, `[DONE]` as that string."""
    with CLIENT.stream("POST", server.base_url + path, json=body, headers=headers) as reply:
        assert reply.status_code == 200, reply.read()
        assert reply.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in reply.iter_lines() if line]
    assert all(line.startswith("data: ") for line in lines)
    return [line[6:] if line == "data: [DONE]" else json.loads(line[6:]) for line in lines]


def chat_events(server, prompt, **more):
    options = {"include_usage": True, "continuous_usage_stats": True}
    return events(server, "/v1/chat/completions", ask(prompt, stream=True, stream_options=options, **more))


def content_of(stream):
    """The text of a chat stream."""
    deltas = [e["choices"][0]["delta"] for e in stream if e != "[DONE]" and e["choices"]]
    return "".join(d.get("content") or "" for d in deltas)


def deltas_of(stream):
    """New tokens of each content event of a chat stream, by its usage."""
    counts = [
        e["usage"]["completion_tokens"]
        for e in stream
        if e != "[DONE]" and e["choices"] and e["choices"][0]["delta"].get("content") and e.get("usage")
    ]
    return [after - before for before, after in zip([0, *counts], counts, strict=False)]
