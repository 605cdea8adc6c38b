"""Where and how a table was measured, for whoever measures configurations of it once more."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pandas as pd

from perfseer.errors import PerfseerError, require
from perfseer.measure.session import Logbook, Session, open_session
from perfseer.measure.settings import PROTOCOL_VERSION, Protocol
from perfseer.measure.table import cell_facts
from perfseer.measure.tally import Tally


@dataclass(frozen=True)
class Origin:
    """What every row of a table has in common.

    Attributes:
        environment: fingerprint of device and software.
        protocol: how the rows were measured.
    """

    environment: Mapping[str, Any]
    protocol: Protocol

    def reopened(
        self, logbook: Logbook, tally: Tally, facts: Mapping[str, Any]
    ) -> AbstractContextManager[Session]:
        """A session (`session.open_session`) on the same device and threads; refuses another machine."""
        device, threads = self.environment["device_kind"], int(self.environment["threads"])
        return open_session(device, threads, logbook, tally, facts, admit=self.require_here)

    def require_here(self, environment: Mapping[str, Any]) -> None:
        """Raise `PerfseerError` unless ``environment``, the present one, is the table's; say what differs."""
        names = sorted((set(self.environment) | set(environment)) - {"digest"})
        there_and_here = ((name, self.environment.get(name), environment.get(name)) for name in names)
        differing = [f"{name} {a!r} there, {b!r} here" for name, a, b in there_and_here if a != b]
        require(
            not differing,
            f"the table was measured elsewhere: {'; '.join(differing)}. Another machine or other software "
            "says nothing about its labels: run this where it was measured, or collect a table here",
        )


def origin_of(table: pd.DataFrame) -> Origin:
    """Where and how ``table`` was measured.

    Raises:
        PerfseerError: it has no finished row; or several environments or protocols; or it was not measured by
            this program, or by a version of it whose labels mean something else.
    """
    require(bool((table["status"] == "ok").any()), "the table has no finished configuration to measure again")
    environment, protocol = (_only(table, name) for name in ("environment", "protocol"))
    versions = sorted(set(table["protocol_version"]))
    require(
        versions == [PROTOCOL_VERSION],
        f"the table is of protocol version {', '.join(map(str, versions))}, this program measures version "
        f"{PROTOCOL_VERSION}, whose labels mean something else; collect the table again",
    )
    if not {"device_kind", "threads"} <= set(environment):
        raise PerfseerError(
            "the table does not say on which device and how many threads it was measured; only what "
            "`perfseer collect` measured can be measured again"
        )
    return Origin(environment, Protocol.from_mapping(protocol))


def _only(table: pd.DataFrame, name: str) -> dict[str, Any]:
    """The one value of a column that holds a JSON object per row."""
    values = sorted(set(table[name].fillna("")))
    require(
        len(values) == 1,
        f"the table holds {len(values)} values of {name!r}: it was merged from several. Give one of those",
    )
    value = cell_facts(values[0])
    if value is None:
        raise PerfseerError(
            f"the table's {name!r} is {values[0][:60]!r}, expected what `perfseer collect` writes; only what "
            "it measured can be measured again"
        )
    return value
