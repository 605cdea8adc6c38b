"""Collectors for fault tests, and what is left of them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import yaml

from perfseer.measure.journal_lines import decode_line
from tests.helpers.places import PARAMS


class Server:
    """Starts collectors by forks of one process (`collector_server`).

    Args:
        folder: they run in it.
        prefix: what the process is started by, as ``unshare``.
        environment: variables besides the inherited ones.
    """

    def __init__(self, folder, prefix=(), **environment):
        here = Path(__file__).parent
        path = os.pathsep.join([str(here), *filter(None, [os.environ.get("PYTHONPATH")])])
        self.folder = folder
        self.process = subprocess.Popen(
            [*prefix, sys.executable, str(here / "collector_server.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": path, "COLUMNS": "500", **environment},
        )
        (folder / "params.yaml").write_text(
            yaml.safe_dump({"zoo": PARAMS["zoo"], "collect": {**PARAMS["collect"], "time_budget_s": 1e6}})
        )

    def start(self, limit, *more, journal="journal", out="t.parquet", file_bytes=None):
        """Start a collector; its process id. No file of it may grow beyond ``file_bytes``."""
        arguments = ["collect", "--limit", str(limit), "--journal", journal, "--out", out, *more]
        request = {"arguments": arguments, "folder": str(self.folder), "file_bytes": file_bytes}
        return self._ask(request)

    def wait(self, process):
        """Its exit code, or minus the signal."""
        return self._ask({"wait": process})

    def said(self, process):
        """What it wrote, as one line."""
        return " ".join((self.folder / f"{process}.txt").read_text().split())

    def run(self, limit, *more, **options):
        process = self.start(limit, *more, **options)
        return self.wait(process), self.said(process)

    def _ask(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def content(self, journal="journal"):
        paths = list((self.folder / journal).glob("*.jsonl"))
        return paths[0].read_bytes() if paths else b""

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def records(content):
    """Bodies of the record lines, in order."""
    bodies = [decode_line(line) for line in content.split(b"\n")[:-1]]
    return [body for body in bodies if "id" in body]
