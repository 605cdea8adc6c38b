"""Sources that are one CSV file: the published one, or a newer one that people have themselves."""

from pathlib import Path
from typing import ClassVar

from perfseer.errors import PerfseerError
from perfseer.hardware.cells import parse_csv, require_header
from perfseer.hardware.source import Cells, HardwareSource


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
            PerfseerError: it is damaged, or has another encoding or header.
        """
        cells, name = self._own_cells(), str(self._own_path())
        if cells is None:
            cells, name = self.cells(self.files[0]), self.files[0].name
        require_header(cells.table, self.header, name)
        return cells

    def _own_path(self) -> Path | None:
        return self.folder / f"{self.name}.csv" if self.folder else None

    def _own_cells(self) -> Cells | None:
        path = self._own_path()
        if path is None or not path.is_file():
            return None
        try:
            content = path.read_bytes()
        except OSError as error:
            raise PerfseerError(f"cannot read {path}: {error.strerror or error}") from error
        return Cells(parse_csv(content, str(path)), str(path))
