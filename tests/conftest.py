"""Shape annotations of the numerical modules are checked while tests run; the network beyond this machine is off."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"

from jaxtyping import install_import_hook

KERNELS = [f"regime.kernels.{name}" for name in ("capture", "reference", "rules", "spectrum", "tapes")]
install_import_hook([*KERNELS, "regime.measures", "regime.toy"], "beartype.beartype")  # `empirical` checks its own arguments
