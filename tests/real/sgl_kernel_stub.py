"""A stand-in for SGLang's compiled kernel package on a plain CPU; setup.sh copies it to site-packages/sgl_kernel.

SGLang imports many kernel names that its CPU path never calls without AMX. Here every name resolves and a call
raises NotImplementedError, so that a kernel that would be needed cannot go unseen. The exceptions are what n-gram
speculative decoding calls: moving cache rows, checking a tree of drafted tokens, and attention over such a tree.
They are plain torch, written to be right rather than fast. Parameter names and order are SGLang's.
"""

import ctypes
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

__version__ = "0.4.10"

# Functions that live in a submodule, by full name; top-level ones are found as plain module attributes.
_SUBMODULE_FUNCTIONS: dict[str, Callable[..., Any]] = {}


class _Missing:
    """A kernel that is named but not there."""

    def __init__(self, name: str) -> None:
        self.__name__ = self.__qualname__ = name

    def __call__(self, *_args: object, **_kwargs: object) -> None:
        raise NotImplementedError(f"sgl_kernel stub: {self.__name__}")

    def __getattr__(self, name: str) -> "_Missing":
        # Dunder look-ups are how inspect, copy and torch feel for protocols: those must see a plain object.
        if name.startswith("__"):
            raise AttributeError(name)
        return _Missing(f"{self.__name__}.{name}")


