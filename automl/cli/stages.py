"""The text of `--funnel`: stages between commas.

The rule: a comma inside the settings of a locator, `text?{"steps":200,"scale":2}`, separates nothing.
"""

from contextlib import suppress
from json import JSONDecodeError, JSONDecoder

from automl.errors import InvalidSetting


def stages_of(text: str) -> list[str]:
    """Returns the stages of `text:x1,text:x10`, in order.

    Raises:
        InvalidSetting: one of them is empty.
    """
    stages, place = [""], 0
    while place < len(text):
        end = place + 1
        if text.startswith("?{", place):
            with suppress(JSONDecodeError):  # settings that are no JSON are refused by whoever reads the locator
                end = JSONDecoder().raw_decode(text, place + 1)[1]
        if text[place] == ",":
            stages.append("")
        else:
            stages[-1] += text[place:end]
        place = end
    stages = [stage.strip() for stage in stages]
    if "" in stages:
        raise InvalidSetting("funnel", text, "stages between commas, none of them empty, e.g. text:x1,text:x10")
    return stages
