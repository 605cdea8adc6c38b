"""Collectors for fault tests, and what is left of them."""

import json
import os
import subprocess
import sys
import time
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

    def start(self, limit, *more, journal="journal", out="t.parquet"):
        arguments = ["collect", "--limit", str(limit), "--journal", journal, "--out", out, *more]
        request = {"arguments": arguments, "folder": str(self.folder), "output": str(self.output)}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def wait(self):
        return int(self.process.stdout.readline())

    def run(self, limit, *more, **options):
        self.start(limit, *more, **options)
        return self.wait(), " ".join(self.output.read_text().split())

    @property
    def output(self):
        return self.folder / "output.txt"

    def content(self, journal="journal"):
        paths = list((self.folder / journal).glob("*.jsonl"))
        return paths[0].read_bytes() if paths else b""

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


def children(process):
    try:
        return [int(pid) for pid in Path(f"/proc/{process}/task/{process}/children").read_text().split()]
    except (FileNotFoundError, ProcessLookupError):
        return []


def assert_gone(pids):
    deadline = time.monotonic() + 5
    while alive := [pid for pid in pids if Path(f"/proc/{pid}").exists()]:
        assert time.monotonic() < deadline, f"orphans: {alive}"
        time.sleep(0.005)


def records(content):
    """Bodies of the record lines, in order."""
    bodies = [decode_line(line) for line in content.split(b"\n")[:-1]]
    return [body for body in bodies if "id" in body]
