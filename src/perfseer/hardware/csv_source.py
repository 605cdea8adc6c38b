"""Sources that are one CSV file: the published one, or a newer one that people have themselves."""

from pathlib import Path
from typing import ClassVar

from perfseer.hardware.cells import parse_csv, require_header, shown
from perfseer.hardware.own_files import own_content, require_rows
from perfseer.hardware.source import Cells, HardwareSource, hardware_source, hardware_source_names


class CsvSource(HardwareSource):
    """One CSV file with a known header.

    A file ``<folder>/<name of the source>.csv`` is read in place of the published one.

    Attributes:
        header: columns of the file.
    """

    header: ClassVar[tuple[str, ...]]

    def checked_cells(self) -> Cells:
        """The cells of the file, under exactly the columns of `header`.

        Raises:
            AbsentError: the file is not to be had here.
            PerfseerError: it is damaged, too large, or has another encoding or header, or no rows.
        """
        cells, name = self._own_cells(), shown(self._own_path())
        if cells is None:
            cells, name = self.cells(self.files[0]), self.files[0].name
        require_header(cells.table, self.header, name)
        require_rows(cells.table, name)
        return cells

    def _own_path(self) -> Path | None:
        return self.folder / f"{self.name}.csv" if self.folder else None

    def _own_cells(self) -> Cells | None:
        path = self._own_path()
        # A link that leads nowhere is one that was meant to lead somewhere: it is refused, not passed over.
        if path is None or not (path.exists() or path.is_symlink()):
            return None
        return Cells(parse_csv(own_content(path), shown(path)), shown(path))


def replacement_names() -> frozenset[str]:
    """Names of the files that replace a published one in a folder of people's own."""
    kinds = [hardware_source(name) for name in hardware_source_names()]
    return frozenset(f"{kind.name}.csv" for kind in kinds if issubclass(kind, CsvSource))
