"""What is known of the types of modules: rows of layouts, for them and those derived from them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from feasible.arguments import InvalidArgumentError

RowT = TypeVar("RowT", bound=tuple[Any, ...])


class LayoutTable(Generic[RowT]):
    """Rows of layouts by module type.

    Args:
        row_type: The type of a row, a named tuple.

    Example:
        >>> table = LayoutTable(tuple)
        >>> table.register(int, (("weight", "kernel"),))
        >>> table.rows_of(True)
        (('weight', 'kernel'),)
    """

    def __init__(self, row_type: type[RowT]) -> None:
        self._row_type = row_type
        self._rows: dict[type, tuple[RowT, ...] | Callable[[Any], tuple[RowT, ...]]] = {}

    def register(
        self, module_type: type, layouts: tuple[RowT | Callable[[Any], tuple[RowT, ...]], ...]
    ) -> None:
        """Put rows in the place of those a type had.

        Args:
            module_type: The type.
            layouts: Rows, or one function from a module to its rows.

        Raises:
            InvalidArgumentError: If a layout is neither.
        """
        rows = tuple(row for row in layouts if isinstance(row, self._row_type))
        if len(rows) == len(layouts):
            self._rows[module_type] = rows
        elif len(layouts) == 1 and callable(layouts[0]):
            self._rows[module_type] = layouts[0]
        else:
            raise InvalidArgumentError(
                "register_layouts",
                "layouts",
                layouts,
                f"{self._row_type.__name__} rows, or one function",
            )

    def rows_of(self, module: Any) -> tuple[RowT, ...]:
        """Return the rows of a module.

        Args:
            module: The module.

        Returns:
            Those of its type, or of the nearest type above that has any; none if there are none.
        """
        for module_type in type(module).__mro__:
            if module_type in self._rows:
                rows = self._rows[module_type]
                return rows(module) if callable(rows) else rows
        return ()
