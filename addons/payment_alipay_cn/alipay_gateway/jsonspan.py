"""Where the members of a JSON object lie in its text, so that the signed bytes are known.

Alipay signs a member of its answer as it was written. The SDK finds that member by counting braces,
also those inside texts: an answer whose subject holds a brace looks forged to it. This finds it by
the JSON grammar.
"""

import json
import re

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def top_level_spans(text):
    """Return {name: (start, end)} of the values of the object that `text` is; ValueError if none.

    A name that stands twice is refused: two readers could take two different values for signed.
    """
    at = _after_space(text, 0)
    at = _expect(text, at, "{")
    spans = {}
    at = _after_space(text, at)
    if text[at : at + 1] == "}":
        at += 1
    else:
        while True:
            name, at = _DECODER.raw_decode(text, at)
            if not isinstance(name, str) or name in spans:
                raise ValueError("a member's name is no text, or stands twice")
            at = _after_space(text, _expect(text, _after_space(text, at), ":"))
            _value, end = _DECODER.raw_decode(text, at)
            spans[name] = (at, end)
            at = _after_space(text, end)
            if text[at : at + 1] == "}":
                at += 1
                break
            at = _after_space(text, _expect(text, at, ","))
    if _after_space(text, at) != len(text):
        raise ValueError("text after the object")
    return spans


def _after_space(text, at):
    return _SPACE.match(text, at).end()


def _expect(text, at, sign):
    if text[at : at + 1] != sign:
        raise ValueError(f"{sign} expected at {at}")
    return at + 1
