import pytest
import torch

from regime import ToyConfig
from regime.toy import tasks


@pytest.mark.parametrize("name", tasks.TASKS)
def test_sizes_standardization_and_seeds(name: str) -> None:
    config = ToyConfig(task=name, samples=300, test_samples=200, probe_samples=100)
    data = tasks.load(config, torch.device("cpu"), torch.float64)
    task = tasks.TASKS[name]
    assert [part.x.shape for part in data] == [(n, task.inputs) for n in (300, 200, 100)]
    assert [part.y.shape for part in data] == [(n, task.outputs) for n in (300, 200, 100)]
    x, y = torch.cat([part.x for part in data]), torch.cat([part.y for part in data])
    assert abs(x.mean()) < 0.1
    assert abs(x.square().mean() - 1) < 0.15
    assert abs(y.mean()) < 0.15
    assert len(torch.unique(x, dim=0)) == 600
    again = tasks.load(config, torch.device("cpu"), torch.float64)
    assert all(torch.equal(a.x, b.x) for a, b in zip(data, again, strict=True))
    other = tasks.load(config.model_copy(update={"data_seed": 1}), torch.device("cpu"), torch.float64)
    assert not torch.equal(data.train.x, other.train.x)
