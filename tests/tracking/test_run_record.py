"""Names and texts obey MLflow's limits by construction."""

from hypothesis import given
from hypothesis import strategies as st
from mlflow.utils.validation import _validate_metric_name

from automl.contracts.recipe import Leg
from automl.tracking.run_record import MAX_NAME, Portrayal, cut, legal_name, legal_names, study_uuid


def test_the_key_of_a_tuned_leg_reads_as_words():
    assert legal_name(Leg(variant="mlp", overrides={"learning_rate": 0.1}).key) == "mlp learning_rate 0.1"
    assert legal_name(Leg(variant="resnet", replicate=2).key) == "resnet replicate 2"
    assert legal_name("test.accuracy") == "test.accuracy"


@given(st.lists(st.text(max_size=300), max_size=5, unique=True))
def test_every_text_becomes_a_name_of_its_own_that_mlflow_accepts(texts):
    """Oracle: MLflow's own validation."""
    names = legal_names(tuple(texts))
    assert len(set(names.values())) == len(texts)
    for name in names.values():
        assert len(name) <= MAX_NAME
        _validate_metric_name(name)


def test_long_texts_are_cut_visibly():
    assert cut("abcdefgh", limit=6) == "abc..."
    assert cut("abc", limit=6) == "abc"


def test_a_space_that_fails_to_describe_is_told_in_words():
    def broken(genotype):
        raise KeyError("op4")

    portrayal = Portrayal(describe=broken, draw=None, source=broken)
    assert portrayal.description({}) == "(no description: KeyError: 'op4')"
    assert portrayal.code({}).startswith("# This space could not write the candidate")


def test_a_study_without_uuid_is_identified_by_name_and_header():
    assert study_uuid("a", {"uuid": "u"}) == "u"
    assert study_uuid("a", {"seed": 1}) == study_uuid("a", {"seed": 1}) != study_uuid("a", {"seed": 2})
