"""A new head fitted to the frozen features first: training starts from a linear probe, not from noise."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from regime.dynamics.pieces import Tick, idle
from regime.errors import ConfigError
from regime.models.readout import HeadReadout

PENALTIES = [10.0**k for k in range(-4, 5)]


def check_labels(labels: Int[Tensor, "N"], names: Sequence[str]) -> None:
    """Refuse training texts on which logistic regression cannot be cross-validated.

    Raises:
        ConfigError: a label has fewer than two texts; the message names it.
    """
    for name, count in zip(names, labels.bincount(minlength=len(names)).tolist(), strict=True):
        if count < 2:
            raise ConfigError(
                f"head = 'fitted' is not allowed with cross-entropy: {count} of the {len(labels)} training texts "
                f"{'has' if count == 1 else 'have'} the label {name!r:.40}; allowed: at least 2 of each label"
            )


def fit_head(
    model: HeadReadout, inputs: dict[str, Tensor], y: Float[Tensor, "N C"], chunk: int, loss: str, tick: Tick = idle
) -> None:
    """Set the head to the linear probe of the targets, its penalty chosen by cross-validation.

    For mse it is ridge regression (leave-one-out), for cross-entropy logistic regression (five folds), both by scikit-learn.

    Args:
        model: whose head is set.
        inputs: N training texts as tokens.
        y: their targets.
        chunk: texts that go through the model at once.
        loss: "mse" or "cross-entropy".
        tick: called between two chunks.
    """
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.model_selection import GridSearchCV

    features = []
    for first in range(0, len(y), chunk):
        with torch.no_grad():
            features.append(model.features(**{name: tensor[first : first + chunk] for name, tensor in inputs.items()}))
        tick()
    x = torch.cat(features).double().cpu().numpy()
    if loss == "mse":
        fitted = RidgeCV(alphas=PENALTIES).fit(x, y.double().cpu().numpy())
        weight, bias = fitted.coef_, fitted.intercept_
    else:
        labels = (y.flatten() > 0) if y.shape[1] == 1 else y.argmax(1)
        folds = max(2, min(5, int(labels.long().bincount().min())))
        search = GridSearchCV(LogisticRegression(max_iter=1000), {"C": PENALTIES}, scoring="neg_log_loss", cv=folds)
        fitted = search.fit(x, labels.cpu().numpy()).best_estimator_
        weight, bias = fitted.coef_, fitted.intercept_
    tick()
    with torch.no_grad():
        model.head.weight.copy_(torch.as_tensor(weight, device="cpu").view_as(model.head.weight))
        model.head.bias.copy_(torch.as_tensor(bias, device="cpu").flatten())
