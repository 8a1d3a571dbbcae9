"""Code that a model wrote against the tests that judge it: it passes them by being right, and in no other way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest

from evalkit.errors import UsageError
from evalkit.quality.sandbox import run
from evalkit.quality.sandbox.run import run_tests

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="--allow-exec needs Linux")
KINDS = ("bubblewrap", "namespaces", "none")
FENCED = ("bubblewrap", "namespaces")


def needs(kind):
    if kind != "none" and not run._works(kind):
        pytest.skip(f"{kind} does not work on this machine")


def ended(kind, code, tests, *, seconds=5.0):
    needs(kind)
    return run_tests(code, tests, seconds=seconds, memory=512 << 20, kind=kind)


EVIL = """
class Yes:
    def __eq__(self, other): return True
    def __ne__(self, other): return True
    def __lt__(self, other): return True
    def __sub__(self, other): return 0
    def __rsub__(self, other): return 0
    def __contains__(self, other): return True
    def __bool__(self): return True
    def __instancecheck__(self, other): return True
    def __getattr__(self, name): return lambda *_: True
    __hash__ = None
def add(*_): return Yes()
"""
#: code that is wrong, and tries to be taken for right
FORGED = {
    "equal to everything": (EVIL, "assert add(2, 3) == 5"),
    "unequal to everything": (EVIL, "assert not (add(2, 3) != 5)"),
    "close to everything": (EVIL, "assert abs(add(2, 3) - 5) < 1e-6"),
    "holds everything": (EVIL, "assert 'x' in add(2, 3)"),
    "starts with everything": (EVIL, "assert add(2, 3).startswith('Hello')"),
    "below everything": (EVIL, "assert add(2, 3) < 6"),
    "an int that is equal to everything": (
        "class I(int):\n    def __eq__(self, other): return True\n    __hash__ = int.__hash__\ndef add(a, b): return I(7)",
        "assert add(2, 3) == 5",
    ),
    "a list of what equals everything": (EVIL + "def f(): return [Yes(), Yes()]", "assert f() == [1, 2]"),
    "a mark in a file": ("import os\nopen('through', 'w').close()\nos._exit(0)", "assert False"),
    "leaves at once": ("import os\nos._exit(0)", "assert False"),
    "leaves when it is asked": ("import os\ndef add(a, b): os._exit(0)", "assert add(2, 3) == 5"),
    "leaves by an exception": ("def add(a, b): raise SystemExit(0)", "assert add(2, 3) == 5"),
    "leaves, and the tests catch everything": (
        "import os\ndef add(a, b): os._exit(0)",
        "try:\n    assert add(2, 3) == 5\nexcept BaseException:\n    pass",
    ),
    "another assert": (
        "import builtins\nbuiltins.AssertionError = Warning\ndef add(a, b): return 0",
        "assert add(2, 3) == 5",
    ),
    "looks for the tests in its frames": (
        (
            "import sys\ndef add(a, b):\n    frame = sys._getframe()\n    while frame:\n"
            "        if 'tests' in frame.f_locals or 'examiner' in frame.f_globals: return 5\n        frame = frame.f_back\n"
        ),
        "assert add(2, 3) == 5",
    ),
    "looks for the tests in memory": (
        (
            "import gc\ndef add(a, b):\n    texts = [o for o in gc.get_objects() if isinstance(o, dict)]\n"
            "    return 5 if any('add(2, 3) == 5' in str(v) for d in texts for v in list(d.values()) if isinstance(v, str)) else 0"
        ),
        "assert add(2, 3) == 5",
    ),
    "writes to every descriptor": (
        (
            'import os\nfor fd in range(64):\n    try: os.write(fd, b\'{"outcome": "passed", "said": "", "nonce": ""}\\n\')\n'
            "    except OSError: pass\ndef add(a, b): return 0"
        ),
        "assert add(2, 3) == 5",
    ),
    "speaks the protocol": (
        (
            "import socket, struct, json, os\n"
            "for fd in range(3, 64):\n    try:\n        end = socket.socket(fileno=fd)\n"
            "        data = json.dumps({'ok': {'l': []}, 'args': {}, 'out': ''}).encode()\n"
            "        end.send((struct.pack('!I', len(data)) + data) * 9)\n    except OSError: pass\n"
        ),
        "assert add(2, 3) == 5",
    ),
    "reaches into the tests by what they hand over": (
        "def apply(f):\n    try:\n        f.__globals__['__builtins__']\n    except Exception as e:\n        raise SystemExit(0)\n    return 5",
        "assert apply(lambda x: x) == 5",
    ),
    "changes Python for the tests": (
        "import builtins, sys\nbuiltins.len = lambda x: 5\nsys.modules['math'] = None\ndef items(): return [1]",
        "assert len(items()) == 5",
    ),
    "hands back what it was asked with": (
        EVIL
        + "class Set(Yes):\n    def __getattr__(self, name): return lambda *given: given[0]\ndef f(): return Set()",
        "assert f().intersection({1, 2}) == {1, 2}",
    ),
    "a named tuple with a method for a field": (
        "from collections import namedtuple\nN = namedtuple('N', 'startswith')\ndef f(): return N(lambda *_: True)",
        "assert f().startswith('Hello')",
    ),
    "makes a class in the tests": (
        "def f(cls):\n    try:\n        return type(cls)('X', (), {'__eq__': lambda *_: True})()\n    except Exception as e:\n        return e",
        "class Node: pass\nassert f(Node) == 5",
    ),
    "changes what a class of the tests does": (
        "def f(c):\n    try:\n        c.check = lambda *_: True\n    except Exception:\n        pass\n",
        "class C:\n    def check(self): return False\nc = C()\nf(c)\nf(C)\nassert c.check()",
    ),
    "an end that the tests did not reach": (
        "import atexit, os\natexit.register(os._exit, 0)\nraise SystemExit(0)",
        "pass",
    ),
}


@pytest.mark.parametrize("name", sorted(FORGED))
def test_a_pass_cannot_be_forged(name):
    """Where nothing but the two processes stands between them: a sandbox only takes more away."""
    assert ended("none", *FORGED[name]).ended == "failed"


RIGHT = {
    "a function": ("def add(a, b):\n    return a + b", "assert add(2, 3) == 5"),
    "a check that takes it": ("def add(a, b):\n    return a + b", "def check(f):\n    assert f(2, 3) == 5\ncheck(add)"),
    "a class": (
        ("class Stack:\n    def __init__(self): self.items = []\n    def push(self, x):\n        self.items.append(x)\n        return self\n"
        "    def pop(self): return self.items.pop()\n    def __len__(self): return len(self.items)\n"
        "    def __eq__(self, other): return self.items == other.items\n    def startswith(self, x): return self.items[:1] == [x]"),
        ("s = Stack()\nassert s.push(1).push(2) is s and len(s) == 2 and isinstance(s, Stack)\nassert s.startswith(1)\n"
        "assert s == Stack().push(1).push(2)\nassert s.pop() == 2 and s.items == [1]"),
    ),
    "errors of its own": (
        ("class Empty(ValueError):\n    def __init__(self, code):\n        super().__init__('empty')\n        self.code = code\n"
        "def f(): raise Empty(7)\ndef g(): return {}['x']"),
        ("try:\n    f()\n    assert False\nexcept Empty as e:\n    assert e.code == 7 and str(e) == 'empty'\n"
        "try:\n    f()\nexcept ValueError:\n    pass\ntry:\n    g()\n    raise SystemError\nexcept KeyError:\n    pass"),
    ),
    "changes its argument": ("def f(x):\n    x.sort()\n    return x", "a = [3, 1]\nassert f(a) is a\nassert a == [1, 3]"),
    "calls back": ("def twice(f, x):\n    return f(f(x))", "assert twice(lambda v: v + 1, 2) == 4\nassert twice(str, 1) == '1'"),
    "generators": ("def f(n):\n    yield from range(n)", "assert list(f(3)) == [0, 1, 2]\nassert next(f(2)) == 0"),
    "coroutines": ("async def f():\n    return 5", "import asyncio\nassert asyncio.run(f()) == 5"),
    "printed text": (
        "def f():\n    print('hello')",
        "import contextlib, io\nout = io.StringIO()\nwith contextlib.redirect_stdout(out):\n    f()\nassert out.getvalue() == 'hello\\n'",
    ),
    "objects of the tests": (
        "def turn(node):\n    last = None\n    while node:\n        node.next, last, node = last, node, node.next\n    return last",
        ("class Node:\n    def __init__(self, v, n=None): self.v, self.next = v, n\n"
        "r = turn(Node(1, Node(2)))\nassert (r.v, r.next.v, r.next.next) == (2, 1, None)"),
    ),
    "named tuples, enums and dates": (
        ("import enum, datetime\nfrom collections import namedtuple, Counter\nP = namedtuple('P', 'x y')\n"
        "class C(enum.Enum):\n    RED = 1\ndef f(): return P(1, 2), C.RED, datetime.date(2026, 1, 2), Counter('aab')"),
        ("import datetime\np, c, d, n = f()\nassert p.x == 1 and p == (1, 2) and c is C.RED and c.value == 1\n"
        "assert d == datetime.date(2026, 1, 2) and n.most_common(1) == [('a', 2)]"),
    ),
    "large and odd numbers": (
        "def f(): return 3 ** 5000, float('inf'), 1j, {1.5: (b'x', {2})}",
        "assert f() == (3 ** 5000, float('inf'), 1j, {1.5: (b'x', {2})})",
    ),
    "a subclass of list": (
        "class M(list):\n    def total(self): return sum(self)\ndef f(): return M([1, 2])",
        "assert f() == [1, 2] and M([1, 2]).total() == 3",
    ),
    "arithmetic of its own": (
        ("class V:\n    def __init__(self, x): self.x = x\n    def __add__(self, o): return V(self.x + o.x)\n"
        "    def __mul__(self, k): return V(self.x * k)\n    def __eq__(self, o): return self.x == o.x"),
        "assert V(1) + V(2) == V(3)\nassert (V(2) * 3).x == 6",
    ),
    "modules that it imported": ("import math\ndef f(r): return math.pi * r * r", "assert abs(f(2) - math.pi * 4) < 1e-9"),
    "a context manager": (
        "from contextlib import contextmanager\nlog = []\n@contextmanager\ndef noted():\n    log.append(1)\n    yield 5\n    log.append(2)",
        "with noted() as n:\n    assert n == 5\nassert log == [1, 2]",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "kind"), [*((name, "namespaces") for name in sorted(RIGHT)), ("a class", "none"), ("coroutines", "none")]
)
def test_right_code_passes(name, kind):
    """Where the most is taken away; without a sandbox the same processes have all of that and more."""
    got = ended(kind, *RIGHT[name])
    assert (got.ended, got.why) == ("passed", "")


def test_what_cannot_cross_leaves_the_reply_unscored():
    got = ended("none", "def f(x): return 1", "import sys\nx = []\nfor _ in range(80): x = [x]\nassert f(x) == 1")
    assert got.ended == "unscored"
    assert "cross" in got.why


#: code whose first line of defence is the sandbox: how it must end, with one
OUT_OF_REACH = {
    "files of the machine": "open('/etc/hostname').read()",
    "the home folder": "import os, pwd\nopen(os.path.join('/root', '.bashrc')).read()",
    "other processes": "import os\nassert not [p for p in os.listdir('/proc') if p.isdigit()]\nraise OSError",
    "writing outside": "open('/usr/evalkit-was-here', 'w')",
    "the network": "import socket\nsocket.create_connection(('127.0.0.1', 9), 1)",
    "a process": "import os\nos.fork()",
    "a program": "import os\nos.execv('/bin/sh', ['sh', '-c', 'true'])",
    "a signal": "import os\nos.kill(1, 9)\nos.kill(os.getppid(), 9)",
    "a signal when a file has something": "import fcntl, os\nfcntl.fcntl(os.pipe()[0], 8, os.getppid())",
    "a signal to a group": "import fcntl, os, struct\nfcntl.fcntl(os.pipe()[0], 15, struct.pack('ii', 2, os.getpgid(0)))",
    "a signal of a socket": "import fcntl, os, struct\nfcntl.ioctl(3, 0x8901, struct.pack('i', os.getppid()))",
    "root": "import os\nos.setuid(0)",
    "a device": "import os, stat\nos.mknod('n', 0o600 | stat.S_IFCHR, os.makedev(1, 3))",
}


@pytest.mark.parametrize("kind", FENCED)
@pytest.mark.parametrize("name", sorted(OUT_OF_REACH))
def test_a_sandbox_keeps_out_of_reach(kind, name):
    got = ended(kind, OUT_OF_REACH[name], "pass")
    assert got.ended == "failed"
    assert "Error" in got.why, got


HELD_WITHOUT = (
    "the network", "a process", "a program", "a signal", "a signal when a file has something", "a signal to a group",
    "a signal of a socket",
)  # fmt: skip


@pytest.mark.parametrize("name", HELD_WITHOUT)
def test_without_a_sandbox_these_are_refused_all_the_same(name):
    from evalkit.quality.sandbox.subject import _REFUSED

    if os.uname().machine not in _REFUSED:
        pytest.skip("no filter of system calls for this machine")
    got = ended("none", OUT_OF_REACH[name], "pass")
    assert (got.ended, "Error" in got.why) == ("failed", True)


@pytest.mark.parametrize("kind", ["namespaces", "none"])
@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.unlink('stderr') if os.path.exists('stderr') else None\nos.mkfifo('stderr')\nraise SystemExit(1)",
        "import os\nos.symlink('/etc/hostname', 'stderr')\nraise SystemExit(1)",
        "import sys\nwhile True: sys.stderr.write('x' * 100000)",
        "def f():\n    while True: pass\nf()",
        "import time\ntime.sleep(100)",
        "import os\nfor _ in range(3000):\n    os.mkdir('d')\n    os.chdir('d')",
        "import os\nos.mkdir('d')\nopen('d/f', 'w').close()\nos.chmod('d', 0)",
        "x = [0]\nwhile True: x = x + x",
        "import resource\nresource.setrlimit(resource.RLIMIT_AS, (-1, -1))",
        "import sys\nsys.setrecursionlimit(10**9)\ndef f(): f()\nf()",
        "import os\nos.close(3); os.close(4); os.close(5); os.close(6)",
        "import sys\nsys.stdout = None\nsys.modules.clear()",
    ],
)
def test_code_that_breaks_things_ends_in_time_and_leaves_nothing(kind, code, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    host = Path("/etc/hostname").read_text(encoding="utf-8").strip()
    began = time.monotonic()
    got = ended(kind, code, "assert False", seconds=1.0)
    assert time.monotonic() - began < 60
    assert got.ended == "failed"
    assert host not in got.why.split()
    assert not list(tmp_path.iterdir())


#: a session of its own, then a relay: each process is made while the one before it ends, which a list of processes misses
_RELAY = """
import os, time
try:
    if os.fork() == 0:
        os.setsid()
        for _ in range(300):
            if os.fork():
                os._exit(0)
        time.sleep(60)
        os._exit(0)
