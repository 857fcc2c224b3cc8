"""A dict that holds no more than so many entries of what is over."""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any


class Bounded(OrderedDict):
    """A dict in which one more entry takes the place of the oldest that is over; what is not over stays."""

    def __init__(self, most: int, is_over: Callable[[Any], bool], entries: Mapping[Any, Any]) -> None:
        """Begin with some entries.

        Args:
            most: entries from which on one goes for each that comes.
            is_over: of a key.
            entries: that there are already.
        """
        self._most, self._is_over = most, is_over
        super().__init__(entries)

    def __setitem__(self, key: Any, value: Any) -> None:
        """Set an entry, and let go of one that is over where there are many."""
        if key not in self and len(self) >= self._most and (over := next(filter(self._is_over, self), None)) is not None:
            del self[over]
        super().__setitem__(key, value)
