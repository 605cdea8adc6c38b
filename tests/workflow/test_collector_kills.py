"""The real collector, killed at random fifty times; after each, nothing is lost, changed or there twice."""

import os
import random
import signal
import time

import pandas as pd
import pytest

from perfseer.measure.journal_lines import read_journal
from perfseer.measure.table import read_table
from tests.helpers.processes import assert_gone, descendants, parent, state, wait_until
from tests.helpers.reading import counts
from tests.workflow.collectors import Server, records
from tests.workflow.fast_worker import result_of

KILLS = 50


@pytest.fixture
def server(tmp_path):
    server = Server(tmp_path)
    yield server
    server.close()


def check(before, content):
    """Nothing that was on disk is gone or changed, and no configuration is there twice."""
    reading = read_journal(content.splitlines(keepends=True))
    assert reading.corrupt == []
    whole = before[: before.rfind(b"\n") + 1]
    assert content.startswith(whole)
    ids = [body["id"] for body in records(content)]
    assert len(ids) == len(set(ids))


class Killer:
    """Draws what is killed when; the draws are the same every time, the moments depend on the machine."""

    def __init__(self, server):
        self.server, self.draw, self.kills = server, random.Random(4), 0

    def once(self):
        """One run of the collector, ended at some moment, or by itself if that comes first."""
        server, draw = self.server, self.draw
        before = server.content()
        had = before.count(b"\n")
        process = server.start(had + 40)
        what = draw.choices(
            ["worker", signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP], [3, 9, 2, 2, 1]
        )[0]
        self.await_moment(process, had)
        workers = descendants(process)
        victims = [pid for pid in workers if parent(pid) == process] if what == "worker" else [process]
        for victim in victims:
            try:
                os.kill(victim, signal.SIGKILL if what == "worker" else what)
            except ProcessLookupError:
                continue  # done by itself
        code, said = server.wait(process), server.said(process)
        assert_gone(workers)
        check(before, server.content())
        self.count(what, code, said, victims)

    def await_moment(self, process, had):
        """While it starts, or after a few more records."""
        if self.draw.random() < 0.25:
            time.sleep(self.draw.uniform(0, 0.2))
            return
        wanted = had + self.draw.randrange(1, 8)
        wait_until(lambda: self.server.content().count(b"\n") >= wanted or state(process) == "Z")
        time.sleep(self.draw.uniform(0, 0.006))

    def count(self, what, code, said, victims):
        """The exit code is that of what happened."""
        # A worker killed as it starts ends the run; later, it is replaced.
        allowed = {"worker": {0, 2}, signal.SIGKILL: {0, -signal.SIGKILL}}.get(what)
        # Before the collector listens, a signal has its usual effect.
        assert code in (allowed or {0, 130, -what}), (what, code, said)
        assert "Traceback" not in said
        self.kills += bool(victims) and (what == "worker" or code != 0)


@pytest.mark.slow
def test_killed_at_random_fifty_times_it_still_makes_the_table_of_an_undisturbed_run(server):
    killer = Killer(server)
    while killer.kills < KILLS:
        killer.once()
    content = server.content()
    limit = len(records(content)) + 10
    code, said = server.run(limit)
    assert code == 0
    assert counts(said)["now"] == 10
    check(content, server.content())

    table = read_table(server.folder / "t.parquet")
    assert list(table["order"]) == list(range(limit))
    assert list(table["status"]) == ["oom" if order % 10 == 7 else "ok" for order in range(limit)]
    assert server.run(limit, journal="undisturbed", out="u.parquet")[0] == 0
    undisturbed = read_table(server.folder / "u.parquet")
    pd.testing.assert_frame_equal(
        table.drop(columns="measured_s"), undisturbed.drop(columns="measured_s"), check_exact=True
    )
    # The labels of every row are those of its own configuration.
    first = records(content)[0]["record"]
    assert table["infer_time_ms"][0] == result_of(first["configuration"], "infer")["time_ms"]
    # Once more, nothing is measured and the bytes are the same.
    bytes_ = (server.folder / "t.parquet").read_bytes()
    assert server.run(limit)[0] == 0
    assert (server.folder / "t.parquet").read_bytes() == bytes_
