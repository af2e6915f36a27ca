"""Stands for Grafana's health alone."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

assert Path(os.environ["GF_SECURITY_ADMIN_PASSWORD__FILE"]).read_text(encoding="utf-8")
assert list(Path("/etc/grafana/dashboards").glob("*.json"))


class Health(BaseHTTPRequestHandler):
    """Answers /api/health as Grafana does."""

    def do_GET(self) -> None:
        """Say that all is well."""
        self.send_response(200 if self.path == "/api/health" else 404)
        self.end_headers()
        self.wfile.write(b'{"database": "ok"}')


ThreadingHTTPServer(("", 3000), Health).serve_forever()
