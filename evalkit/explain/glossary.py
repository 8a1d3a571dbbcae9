"""Words that are neither findings nor graders: statuses, verdicts, kinds of failure, exit codes, terms."""

from __future__ import annotations

STATUSES = {
    "pass": "Shown to hold, with evidence.",
    "warn": "Passes, with a remark worth reading. It does not prevent GO; --strict makes it a failure.",
    "fail": "Shown not to hold. In a required item it makes a NO-GO.",
    "inconclusive": "Measured, but the evidence is not enough. The finding says what would settle it.",
    "error": "Could not be measured: a server, a file or a card was not there or misbehaved.",
    "skipped": "Not done, because somebody asked so. The reason is in the report; no GO without the item.",
    "not-applicable": "The checklist declares that it does not apply, with the reason.",
    "waived": "Accepted by a named person until a date. The status it had before stays in the report.",
}

#: why one request has no usable reply (`evalkit.client.types.ErrorKind`)
REQUEST_ERRORS = {
    "refused": "Nothing listens at the address. Start the server, or correct the endpoint.",
    "timeout": "A deadline passed: connecting, first byte, silence, or the whole reply. Look at the server's log and "
    "load; a server that is still loading answers later.",
    "http": "The server answered with another status than 200; the message quotes it.",
    "protocol": "The reply was not HTTP, not an event stream, not JSON, or too large. Look at what answers there.",
    "stream-error": "The server sent an error inside the stream. Its log says why.",
    "aborted": "The reply ended with a finish_reason that does not end an answer: abort, error, a content filter.",
    "incomplete": "The stream ended without a finish_reason: the server, or something in between, broke off.",
    "empty": "The stream ended without a single event. Look at the server's log.",
}

#: why a server is unusable (`EndpointFacts.error_kind`)
SERVER_ERRORS = {
    "refused": "Nothing listens at the address. Start the server, or correct the endpoint.",
    "timeout": "It accepts the connection and does not answer in time: it loads, hangs, or is not an HTTP server.",
    "auth": "401 or 403: a key is missing or wrong. Export it and name the variable in api_key_env.",
    "not-found": "404: nothing like /v1/models there. Give the address without /v1, with a gateway's prefix.",
    "not-json": "A web page or a text where JSON was expected: another service, or a login page of a gateway.",
    "http": "Another status than 200, or a redirect, which is never followed. The message quotes it.",
    "protocol": "What came back is not HTTP as expected, compressed without being asked, or too large.",
    "launch": "No address is configured, or the server that evalkit started did not come up: its log has the reason.",
}

#: why a model's card could not be read (`CandidateFacts.error_kind`)
HUB_ERRORS = {
    "gated": "The repository asks for terms to be accepted. Accept them on its page, and set HF_TOKEN.",
    "missing": "No such repository or file on the Hub, or it is private and no token is set.",
    "revision": "The repository is there, the branch, tag or commit is not.",
    "offline": "HF_HUB_OFFLINE is set and the model is not in the cache. Use a snapshot or a local folder.",
    "network": "The Hub could not be reached. Use a snapshot (evalkit snapshot) or a local folder.",
    "auth": "The token is wrong or expired. Set another in HF_TOKEN.",
    "rate-limit": "The Hub asks for patience. Wait, or set HF_TOKEN: signed-in users may ask more.",
    "server": "The Hub itself failed. Try again later, or use a snapshot.",
    "invalid": "The name, the folder or the snapshot is not one that can be read. The message says what is wrong.",
    "disabled": "The Hub has closed the repository.",
}

#: why the GPU could not be asked (`HardwareFacts.nvml_error_kind`)
GPU_ERRORS = {
    "no-library": "NVML is not installed: no NVIDIA driver here, or a container without it.",
    "no-driver": "The NVIDIA driver is not loaded.",
    "no-gpu": "The driver is there, a GPU is not, or it is hidden from this process.",
    "mismatch": "Driver and library have different versions: reboot, or reload the driver.",
    "permission": "This user may not ask the GPU: add it to the group that owns the device files.",
    "other": "NVML failed in another way; the message quotes it.",
}

