"""The embedded reference server: SGLang's HTTP protocol in three decoding modes, with scripted timing and faults.

Importing this package loads no web framework; building a server does.
"""

from evalkit.reference.answers import Answers
from evalkit.reference.emissions import Emission, read_emissions
from evalkit.reference.process import ReferenceProcess
from evalkit.reference.question import Question, Reply, call_reply
from evalkit.reference.script import Script, ordered, preset
from evalkit.reference.server import ReferenceServer, serve_forever

__all__ = [
    "Answers",
    "Emission",
    "Question",
    "ReferenceProcess",
    "ReferenceServer",
    "Reply",
    "Script",
    "call_reply",
    "ordered",
    "preset",
    "read_emissions",
    "serve_forever",
]