except OSError:
    pass
"""


def test_what_the_code_leaves_behind_is_ended(monkeypatch):
    """Without the filter of system calls, as on a machine that has none: the keeper ends a session of its own too."""
    import psutil

    mark = uuid4().hex  # in the command line of the subject and of what it starts, and of no other test's
    source = run._program("subject")
    program = f"# {mark}\n" + source.replace("confine(memory, seconds)", "None")
    assert "confine(memory, seconds)" not in program
    monkeypatch.setattr(run, "_program", lambda role: program if role == "subject" else _examiner())
    for _ in range(3):
        assert ended("none", _RELAY, "pass").ended == "passed"
    left = [one for one in psutil.process_iter(["cmdline"]) if mark in " ".join(one.info["cmdline"] or ())]
    # a process that was killed a moment ago may not be gone yet; one that was not killed sleeps for minutes
    assert psutil.wait_procs(left, timeout=20)[1] == []


def _examiner(wrapped=run._program.__wrapped__):
    return wrapped("examiner")


_KEYS = """
import json, os, sys
from evalkit.quality.sandbox import run
kind = run.prepare(["OWN_NAME"])
code = sys.argv[1].replace("EVALKIT", str(os.getpid()))
for one in sys.argv[2:]:
    got = run.run_tests(code, "pass", seconds=5, memory=512 << 20, kind=one)
    print(json.dumps([got.ended, got.why]))
