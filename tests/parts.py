"""Parts of one's own that tests name by their import path, good ones and bad ones."""

# ruff: noqa: ARG002 - protocols name arguments that not every part needs

import numpy as np
import torch
from torch import nn


class Stripes:
    inputs, classes, meaning = 2, 2, "Stripes across the plane; the sign tells which."

    def draw(self, rng, n, config):
        x = rng.standard_normal((n, 2))
        return x, np.sin(config.frequency * x[:, 0]) > 0


class Thirds:
    inputs, classes, meaning = 1, 3, "Thirds of a line."

    def draw(self, rng, n, config):
        x = rng.standard_normal((n, 1))
        return x, np.digitize(x[:, 0], [-0.4, 0.4])


class Line:
    inputs, classes, meaning = 3, 0, "The first input, as regression."

    def draw(self, rng, n, config):
        x = rng.standard_normal((n, 3))
        return x, x[:, 0]


class OneClass(Stripes):
    classes = 1


class NoInputs(Stripes):
    inputs = 0


class WrongShape(Stripes):
    inputs = 3


class ComplexTargets(Line):
    def draw(self, rng, n, config):
        x, y = super().draw(rng, n, config)
        return x, y + 1j


class MeaningNumber(Stripes):
    meaning = 3


class MeaningFails(Stripes):
    @property
    def meaning(self):
        raise KeyError("no meaning today")


class DrawIsList(Line):
    draw = (1, 2)


class OwnRandomness(Line):
    def draw(self, rng, n, config):
        return super().draw(np.random.default_rng(), n, config)


class WrongClasses(Thirds):
    classes = 2


class Fails(Stripes):
    def draw(self, rng, n, config):
        raise RuntimeError("no points today")


class Distance:
    name, meaning = "output_distance", "||f_t - f_0|| over ||f_0|| on the probe points"

    def __call__(self, now, start):
        return (now.outputs - start.outputs).flatten(1).norm(dim=1) / start.outputs.flatten(1).norm(dim=1)


class LayersMoved:
    name, meaning = "layers_moved", "layers whose kernel is another one"

    def __call__(self, now, start):
        moved = [(now.kernels[name] != start.kernels[name]).flatten(1).any(1) for name in now.kernels]
        return torch.stack(moved).sum(0)


class Taken(Distance):
    name = "kernel_change"


class Index(Distance):
    name = "regime_index"


class Nameless(Distance):
    name = ""


class Meaningless(Distance):
    meaning = 3


class HalfNamed(Distance):
    name = "\ud800"


class HalfMeant(Distance):
    meaning = "\ud800"


class Complex(Distance):
    def __call__(self, now, start):
        return super().__call__(now, start) + 1j


class Scalar(Distance):
    def __call__(self, now, start):
        return 3.0


class Writes(Distance):
    """Writes into whatever it is given, by torch and by NumPy, after it has looked."""

    name = "writes"

    def __call__(self, now, start):
        found = super().__call__(now, start)
        for snapshot in (now, start):
            snapshot.outputs.numpy()[...] = 0
            snapshot.losses.clear()
            for kernel in snapshot.kernels.values():
                kernel.zero_()
        return found


class Mapping(Distance):
    def __call__(self, now, start):
        return {"value": 1.0}


class Signed(Distance):
    """Negative of some seeds."""

    name, meaning = "signed", "mean output on the probe points"

    def __call__(self, now, start):
        return now.outputs.mean((1, 2)).tolist()


class Huge(Distance):
    """Finite, but their squares are not."""

    name = "huge"

    def __call__(self, now, start):
        return [1e200 * (k + 1) for k in range(len(now.outputs))]


class FailingMeasure(Distance):
    def __call__(self, now, start):
        return now.kernels["no such layer"]


class Descent:
    scale_free = False

    def __init__(self, parameters):
        pass

    def state(self):
        return []

    def step(self, gradients):
        return gradients


class SlowAdam:
    """Adam as it is written in its paper."""

    scale_free = True

    def __init__(self, parameters):
        self.m, self.v = ([torch.zeros_like(p) for p in parameters] for _ in range(2))
        self.count = torch.zeros(())

    def state(self):
        return [*self.m, *self.v, self.count]

    def step(self, gradients):
        self.count += 1
        for m, v, g in zip(self.m, self.v, gradients, strict=True):
            m.mul_(0.9).add_(0.1 * g)
            v.mul_(0.999).add_(0.001 * g**2)
        first, second = 1 - 0.9**self.count, 1 - 0.999**self.count
        return [m / first / ((v / second).sqrt() + 1e-8) for m, v in zip(self.m, self.v, strict=True)]


class NoSteps(Descent):
    def step(self, gradients):
        return None


class NumbersForSteps(Descent):
    def step(self, gradients):
        return [1.0 for _ in gradients]


class WordForScale(Descent):
    scale_free = "no"


class ScaleAsProperty(Descent):
    @property
    def scale_free(self):
        return False


class NumberForStep(Descent):
    step = 3


