"""``perfseer`` in the process of the tests: what a shell would see, without waiting for another Python."""

import contextlib
import io
import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from perfseer.cli.main import run


def perfseer(*arguments: object, cwd: Path, **environment: str) -> CompletedProcess[str]:
    """Run a verb in a folder; exit code and both streams."""
    words, out, err, code = [str(argument) for argument in arguments], io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(cwd)
        patch.setattr(sys, "argv", ["perfseer", *words])
        patch.delenv("PERFSEER_JOURNAL", raising=False)
        for name, value in {"COLUMNS": "200", **environment}.items():
            patch.setenv(name, value)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                run()
            except SystemExit as end:
                code = int(end.code or 0)
    return CompletedProcess(words, code, out.getvalue(), err.getvalue())
