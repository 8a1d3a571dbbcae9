"""Loads a model with its own code, and calls it. `load` is the only place that runs that code."""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

from evalkit.errors import EvalkitError, UsageError
from evalkit.modes import Mode
from evalkit.serve.requests import Ask, Image, RefusedError
from evalkit.serving.engines.own_code import CALLS
from evalkit.text import one_line

#: what a vision-language model's repository has to read messages with images (Nemotron-Labs-Diffusion-VLM-8B)
_READER, _READS = "image_processing.py", "process_messages"
#: the longer side of an image, in pixels, as the model's own examples ask for
_IMAGE_SIDE = 672
_MOST_PIXELS = 50_000_000


@dataclass(frozen=True)
class Options:
    """How a model is loaded and decodes. `threshold` None: 0.9 for diffusion, 0 for self-speculation."""

    folder: Path
    mode: str
    block_length: int = 32
    threshold: float | None = None
    lora: str | None = None
    dtype: str = "auto"
    device: str = "auto"
    #: classes that need neither torch nor transformers
    plain: bool = False

    @property
    def confidence(self) -> float:
        fallback = 0.0 if self.mode == Mode.SELF_SPECULATION.value else 0.9
        return fallback if self.threshold is None else self.threshold


@dataclass
class Prompt:
    """Token ids of a filled chat template, and what else the calls get: pixels."""

    ids: list[int]
    more: dict[str, Any] = field(default_factory=dict)


@dataclass
class Loaded:
    """A model with its tokenizer, whatever library is behind them. Token ids are plain lists of int."""

    encode: Callable[[Ask], Prompt]
    decode: Callable[[list[int]], str]
    #: (prompt, arguments) -> (new ids, forward passes as the model's code counts them)
    call: Callable[[Prompt, dict[str, Any]], tuple[list[int], int]]
    #: the module whose forward passes are watched
    module: Any
    stops: frozenset[int]
    #: what the calls are given as the end token; None: they take that of the model's configuration
    eos: int | None
    config: dict[str, Any]
    versions: str
    images: bool = False


def load(options: Options) -> Loaded:
    """The model, its tokenizer and the call of its mode.

    Raises:
        UsageError: a library is missing, or the model's code does not load or lacks the call.
    """
    try:
        return _plain(options) if options.plain else _transformers(options)
    except EvalkitError:
        raise
    except Exception as error:  # foreign code may raise anything
        said = one_line(f"{type(error).__name__}: {error}", limit=400)
        hint = (
            "its code may need another version of transformers: its card names one (5.0.0 for Nemotron-Labs-Diffusion)"
        )
        raise UsageError(f"the model's code did not load: {said}", where=str(options.folder), hint=hint) from error


def _call_of(model: Any, mode: str) -> Callable[..., Any]:
    found = getattr(model, CALLS[mode], None)
    if not callable(found):
        raise UsageError(f"the model's code has no {CALLS[mode]}: it cannot decode in mode {mode}")
    call: Callable[..., Any] = found
    return call


