"""Enters namespaces of its own, then becomes the program: no network, no other processes, few files, all read-only.

`jail.py KIND FOLDER BINDS -- ARGV`; BINDS is a JSON list of paths that stay visible. KIND `namespaces`: new mount,
process, network, IPC, host-name and (unless root can do without) user namespaces. KIND `none`: ARGV in FOLDER with an
empty environment.
Run as a script with the standard library; exit status 125: the namespaces are not to be had here.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
from pathlib import Path

_NEW = {"mount": 0x20000, "uts": 0x4000000, "ipc": 0x8000000, "pid": 0x20000000, "net": 0x40000000, "user": 0x10000000}
_RDONLY, _NOSUID, _NODEV, _REMOUNT, _BIND, _REC, _PRIVATE = 1, 2, 4, 32, 4096, 16384, 1 << 18
_DETACH = 2
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_CAPBSET_DROP = 1, 38, 24
#: the user and group inside, and outside too where root starts it
_NOBODY = 65534
_DEVICES = ("null", "zero", "urandom")

libc = ctypes.CDLL(None, use_errno=True)


def _call(done: int, what: str) -> None:
    if done != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def _mount(source: str, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    words = [one.encode() if one is not None else None for one in (source, target, kind)]
    _call(libc.mount(*words, ctypes.c_ulong(flags), options.encode() if options else None), f"mount {target}")


def unshare() -> None:
    """New namespaces; as root without one of users where that is allowed, so that root's own number is given up."""
    everything = sum(_NEW.values())
    if os.geteuid() == 0 and libc.unshare(everything - _NEW["user"]) == 0:
        return
    user, group = os.geteuid(), os.getegid()
    _call(libc.unshare(everything), "unshare")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{_NOBODY} {user} 1"), ("gid_map", f"{_NOBODY} {group} 1")):
        Path(f"/proc/self/{name}").write_text(text, encoding="ascii")


def new_root(folder: str, binds: list[str]) -> None:
    """An empty read-only root with `binds` in it, and a small /tmp to write in."""
    _mount("none", "/", None, _REC | _PRIVATE)
    _mount("tmpfs", folder, "tmpfs", _NOSUID | _NODEV, "size=4m,mode=0755")
    root = Path(folder)
    for path in map(Path, binds):
        target = root / path.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            target.symlink_to(path.readlink())
            continue
        target.mkdir(exist_ok=True) if path.is_dir() else target.touch()
        _mount(str(path), str(target), None, _BIND)
        _read_only(str(target))
    (root / "dev").mkdir()
    for name in _DEVICES:
        (root / "dev" / name).touch()
        _mount(f"/dev/{name}", f"{folder}/dev/{name}", None, _BIND)
    for name in ("tmp", "old"):
        (root / name).mkdir()
    _mount("tmpfs", f"{folder}/tmp", "tmpfs", _NOSUID | _NODEV, "size=16m,nr_inodes=1024,mode=0777")  # noqa: S108  the sandbox's own
    os.chdir(folder)
    _call(libc.pivot_root(b".", b"old"), "pivot_root")
    os.chdir("/")
    _call(libc.umount2(b"/old", _DETACH), "umount")
    Path("/old").rmdir()
    _mount("none", "/", None, _REMOUNT | _BIND | _RDONLY | _NOSUID | _NODEV)
    os.chdir("/tmp")  # noqa: S108  the sandbox's own


def _read_only(target: str) -> None:
    """A bind keeps the flags of its file system that a user may not take away, so they are asked for again."""
    held = os.statvfs(target).f_flag
    keep = held & (os.ST_NOSUID | os.ST_NODEV | os.ST_NOEXEC)
    times = (held & os.ST_NOATIME) | (held & os.ST_NODIRATIME) | (held & os.ST_RELATIME and 1 << 21)
    _mount("none", target, None, _REMOUNT | _BIND | _RDONLY | _NOSUID | keep | times)


def drop_privileges() -> None:
    """No capability, no way to get one, and not root's number."""
    for capability in range(64):
        libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setresgid(_NOBODY, _NOBODY, _NOBODY)
        os.setresuid(_NOBODY, _NOBODY, _NOBODY)
    _call(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")


def main() -> int:  # noqa: RET503  execve does not come back
    kind, folder, binds, argv = sys.argv[1], sys.argv[2], json.loads(sys.argv[3]), sys.argv[5:]
    if kind == "none":
        os.chdir(folder)
        os.execve(argv[0], argv, {})  # noqa: S606  what this script is for
    try:
        unshare()
    except OSError as error:
        print(error, file=sys.stderr)  # noqa: T201  read by whoever tried it
        return 125
    first = os.fork()
    if first:
        _, status = os.waitpid(first, 0)
        code = os.waitstatus_to_exitcode(status)
        return code if code >= 0 else 128 - code
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    try:
        new_root(folder, binds)
        drop_privileges()
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)  # a change of user clears it
    except OSError as error:
        print(error, file=sys.stderr)  # noqa: T201  read by whoever tried it
        os._exit(125)
    os.execve(argv[0], argv, {})  # noqa: S606  what this script is for


if __name__ == "__main__":
    sys.exit(main())
