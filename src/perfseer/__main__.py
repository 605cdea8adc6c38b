"""``python -m perfseer``: the same door as the ``perfseer`` command."""

from perfseer.cli.main import run

run()
