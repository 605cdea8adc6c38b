import json
import os
import socket

import pytest
import torch

from perfseer.digests import digest
from perfseer.measure.fingerprint import (
    cpu_name,
    fingerprint,
    kernel_version,
    parse_cpu_quota,
    total_memory_gib,
    usable_cores,
)


def test_fingerprint_is_the_same_every_time_and_names_itself():
    first, second = fingerprint("cpu", 2), fingerprint("cpu", 2)
    assert first == second
    content = {name: value for name, value in first.items() if name != "digest"}
    assert first["digest"] == digest(content)


def test_what_changes_a_measurement_changes_the_digest(monkeypatch):
    before = fingerprint("cpu", 2)["digest"]
    assert fingerprint("cpu", 1)["digest"] != before
    monkeypatch.setenv("GOMP_SPINCOUNT", "12345")
    assert fingerprint("cpu", 2)["digest"] != before
    monkeypatch.undo()
    monkeypatch.setattr(torch, "__version__", "0.0.0")
    assert fingerprint("cpu", 2)["digest"] != before


def test_a_variable_that_changes_measurements_changes_the_digest_and_a_path_does_not(monkeypatch):
    for name in ("LD_PRELOAD", "ONEDNN_MAX_CPU_ISA", "TORCH_HOME"):
        monkeypatch.delenv(name, raising=False)
    before = fingerprint("cpu", 2)
    assert "variables" not in before
    monkeypatch.setenv("TORCH_HOME", "/somewhere")
    assert fingerprint("cpu", 2) == before
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX2")
    monkeypatch.setenv("LD_PRELOAD", "/usr/lib/libx.so.2:/opt/liby.so")
    after = fingerprint("cpu", 2)
    assert after["variables"] == {
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "LD_PRELOAD": "libx.so.2 liby.so",
    }
    assert after["digest"] != before["digest"]


def test_it_holds_plain_facts_and_no_host_name():
    environment = fingerprint("cpu", 2)
    text = json.dumps(environment, allow_nan=False)
    assert socket.gethostname() not in text.replace(environment["kernel"], "")
    assert environment["torch"] == torch.__version__
    assert environment["device"] == cpu_name() != ""
    assert environment["memory_gib"] == total_memory_gib() > 0


@pytest.mark.parametrize(
    ("text", "cores"),
    [("max 100000\n", None), ("200000 100000\n", 2), ("150000 100000\n", 2), ("50000 100000", 1), ("", None)],
)
def test_cpu_quota_of_a_container_is_rounded_up(text, cores):
    assert parse_cpu_quota(text) == cores


def test_cores_are_those_this_process_may_use():
    allowed = os.sched_getaffinity(0)
    assert 1 <= usable_cores() <= len(allowed)
    one = {min(allowed)}
    try:
        os.sched_setaffinity(0, one)
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize(
    ("release", "version"), [("6.18.44-builder-v7", "6.18.44"), ("6.8.0-31-generic", "6.8.0"), ("odd", "odd")]
)
def test_the_kernel_is_named_without_a_builders_suffix(release, version):
    assert kernel_version(release) == version
