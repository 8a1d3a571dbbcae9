"""What the shell completes: ids, shipped checklists, run folders, kinds. Nothing is read but names of files."""

from __future__ import annotations

from pathlib import Path


def _paths(incomplete: str, *suffixes: str, mark: str) -> list[str]:
    """Paths that begin so: folders end in a slash unless they hold `mark`, so that a deeper one can be typed."""
    folder, _, begin = incomplete.rpartition("/")
    prefix = f"{folder}/" if "/" in incomplete else ""
    found = []
    try:
        entries = sorted(Path(prefix or ".").expanduser().iterdir())
    except OSError:
        return []
    for entry in entries:
        if not entry.name.startswith(begin) or (entry.name.startswith(".") and not begin):
            continue
        if entry.is_dir():
            found.append(f"{prefix}{entry.name}" + ("" if (entry / mark).exists() else "/"))
        elif entry.suffix in suffixes:
            found.append(f"{prefix}{entry.name}")
    return found


def runs(incomplete: str) -> list[str]:
    """Run folders and packs."""
    return _paths(incomplete, ".pack", mark="report.json")


def checklists(incomplete: str) -> list[str]:
    """Shipped checklists and YAML files."""
    from evalkit.checklist.loader import shipped_names

    shipped = [name for name in shipped_names() if name.startswith(incomplete)]
    return shipped + _paths(incomplete, ".yaml", ".yml", mark="\0")


def ids(incomplete: str) -> list[str]:
    """What `evalkit explain` explains."""
    from evalkit.explain.explain import topics

    names = {topic.name for found in topics().values() for topic in found} | {"support"}
    return sorted(name for name in names if name.startswith(incomplete))


def models(incomplete: str) -> list[str]:
    """The known variants by Hub id, and folders."""
    from evalkit.data.records import variants

    known = [one.id for one in variants()]
    return [name for name in known if name.casefold().startswith(incomplete.casefold())] + _paths(
        incomplete, ".json", mark="config.json"
    )


def items(incomplete: str) -> list[str]:
    """The six items."""
    from evalkit.items.registry import ITEMS

    return [one for one in ITEMS if one.startswith(incomplete)]


def kinds(incomplete: str) -> list[str]:
    """Kinds of files that `evalkit import` reads."""
    from evalkit.importers.registry import KINDS

    return [one for one in KINDS if one.startswith(incomplete)]
