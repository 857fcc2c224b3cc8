"""What the processor says of itself."""

from functools import cache
from pathlib import Path


@cache
def of_processor(name: str) -> str:
    """Return what Linux says of the first core under a name, such as "model name"; nothing where it does not.

    A maker ("vendor_id") is "GenuineIntel" or "AuthenticAMD".
    """
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "")
