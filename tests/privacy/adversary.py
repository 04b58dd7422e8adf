"""The third to fifth corpora: secrets as they occur in real projects.

The first two of these were written without knowledge of the detector, the last with some.

`adversary.txt`, `formats.txt` and `places.txt` hold the lines, with § in place of the secret. docs/privacy.md has
the results from before the detector was improved for them, and lists what was left out of them.
"""

from __future__ import annotations

import random
import re
import string
from collections.abc import Iterator
from pathlib import Path

from tests.privacy.planted import Plant

ADVERSARY = Path(__file__).with_name("adversary.txt")
FORMATS = Path(__file__).with_name("formats.txt")
PLACES = Path(__file__).with_name("places.txt")
_ALNUM = string.ascii_letters + string.digits
_ALPHABETS = {
    "a": _ALNUM,
    "b": _ALNUM + "+/",
    "d": string.digits,
    "g": "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L",
    "h": _ALNUM + "./",
    "n": "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
    "t": string.ascii_uppercase + "234567",
    "u": string.ascii_uppercase + string.digits,
    "w": _ALNUM + "-_",
    "x": string.digits + "abcdef",
    "z": string.ascii_letters,
}
_CHOSEN = ["winter", "dragon", "Sommer", "liverpool", "Pa55", "monkey", "zaq1", "hockey", "Berlin", "tomcat"]
_PLAIN = ["sunshine", "qwerty", "kitchen", "marathon", "rosebud"]
_PHRASE = [
    "correct",
    "horse",
    "battery",
    "staple",
    "purple",
    "engine",
    "window",
    "rabbit",
    "cannon",
    "gravel",
]
_WORDS = """
abandon ability able about above absent absorb abstract absurd abuse access accident account accuse achieve acid
acoustic acquire across act
"""
_MNEMONIC = _WORDS.split()
_TOKEN_FORMS = (
    'x = "§"',
    "# §",
    "call('§', 3)",
    "§",
    "/* §",
    "echo §",
    "- §",
    '{"a": "§"}',
    "<a>§</a>",
    "x=§",
)
_NAMED_FORMS = ("api_key: §", "token = '§'", 'secret: "§"', "Authorization: Bearer §")
_BEHIND = re.compile(
    r"echo |§\"? ==|\(\"§\"\)|§\"\.|scott/§|root:§@(?:tcp|db)|VALUES|value=\"§\" key|INSERT|asic §|@tcp\(|send \""
)
"""Forms in which only the text after the value reveals the secret: nobody can know while it is typed."""


def _made(form: str, rng: random.Random) -> str:
    if form == "human":
        number = rng.randrange(10, 99)
        return (
            rng.choice(_CHOSEN) + rng.choice("_-.") + rng.choice(_CHOSEN) + rng.choice("!#%*?+") + str(number)
        )
    if form == "plain":
        return rng.choice(_PLAIN) + str(rng.randrange(1000, 9999))
    if form == "phrase":
        return "-".join(rng.sample(_PHRASE, 4))
    if form == "mnemonic":
        return " ".join(rng.sample(_MNEMONIC, 12))
    return re.sub(r"<(\w)(\d+)>", lambda m: "".join(rng.choices(_ALPHABETS[m[1]], k=int(m[2]))), form)


def forms(file: Path = ADVERSARY) -> Iterator[tuple[str, str, str, str]]:
    """(kind, language, form of the secret, text around it)"""
    kind = language = make = ""
    for line in file.read_text("utf-8").splitlines():
        if line.startswith("## "):
            kind, language, make = line.removeprefix("## ").split(" | ")
        elif make in ("forms", "named"):
            name, _, form = line.partition(" = ")
            for text in _NAMED_FORMS if make == "named" else _TOKEN_FORMS + _NAMED_FORMS:
                yield name, "yaml" if text in _NAMED_FORMS else "python", form, text
        else:
            yield kind, language, make, line.replace("\\n", "\n").replace("\\t", "\t").replace("\\\\", "\\")


def adversary(seed: int, file: Path = ADVERSARY) -> Iterator[Plant]:
    """Each form once, with its own secret."""
    rng = random.Random(seed)
    for kind, language, form, text in forms(file):
        before, behind = text.split("§")
        known, _, hidden = form.rpartition("|")
        yield Plant(f"{kind}: {text!r}", language, before + _made(known, rng), _made(hidden, rng), behind)


def is_told_behind(plant: Plant) -> bool:
    """Whether only the text after the secret reveals it."""
    return _BEHIND.search(plant.kind) is not None
