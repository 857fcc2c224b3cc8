"""What can be seen on the way of a pass: the outputs, and what modules give for each example."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from regime.dynamics.pieces import idle
from regime.kernels.jacobian.batch import Batch, Readout, size, widened
from regime.observe.representations import MASK, RepresentationSite, hooked


class Seen:
    """Outputs and representations of a batch, chunk by chunk.

    Args:
        modules: those that give representations, by name.
        places: where these have them.
        readout: (model output, batch) -> (n, C), or None.
    """

    def __init__(
        self, modules: Mapping[str, nn.Module], places: Mapping[str, RepresentationSite], readout: Readout | None
    ) -> None:
        self.modules, self.places, self.readout = modules, places, readout
        self._outputs: list[Tensor] = []
        self._rows: dict[str, list[Tensor]] = {name: [] for name in modules}

    @contextmanager
    def look(self, batch: Batch, end: Callable[[], None] = idle) -> Iterator[Readout]:
        """Look at the first pass of these examples, through the readout that it is given; not at one of some of them.

        Args:
            batch: the examples.
            end: called when the pass is over.
        """
        mask = None if isinstance(batch, Tensor) else batch.get(MASK)
        rows: dict[str, list[Tensor]] = {name: [] for name in self.modules}
        over = False

        def see(name: str, hidden: Tensor) -> None:
            place = self.places[name]
            with torch._C.DisableTorchFunction():  # whoever sees what functions take need not see this
                if not over and hidden.shape[place.examples] == size(batch):  # at once: what follows may write into it
                    rows[name].append(widened(place.rows(hidden.detach(), mask)).clone())

        def readout(output: Any, passed: Batch) -> Tensor:
            nonlocal over
            value = output if self.readout is None else self.readout(output, passed)
            if not over and size(passed) == size(batch):
                over = True
                self._outputs.append(value)
                for name, each in rows.items():
                    self._rows[name] += each
                end()
            elif not over:
                rows.update({name: [] for name in rows})
            return value

        with hooked(self.modules, see):
            yield readout

    @property
    def outputs(self) -> Float[Tensor, "n C"]:
        """The outputs of all chunks."""
        return torch.cat([widened(each).detach() for each in self._outputs])

    @property
    def representations(self) -> dict[str, Float[Tensor, "n _"]]:
        """What modules gave, averaged over positions; one that was called several times has no one representation."""
        joined = {name: torch.cat(rows) for name, rows in self._rows.items() if rows}
        return {name: rows for name, rows in joined.items() if len(rows) == len(self.outputs)}
