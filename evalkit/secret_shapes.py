"""What keys and tokens look like: the formats that providers document, and names that say that a secret follows.

Prefixes, lengths and alphabets are those of the providers' own pages, as gitleaks, TruffleHog and detect-secrets write
them down too. A shape without its full length is an ordinary word: `HF_ENDPOINT`, `sk-learn`, `hf_transfer`.

Every pattern is linear in the text: a run is entered at its start only (look-behind), or the length is bounded.
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

_W = "[A-Za-z0-9]"
_T = "[A-Za-z0-9_-]"
_HEX = "[0-9a-f]"


class Shape(NamedTuple):
    """`pattern` is tried only in texts that contain one of `triggers`; group 1 is kept, the rest is masked.

    With `drawn`, only where what follows the prefix looks drawn at random.
    """

    triggers: tuple[str, ...]
    pattern: str
    drawn: bool = False


@cache
def compiled(pattern: str) -> re.Pattern[str]:
    """Compiled when a text first has the trigger: most shapes are never met, and each process would pay for them."""
    return re.compile(pattern)


def _token(prefix: str, rest: str) -> Shape:
    """A token that begins with the literal `prefix`, where no word is under way.

    A newline that JSON spells as two characters, and a character that an address or JSON spells in hex, end the word
    before as a blank does.
    """
    return Shape((prefix,), f"(){_begins(prefix)}{rest}")


def _begins(prefix: str) -> str:
    p = re.escape(prefix)
    starts = (
        rf"(?<!{_W}{p})",
        rf"(?<=\\[bfnrtv]{p})",
        rf"(?<=%[0-9A-Fa-f]{{2}}{p})",
        rf"(?<=\\[ux][0-9a-fA-F]{{2}}{p})",
    )
    long = rf"(?<=\\u[0-9a-fA-F]{{4}}{p})"
    return rf"{p}(?:{'|'.join((*starts, long))})"


#: `sk-` is how the keys of OpenAI begin and, after it, those of dozens of gateways, of any length; keys of the others
#: that are shorter than issued ones were cut, or made up by somebody
_DRAWN = (
    "sk-",
    "hf_",
    "nvapi-",
    "ghp_",
    "gho_",
    "ghs_",
    "github_pat_",
    "gsk_",
    "glpat-",
    "pplx-",
    "xai-",
    "csk-",
    "npm_",
)


#: prefix, and what follows it; lengths are the shortest that the provider issues
_PREFIXED: tuple[tuple[str, str], ...] = (
    # models and inference
    ("hf_", _W + "{34,}"),
    ("api_org_", _W + "{34,}"),
    ("nvapi-", _T + "{40,}"),
    ("gsk_", _W + "{40,}"),  # Groq
    ("xai-", _W + "{60,}"),
    ("AIza", _T + "{35}"),  # Google
    ("AQ.", _T + "{40,}"),  # Google, since 2025
    ("ya29.", _T + "{40,}"),
    ("GOCSPX-", _T + "{28}"),
    ("pplx-", _W + "{40,}"),  # Perplexity
    ("r8_", _W + "{37}"),  # Replicate
    ("fw_", _W + "{22,}"),  # Fireworks
    ("fpk_", _W + "{22,}"),
    ("tgp_v1_", _T + "{40,}"),  # Together
    ("csk-", _W + "{40,}"),  # Cerebras
    ("lsv2_", r"(?:pt|sk)_" + _HEX + "{32}_" + _HEX + "{10}"),  # LangSmith
    ("ls__", _HEX + "{32}"),
    ("wandb_v1_", _T + "{40,}"),
    ("jina_", _W + "{56,}"),
    ("pa-", _T + "{43}"),  # Voyage
    ("pcsk_", _T + "{40,}"),  # Pinecone
    ("tvly-", _T + "{28,}"),  # Tavily
    ("rpa_", _W + "{36,}"),  # RunPod
    ("esecret_", _W + "{24,}"),  # Anyscale
    ("vcp_", _W + "{40,}"),
    ("sk_", _HEX + "{48}"),  # ElevenLabs
    ("nk-", _T + "{43}"),  # Nomic
    ("up_", _W + "{29}"),  # Upstage
    ("secret_", r"(?=[A-Za-z]{0,40}[0-9])" + _W + r"{28,}(?:\." + _W + "{20,})?"),  # Lambda, Notion
    ("ntn_", _W + "{40,}"),
    ("ABSK", "[A-Za-z0-9+/]{100,}={0,2}"),  # Amazon Bedrock
    ("bedrock-api-key-", "[A-Za-z0-9+/]{20,}={0,2}"),
    # clouds
    ("AKIA", "[A-Z2-7]{16}(?![A-Za-z0-9])"),
    ("ASIA", "[A-Z2-7]{16}(?![A-Za-z0-9])"),
    ("ABIA", "[A-Z2-7]{16}(?![A-Za-z0-9])"),
    ("ACCA", "[A-Z2-7]{16}(?![A-Za-z0-9])"),
    ("LTAI", _W + "{17,21}(?![A-Za-z0-9])"),  # Alibaba
    ("AKID", _W + "{32}"),  # Tencent
    ("dop_v1_", _HEX + "{64}"),  # DigitalOcean
    ("doo_v1_", _HEX + "{64}"),
    ("dor_v1_", _HEX + "{64}"),
    ("dapi", _HEX + "{32}(?:-[0-9])?"),  # Databricks
    ("hvs.", _T + "{24,}"),  # Vault
    ("hvb.", _T + "{100,}"),
    ("dp.pt.", _W + "{40,}"),  # Doppler
    ("tskey-", _T + "{20,}"),  # Tailscale
    ("fm2_", "[A-Za-z0-9+/_-]{40,}={0,3}"),  # Fly.io
    ("sbp_", _HEX + "{40}"),  # Supabase
    ("sb_secret_", _T + "{20,}"),
    ("nfp_", _W + "{36,}"),  # Netlify
    ("HRKU-", _T + "{30,}"),  # Heroku
    ("pscale_", r"(?:tkn|oauth|pw)_[A-Za-z0-9=._-]{32,}"),
    ("pul-", _HEX + "{40}"),  # Pulumi
    ("SCW", "[A-Z0-9]{17}(?![A-Za-z0-9])"),  # Scaleway
    # code, packages, chat, pay
    *((f"gh{kind}_", _W + "{36,}") for kind in "pousr"),
    ("github_pat_", "[A-Za-z0-9_]{60,}"),
    *((f"{kind}-", _T + "{20,}") for kind in ("glpat", "gldt", "glrt", "glcbt", "glptt", "glft", "glsoat", "glagent")),
    ("ATBB", _W + "{28}(?![A-Za-z0-9])"),  # Bitbucket
    ("ATATT3", r"[A-Za-z0-9+/=_-]{100,}"),  # Atlassian
    ("npm_", _W + "{36}"),
    ("pypi-", "AgE" + _T + "{40,}"),
    ("dckr_", r"(?:pat|oat)_" + _T + "{20,}"),
    ("rubygems_", _HEX + "{48}"),
    ("cio", _W + "{32}(?![A-Za-z0-9])"),  # crates.io
    *((f"xox{kind}-", r"[A-Za-z0-9-]{10,}") for kind in "abeoprs"),  # Slack
    ("xapp-", r"[0-9]-[A-Za-z0-9-]{20,}"),
    ("hooks.slack.com/", r"(?:services|workflows|triggers)/[A-Za-z0-9+/_-]{20,}"),
    ("sk_live_", _W + "{16,}"),  # Stripe
    ("sk_test_", _W + "{16,}"),
    ("rk_live_", _W + "{16,}"),
    ("rk_test_", _W + "{16,}"),
    ("whsec_", "[A-Za-z0-9+/=]{24,}"),
    ("SG.", _T + r"{20,24}\." + _T + "{39,50}"),  # SendGrid
    ("SK", _HEX + "{32}(?![A-Za-z0-9])"),  # Twilio
    ("key-", _HEX + "{32}(?![A-Za-z0-9])"),  # Mailgun
    ("shpat_", "[A-Fa-f0-9]{32}"),  # Shopify
    ("shpss_", "[A-Fa-f0-9]{32}"),
    ("shpca_", "[A-Fa-f0-9]{32}"),
    ("sq0atp-", _T + "{22,}"),  # Square
    ("sq0csp-", _T + "{40,}"),
    ("lin_api_", _W + "{40}"),  # Linear
    ("figd_", _T + "{38,}"),  # Figma
    ("PMAK-", _W + "{24}-" + _W + "{34}"),  # Postman
    ("glc_", "[A-Za-z0-9+/=]{32,}"),  # Grafana
    ("glsa_", _W + "{32}_" + "[A-Fa-f0-9]{8}"),
    ("NRAK-", "[A-Z0-9]{27}"),  # New Relic
    ("sntrys_", "[A-Za-z0-9+/=_-]{40,}"),  # Sentry
    ("sntryu_", _HEX + "{64}"),
    ("dt0c01.", _W + r"{24}\." + _W + "{64}"),  # Dynatrace
    ("AGE-SECRET-KEY-1", "[0-9A-Z]{50,}"),
    ("EAAA", _T + "{60}(?![A-Za-z0-9_-])"),
)

_TOKENS = tuple(_token(prefix, rest) for prefix, rest in _PREFIXED)
_SHORT = Shape(
    _DRAWN, rf"()(?:{'|'.join(map(_begins, _DRAWN))})(?P<rest>{_T}{{12,512}}+)", drawn=True
)  # fmt: skip
#: where a run begins: one try for each, however long it is
_EDGE = r"(?:(?<![A-Za-z0-9_-])|(?<=\\[bfnrtv])|(?<=%[0-9A-Fa-f]{2}))"
_LONG_WORDS = (
    # JSON Web Tokens
    Shape(("eyJ",), rf"(){_EDGE}eyJ{_T}{{10,}}\.{_T}{{10,}}(?:\.{_T}*)?"),
    # Azure: Entra client secrets, storage keys, and keys of its model services
    Shape(("Q~",), r"()[\w~.]{3}[0-9]Q~[\w~.-]{31,34}"),
    Shape(("AccountKey=",), r"(AccountKey=)[A-Za-z0-9+/]{60,}={0,2}"),
    Shape(("JQQJ9",), rf"(){_W}{{52}}JQQJ9{_W}{{20,32}}"),
    # HashiCorp Terraform and Telegram
    Shape((".atlasv1.",), rf"(){_W}{{14}}\.atlasv1\.[A-Za-z0-9=_-]{{40,}}"),
    Shape((":AA",), rf"()[0-9]{{8,10}}:AA{_T}{{33}}(?!{_T})"),
)
_OTHERS = (
    # every private key in PEM
    Shape(
        ("PRIVATE KEY",),
        r"(-----BEGIN [A-Z0-9 ]{0,32}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:(?:\\++[nr]|[\r\n \t])*+(?:Proc-Type|DEK-Info|Version|Comment): [^\r\n\\]{0,200}){0,4})"
        r"(?:[A-Za-z0-9+/=]|(?:\\++[nr]|[\r\n])[ \t]*+)++",
    ),
    # addresses: user and password, or a token in their place
    Shape(("://",), r"(://)[^/\s:@\"'<>]*+:[^/\s@\"'<>]++(?=@)"),
    Shape(("://",), r"(://)[^/\s:@\"'<>]{8,4096}+(?=@)"),
    Shape(
        ("=",),
        r"(?i)([?&;](?:amp;)?(?:[a-z]{1,24}[-_]){0,4}"
        r"(?:api-?key|apikey|key|token|sig|signature|secret|password|credentials?|auth|jwt|session(?:id)?)=)"
        r"[^&\s\"'#<>]+",
    ),
    Shape(("code=",), r"([?&;](?:amp;)?code=)[A-Za-z0-9_./+=%-]{16,}+"),
    # headers with cookies, connection strings, a .netrc
    Shape(
        ("ookie", "OOKIE"),
        r"(?i)(\b(?:set-)?cookie\\*[\"']?,?\s{0,8}[:=]?\s{0,8}(?:b(?=\\*[\"']))?\\*[\"']?)"
        r"[^\s\"'\\;=,:]{1,64}=[^\r\n\"'\\]{1,4096}+",
    ),
    Shape((";",), r"(?i)(;\s{0,4}(?:password|pwd)\s{0,4}=\s{0,4})[^;\s\"'<>&]{1,256}+"),
    Shape(("login",), r"(\blogin\s{1,8}\S{1,256}\s{1,32}password\s{1,8})\S{1,256}+"),
)
#: shapes of one word, which is never shorter than `SHORTEST_TOKEN`; and those that may be short, or of several lines
TOKENS: tuple[Shape, ...] = (*_TOKENS, _SHORT, *_LONG_WORDS)
OTHERS: tuple[Shape, ...] = _OTHERS
SHORTEST_TOKEN = 15

_CHUNK = re.compile(r"[A-Za-z0-9]+")
_FIGURES = re.compile(r"[0-9]+")
_WORDLIKE = re.compile(r"[A-Za-z]?[a-z]*[0-9]{0,4}|[A-Z]+[0-9]{0,4}|[0-9]+[a-z]?")


def looks_drawn(prefix: str, rest: str) -> bool:
    """Whether `rest` behind `prefix` is not a name: names have words, versions and years, not figures all over."""
    chunks = _CHUNK.findall(rest)
    if any(len(chunk) >= 12 and len(_FIGURES.findall(chunk)) >= 3 for chunk in chunks):
        return True
    if prefix != "sk-":
        return False
    mixed = any(len(chunk) >= 12 and _FIGURES.search(chunk) and not chunk.isdigit() for chunk in chunks)
    return mixed or len(rest) >= 40 or (len(rest) >= 16 and not all(map(_WORDLIKE.fullmatch, chunks)))


# -- names ---------------------------------------------------------------------------------------------------------

_ALWAYS = frozenset({"secret", "secretkey", "sshpass", "credential", "credentials"})
#: also with a name in front of it in one word: `PGPASSWORD`, `hftoken`
_ENDINGS = (
    "password", "passwd", "passphrase", "apikey", "authtoken", "accesstoken", "hftoken", "refreshtoken", "sessiontoken",
    "csrftoken", "xsrftoken", "bearertoken",
)  # fmt: skip
_KEYS = frozenset(
    {
        "access", "account", "admin", "api", "auth", "encryption", "functions", "license", "master", "private",
        "secret", "service", "shared", "signing", "subscription", "deploy",
    }
)  # fmt: skip
#: keys of tables, caches and signatures that everybody may know
_OPEN_KEYS = frozenset({"cache", "foreign", "host", "primary", "public", "partition", "shard", "sort"})
#: tokens of a text, of which models and their settings are full
_OF_TEXT = frozenset(
    {
        "accepted", "added", "any", "assistant", "audio", "begin", "bonus", "bos", "boi", "boa", "cached", "cls",
        "completion", "context", "control", "current", "decoder", "draft", "each", "encoder", "end", "eoi", "eos",
        "eot", "eom", "fill", "fim", "final", "first", "forced", "generated", "image", "img", "input", "last", "mask",
        "max", "middle", "min", "model", "ms", "new", "next", "no", "noise", "null", "num", "one", "output", "pad",
        "padding", "per", "prefix", "prev", "previous", "prompt", "reasoning", "role", "sample", "sep", "single",
        "special", "start", "stop", "suffix", "system", "target", "tera", "text", "think", "thinking", "time", "tool",
        "total", "unk", "unknown", "usd", "video", "vision", "word",
    }
)  # fmt: skip
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_PARTS = re.compile(r"[^A-Za-z0-9]+")


def names_a_secret(name: str) -> bool:
    """Whether a field, variable or flag of this name holds a secret: `--api-key`, `HF_TOKEN`, `clientSecret`."""
    parts = [part for part in _PARTS.split(_HUMP.sub("_", name).lower()) if part]
    last = parts[-1] if parts else ""
    before = parts[-2] if len(parts) > 1 else ""
    if last == "key":
        return before in _KEYS or (name.isupper() and before not in _OPEN_KEYS)
    if last == "token":
        return before not in _OF_TEXT
    if last == "pwd":  # PWD alone is the folder that a shell is in
        return bool(before) and before != "old"
    return last in _ALWAYS or last.endswith(_ENDINGS)
