"""A small server, and how it is launched."""

from __future__ import annotations

import asyncio
import textwrap

from evalkit.serving.launch import launched

SERVER = textwrap.dedent(
    """
    import http.server, json, os, signal, subprocess, sys
    if "stubborn" in sys.argv:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if "child" in sys.argv:
        subprocess.Popen([sys.executable, "-c", "import time,signal; signal.signal(15, signal.SIG_IGN); time.sleep(300)"],
                         start_new_session=True)
    if "flood" in sys.argv:
        for _ in range(400000):
            print("x" * 80)
    print("api_key='sk-canary-launch-123'", flush=True)
    class H(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            found = self.path == "/v1/models"
            body = json.dumps({"data": [{"id": "m"}]}).encode()
            self.send_response(200 if found else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        def log_message(self, *a): pass
    http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), H).serve_forever()
    """
)


def start(endpoint, tmp_path, body=None):
    async def main():
        async with launched("diffusion", endpoint, model="m", revision="r", context=64, log_dir=tmp_path) as running:
            if body is not None:
                await body(running)
            return running

    return asyncio.run(main())
