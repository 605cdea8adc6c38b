"""Settings of the study: section ``hardware`` of params.yaml is the database's."""

from perfseer.hardware.settings import SECTIONS

__all__ = ["SECTIONS"]
