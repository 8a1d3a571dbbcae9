"""Data files of a data set on the Hub, at one commit; from the cache where there is no network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from evalkit.errors import HubError
from evalkit.hub.api import endpoint, timeout_s, token_for
from evalkit.text import one_line

ENDINGS = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
#: files that are not data
_BESIDE = ("dataset_infos.json", "dataset_info.json", "croissant.json")
MOST_BYTES = 4 << 30


def dataset_files(name: str, revision: str, split: str | None) -> tuple[str, list[Path]]:
    """The commit, and local copies of the data files whose name holds `split`.

    Raises:
        HubError: neither the Hub nor the cache has it, no such files, or more than 4 GiB of them.
    """
    from huggingface_hub import HfApi, hf_hub_download, snapshot_download

    token = token_for(endpoint(), [])
    try:
        info = HfApi(endpoint=endpoint(), token=token).dataset_info(
            name, revision=revision, files_metadata=True, timeout=timeout_s()
        )
        listed = [(one.rfilename, one.size or 0) for one in info.siblings or []]
        chosen = _chosen([file for file, _ in listed], name, split)
        size = sum(size for file, size in listed if file in chosen)
        _fits(size, name)
        get: Any = hf_hub_download
        commit = str(info.sha)
        return commit, [
            Path(get(name, file, repo_type="dataset", revision=commit, token=token, endpoint=endpoint()))
            for file in chosen
        ]
    except HubError:
        raise
    except Exception as error:  # noqa: BLE001  the Hub's client raises many kinds; the cache is asked then
        try:
            folder = Path(snapshot_download(name, repo_type="dataset", revision=revision, local_files_only=True))
        except Exception:  # noqa: BLE001  as above
            raise HubError(
                f"the data set cannot be read: {one_line(str(error), limit=160)}", where=name,
                hint="a data set's id reads owner/name; a file is given by its path",
            ) from None  # fmt: skip
        names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
        return folder.name, [folder / file for file in _chosen(names, name, split)]


def _fits(size: int, name: str) -> None:
    if size > MOST_BYTES:
        raise HubError(f"{size >> 20} MiB of data files", where=name, hint="choose some with --split")


def _chosen(files: list[str], name: str, split: str | None) -> list[str]:
    data = [file for file in files if file.endswith(ENDINGS) and Path(file).name not in _BESIDE]
    chosen = [file for file in data if split is None or split in file]
    if not chosen:
        raise HubError(
            f"no data file{f' whose name holds {split!r}' if split else ''}", where=name,
            hint=f"files: {', '.join(one_line(file, limit=60) for file in data[:12]) or 'none of a kind that is read'}",
        )  # fmt: skip
    return chosen
