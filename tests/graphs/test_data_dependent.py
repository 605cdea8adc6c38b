"""Operators whose results are as large as the data say are named in the refusal."""

import pytest
import torch
from torch import nn

from perfseer.errors import PerfseerError
from perfseer.graphs.capture import capture
from perfseer.graphs.data_dependent import is_data_dependent
from tests.helpers.model_graphs import Lambda


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("nonzero", torch.nonzero),
        ("nonzero", lambda x: torch.where(x > 0)[0]),
        ("masked_select", lambda x: x.masked_select(x > 0)),
        ("index", lambda x: x[x > 0]),
        ("bincount", lambda x: x.flatten().long().bincount()),
    ],
)
def test_the_operator_is_named(name, function):
    module = Lambda(lambda parts, x: function(parts[0](x)), nn.Linear(4, 4))
    with pytest.raises(PerfseerError, match=f"result of '{name}' depends on the data"):
        capture(module, (torch.zeros(2, 4),), backward=False)


def test_other_faults_of_such_operators_keep_their_words():
    rows, columns = torch.zeros(3, dtype=torch.int64), torch.zeros(2, dtype=torch.int64)
    module = Lambda(lambda _, x: x[rows, columns])
    with pytest.raises(PerfseerError, match="broadcast"):
        capture(module, (torch.zeros(4, 4),), backward=False)


def test_which_operators_depend_on_data():
    assert is_data_dependent(torch.ops.aten.nonzero.default)
    assert not is_data_dependent(torch.ops.aten.relu.default)
