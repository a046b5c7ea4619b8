"""Programs as genotypes: {"program": [["v1", "interp", "g", "v1", 0.9], ...]}, rows of target, function and arguments.

Why: what is stored, sent and compared is plain JSON by name, so a file written today reads back after a function is
added to the tables; what is computed with is tuples of numbers. The rule: `decode` is the one door for data from
outside; whatever is given, it returns a valid program or raises `InvalidGenotype`, and builds nothing on the way.
"""

import difflib
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from automl.canonical import JSON
from automl.contracts.space import Genotype
from automl.errors import InvalidGenotype
from search_spaces.optimizer_program.program import (
    MOST_STATEMENTS,
    NAMED,
    Argument,
    Program,
    Rows,
    Statement,
    fault,
    from_rows,
    to_rows,
)
from search_spaces.optimizer_program.vocabulary import FUNCTIONS, INDEX, LARGEST_CONSTANT, Vocabulary

KEY: Final = "program"

_ROW: Final = 'a row such as ["v1", "interp", "g", "v1", 0.9]: target, function, arguments'
_LONGEST_NAME: Final = 100


def to_genotype(program: Program) -> dict[str, JSON]:
    """Returns the genotype of a program."""
    return {KEY: to_rows(program)}


def to_program(genotype: Genotype) -> Program:
    """Returns the program of a genotype that `to_genotype` or `decode` has checked."""
    return from_rows(cast(Rows, genotype[KEY]))


def decode(answers: Mapping[str, Any], *, vocabulary: Vocabulary, longest: int = MOST_STATEMENTS) -> Program:
    """Checks untrusted data and returns its program.

    Args:
        answers: anything; a genotype is what is hoped for. Whole numbers are read as floats.
        vocabulary: what programs may use.
        longest: most statements, in [1, MOST_STATEMENTS].

    Raises:
        InvalidGenotype: says which part is wrong, as a path ("program[3][0]": target of the fourth statement).
    """
    if not isinstance(answers, Mapping):
        raise _invalid("$", answers, allowed=f"an object with the key {KEY!r}")
    for key in answers:
        if key != KEY:
            raise _invalid("$", key, allowed=f"the key {KEY!r} and no other")
    if KEY not in answers:
        raise _invalid("$", answers, allowed=f"an object with the key {KEY!r}")
    rows = answers[KEY]
    if not isinstance(rows, list | tuple):
        raise _invalid(KEY, rows, allowed="a list of rows")
    if not 1 <= len(rows) <= longest:
        raise _invalid(f"length of {KEY}", len(rows), allowed=f"1 to {longest} statements")
    program = tuple(_statement(row, f"{KEY}[{number}]", vocabulary=vocabulary) for number, row in enumerate(rows))
    found = fault(program, vocabulary)
    if found:
        raise InvalidGenotype(f"{KEY}[{found[0]}]", to_rows(program)[found[0]], f"a program without fault; {found[1]}")
    return program


def names_allowed(what: str, given: object, *, known: Iterable[str]) -> str:
    """Returns what may stand there, for an error: the nearest name where one is near, and all of them."""
    names = list(known)
    near = difflib.get_close_matches(given[:_LONGEST_NAME], names, n=1, cutoff=0.5) if isinstance(given, str) else []
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{what}; {hint}known are {', '.join(names)}"


def _statement(row: object, where: str, *, vocabulary: Vocabulary) -> Statement:
    if not isinstance(row, list | tuple) or len(row) < 2:
        raise _invalid(where, row, allowed=_ROW)
    target, name, *given = row
    if not isinstance(target, str) or target not in NAMED:
        raise _invalid(f"{where}[0]", target, allowed=names_allowed("a variable", target, known=NAMED))
    index = INDEX.get(name) if isinstance(name, str) else None
    if index is None or index not in vocabulary.functions:
        known = [FUNCTIONS[one].name for one in vocabulary.functions]
        what = f"a function of the vocabulary {vocabulary.name!r}"
        raise _invalid(f"{where}[1]", name, allowed=names_allowed(what, name, known=known))
    arity = len(FUNCTIONS[index].arguments)
    if len(given) != arity:
        raise _invalid(f"number of arguments of {where}", len(given), allowed=f"{arity}, which {name} takes")
    arguments = [_argument(one, f"{where}[{place}]") for place, one in enumerate(given, 2)]
    return (index, NAMED[target], *arguments)


def _argument(given: object, where: str) -> Argument:
    if isinstance(given, str) and given in NAMED:
        return NAMED[given]
    if isinstance(given, int | float) and not isinstance(given, bool) and abs(given) <= LARGEST_CONSTANT:
        return float(given)  # compared before: an int of any size compares, but not every one converts
    allowed = names_allowed("a number between -1e10 and 1e10, or a variable", given, known=NAMED)
    raise _invalid(where, given, allowed=allowed)


def _invalid(where: str, given: object, *, allowed: str) -> InvalidGenotype:
    """Returns the error; containers and huge numbers are named only, as writing them out may take for ever or fail."""
    if isinstance(given, str):
        shown: object = given[:_LONGEST_NAME]
    elif given is None or isinstance(given, bool | float) or (isinstance(given, int) and given.bit_length() < 64):
        shown = given
    else:
        shown = f"{type(given).__name__} of {len(given)}" if isinstance(given, list | dict) else type(given).__name__
    return InvalidGenotype(where, shown, allowed)
