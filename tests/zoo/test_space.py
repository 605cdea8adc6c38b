"""Descriptions of networks and of the search space: exact, strict, stable."""

import json
from dataclasses import replace

import pytest
from pydantic import TypeAdapter, ValidationError

from perfseer.errors import PerfseerError
from perfseer.zoo.sampler import sample
from perfseer.zoo.space import ArchitectureSpec, SearchSpace, n_parameters
from perfseer.zoo.stages import (
    DenseNetStage,
    stage_from_mapping,
)
from tests.helpers.places import PARAMS
from tests.helpers.search_space import LITERAL, SPACE


def test_the_id_of_a_literal_network_never_changes():
    # A new id would orphan every journal, table and graph that is kept under the old one.
    assert LITERAL.id == "d627e231ef19"


def test_canonical_json_is_sorted_and_complete():
    assert LITERAL.to_json() == (
        '{"in_channels":3,"n_classes":10,"stages":['
        '{"depth":1,"kernel":3,"style":"vgg","width":8},'
        '{"depth":1,"reduction":1,"shares":[2,4,1,1],"style":"googlenet","width":8},'
        '{"depth":1,"expansion":2,"groups":2,"style":"resnet","width":8},'
        '{"depth":1,"expansion":2,"kernel":3,"style":"mobilenet","width":8}],'
        '"stem_channels":8,"version":1}'
    )


def test_family_joins_the_styles_of_the_stages():
    assert LITERAL.family == "vgg+googlenet+resnet+mobilenet"


def test_channels_follow_the_stages():
    assert LITERAL.input_channels == (8, 8, 8, 8)
    wider = replace(
        LITERAL,
        stages=(*LITERAL.stages[:3], DenseNetStage(depth=1, width=24, growth_rate=4, bottleneck=True)),
    )
    assert wider.output_channels == (8, 8, 8, 24)


def test_parameters_of_a_literal_network_by_hand():
    stem = 3 * 8 * 9 + 16
    vgg = 8 * 8 * 9 + 16
    googlenet = (8 * 2 + 4) + (8 * 4 + 8) + (4 * 4 * 9 + 8) + (8 * 1 + 2) + (1 * 1 * 25 + 2) + (8 * 1 + 2)
    resnet = (8 * 8 + 16) + (8 * 4 + 8) + (4 * 2 * 9 + 8) + (4 * 8 + 16)
    mobilenet = (8 * 16 + 32) + (16 * 9 + 32) + (16 * 8 + 16)
    head = 8 * 10 + 10
    assert n_parameters(LITERAL) == stem + vgg + googlenet + resnet + mobilenet + head == 1901


def test_parameters_of_dense_stages_by_hand():
    plain = DenseNetStage(depth=2, width=8, growth_rate=4, bottleneck=False)
    assert plain.n_parameters(8) == (16 + 8 * 4 * 9) + (24 + 12 * 4 * 9) + (32 + 16 * 8)
    bottleneck = DenseNetStage(depth=1, width=8, growth_rate=4, bottleneck=True)
    assert bottleneck.n_parameters(8) == (16 + 8 * 16 + 32 + 16 * 4 * 9) + (24 + 12 * 8)


def test_round_trip_keeps_equality_and_id():
    for spec in sample(SearchSpace.from_mapping(SPACE), 200):
        again = ArchitectureSpec.from_json(spec.to_json())
        assert again == spec
        assert again.id == spec.id
        assert again.to_json() == spec.to_json()


def test_key_order_and_spacing_do_not_change_the_id():
    shuffled = json.dumps(dict(reversed(LITERAL.to_mapping().items())), indent=4)
    assert ArchitectureSpec.from_json(shuffled).id == LITERAL.id


def hostile(**changes):
    return {**json.loads(LITERAL.to_json()), **changes}


def with_stage(**changes):
    stages = json.loads(LITERAL.to_json())["stages"]
    return hostile(stages=[{**stages[0], **changes}, *stages[1:]])


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ([], "list, expected a mapping"),
        (hostile(version=2), "version is 2"),
        (hostile(version=True), "version is 'True' (bool), expected int"),
        (hostile(colour="red"), "unknown keys ['colour']"),
        ({k: v for k, v in hostile().items() if k != "n_classes"}, "lacks the keys ['n_classes']"),
        ({k: v for k, v in hostile().items() if k != "stages"}, "stages has 0 entries, expected 4"),
        (hostile(stages=hostile()["stages"][:3]), "stages has 3 entries, expected 4"),
        (hostile(stages="vgg"), "stages is 'vgg' (str), expected list"),
        (hostile(stages=[1, 2, 3, 4]), "stages[0] is int"),
        (hostile(in_channels=0), "in_channels is 0, expected 1 to 1024"),
        (hostile(in_channels="3"), "in_channels is '3' (str), expected int"),
        (hostile(stem_channels=12), "stem_channels is 12, expected 8 to 1024 in multiples of 8"),
        (hostile(n_classes=1.5), "n_classes is '1.5' (float)"),
        (with_stage(style="transformer"), "style is 'transformer'"),
        (with_stage(style=["vgg"]), "style is"),
        (with_stage(depth=0), "depth is 0, expected 1 to 64"),
        (with_stage(depth=10**9), "depth is 1000000000"),
        (with_stage(width=10**12), "width is 1000000000000"),
        (with_stage(width=None), "width is 'None' (NoneType)"),
        (with_stage(kernel=4), "expected an odd size"),
        (with_stage(groups=2), "unknown keys ['groups']"),
    ],
)
def test_hostile_descriptions_are_refused_by_name(mapping, says):
    with pytest.raises(PerfseerError) as caught:
        ArchitectureSpec.from_json(json.dumps(mapping))
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["", "{", "null", "NaN", '{"version": 1, "version": 1}', "[" * 100_000, "1" * 10_000, "\x00"],
)
def test_text_that_is_no_description_is_refused(text):
    with pytest.raises(PerfseerError):
        ArchitectureSpec.from_json(text)


