import pytest

from evalkit.reference import ReferenceServer, Script


@pytest.fixture
def serve():
    """Starts servers without delays (unless told) and stops them after the test."""
    running = []

    def start(answers=None, **script):
        server = ReferenceServer(Script(**{"ttft_ms": 0, "ms_per_forward": 0, **script}), answers=answers)
        running.append(server.start())
        return server

    yield start
    for server in running:
        server.stop()
