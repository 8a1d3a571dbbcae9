"""The files of a repository at one commit, in the Hub's cache: code and configurations first, weights when allowed."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from evalkit.errors import UsageError
from evalkit.hub.api import classify, endpoint, open_hub, token_for
from evalkit.hub.source import ID, Source, SourceProblem

#: endings of what is read before weights come
_SMALL = frozenset({".py", ".json", ".jinja", ".txt"})


def commit_of(model: str, revision: str) -> str:
    """The commit that a branch or tag means now.

    Raises:
        UsageError: no such model or revision, or the Hub cannot be asked.
    """
    found = _opened(model, revision).revision
    if found is None:
        raise UsageError("no commit is known", where=model, hint="name one with --revision")
    return found


def download(model: str, commit: str, *, small: bool) -> Path:
    """The folder of a snapshot. `small`: code and configurations alone, so that they can be read before weights come.

    Raises:
        UsageError: it cannot be had.
    """
    from huggingface_hub import hf_hub_download

    source, token = _opened(model, commit), token_for(endpoint(), [])
    names = [file.name for file in source.files if not small or PurePosixPath(file.name).suffix in _SMALL]
    folder: Path | None = None
    for name in names:
        try:
            path = Path(hf_hub_download(source.model, name, revision=commit, token=token))
        except Exception as error:
            problem = classify(error, token)
            raise UsageError(f"{name}: {problem.message}", where=f"{model} at {commit}", hint=problem.hint) from error
        folder = path.parents[name.count("/")]
    if folder is None:
        raise UsageError("the repository has no such files", where=f"{model} at {commit}")
    return folder


def _opened(model: str, revision: str) -> Source:
    if not ID.match(model):
        raise UsageError(
            f"{model[:200]!r} is neither a folder nor an id of the Hub", hint="give owner/name or a folder"
        )
    try:
        return open_hub(model, revision)
    except SourceProblem as problem:
        raise UsageError(problem.message, where=model, hint=problem.hint) from None
