"""The process's environment: keys in it, keys taken out of it, and the part of it that a launched server needs."""

from __future__ import annotations

import ctypes
import os
import re
from collections.abc import Iterable
from pathlib import Path

from evalkit.errors import UsageError
from evalkit.secrets import Secret, redact
from evalkit.system import linux

_PR_SET_DUMPABLE = 4
#: parts of a variable's name that say that its value is a secret
_SECRET_PARTS = frozenset(
    {"KEY", "KEYS", "APIKEY", "TOKEN", "SECRET", "SECRETS", "PASSWORD", "PASSWD", "PASS", "PASSPHRASE", "CREDENTIAL",
     "CREDENTIALS", "AUTH", "COOKIE", "JWT", "PAT"}
)  # fmt: skip
#: what a server needs to find programs, files, proxies and certificates
_NEEDED = frozenset(
    {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TERM", "TZ", "TMPDIR", "TEMP", "TMP", "PWD",
     "HOSTNAME", "VIRTUAL_ENV", "LIBRARY_PATH", "CPATH", "CC", "CXX", "SSL_CERT_FILE", "SSL_CERT_DIR",
     "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "NO_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY",
     "HF_HUB_DISABLE_IMPLICIT_TOKEN"}
)  # fmt: skip
#: settings of drivers, libraries, engines and the Hub
_FAMILIES = (
    "LC_", "LD_", "XDG_", "PYTHON", "CONDA_", "UV_", "CUDA_", "CUDNN_", "CUBLAS_", "NVIDIA_", "NCCL_", "NVTE_", "GLOO_",
    "UCX_", "FI_", "ROCM_", "ROCR_", "HIP_", "HSA_", "AMD_", "GPU_", "HF_", "HUGGINGFACE_", "TRANSFORMERS_",
    "SAFETENSORS_", "TOKENIZERS_", "MODELSCOPE_", "TORCH", "PYTORCH_", "TRITON_", "XLA_", "JAX_", "TF_", "FLASH",
    "XFORMERS_", "VLLM_",
    "SGL", "OLLAMA_", "LLAMA_", "GGML_", "OMP_", "MKL_", "OPENBLAS_", "NUMBA_", "NUMEXPR_", "MALLOC_", "RAY_", "SLURM_",
    "DOCKER_", "CONTAINER",
)  # fmt: skip

_sealed: dict[str, Secret] = {}


def value_of(name: str) -> str:
    """The variable's value, also when it was taken out of the environment; empty when it is not set."""
    value = os.environ.get(name, "").strip()
    return value or (_sealed[name].reveal() if name in _sealed else "")


def resolve_key(env_name: str | None) -> Secret | None:
    """The key in variable `env_name`; None when none is named.

    Raises:
        UsageError: the variable is not set, or empty.
    """
    if env_name is None:
        return None
    value = value_of(env_name)
    if not value:
        raise UsageError(
            f"the environment variable {env_name} is not set", hint=f"export {env_name}=... before starting evalkit"
        )
    return Secret(value)


def sealed(name: str) -> str | None:
    """The value of a variable that was taken out of the environment."""
    return _sealed[name].reveal() if name in _sealed else None


def is_secret(name: str) -> bool:
    """Whether a variable's name says that it holds a key, token or password."""
    return bool(_SECRET_PARTS & set(name.upper().split("_")))


def seal(named: Iterable[str] = ()) -> None:
    """Takes `named` variables and all with a secret's name out of the environment, and makes the process unreadable.

    Their values stay in memory for evalkit itself. On Linux they are overwritten in the block that the kernel shows as
    /proc/PID/environ, and no process of the same user may read or trace this one any more. Root may.
    """
    for name in {*named, *(one for one in os.environ if is_secret(one))}:
        value = os.environ.pop(name, "")
        if value.strip():
            _sealed[name] = Secret(value)
            _overwrite(name)
    if linux():
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def _overwrite(name: str) -> None:
    """Overwrites a variable's value in the block that the process was started with; unsetting it does not."""
    if not linux():
        return
    try:
        stat = Path("/proc/self/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        start, end = int(stat[47]), int(stat[48])
    except (OSError, ValueError, IndexError):
        return
    if not 0 < start < end or end - start > 1 << 24:
        return
    block = ctypes.string_at(start, end - start)
    needle = f"{name}=".encode()
    for found in re.finditer(rb"(?:^|(?<=\0))" + re.escape(needle) + rb"([^\0]*)", block):
        ctypes.memset(start + found.start(1), ord("x"), found.end(1) - found.start(1))


def for_server(named: Iterable[str]) -> dict[str, str]:
    """What a launched server gets: `named` variables, and settings of the system, drivers, engines and the Hub.

    Keys of other modes, the Hub's token, and addresses of proxies, indexes and mirrors that hold a password are left
    out unless they are named.
    """
    wanted = set(named)
    passed = {name: value for name, value in os.environ.items() if name in wanted or _needed(name, value)}
    return passed | {name: _sealed[name].reveal() for name in wanted & _sealed.keys() if name not in passed}


def holds_secret(name: str, value: str) -> bool:
    """Whether a variable holds a key or password by its name, or by what it says: `https://user:key@index/simple`."""
    proxy = name.upper().endswith("_PROXY") and "@" in value
    return proxy or is_secret(name) or ("://" in value and redact(value) != value)


def _needed(name: str, value: str) -> bool:
    upper = name.upper()
    if upper.endswith("_PROXY"):
        return upper in _NEEDED and not holds_secret(name, value)
    if upper in _NEEDED:
        return True
    return upper.startswith(_FAMILIES) and not holds_secret(name, value)