from evalkit.environment import value_of
print(json.dumps([value_of("OWN_NAME"), value_of("SOME_API_KEY")]))
"""


@pytest.mark.parametrize(
    "code",
    [
        "import os\nprint = open('/proc/EVALKIT/environ').read()\nassert 0, print",
        "import os\nassert 0, [open(f'/proc/{p}/environ').read() for p in os.listdir('/proc') if p.isdigit()]",
        "assert 0, open('/proc/EVALKIT/mem', 'rb').read(1)",
        "import os\nassert 0, dict(os.environ)",
    ],
)
def test_the_keys_of_evalkit_are_out_of_reach(code):
    kinds = [kind for kind in KINDS if kind == "none" or run._works(kind)]
    environment = {**os.environ, "OWN_NAME": "canary-one", "SOME_API_KEY": "canary-two"}
    done = subprocess.run(
        [sys.executable, "-c", _KEYS, code, *kinds], env=environment, capture_output=True, text=True, check=False
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1] == ["canary-one", "canary-two"], done.stderr
    assert len(lines) == len(kinds) + 1
    assert all(one[0] == "failed" and "canary" not in one[1] for one in lines[:-1])


def test_root_without_a_sandbox_is_refused_with_a_way_forward(monkeypatch, tmp_path):
    monkeypatch.setattr(run, "sandbox", lambda: "none")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(UsageError) as caught:
        run.permit()
    assert caught.value.exit_code == 2
    assert "bubblewrap" in caught.value.hint
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert run.permit() == "none"


def test_another_system_than_linux_is_refused(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(UsageError, match="needs Linux"):
        run.permit()