class NumberForState(Descent):
    def state(self):
        return 3


class NumbersForState(Descent):
    def state(self):
        return [3]


class CopiesForState(SlowAdam):
    def state(self):
        return [part.clone() for part in super().state()]


class Counts(Descent):
    """Smaller steps, by a count that is no tensor."""

    def __init__(self, parameters):
        self.count = 0

    def step(self, gradients):
        self.count += 1
        return [g / self.count for g in gradients]


class Forgets(SlowAdam):
    """A state without the second moments."""

    def state(self):
        return [*self.m, self.count]


class MadeLater(Descent):
    """Momentum that is made at the first step, as optimizers of torch make it."""

    def __init__(self, parameters):
        self.past = []

    def state(self):
        return self.past

    def step(self, gradients):
        past = self.past or [torch.zeros_like(g) for g in gradients]
        self.past = [0.9 * v + g for v, g in zip(past, gradients, strict=True)]
        return self.past


class Rebinds(SlowAdam):
    """Adam's first moments, in new tensors at every step."""

    def step(self, gradients):
        self.m = [0.9 * m + 0.1 * g for m, g in zip(self.m, gradients, strict=True)]
        return self.m


class StepsItself(Descent):
    """Steps as optimizers of torch do, in place."""

    def __init__(self, parameters):
        self.parameters = parameters

    def step(self, gradients):
        for p in self.parameters:
            p.fill_(7.0)
        return gradients


class ComplexSteps(Descent):
    def step(self, gradients):
        return [g + 1j for g in gradients]


class OneStep(Descent):
    def step(self, gradients):
        return gradients[:1]


class FailingStep(Descent):
    def step(self, gradients):
        raise RuntimeError("no step today")


class Bag(nn.Module):
    """Two blocks on the embeddings of bytes."""

    def __init__(self, width=8):
        super().__init__()
        self.embed = nn.Embedding(256, width)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(width, width), nn.Tanh()) for _ in range(2))

    def forward(self, ids, mask):
        hidden = self.embed(ids)
        for block in self.blocks:
            hidden = block(hidden)
        return hidden


class Mixing(Bag):
    """What it gives for a text depends on the other texts."""

    def forward(self, ids, mask):
        hidden = super().forward(ids, mask)
        return hidden - hidden.mean(0)


class Endless(Bag):
    """What it gives has no end."""

    def forward(self, ids, mask):
        return super().forward(ids, mask) * 1e38 * 1e38


def mixing():
    return Mixing(), as_bytes


def endless():
    return Endless(), as_bytes


class Vast(Bag):
    """What it gives is finite, but not its squares."""

    def forward(self, ids, mask):
        return super().forward(ids, mask) * 1e25


def vast():
    return Vast(), as_bytes


class Decayed(torch.optim.SGD):
    """Half of every parameter is gone after a few steps."""

    def __init__(self, parameters, lr):
        super().__init__(parameters, lr=lr, weight_decay=0.02 / lr)


class Relative(torch.optim.Optimizer):
    """Each step is a share of its parameter's norm, as of LARS."""

    def __init__(self, parameters, lr):
        super().__init__(parameters, {"lr": lr})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                p -= group["lr"] * p.norm() * p.grad / (p.grad.norm() + 1e-12)


class Adapted(nn.Module):
    """A frozen layer, as integers or as the numbers that they stand for, and an adapter of low rank beside it."""

    def __init__(self, width, quantized):
        super().__init__()
        codes = torch.randint(-127, 128, (width, width))
        self.weight = nn.Parameter(codes.to(torch.int8) if quantized else codes / 256, requires_grad=False)
        self.down, self.up = nn.Linear(width, 2, bias=False), nn.Linear(2, width, bias=False)

    def forward(self, x):
        weight = self.weight if self.weight.is_floating_point() else self.weight / 256
        return x @ weight.T + self.up(self.down(x))


def adapted(*, quantized=False):
    model = Bag()
    for block in model.blocks:
        block[0] = Adapted(8, quantized)
    model.embed.requires_grad_(False)
    return model, as_bytes


def quantized():
    return adapted(quantized=True)


def quantized_first():
    model, tokenize = quantized()
    model.embed = model._modules.pop("embed")  # after the blocks
    return model, tokenize


def as_bytes(text):
    return list(text.encode())


def bag_of_bytes():
    return Bag(), as_bytes


def flat():
    class Flat(Bag):
        def forward(self, ids, mask):
            return super().forward(ids, mask).mean(1)

    return Flat(), as_bytes


def wordless():
    return Bag(), lambda _: []


def halves():
    return Bag(), lambda text: [byte / 2 for byte in text.encode()]


def fixed():
    class Fixed(nn.Module):
        def forward(self, ids, mask):
            return ids.unsqueeze(-1).float()

    return Fixed(), as_bytes


def paired():
    class Paired(Bag):
        def forward(self, ids, mask):
            return (super().forward(ids, mask),)

    return Paired(), as_bytes


def alone():
    return Bag()
