"""A server that misbehaves on order: the reference server's protocol on raw sockets, and one registry of faults."""

from tests.support.faults.protocol import Answer, Healthy, Request
from tests.support.faults.registry import FAULTS, Fault
from tests.support.faults.server import Armed, FaultServer
from tests.support.faults.turn import Turn

__all__ = ["FAULTS", "Answer", "Armed", "Fault", "FaultServer", "Healthy", "Request", "Turn"]