def _transformers(options: Options) -> Loaded:
    os.environ["HF_HUB_OFFLINE"] = "1"  # nothing but the folder that was allowed
    os.environ["HF_MODULES_CACHE"] = tempfile.mkdtemp(prefix="evalkit-modules-")  # no code of an earlier run
    try:
        import torch
        import transformers
    except ImportError as error:
        hint = "in evalkit's checkout: pip install '.[serve]', with the torch build of your hardware"
        raise UsageError(f"evalkit serve needs torch and transformers: {error}", hint=hint) from None
    device = options.device if options.device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
    kind = options.dtype if options.dtype != "auto" else "bfloat16" if device.startswith("cuda") else "float32"
    dtype = getattr(torch, kind, None)
    if not isinstance(dtype, torch.dtype):
        raise UsageError(f"--dtype {kind[:40]}: torch has no such type", hint="bfloat16, float16 or float32")
    folder = str(options.folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    model = transformers.AutoModel.from_pretrained(
        folder, trust_remote_code=True, dtype=dtype, use_safetensors=True
    )  # other kinds of weights are pickles, which run code that nobody read
    if options.lora:
        model = _adapted(model, options)
    function = _call_of(model, options.mode)
    model = model.to(device).eval()
    reader = _reader(options.folder)

    def encode(ask: Ask) -> Prompt:
        thinking = {} if ask.thinking is None else {"enable_thinking": ask.thinking}
        if reader is None:
            text = tokenizer.apply_chat_template(
                list(ask.messages), tokenize=False, add_generation_prompt=True, **thinking
            )
            return Prompt(list(tokenizer(text, add_special_tokens=False)["input_ids"]))
        return _seen(reader, tokenizer, ask, function, lambda pixels: pixels.to(device, dtype=dtype))

    def call(prompt: Prompt, arguments: dict[str, Any]) -> tuple[list[int], int]:
        seed = arguments.pop("seed", None)
        if seed is not None:
            torch.manual_seed(seed)
        with torch.inference_mode():
            ids = torch.tensor([prompt.ids], device=device)
            found, passes = _result(_invoke(function, ids, {**arguments, **prompt.more}))
        return _after(found.tolist() if hasattr(found, "tolist") else found, prompt.ids), passes

    config = model.config.to_dict()
    return Loaded(
        encode=encode, decode=lambda ids: tokenizer.decode(ids, skip_special_tokens=True), call=call,
        module=getattr(model, "encoder", model), **_ends(config, tokenizer), config=config,
        versions=f"transformers {transformers.__version__}, torch {torch.__version__}", images=reader is not None,
    )  # fmt: skip


def _adapted(model: Any, options: Options) -> Any:
    """The model with the drafter's adapter in it; its own code turns the adapter on to draft and off to verify.

    Raises:
        UsageError: no adapter there, or one that leaves the model as it was; peft only warns of that.
    """
    try:
        import peft
    except ImportError as error:
        raise UsageError(f"--lora needs peft: {error}", hint="in evalkit's checkout: pip install '.[serve]'") from None
    shown, beside = one_line(options.lora or "", limit=200), options.folder / (options.lora or "")
    where = beside if beside.is_dir() else Path(options.lora or "")
    try:
        adapted = peft.PeftModel.from_pretrained(model, str(where))
    except (ValueError, OSError, RuntimeError) as error:
        said = one_line(str(error).strip().partition("\n")[0], limit=300)
        raise UsageError(
            f"the adapter {shown} does not load: {said}", hint="a folder, or one with the weights"
        ) from None
    changes = [weights for name, weights in adapted.named_parameters() if "lora_B" in name]
    if not changes or not all(bool(weights.any()) for weights in changes):
        raise UsageError(f"the adapter {shown} changes nothing: not this model's weights, or zeros")
    return adapted.get_base_model()


def _plain(options: Options) -> Loaded:
    """A folder whose classes need no library: for trying this server out, and for its tests."""
    config = json.loads((options.folder / "config.json").read_bytes())
    tokenizer = _own_class(options.folder, config["auto_map"]["AutoTokenizer"]).from_pretrained(str(options.folder))
    model = _own_class(options.folder, config["auto_map"]["AutoModel"]).from_pretrained(str(options.folder))
    function, reader = _call_of(model, options.mode), _reader(options.folder)

    def encode(ask: Ask) -> Prompt:
        if reader is None:
            return Prompt(tokenizer.apply_chat_template(list(ask.messages)))
        return _seen(reader, tokenizer, ask, function, lambda pixels: pixels)

    def call(prompt: Prompt, arguments: dict[str, Any]) -> tuple[list[int], int]:
        found, passes = _result(_invoke(function, [prompt.ids], {**arguments, **prompt.more}))
        return _after(found, prompt.ids), passes

    return Loaded(
        encode=encode, decode=tokenizer.decode, call=call, module=getattr(model, "encoder", model),
        **_ends(config, tokenizer), config=config, versions="plain", images=reader is not None,
    )  # fmt: skip


def _own_class(folder: Path, name: str | list[str]) -> Any:
    """The class that `auto_map` names, out of the folder's own file."""
    module, _, attribute = (name if isinstance(name, str) else name[0]).rpartition(".")
    return getattr(_module(folder / f"{module}.py"), attribute)


def _module(path: Path) -> Any:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None or not path.is_file():
        raise UsageError(f"no {path.name}", where=str(path.parent))
    found = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = found
    spec.loader.exec_module(found)
    return found


def _reader(folder: Path) -> Callable[..., Any] | None:
    """How the repository reads messages with images; None for a model of text."""
    path = folder / _READER
    if not path.is_file():
        return None
    sys.path.insert(0, str(folder))  # its own neighbours
    try:
        found = getattr(_module(path), _READS, None)
    finally:
        sys.path.remove(str(folder))
    return found if callable(found) else None


def _seen(reader: Callable[..., Any], tokenizer: Any, ask: Ask, function: Any, placed: Callable[[Any], Any]) -> Prompt:
    """Messages read by the model's own reader, each image from a file of its own that lasts as long as that takes."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="evalkit-image-")))
        files = [_kept(folder / f"{at}.{one.kind}", one) for at, one in enumerate(ask.images)]
        messages = [{**one, "content": _parts(one["content"], files)} for one in ask.messages]
        batch = reader(
            tokenizer, messages, add_generation_prompt=True, enable_thinking=bool(ask.thinking),
            max_image_size=_IMAGE_SIDE,
        )  # fmt: skip
    ids, more = batch["input_ids"], {}
    if "pixel_values" in batch:
        more = {"pixel_values": placed(batch["pixel_values"]), "image_sizes": batch["image_sizes"]}
        if not set(more) <= _taken(function):
            raise RefusedError(400, "the model's own code takes no images in this mode", "messages")
    rows = ids.tolist() if hasattr(ids, "tolist") else ids
    return Prompt(list(rows[0]), more)


def _parts(content: Any, files: list[Path]) -> Any:
    if isinstance(content, str):
        return content
    return [
        {"type": "image_url", "image_url": {"url": str(files[part["image"]])}} if part["type"] == "image" else part
        for part in content
    ]


def _kept(path: Path, one: Image) -> Path:
    """A file of the picture, which Pillow (where the model's code has it) can open and is not too large."""
    path.write_bytes(one.data)
    if importlib.util.find_spec("PIL") is not None:
        from PIL import Image as Pillow

        try:
            with Pillow.open(path) as picture:
                width, height = picture.size
                if width * height <= _MOST_PIXELS:
                    picture.load()
        except Exception:  # noqa: BLE001  decoders raise many kinds of errors
            raise RefusedError(400, "an image cannot be decoded", "messages") from None
        if width * height > _MOST_PIXELS:
            raise RefusedError(413, f"an image may have {_MOST_PIXELS // 1_000_000} million pixels", "messages")
    return path


def _taken(function: Callable[..., Any]) -> set[str]:
    """Names of arguments that a call takes; those of images count as taken where it takes any."""
    parameters = inspect.signature(function).parameters
    open_ended = any(one.kind is one.VAR_KEYWORD for one in parameters.values())
    return set(parameters) | ({"pixel_values", "image_sizes"} if open_ended else set())


def _invoke(function: Callable[..., Any], prompt: Any, more: dict[str, Any]) -> Any:
    """Passes only what the call takes: revisions of the remote code differ in their names."""
    parameters = inspect.signature(function).parameters
    if not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
        more = {name: value for name, value in more.items() if name in parameters}
    return function(prompt, **more)


def _result(result: Any) -> tuple[Any, int]:
    """(ids of the first row, forward passes) out of what a call returned: the ids, and the number behind them."""
    if not isinstance(result, tuple) or len(result) < 2:
        raise RuntimeError("the call did not return (token ids, forward passes)")
    return result[0][0], int(result[1])


def _after(found: list[int], prompt: list[int]) -> list[int]:
    """New tokens alone: the calls return the prompt in front of them."""
    return found[len(prompt) :] if found[: len(prompt)] == prompt else found


class _Ends(TypedDict):
    stops: frozenset[int]
    eos: int | None


def _ends(config: dict[str, Any], tokenizer: Any) -> _Ends:
    """Tokens that end a reply. The calls compare with one: their model's own, unless its configuration has several."""
    said, own = config.get("eos_token_id"), getattr(tokenizer, "eos_token_id", None)
    ids = [one for one in (*(said if isinstance(said, list) else [said]), own) if isinstance(one, int)]
    return {"stops": frozenset(ids), "eos": None if isinstance(said, int) or not ids else ids[-1]}
