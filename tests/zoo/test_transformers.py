"""Language models: published numbers of parameters, results, and work counted by hand."""

import pytest
import torch

from perfseer.graphs.capture import capture
from perfseer.zoo.references import build
from perfseer.zoo.transformers import BERT_LARGE, GPT2_LARGE, OPT_13, Bert, Gpt2, Opt, Sizes

# Trainable parameters of Hugging Face's classes of these configurations, tied tables once.
PUBLISHED = {
    "bert_large": 335_143_938,  # BertForSequenceClassification: 335,141,888 of BertModel, and two classes
    "bert_large_pretraining": 336_226_108,
    "gpt2_large": 774_030_080,
    "opt_13": 1_315_758_080,
}
SMALL = Sizes(width=32, inner=64, heads=4, layers=2, vocabulary=101, positions=16)
MODELS = {
    "bert": lambda: Bert(SMALL, 3),
    "pretraining": lambda: Bert(SMALL, None),
    "gpt2": lambda: Gpt2(SMALL),
    "opt": lambda: Opt(SMALL),
}


def ids(n, length, device="meta"):
    return torch.ones((n, length), dtype=torch.int64, device=device)


@pytest.mark.parametrize("name", PUBLISHED)
def test_models_have_the_parameters_that_were_published(name):
    model = build(f"module:perfseer.zoo.transformers.{name}")
    assert sum(parameter.numel() for parameter in model.parameters()) == PUBLISHED[name]


@pytest.mark.parametrize(("name", "millions"), [("gpt3_xl", 2879.55), ("gpt3_27", 2651.55)])
def test_gpt3_has_the_parameters_of_its_widths(name, millions):
    model = build(f"module:perfseer.zoo.transformers.{name}")
    assert sum(parameter.numel() for parameter in model.parameters()) == pytest.approx(
        millions * 1e6, abs=1e4
    )


@pytest.mark.parametrize("name", MODELS)
def test_logits_have_the_shape_that_a_loss_reads(name):
    with torch.device("cpu"):
        model = MODELS[name]().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    logits = model(ids(2, 7, "cpu"))
    assert logits.shape == ((2, 3) if name == "bert" else (2, 7, 101))
    assert bool(logits.isfinite().all())
    assert model.train()(ids(2, 7, "cpu")).shape == ((2, 3) if name == "bert" else (14, 101))


@pytest.mark.parametrize("name", ["gpt2", "opt"])
def test_decoders_do_not_look_ahead(name):
    with torch.device("cpu"):
        model = MODELS[name]().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    first = torch.tensor([[3, 4, 5, 6]])
    other = torch.tensor([[3, 4, 9, 9]])
    a, b = model(first)[0], model(other)[0]
    assert torch.allclose(a[:2], b[:2], atol=1e-5)
    assert not torch.allclose(a[2:], b[2:], atol=1e-3)


def test_bert_sees_all_tokens():
    with torch.device("cpu"):
        model = MODELS["pretraining"]().eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    a, b = (model(torch.tensor([[3, 4, 5, last]]))[0] for last in (6, 9))
    assert not torch.allclose(a[:3], b[:3], atol=1e-3)


@pytest.mark.parametrize(
    ("model", "sizes", "outputs"),
    [
        (lambda: Bert(BERT_LARGE, 2), BERT_LARGE, None),
        (lambda: Gpt2(GPT2_LARGE), GPT2_LARGE, 50257),
        (lambda: Opt(OPT_13), OPT_13, 50272),
    ],
)
def test_products_are_those_of_the_layers(model, sizes, outputs):
    """Linear layers, scores, contexts, and the head; biases and the pooler are beside the point."""
    n, length = 2, 256
    with torch.device("meta"):
        graph = capture(model(), (ids(n, length),), backward=False)
    tokens = n * length
    layer = 4 * sizes.width**2 + 2 * sizes.width * sizes.inner + 2 * length * sizes.width
    counted = 2 * tokens * (sizes.layers * layer + sizes.width * (outputs or 0))
    assert graph.total_flops == pytest.approx(counted, rel=1e-4)
    assert not graph.unknown


def test_a_training_step_reaches_all_that_a_loss_over_tokens_reaches():
    with torch.device("meta"):
        model = MODELS["gpt2"]()
    graph = capture(model, (ids(2, 8),))
    assert graph.has_backward
    assert int(graph.backward_flops.sum()) == pytest.approx(2 * graph.total_flops, rel=0.05)
