"""What ships with the package: texts, schemas, finished runs, and the checkpoints of one small transformer."""

from importlib.resources import files
from pathlib import Path

FOLDER = Path(str(files(__name__)))
