"""The checks of the serving item, each with its decision table."""

from __future__ import annotations

from evalkit.findings import Check, Status

_PASS, _WARN, _FAIL, _OPEN, _ERROR = Status.PASS, Status.WARN, Status.FAIL, Status.INCONCLUSIVE, Status.ERROR
#: of a capability that is asked by name and decides nothing by itself
_ASKED = {"yes": _PASS, "no": _WARN, "not-known": _OPEN}

REACHABLE = Check(
    "serving.reachable",
    "Each configured mode has a server that answers",
    "Without a server there is nothing to measure, and without a measurement there is no GO.",
    "Start a server for the mode and name it with --mode NAME=URL, or give modes.NAME.launch in the checklist.",
    outcomes={"answers": _PASS, "no-mode": _ERROR, "not-configured": _ERROR, "not-probed": _ERROR, "unusable": _ERROR},
)
LAUNCH = Check(
    "serving.launch",
    "A server that evalkit starts comes up",
    "A launch that dies, never becomes ready, does not answer or decodes in another mode leaves its mode unmeasured. "
    "Each is tried once before anything is measured, so that a wrong command ends a run in minutes.",
    "Read the last lines of its log in the run folder, run the command by hand, correct modes.NAME.launch, and run "
    "again; `--keep-going` measures the other modes, `--resume` tries again what failed.",
    outcomes={"ready": _PASS, "tried": _PASS, "failed": _ERROR, "never-ready": _ERROR, "try-failed": _ERROR},
)
MODE = Check(
    "serving.mode",
    "The server decodes in the mode that its label says",
    "The mode is a start flag of the server; a figure under the wrong label is worthless. Declared is what the "
    "server's configuration says, observed is the pattern of tokens per streamed event.",
    "Compare the server's start flags with the label: no --dllm-algorithm for autoregressive, one of diffusion for "
    "diffusion, LinearSpec for self-speculation, --speculative-algorithm for speculative.",
    sources=("https://docs.sglang.io/docs/supported-models/diffusion_language_models",),
    outcomes={
        "seen": _PASS, "declared": _PASS, "block-loop": _WARN, "inferred-accepted": _WARN, "inferred": _OPEN,
        "unknown": _OPEN, "contradicted": _OPEN, "looks-otherwise": _OPEN, "mixed": _OPEN, "unlike-scored": _OPEN,
        "slower-scored": _OPEN, "longer-scored": _OPEN, "slower-timed": _OPEN, "longer-timed": _OPEN,
        "baseline-differs": _OPEN, "another-mode": _FAIL,
        "another-method": _FAIL, "ar-contradicted": _FAIL, "ar-looks-otherwise": _FAIL,
    },
)  # fmt: skip
BLOCK_LOOP = Check(
    "serving.block-loop-baseline",
    "The autoregressive baseline is not a block loop in disguise",
    "The SGLang fork's AR mode runs the block-diffusion loop over causal attention. Its answers are reported far below "
    "those of plain autoregressive decoding, so any other mode looks good in comparison.",
    "Use it as speed baseline only. For quality name another baseline: AR on vLLM, the model's own code, or the "
    "incumbent (baseline: {quality: incumbent}).",
    sources=("https://github.com/NVlabs/Nemotron-Labs-Diffusion",),
    outcomes={"block-loop": _WARN},
)
PROVENANCE = Check(
    "serving.engine-provenance",
    "The engine's kind of build is allowed",
    "A fork or a commit build may vanish and gets no fixes; who adopts it should do so knowingly.",
    "Serve with a released version, or allow this kind by name: items.serving.allow: [release, pre-release, fork].",
    outcomes={"release": _PASS, "allowed": _WARN, "not-allowed": _FAIL, "unknown": _OPEN, "reference": _OPEN},
)
SAME_MODEL = Check(
    "serving.same-model",
    "The server serves the candidate, and all modes serve the same model",
    "A comparison between modes means something only on the same weights.",
    "Start every mode from the same model id and revision as candidate.model. Names that mean the same model: "
    "candidate.same_as: [NAME]; two classes of one checkpoint: candidate.same_weights: true.",
    outcomes={
        "same": _PASS, "declared": _PASS, "declared-weights": _WARN, "card-not-read": _WARN, "not-verified": _WARN,
        "other-type": _FAIL, "other-architecture": _FAIL, "other-revision": _FAIL, "other-variant": _FAIL,
        "other-variant-named": _OPEN, "other-model": _FAIL, "differs-type": _FAIL, "differs-architecture": _FAIL,
        "differs-model": _FAIL, "differs-revision": _FAIL, "replies-differ": _OPEN, "replies-mixed": _OPEN,
        "fingerprints-mixed": _OPEN, "replies-of-baseline": _OPEN,
    },
)  # fmt: skip
SAME_SETTINGS = Check(
    "serving.same-settings",
    "The modes run with the same settings, as far as they change speed",
    "A mode on four GPUs against a baseline on one, or with CUDA graphs against one without, measures the set-up. "
    "Precision, quantisation, cache type, context, adapters, parallel sizes, CUDA graphs, attention backend, request "
    "and batch limits, chunked prefill and GPUs are compared; a limit that the run never reached counts as equal.",
    "Start the servers with equal settings. Where the difference is part of what you would buy, name it: "
    "modes.NAME.differs: [tp_size]",
    outcomes={"equal": _PASS, "not-known": _WARN, "forced": _WARN, "declared": _WARN, "unequal": _OPEN},
)
PROMPTS_READ = Check(
    "serving.prompts-read",
    "Each server reads the whole prompt, and both sides of a comparison the same one",
    "A server that cuts prompts off, or leaves the system prompt out, is faster because it reads less; a baseline that "
    "does so passes fewer tasks than it could. Servers of one model count the same tokens for one prompt.",
    "Compare `usage.prompt_tokens` of both servers for one prompt; start them with the same chat template and a "
    "context that holds the longest prompt, without truncation. A template that is part of the offer: "
    "modes.NAME.differs: [template_tokens]",
    outcomes={
        "same": _PASS,
        "not-counted": _WARN,
        "fewer-timed": _OPEN,
        "fewer-loaded": _OPEN,
        "fewer-scored": _OPEN,
        "cut": _OPEN,
    },
)
DISTINCT = Check(
    "serving.distinct-processes",
    "Two modes are two server processes",
    "The mode is fixed when a server starts: the same process under two labels is measured against itself.",
    "Give each mode its own server, or start them one after the other with --only-mode and --resume.",
    outcomes={"same-process": _FAIL, "same-address": _OPEN},
)
PARALLEL = Check(
    "serving.max-running-requests",
    "The server admits as many requests at a time as are measured",
    "Beyond its limit requests wait: the figures then show a queue. A diffusion server of SGLang that was started "
    "without --max-running-requests admits one.",
    "Start the server with --max-running-requests of at least items.modes.decide_at, or decide at a lower level.",
    outcomes={
        "enough": _PASS, "one-needed": _PASS, "below-highest": _WARN, "not-reported": _WARN, "below-deciding":
        _OPEN,
    },
)  # fmt: skip
TOOLS = Check(
    "serving.tool-parser",
    "The server parses tool calls where tool suites are asked",
    "Without a parser a right call comes back as text, and every tool case fails for the server's sake.",
    "Start the server with the model's parser (SGLang: --tool-call-parser, vLLM: --enable-auto-tool-choice).",
    outcomes={"parsed": _PASS, "not-reported": _WARN, "not-parsed": _ERROR},
)
SAMPLING = Check(
    "serving.sampling-honoured",
    "Temperature has an effect where production sends one",
    "Several diffusion algorithms pick the likeliest token and ignore temperature without an error.",
    "Use temperature 0 (request.temperature), or an engine and algorithm that samples.",
    outcomes={
        "honoured": _PASS, "one-at-production": _WARN, "ignored": _FAIL, "ignored-unasked": _WARN,
        "not-honoured": _FAIL, "not-honoured-unasked": _WARN, "not-sampled": Status.NOT_APPLICABLE,
        "not-probed": _OPEN,
    },
)  # fmt: skip
STREAMING = Check(
    "serving.streaming-usage",
    "Streams carry token counts",
    "Tokens per event show the mode and the TTFT of block output; an event is not a token.",
    "Use a server that honours stream_options.continuous_usage_stats, without a proxy that rewrites streams.",
    outcomes={"counted": _PASS, "without-counts": _WARN, "one-piece": _WARN, "not-seen": _OPEN},
)
PREFLIGHT = Check(
    "serving.preflight",
    "Nothing that is about to be asked is known to fail",
    "A run that takes an hour should not end in what was known after a minute: what the server reports is compared "
    "with what the checklist asks, before the first timed request.",
    "Change what the conflict states and run again, or measure anyway with --keep-going.",
    outcomes={"clear": _PASS, "conflicts": _WARN, "stopped": _ERROR},
)
UNCHANGED = Check(
    "serving.unchanged",
    "The server at the end of the work is the one that was probed",
    "A crash with a restart, a deployment or a router that changes its mind in the middle of a run gives evidence of "
    "two servers under one name. Each server, the baseline's included, is asked once more after the work.",
    "Keep every server as it is for the whole run: read its log for a crash, hold deployments back, give an address "
    "without a router in front; then run again.",
    outcomes={
        "same": _PASS, "cut-off": _WARN, "not-asked": _OPEN, "gone": _OPEN, "changed": _OPEN, "changed-between":
        _OPEN, "restarted": _OPEN,
    },
)  # fmt: skip
CORROBORATED = Check(
    "serving.corroborated",
    "The server's own counters agree with the mode",
    "Counters read before and after the run count what the server did, where the stream shows only what arrived: "
    "verify calls of a drafter, denoising steps, scheduler rounds.",
    "Start SGLang with --enable-metrics, and let evalkit reach /metrics; where counters contradict the mode, compare "
    "the start flags with the label.",
    outcomes={
        "drafts": _PASS, "verify-not-counted": _PASS, "autoregressive": _PASS, "steps-gain": _PASS, "rounds":
        _PASS, "nothing-against": _PASS, "ar-block-loop-declared": _WARN, "one-token-a-round": _WARN,
        "fewer-than-replied": _WARN, "no-verify-call": _OPEN, "no-draft-accepted": _OPEN, "steps-gain-nothing":
        _OPEN, "rounds-of-decoding": _OPEN, "too-few": _OPEN, "ar-drafts": _FAIL, "ar-denoises": _FAIL,
        "ar-block-loop": _FAIL,
    },
)  # fmt: skip
FORWARDS = Check(
    "serving.forward-passes",
    "The server's statistics file shows the drafter at work",
    "The fork writes forward passes and tokens of every reply to the file that `stats_file` names. A drafter that "
    "silently did not load shows there as fewer tokens a forward, and nowhere else.",
    "Look at lora_path and lora_mode in the algorithm's YAML, and at the server's log where it loads the adapter.",
    outcomes={"gains": _PASS, "too-few": _OPEN, "not-used": _OPEN},
)
IGNORE_EOS = Check(
    "serving.ignore-eos",
    "The server generates to a given length when asked",
    "Replies of equal length separate the speed of decoding from how much a mode says.",
    "Fixed lengths are a SGLang and vLLM extension (ignore_eos); without it, compare times per token.",
    outcomes=_ASKED,
)
JSON_SCHEMA = Check(
    "serving.json-schema",
    "The server holds replies to a JSON schema",
    "Block diffusion of SGLang applies no grammar: a schema is ignored, or the request never ends.",
    "Ask for JSON in the prompt and grade it with a structured suite, or serve that traffic in another mode.",
    outcomes=_ASKED,
)
LOGPROBS = Check(
    "serving.logprobs",
    "The server gives log probabilities",
    "Diffusion decoding has no left-to-right probability of a token; SGLang answers with an empty list.",
    "Do not build on logprobs in this mode.",
    outcomes=_ASKED,
)
ENFORCED = Check(
    "serving.context-enforced",
    "A request beyond the context limit is refused",
    "A server that takes more than it can hold cuts silently, and the reply answers another prompt.",
    "Start it without --allow-auto-truncate, or check lengths before sending.",
    outcomes=_ASKED,
)
SEED = Check(
    "serving.seed",
    "The server takes a seed",
    "Diffusion requests with a seed are refused by some engines: a client that always sends one then fails.",
    "Take the seed out of request.extra_body, or use an engine that accepts it.",
    outcomes=_ASKED,
)
TEMPLATE = Check(
    "serving.chat-template",
    "The server applies a chat template",
    "A server that sends a message to the model as it is asks another question than one that applies the template: "
    "their replies do not compare.",
    "Start the server so that it applies the model's template (FluxServe: --apply-template).",
    outcomes=_ASKED,
)
MASK_TEXT = Check(
    "serving.mask-text",
    "A prompt that spells a mask token is answered",
    "Block loops find open positions by the mask token; a prompt that contains its text was taken for such positions.",
    "Escape the text of mask tokens in prompts, or use a release that distinguishes them.",
    sources=("https://github.com/sgl-project/sglang/issues/35998",),
    outcomes=_ASKED,
)
STOP = Check(
    "serving.stop-inside-block",
    "A stop string ends a reply inside a block",
    "A block is decoded as a whole: what follows the stop string is there already, and must not be sent.",
    "Cut replies at the stop string in the client.",
    outcomes=_ASKED,
)
ODD_LENGTH = Check(
    "serving.odd-max-tokens",
    "max_tokens binds inside a block",
    "Some implementations fill up to the end of a block, or refuse a limit that is not a multiple of it.",
    "Ask for multiples of the block, and compare times per token.",
    outcomes=_ASKED,
)
STABILITY = Check(
    "serving.stability",
    "The server survives load, disconnects and idling",
    "Diffusion schedulers are young: some die when they fall idle, or keep memory of requests that were given up.",
    "Look at the server's log for the minute of the failure; try --disable-radix-cache or a newer release.",
    sources=(
        "https://github.com/sgl-project/sglang/issues/35270",
        "https://github.com/sgl-project/sglang/issues/32992",
    ),
    outcomes={
        "steady": _PASS, "too-short": _WARN, "memory-drifts": _WARN, "memory-unknown": _WARN, "failed": _FAIL,
        "wrong-after-idle": _FAIL, "leaks": _FAIL, "not-shown": _OPEN, "not-run": _OPEN,
    },
)  # fmt: skip
REQUIRED = Check(
    "serving.required-modes",
    "Every mode that the checklist requires is served",
    "The buyer asked for these modes by name.",
    "Serve the missing mode, or take it out of items.serving.require.",
    by_mode=False,
    outcomes={"served": _PASS, "not-configured": _ERROR, "not-served": _FAIL, "not-shown": _OPEN},
)
SUPPORT = Check(
    "serving.support",
    "Something can serve this model in this mode today",
    "Released engines serve few diffusion models, and rarely in every mode.",
    "Start one of the engines named here and give its address.",
    outcomes={"documented": _OPEN},
)

CHECKS: tuple[Check, ...] = (
    REACHABLE,
    LAUNCH,
    MODE,
    BLOCK_LOOP,
    PROVENANCE,
    SAME_MODEL,
    SAME_SETTINGS,
    PROMPTS_READ,
    DISTINCT,
    PARALLEL,
    TOOLS,
    SAMPLING,
    STREAMING,
    PREFLIGHT,
    UNCHANGED,
    CORROBORATED,
    FORWARDS,
    IGNORE_EOS,
    JSON_SCHEMA,
    LOGPROBS,
    ENFORCED,
    SEED,
    TEMPLATE,
    MASK_TEXT,
    STOP,
    ODD_LENGTH,
    STABILITY,
    REQUIRED,
    SUPPORT,
)
