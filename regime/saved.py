"""Reports that can be kept in a folder: written whole or not at all, and checked when they are read."""

import json
import os
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import ValidationError

from regime.events import Message

SIZE_LIMIT = 64 * 2**20


class Saved(Message):
    """A message with a file name of its own."""

    file: ClassVar[str]

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Inverse of `to_dict`; raises ValueError naming what does not fit."""
        try:
            return cls.model_validate(fields)
        except ValidationError as error:
            problem = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in problem["loc"])
            raise ValueError(f"not a report of this version: {where}: {problem['msg']}") from None

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write the report into `folder`, whole or not at all; returns the file's path."""
        target = Path(folder) / self.file
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{self.file}.{os.getpid()}")
        partial.write_text(self.model_dump_json())
        partial.replace(target)
        return target

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: there is no report in the folder.
            ValueError: the file is not a report of this version.
        """
        path = Path(folder) / cls.file
        if path.stat().st_size > SIZE_LIMIT:
            raise ValueError(f"{path} is larger than {SIZE_LIMIT} bytes: not a report")
        try:
            fields = json.loads(path.read_text())
        except ValueError:
            raise ValueError(f"{path} is not JSON") from None
        return cls.from_dict(fields)
