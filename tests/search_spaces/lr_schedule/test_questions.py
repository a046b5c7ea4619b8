"""Fields as questions: the same range is asked, checked and shown."""

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from automl.authoring.answers import RandomAnswers
from automl.errors import InvalidSetting
from search_spaces.lr_schedule.families import FAMILIES
from search_spaces.lr_schedule.questions import answers, ask, lines, questions, read

families = st.sampled_from(sorted(FAMILIES))


@given(name=families, seed=st.integers(0, 10**6), length=st.integers(2, 32))
def test_what_is_asked_can_be_read_and_answered_again(name, seed, length):
    drawn = RandomAnswers(np.random.default_rng(seed))
    ask(drawn, FAMILIES[name], length=length)
    member = read(drawn.used, FAMILIES[name])
    assert answers(member) == drawn.used
    assert all(key.startswith(f"{name}.") for key in drawn.used)
    assert len(lines(member)) == len(questions(type(member)))


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_defaults_are_legal(name):
    assert FAMILIES[name]().family == name


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_every_field_says_what_is_allowed_and_refuses_the_rest(name):
    for field, question in questions(FAMILIES[name]):
        wrong = (question.high + 1,) * 33 if question.kind == "series" else "no such"
        with pytest.raises(InvalidSetting, match=rf"{name}\.{field}=.*\({question.meaning}\)"):
            FAMILIES[name](**{field: wrong})


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_an_optuna_trial_is_a_source_of_answers(name):
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1)).ask()
    ask(trial, FAMILIES[name], length=8)
    assert read(trial.params, FAMILIES[name]).family == name