class _Submodule(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        full = f"{self.__name__}.{name}"
        return _SUBMODULE_FUNCTIONS.get(full) or _Missing(full)


class _SubmoduleFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Makes `import sgl_kernel.anything` work."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        del path, target
        if not fullname.startswith("sgl_kernel."):
            return None
        return importlib.machinery.ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Submodule(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        pass


sys.meta_path.append(_SubmoduleFinder())


def __getattr__(name: str) -> _Missing:
    if name.startswith("__"):
        raise AttributeError(name)
    return _Missing(name)


# ---- rows of the key/value cache

_buffers: dict[tuple[int, int], Tensor] = {}


def _buffer(address: int, rows: int, row_bytes: int) -> Tensor:
    """The memory at an address as a byte matrix of at least that many rows (kept: layers never move)."""
    key = (address, row_bytes)
    view = _buffers.get(key)
    if view is None or view.shape[0] < rows:
        raw = (ctypes.c_uint8 * (rows * row_bytes)).from_address(address)
        view = _buffers[key] = torch.frombuffer(raw, dtype=torch.uint8).view(rows, row_bytes)
    return view


def copy_all_layer_kv_cache_cpu(data_ptrs: Tensor, strides: Tensor, tgt_loc: Tensor, src_loc: Tensor) -> None:
    """In every layer, give row tgt_loc[i] what row src_loc[i] held before the call."""
    moving = tgt_loc != src_loc
    if not bool(moving.any()):
        return
    target, source = tgt_loc[moving].long(), src_loc[moving].long()
    rows = int(max(target.max(), source.max())) + 1
    for address, row_bytes in zip(data_ptrs.tolist(), strides.tolist(), strict=True):
        cache = _buffer(address, rows, row_bytes)
        cache[target] = cache[source]  # indexing copies first, so overlapping moves are safe


def _packed_ranges(req: Tensor, start: Tensor, end: Tensor) -> list[tuple[int, int, int, int]]:
    """(request row, start, end, place in the packed list) of each request's range, one after the other."""
    out, at = [], 0
    for row, first, last in zip(req.tolist(), start.tolist(), end.tolist(), strict=True):
        out.append((row, first, last, at))
        at += last - first
    return out


def assign_extend_cache_locs_cpu(
    req_pool_indices: Tensor,
    req_to_token: Tensor,
    start_offset: Tensor,
    end_offset: Tensor,
    out_cache_loc: Tensor,
    pool_len: int,
) -> None:
    """Read the cache slots at start..end of each request's row into a packed list."""
    del pool_len
    for row, first, last, at in _packed_ranges(req_pool_indices, start_offset, end_offset):
        out_cache_loc[at : at + last - first] = req_to_token[row, first:last].to(out_cache_loc.dtype)


def assign_req_to_token_pool_cpu(
    req_pool_indices: Tensor,
    req_to_token: Tensor,
    start_offset: Tensor,
    end_offset: Tensor,
    out_cache_loc: Tensor,
    pool_len: int,
) -> None:
    """Write a packed list of cache slots to start..end of each request's row."""
    del pool_len
    for row, first, last, at in _packed_ranges(req_pool_indices, start_offset, end_offset):
        req_to_token[row, first:last] = out_cache_loc[at : at + last - first].to(req_to_token.dtype)


def fill_accept_out_cache_loc_cpu(accept_index: Tensor, out_cache_loc: Tensor, accept_out_cache_loc: Tensor) -> None:
    """Collect the cache slots of the accepted drafts; index -1 stands for none."""
    kept = accept_index.flatten()
    kept = kept[kept >= 0].long()
    accept_out_cache_loc[: len(kept)] = out_cache_loc[kept].to(accept_out_cache_loc.dtype)


def fill_bonus_tokens_cpu(accept_tokens: Tensor, accept_lens: Tensor, bonus_tokens: Tensor, accept_stride: int) -> None:
    """The last accepted token of each request, which is the model's own next word."""
    count = len(accept_lens)
    last = torch.arange(count) * accept_stride + accept_lens.long() - 1
    bonus_tokens[:count] = accept_tokens.flatten()[last].to(bonus_tokens.dtype)


# ---- trees of drafted tokens


def reconstruct_indices_from_tree_mask(
    tree_mask: Tensor,
    verified_seq_len: Tensor,
    positions: Tensor,
    retrieve_index: Tensor,
    retrieve_next_token: Tensor,
    retrieve_next_sibling: Tensor,
    batch_size: int,
    draft_token_num: int,
) -> None:
    """Turn "node j is an ancestor of node i" masks into positions and first-child / next-sibling links."""
    size = draft_token_num
    ancestors = tree_mask[: batch_size * size * size].view(batch_size, size, size).bool().tril(-1)
    positions.copy_((ancestors.sum(-1) + verified_seq_len.view(-1, 1)).flatten())
    retrieve_index.copy_(torch.arange(batch_size * size).view(batch_size, size))
    retrieve_next_token.fill_(-1)
    retrieve_next_sibling.fill_(-1)
    for tree, rows in enumerate(ancestors.tolist()):
        newest_child: dict[int, int] = {}
        for node, row in enumerate(rows):
            parent = max((j for j in range(node) if row[j]), default=-1)  # the nearest ancestor has the highest index
            if parent < 0:
                continue
            if parent in newest_child:
                retrieve_next_sibling[tree, newest_child[parent]] = node
            else:
                retrieve_next_token[tree, parent] = node
            newest_child[parent] = node


_SUBMODULE_FUNCTIONS["sgl_kernel.speculative.reconstruct_indices_from_tree_mask"] = reconstruct_indices_from_tree_mask


def verify_tree_greedy_cpu(
    predicts: Tensor,
    accept_index: Tensor,
    accept_token_num: Tensor,
    candidates: Tensor,
    retrive_index: Tensor,
    retrive_next_token: Tensor,
    retrive_next_sibling: Tensor,
    target_predict: Tensor,
) -> None:
    """Follow each tree from its root as long as some child is the model's own argmax.

    The argmax at the last node reached is one more token, right by definition.
    """
    argmax = target_predict.flatten().tolist()
    tokens, index = candidates.tolist(), retrive_index.tolist()
    first_child, next_sibling = retrive_next_token.tolist(), retrive_next_sibling.tolist()
    longest = accept_index.shape[1]
    for tree in range(len(tokens)):
        node = accepted = 0
        accept_index[tree, 0] = index[tree][0]
        while accepted + 1 < longest:
            wanted = argmax[index[tree][node]]
            child = first_child[tree][node]
            while child != -1 and tokens[tree][child] != wanted:
                child = next_sibling[tree][child]
            if child == -1:
                break
            predicts[index[tree][node]] = wanted
            accepted += 1
            accept_index[tree, accepted] = index[tree][child]
            node = child
        predicts[index[tree][node]] = argmax[index[tree][node]]
        accept_token_num[tree] = accepted


# ---- attention, which SGLang's intel_amx back end calls under torch.ops.sgl_kernel


def _only_plain(*special: bool) -> None:
    if any(special):
        raise NotImplementedError("sgl_kernel stub: attention with scales, a logit cap, a window, sinks or an encoder")


def _store(cache: Tensor, slots: Tensor, rows: Tensor) -> None:
    cache[slots.long()] = rows.view(-1, *cache.shape[1:]).to(cache.dtype)


def _attend(
    query: Tensor,
    keys: Tensor,
    values: Tensor,
    slots: Tensor,
    scale: float,
    mask: Tensor | None = None,
    *,
    causal: bool = False,
) -> Tensor:
    """Attention of some tokens of one request over the cache slots of that request."""
    k = keys[slots].transpose(0, 1).to(query.dtype)
    v = values[slots].transpose(0, 1).to(query.dtype)
    q = query.transpose(0, 1)
    grouped = q.shape[0] != k.shape[0]
    out = F.scaled_dot_product_attention(
        q[None], k[None], v[None], attn_mask=mask, is_causal=causal, scale=scale, enable_gqa=grouped
    )
    return out[0].transpose(0, 1)


def _decode_attention(
    query: Tensor,
    k_buffer: Tensor,
    v_buffer: Tensor,
    k_scale: float,
    v_scale: float,
    output: Tensor,
    key: Tensor | None,
    value: Tensor | None,
    loc: Tensor,
    attn_logits: Tensor,
    req_to_token: Tensor,
    req_pool_indices: Tensor,
    seq_lens: Tensor,
    scaling: float,
    logit_cap: float,
    cross: bool,
    window: int,
    encoder_lens: Tensor | None,
    sinks: Tensor | None,
) -> None:
    """One new token for each request."""
    del attn_logits
    scaled = k_scale != 1 or v_scale != 1
    _only_plain(scaled, logit_cap > 0, cross, window > 0, encoder_lens is not None, sinks is not None)
    if key is not None and value is not None:
        _store(k_buffer, loc, key)
        _store(v_buffer, loc, value)
    for i, (row, length) in enumerate(zip(req_pool_indices.tolist(), seq_lens.tolist(), strict=True)):
        slots = req_to_token[row, :length].long()
        output[i : i + 1] = _attend(query[i : i + 1], k_buffer, v_buffer, slots, scaling)


def _extend_attention(
    query: Tensor,
    key: Tensor | None,
    value: Tensor | None,
    output: Tensor,
    k_buffer: Tensor,
    v_buffer: Tensor,
    k_scale: float,
    v_scale: float,
    req_to_token: Tensor,
    req_pool_indices: Tensor,
    seq_lens: Tensor,
    extend_seq_lens: Tensor,
    extend_start_loc: Tensor,
    max_extend_len: int,
    scaling: float,
    logit_cap: float,
    cross: bool,
    window: int,
    encoder_lens: Tensor | None,
    sinks: Tensor | None,
    tree_mask: Tensor | None,
    is_causal: bool,
) -> None:
    """Several new tokens for each request: a prompt, or a tree of drafts. The cache holds their rows already."""
    del key, value, max_extend_len
    scaled = k_scale != 1 or v_scale != 1
    _only_plain(scaled, logit_cap > 0, cross, window > 0, encoder_lens is not None, sinks is not None)
    tree_at = 0
    requests = zip(
        req_pool_indices.tolist(),
        seq_lens.tolist(),
        extend_seq_lens.tolist(),
        extend_start_loc.tolist(),
        strict=True,
    )
    for row, length, new, start in requests:
        past, mask = length - new, None
        if tree_mask is not None:  # everything earlier is visible; of the drafts, only a node and its ancestors
            own = tree_mask[tree_at : tree_at + new * new].view(new, new).bool()
            tree_at += new * new
            own = own | torch.eye(new, dtype=torch.bool)
            mask = torch.cat([torch.ones(new, past, dtype=torch.bool), own], 1)
        elif is_causal and past:  # torch's own causal mask would start at the wrong token
            mask = torch.ones(new, length, dtype=torch.bool).tril(past)
        output[start : start + new] = _attend(
            query[start : start + new],
            k_buffer,
            v_buffer,
            req_to_token[row, :length].long(),
            scaling,
            mask,
            causal=is_causal and mask is None,
        )


_OPTIONS = "float scaling, float logit_cap, bool cross, int window, Tensor? encoder_lens, Tensor? sinks"
_library = torch.library.Library("sgl_kernel", "FRAGMENT")
_library.define(
    "decode_attention_cpu(Tensor query, Tensor(a!) k_buffer, Tensor(b!) v_buffer, float k_scale, float v_scale, "
    "Tensor(c!) output, Tensor? key, Tensor? value, Tensor loc, Tensor(d!) attn_logits, Tensor req_to_token, "
    f"Tensor req_pool_indices, Tensor seq_lens, {_OPTIONS}) -> ()"
)
_library.define(
    "extend_attention_cpu(Tensor query, Tensor? key, Tensor? value, Tensor(a!) output, Tensor k_buffer, "
    "Tensor v_buffer, float k_scale, float v_scale, Tensor req_to_token, Tensor req_pool_indices, Tensor seq_lens, "
    f"Tensor extend_seq_lens, Tensor extend_start_loc, int max_extend_len, {_OPTIONS}, "
    "Tensor? tree_mask, bool is_causal) -> ()"
)
_library.impl("decode_attention_cpu", _decode_attention, "CPU")
_library.impl("extend_attention_cpu", _extend_attention, "CPU")
