"""Attributes written past Optuna's object mapper are Optuna's attributes all the same."""

import optuna
import pytest

from automl.storage.study_database import connect, parse_url
from automl.storage.trial_rows import TrialRows


@pytest.fixture
def study(url: str) -> optuna.Study:
    return optuna.create_study(storage=connect(parse_url(url)), study_name="s")


@pytest.fixture
def rows(url: str) -> TrialRows:
    return TrialRows(engine=connect(parse_url(url)).engine)


def trial_id(study: optuna.Study, number: int) -> int:
    return study._storage.get_trial_id_from_study_id_trial_number(study._study_id, number)


def test_an_attribute_is_read_by_optuna_and_replaced_in_place(study: optuna.Study, rows: TrialRows) -> None:
    study.ask()
    for text in ('{"a":1}', '{"a":":b %s","c":null}'):
        assert rows.set_attribute(trial_id(study, 0), "rung:x:0", value=text)
    assert study.trials[0].user_attrs == {"rung:x:0": {"a": ":b %s", "c": None}}


def test_one_written_by_optuna_is_replaced_too(study: optuna.Study, rows: TrialRows) -> None:
    study.ask().set_user_attr("closed", "old")
    assert rows.set_attribute(trial_id(study, 0), "closed", value='"new"')
    assert study.trials[0].user_attrs == {"closed": "new"}


def test_a_trial_that_has_ended_or_is_gone_takes_none(study: optuna.Study, rows: TrialRows) -> None:
    study.ask()
    study.tell(0, 1.0)
    assert not rows.set_attribute(trial_id(study, 0), "closed", value="1")
    assert not rows.set_attribute(99, "closed", value="1")
    assert study.trials[0].user_attrs == {}


def test_the_number_of_a_trial_counts_within_its_study(study: optuna.Study, rows: TrialRows, url: str) -> None:
    other = optuna.create_study(storage=connect(parse_url(url)), study_name="other")
    study.ask()
    other.ask()
    study.ask()
    assert [rows.number(trial_id(study, 1)), rows.number(trial_id(other, 0)), rows.number(99)] == [1, 0, None]
