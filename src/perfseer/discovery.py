"""What is found by its file: the one class a module must hold, as predictors and sources do."""

from importlib import import_module
from typing import TypeVar

from perfseer.errors import require

Kind = TypeVar("Kind")


def only_class(module_name: str, kind: type[Kind], name: str) -> type[Kind]:
    """The subclass of ``kind`` that a module defines.

    Args:
        module_name: full name of the module, imported here.
        kind: base of the class.
        name: that the class must bear as its attribute ``name``.

    Raises:
        PerfseerError: the module does not define exactly one, or it bears another name.
    """
    module = import_module(module_name)
    defined = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, kind) and value.__module__ == module.__name__
    ]
    require(
        len(defined) == 1 and getattr(defined[0], "name", None) == name,
        f"{module.__file__} must hold exactly one {kind.__name__}, with name = {name!r}; it holds "
        f"{[(value.__name__, getattr(value, 'name', None)) for value in defined]}",
    )
    return defined[0]
