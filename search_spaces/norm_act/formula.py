"""A norm-act graph as one line of mathematics, for tables, logs and docstrings.

The rule: the line is the function without the closing affine, in the canonical form; `/`, log and sqrt are the guarded
ones of `operators`; a subexpression gets a name of its own only where the line would become unreadable without.
"""

from dataclasses import dataclass

from search_spaces.norm_act.canonical_form import simplify
from search_spaces.norm_act.graph import FIRST, NAMES, Nodes, live

LONGEST_TREE = 32
"""Operators and operands a line may have before shared subexpressions are named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """A piece of a formula: a sum of signed terms, each a quotient of factors.

    Attributes:
        text: as written at top level.
        terms: (sign, text) of a sum; one entry if it is none.
        factors: numerators of a product.
        divisors: denominators, each ready to stand behind a "/".
    """

    text: str
    terms: tuple[tuple[str, str], ...]
    factors: tuple[str, ...]
    divisors: tuple[str, ...] = ()


def formula(nodes: Nodes) -> str:
    """Returns a graph as one line, e.g. `x*sigmoid(v1*x)/std_whcg(x)`."""
    short = simplify(nodes)
    named = _to_name(short)
    pieces = [_atom(name) for name in NAMES]
    definitions: list[str] = []
    for index, (operator, *arguments) in enumerate(short, FIRST):
        piece = _write(operator, [pieces[argument] for argument in arguments])
        if index in named:
            definitions.append(f"t{len(definitions) + 1} = {piece.text}")
            piece = _atom(f"t{len(definitions)}")
        pieces.append(piece)
    return "; ".join([*definitions, pieces[-1].text])


def _to_name(nodes: Nodes) -> set[int]:
    """Returns the values that need a name: used twice, in a graph whose tree is too large to write out."""
    sizes, uses = [1] * FIRST, [0] * (FIRST + len(nodes))
    for _, *arguments in nodes:
        sizes.append(1 + sum(sizes[argument] for argument in arguments))
        for argument in arguments:
            uses[argument] += 1
    if sizes[-1] <= LONGEST_TREE:
        return set()
    return {index for index in range(FIRST, len(uses)) if uses[index] > 1 and sizes[index] > 2 and live(nodes)[index]}


def _write(operator: str, arguments: list[_Text]) -> _Text:
    match operator:
        case "add":
            return _sum([term for argument in arguments for term in argument.terms])
        case "neg":
            return _sum([("+" if sign == "-" else "-", text) for sign, text in arguments[0].terms])
        case "mul":
            factors = [factor for argument in arguments for factor in argument.factors]
            return _product(factors, [divisor for argument in arguments for divisor in argument.divisors])
        case "div":
            top, bottom = arguments
            return _product(list(top.factors), [*top.divisors, _tight(bottom)])
        case "square":
            base = _tight(arguments[0])
            return _atom(f"({base})^2" if base.endswith("^2") else f"{base}^2")
        case "exp" if arguments[0].text == "0":
            return _atom("1")
        case _:
            texts = sorted((argument.text for argument in arguments), key=lambda text: (text == "0", len(text), text))
            return _atom(f"{operator}({', '.join(texts)})")


def _atom(text: str) -> _Text:
    return _Text(text=text, terms=(("+", text),), factors=(text,))


def _tight(piece: _Text) -> str:
    """Returns the text as it may stand behind "/"."""
    alone = len(piece.terms) == 1 and piece.terms[0][0] == "+" and len(piece.factors) == 1 and not piece.divisors
    return piece.text if alone else f"({piece.text})"


def _sum(terms: list[tuple[str, str]]) -> _Text:
    kept = [term for term in terms if term[1] != "0"] or [("+", "0")]
    ordered = sorted(kept, key=lambda t: (t[0] == "-", t[1] == "1", "x" not in t[1], len(t[1]), t[1]))
    text = "".join(f" {sign} {term}" for sign, term in ordered)
    text = text[3:] if ordered[0][0] == "+" else "-" + text[3:]
    return _Text(text=text, terms=tuple(ordered), factors=(f"({text})",))


def _product(factors: list[str], divisors: list[str]) -> _Text:
    numerators = [factor for factor in factors if factor != "1"] or ["1"]
    ordered = sorted(numerators, key=lambda factor: (factor not in NAMES[2:], len(factor), factor))
    text = "*".join(ordered) + "".join(f"/{divisor}" for divisor in divisors)
    return _Text(text=text, terms=(("+", text),), factors=tuple(ordered), divisors=tuple(divisors))