@pytest.mark.parametrize(
    ("stage", "says"),
    [
        ({"style": "googlenet", "depth": 1, "width": 8, "shares": [2, 4, 1, 2], "reduction": 1}, "sum to 8"),
        ({"style": "googlenet", "depth": 1, "width": 8, "shares": [8, 0, 0, 0], "reduction": 1}, "sum to 8"),
        ({"style": "googlenet", "depth": 1, "width": 8, "shares": [4, 4], "reduction": 1}, "a list of 4"),
        ({"style": "resnet", "depth": 1, "width": 8, "expansion": 1, "groups": 2}, "basic block"),
        ({"style": "resnet", "depth": 1, "width": 8, "expansion": 3, "groups": 1}, "to divide width 8"),
        ({"style": "resnet", "depth": 1, "width": 8, "expansion": 4, "groups": 4}, "to divide width 8"),
        (
            {"style": "densenet", "depth": 1, "width": 8, "growth_rate": 0, "bottleneck": False},
            "growth_rate is 0",
        ),
        ({"style": "densenet", "depth": 1, "width": 8, "growth_rate": 4, "bottleneck": 1}, "expected bool"),
    ],
)
def test_impossible_stages_are_refused(stage, says):
    with pytest.raises(PerfseerError, match=says):
        stage_from_mapping(stage, "stages[2]")


def test_the_shipped_parameters_are_a_valid_space():
    assert SearchSpace.from_mapping(PARAMS["zoo"]).resolution == PARAMS["zoo"]["resolution"]


HOSTILE_SPACES = [
    ({"seed": -1}, "seed"),
    ({"styles": []}, "styles"),
    ({"styles": ["vgg", "vgg"]}, "styles"),
    ({"styles": ["lenet"]}, "styles"),
    ({"resolution": 31}, "resolution"),
    ({"resolution": "64"}, "resolution"),
    ({"depth": [3, 2]}, "depth"),
    ({"depth": [0, 2]}, "depth"),
    ({"depth": 3}, "depth"),
    ({"depth": [1, 2, 3]}, "depth"),
    ({"width": [16, 100]}, "width"),
    ({"width": [8, 100_000]}, "width"),
    ({"max_parameters": 0}, "max_parameters"),
    ({"unknown": 1}, "unknown"),
]


@pytest.mark.parametrize(("change", "named"), HOSTILE_SPACES)
def test_hostile_search_spaces_are_refused_by_name(change, named):
    with pytest.raises(PerfseerError, match=named):
        SearchSpace.from_mapping(SPACE | change)


@pytest.mark.parametrize(
    ("change", "named"),
    [case for case in HOSTILE_SPACES if case[0] != {"resolution": "64"}],  # pydantic reads numbers in quotes
)
def test_pydantic_refuses_the_same_search_spaces(change, named):
    with pytest.raises(ValidationError, match=named):
        TypeAdapter(SearchSpace).validate_python(SPACE | change)


def test_missing_keys_and_no_mapping_are_refused():
    with pytest.raises(PerfseerError, match=r"\['width'\]"):
        SearchSpace.from_mapping({key: value for key, value in SPACE.items() if key != "width"})
    with pytest.raises(PerfseerError, match="no zoo"):
        SearchSpace.from_mapping(None)
    with pytest.raises(PerfseerError, match="list"):
        SearchSpace.from_mapping([SPACE])


def test_pydantic_and_the_bare_loader_agree():
    assert TypeAdapter(SearchSpace).validate_python(SPACE) == SearchSpace.from_mapping(SPACE)


def test_the_widest_stage_halves_with_every_stage_before_the_last():
    space = SearchSpace.from_mapping(SPACE | {"width": [16, 512]})
    assert [space.stage_width(index) for index in range(4)] == [(16, 64), (16, 128), (16, 256), (16, 512)]


def test_a_narrow_space_keeps_its_least_width_everywhere():
    space = SearchSpace.from_mapping(SPACE | {"width": [32, 64]})
    assert [space.stage_width(index) for index in range(4)] == [(32, 32), (32, 32), (32, 32), (32, 64)]
