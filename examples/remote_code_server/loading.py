"""Loads a model with its own code. `load` is the only place that runs that code."""

from __future__ import annotations

import argparse
import importlib.util
import inspect
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: decoding mode -> the call of the model's own code
CALLS = {"autoregressive": "ar_generate", "diffusion": "generate", "self-speculation": "linear_spec_generate"}


@dataclass
class Loaded:
    """A model with its tokenizer, whatever library stands behind them. Token ids are plain lists of int."""

    encode: Callable[[list[dict[str, Any]]], list[int]]  # messages -> ids of the filled chat template
    decode: Callable[[list[int]], str]
    call: Callable[..., tuple[list[int], int]]  # (name of the call, prompt ids, arguments) -> (new ids, forward passes)
    stops: frozenset[int]
    config: dict[str, Any]
    versions: str


def load(options: argparse.Namespace) -> Loaded:
    """The model, its tokenizer and its three calls.

    Raises:
        SystemExit: the model's code does not have the call of this mode.
    """
    return load_plain(options) if options.loader == "plain" else load_transformers(options)


def checked(model: Any, mode: str) -> Any:
    if not callable(getattr(model, CALLS[mode], None)):
        raise SystemExit(f"error: the model's code has no {CALLS[mode]}: it cannot decode in mode {mode}")
    return model


def load_transformers(options: argparse.Namespace) -> Loaded:
    """By transformers with remote code, at the revision that was trusted."""
    import torch
    import transformers

    where = {"revision": options.revision} if options.revision else {}
    tokenizer = transformers.AutoTokenizer.from_pretrained(options.model, trust_remote_code=True, **where)
    model = transformers.AutoModel.from_pretrained(
        options.model, trust_remote_code=True, dtype=getattr(torch, options.dtype), **where
    )
    if options.lora:
        model = with_adapter(model, options)
    model = checked(model, options.mode).to(options.device).eval()

    def encode(messages: list[dict[str, Any]]) -> list[int]:
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    def call(name: str, ids: list[int], **more: Any) -> tuple[list[int], int]:
        with torch.inference_mode():
            found, passes = split(invoke(getattr(model, name), torch.tensor([ids], device=options.device), more))
        found = found.tolist() if hasattr(found, "tolist") else found
        return after_prompt(found, ids), passes

    versions = f"transformers {transformers.__version__}, torch {torch.__version__}"
    return Loaded(
        encode,
        lambda ids: tokenizer.decode(ids, skip_special_tokens=True),
        call,
        stop_ids(model.config.to_dict(), tokenizer),
        model.config.to_dict(),
        versions,
    )


def with_adapter(model: Any, options: argparse.Namespace) -> Any:
    """The model with the drafter's adapter in it. The model's own code turns the adapter on to draft, off to verify.

    Raises:
        SystemExit: no adapter there, or one that leaves the model as it was; peft only warns of that.
    """
    try:
        import peft
    except ImportError as error:
        raise SystemExit(f"error: --lora needs peft: {error}\n  hint: pip install peft") from None
    name, beside = options.lora, Path(options.model) / options.lora
    where: dict[str, Any] = {}
    if not Path(name).is_dir() and beside.is_dir():
        name = str(beside)
    elif not Path(name).is_dir():  # a folder of the same repository, at the commit that was trusted
        name, where = options.model, {"subfolder": options.lora, "revision": options.revision}
    try:
        adapted = peft.PeftModel.from_pretrained(model, name, **where)
    except (ValueError, OSError, RuntimeError) as error:
        told = str(error).strip().partition("\n")[0]
        raise SystemExit(f"error: the adapter {options.lora} does not load: {told}") from None
    changes = [p for n, p in adapted.named_parameters() if "lora_B" in n]
    if not changes or not all(bool(p.any()) for p in changes):
        raise SystemExit(f"error: the adapter {options.lora} changes nothing: not this model's weights, or zeros")
    return adapted.get_base_model()


def load_plain(options: argparse.Namespace) -> Loaded:
    """A folder whose classes need no library: for trying this server out, and for its tests."""
    folder = Path(options.model)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tokenizer = own_class(folder, config["auto_map"]["AutoTokenizer"]).from_pretrained(str(folder))
    model = checked(own_class(folder, config["auto_map"]["AutoModel"]).from_pretrained(str(folder)), options.mode)

    def call(name: str, ids: list[int], **more: Any) -> tuple[list[int], int]:
        found, passes = split(invoke(getattr(model, name), [ids], more))
        return after_prompt(found, ids), passes

    return Loaded(tokenizer.apply_chat_template, tokenizer.decode, call, stop_ids(config, tokenizer), config, "plain")


def own_class(folder: Path, name: str | list[str]) -> Any:
    """The class that `auto_map` names, out of the folder's own file."""
    module, _, attribute = (name if isinstance(name, str) else name[0]).rpartition(".")
    spec = importlib.util.spec_from_file_location(f"own_{module}", folder / f"{module}.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"error: {folder}: no {module}.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return getattr(found, attribute)


def invoke(function: Callable[..., Any], prompt: Any, more: dict[str, Any]) -> Any:
    """Passes only what the call takes: revisions of the remote code differ in their names."""
    taken = inspect.signature(function).parameters
    if not any(p.kind is p.VAR_KEYWORD for p in taken.values()):
        more = {name: value for name, value in more.items() if name in taken}
    return function(prompt, **more)


def split(result: Any) -> tuple[Any, int]:
    """(ids of the first row, forward passes) out of what a call returned: the ids, and the number behind them."""
    if not isinstance(result, tuple) or len(result) < 2:
        raise RuntimeError("the model's call did not return (token ids, forward passes)")
    return result[0][0], int(result[1])


def after_prompt(found: list[int], prompt: list[int]) -> list[int]:
    """New tokens alone: some calls return the prompt in front of them."""
    return found[len(prompt) :] if found[: len(prompt)] == prompt else found


def stop_ids(config: dict[str, Any], tokenizer: Any) -> frozenset[int]:
    told = config.get("eos_token_id")
    ids = [*(told if isinstance(told, list) else [told]), getattr(tokenizer, "eos_token_id", None)]
    return frozenset(i for i in ids if isinstance(i, int))
