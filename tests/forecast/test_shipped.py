"""The predictor that comes with the package answers right after the install, near what was published."""

import pytest
import torch

from perfseer.forecast.predictor import Predictor
from perfseer.forecast.shelf import DEFAULT, find, size_bytes
from perfseer.zoo.reference import resnet50

# Published by timm at 224 pixels: batch, milliseconds per step of `resnet50` on each platform.
PUBLISHED = {
    ("infer", "rtx3090-amp-fp16-nchw-eager-torch2.4"): (1024, 318.095),
    ("train", "rtx3090-amp-fp16-nchw-eager-torch1.12"): (512, 618.983),
    ("infer", "i9-10940x-fp32-nchw-compiled-torch2.4"): (1, 14.865),
}


@pytest.fixture(scope="module")
def predictor():
    return Predictor.load(DEFAULT)


@pytest.fixture(scope="module")
def network():
    with torch.device("meta"):
        return resnet50()


def test_it_is_small_and_on_record(predictor):
    assert size_bytes(find(DEFAULT)) < 8_000_000
    assert {entry.grouping for entry in predictor.card.held_out} == {"architecture", "family"}
    assert len(predictor.card.sources) == 27 + 5


@pytest.mark.parametrize(("asked", "published"), PUBLISHED.items())
def test_resnet_50_is_where_it_was_measured(predictor, network, asked, published):
    (phase, target), (batch, milliseconds) = asked, published
    image = torch.empty(1, 3, 224, 224, device="meta")
    answer = predictor.predict(network, (image,), batch_size=batch, phase=phase, target=target)
    assert answer.time.value == pytest.approx(milliseconds, rel=0.1)
    interval = answer.time.interval
    assert interval is not None
    assert interval.low < milliseconds < interval.high
