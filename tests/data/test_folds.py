import numpy as np
import pandas as pd
import pytest

from perfseer.data.assembly import assemble, write_dataset
from perfseer.data.dataset import Dataset
from perfseer.data.folds import open_fold
from perfseer.data.normalisation import FeatureNormaliser, LabelNormaliser
from perfseer.errors import PerfseerError
from tests.helpers.synthetic import SETTINGS, make_store, make_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder, table = tmp_path_factory.mktemp("dataset"), make_table(40)
    packed, index = make_store(table)
    packed.save(folder / "graphs.safetensors")
    assembled = assemble(table, packed, index, SETTINGS)
    write_dataset(assembled, folder, inputs={"graphs": folder / "graphs.safetensors"}, settings=SETTINGS)
    return folder


@pytest.fixture(scope="module")
def data(folder):
    return Dataset.open(folder, folder / "graphs.safetensors")


def parts_of(fold):
    return {"train": fold.train, "valid": fold.valid, "test": fold.test}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("split", ["random", "architecture", "family"])
def test_folds_are_disjoint_and_those_of_the_table(data, folder, split, seed):
    fold = open_fold(data, folder, split, seed)
    table = pd.read_parquet(folder / "splits.parquet")
    table = table[(table["split"] == split) & (table["seed"] == seed)]
    for name, part in parts_of(fold).items():
        assert set(part.rows["configuration"]) == set(table.loc[table["fold"] == name, "configuration"])
        assert len(part) > 0
    if split != "random":
        sets = [set(part.rows["architecture"]) for part in parts_of(fold).values()]
        assert not sets[0] & sets[1]
        assert not sets[0] & sets[2]
        assert not sets[1] & sets[2]


def test_the_normaliser_is_fitted_on_the_training_rows_only(data, folder):
    fold = open_fold(data, folder, "architecture", 1)
    assert fold.normaliser.labels == LabelNormaliser.fit(fold.train.labels, SETTINGS.labels)
    expected = FeatureNormaliser.fit(data.features, fold.train.graph_rows)
    assert fold.normaliser.features.to_json() == expected.to_json()
    z = fold.normaliser.labels.encode(fold.train.labels)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(z.std(axis=0), 1)


@pytest.mark.parametrize(("split", "seed"), [("luck", 0), ("random", 7)])
def test_an_unknown_split_or_seed_names_those_there_are(data, folder, split, seed):
    with pytest.raises(
        PerfseerError, match=f"no split '{split}' with seed {seed} .*architecture 0, architecture 1"
    ):
        open_fold(data, folder, split, seed)


def test_a_dataset_of_other_rows_is_refused(data, folder):
    other = Dataset.from_rows(data.rows.assign(configuration="c" + data.rows["configuration"]), data.graphs)
    with pytest.raises(PerfseerError, match="another dataset"):
        open_fold(other, folder, "random", 0)