EXIT_CODES = {
    "0": "GO; for the small commands: all is well. `--report-only` turns 1 and 3 into 0, and says so.",
    "1": "NO-GO: something was shown not to hold. `evalkit license`: a license forbids the use.",
    "2": "Usage, or an invalid input file: nothing was run. The message has FILE:LINE.",
    "3": "INCONCLUSIVE: not enough was shown. `gate`: the run cannot be trusted. `doctor`, `hardware`, `probe`: "
    "something is missing. `compare`: not comparable. `validate`: some margin cannot be decided.",
    "4": "An internal error in evalkit. One line, and the path of a log without secrets for a bug report.",
    "130": "Interrupted (Ctrl-C). What was measured is kept: evalkit run --resume FOLDER.",
}

#: the tree of errors.py
ERRORS = {
    "UsageError": "Arguments or settings that do not fit. Exit 2, nothing was run.",
    "InputFileError": "A checklist, prompts or tasks file that cannot be used, with FILE:LINE and a hint. Exit 2.",
    "MeasurementError": "Something could not be measured. In a run: a finding of status error; alone: exit 3.",
    "HubError": "The Hub misbehaved. In a run: a finding of status error; alone: exit 3.",
    "LaunchError": "A server that evalkit started did not come up. Its log is in the run folder. Alone, exit 3.",
    "RunFolderError": "A run folder or pack is missing, locked, damaged, or from a newer evalkit. Exit 2.",
    "Interrupted": "The user stopped the run; what was measured is kept. Exit 130.",
}

VERDICTS = {
    "go": "Every required item carries it and at least one adopted mode passes all of them; `recommended_mode` is the "
    "fastest that does.",
    "no-go": "A required item fails, or every adopted mode is shown to fail something.",
    "afternoon": "A profile of 90 minutes, server starts included: prompts and cases are sized to fit; it can end GO.",
    "first-look": "A profile of 15 minutes: it ends NO-GO or INCONCLUSIVE ('worth a full run'), never GO.",
    "decide": "The default profile: measures enough to decide.",
}

WAIVERS = {
    "accepted-risk": "The finding is right, and its owner accepts what follows from it until the date.",
    "remediated": "The cause is removed, and the next run will show it.",
    "false-positive": "The finding is wrong; the reason says why.",
    "not-relevant": "The finding is right, and does not touch this use; the reason says why.",
}

KNOWN_BY = {
    "observed": "evalkit saw it happen.",
    "declared": "The server, the card or the checklist says so.",
    "inferred": "It follows from something else that was seen.",
    "vendor-reported": "The vendor says so. Shown next to a measurement, never counted as evidence.",
    "third-party-reported": "Somebody else measured it. Shown, never counted as evidence.",
}

TERMS = {
    "autoregressive": "One token after the other, each from all before it. The usual baseline.",
    "diffusion": "Blocks of tokens are denoised in several steps; the tokens of a block appear together.",
    "self-speculation": "One model drafts by diffusion and verifies its draft autoregressively; accepted runs appear "
    "together.",
    "speculative": "A separate or n-gram drafter (EAGLE, NGRAM, MTP) proposes, the model verifies. Another method than "
    "self-speculation, and labelled apart.",
    "baseline": "The mode that the others are compared with, for speed and for quality.",
    "incumbent": "The model that the team uses today, behind any OpenAI-style endpoint.",
    "TTFT": "Time from the request's last byte written to the first chunk with text. With block output "
    "it comes with the number of tokens in that chunk.",
    "E2E": "End-to-end latency: from the request's last byte written to the end of the reply.",
    "TPOT": "Time per output token after the first: (E2E − TTFT) / (tokens − 1).",
    "ITL": "Inter-token latency: the gap between tokens. It does not apply to blocks, whose tokens have no gaps.",
    "TPF": "Tokens per forward pass: a count of the model's passes, not a time. A pass over a block costs more "
    "than one over a token.",
}
