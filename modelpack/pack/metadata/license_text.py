"""Which licence a LICENSE file holds, by sentences that stand in that licence and in no other."""

from __future__ import annotations

import re

MAX_LICENSE = 256 << 10
"""Bytes that are looked at: three times the longest text below."""

_GAP = re.compile(r"[^a-z0-9]+")

_MIT = "permission is hereby granted free of charge to any person obtaining a copy"
_MIT_NOTICE = "the above copyright notice and this permission notice shall be included in all copies"
_BSD = "redistribution and use in source and binary forms with or without modification are permitted provided that"
_NOT_NAMED = "endorse or promote products derived from this software"

# The licence, the sentence that gives it away, and what must (+) and must not (-) stand there besides.
_FINGERPRINTS: tuple[tuple[str, str, str, str], ...] = (
    ("Apache-2.0", "apache license version 2 0", "", ""),
    ("MIT", _MIT, _MIT_NOTICE, "except as contained in this notice"),
    ("X11", _MIT, "except as contained in this notice", ""),
    ("MIT-0", _MIT, "", _MIT_NOTICE),
    ("BSD-2-Clause", _BSD, "", _NOT_NAMED),
    ("BSD-3-Clause", _BSD, _NOT_NAMED, "all advertising materials"),
    ("BSD-4-Clause", _BSD, "all advertising materials", ""),
    (
        "ISC",
        "permission to use copy modify and or distribute this software for any purpose with or without fee",
        "",
        "",
    ),
    ("GPL-2.0-only", "gnu general public license version 2 june 1991", "", ""),
    ("GPL-3.0-only", "gnu general public license version 3 29 june 2007", "", ""),
    ("LGPL-2.1-only", "gnu lesser general public license version 2 1 february 1999", "", ""),
    ("LGPL-3.0-only", "gnu lesser general public license version 3 29 june 2007", "", ""),
    ("AGPL-3.0-only", "gnu affero general public license version 3 19 november 2007", "", ""),
    ("MPL-2.0", "mozilla public license version 2 0", "", ""),
    ("CC-BY-4.0", "attribution 4 0 international", "", ""),
    ("CC-BY-SA-4.0", "attribution sharealike 4 0 international", "", ""),
    ("CC-BY-ND-4.0", "attribution noderivatives 4 0 international", "", ""),
    ("CC-BY-NC-4.0", "attribution noncommercial 4 0 international", "", ""),
    ("CC-BY-NC-SA-4.0", "attribution noncommercial sharealike 4 0 international", "", ""),
    ("CC-BY-NC-ND-4.0", "attribution noncommercial noderivatives 4 0 international", "", ""),
    ("CC0-1.0", "cc0 1 0 universal", "", ""),
    ("Unlicense", "this is free and unencumbered software released into the public domain", "", ""),
    ("LicenseRef-creativeml-openrail-m", "creativeml open rail m", "", ""),
    ("LicenseRef-bigcode-openrail-m", "bigcode open rail m", "", ""),
    ("LicenseRef-bigscience-bloom-rail-1.0", "bigscience rail license v1 0", "", ""),
    ("LicenseRef-bigscience-openrail-m", "bigscience open rail m", "", ""),
    ("LicenseRef-llama2", "llama 2 community license agreement", "", ""),
    ("LicenseRef-llama3", "meta llama 3 community license agreement", "", ""),
    ("LicenseRef-llama3.1", "llama 3 1 community license agreement", "", ""),
    ("LicenseRef-llama3.2", "llama 3 2 community license agreement", "", ""),
    ("LicenseRef-llama3.3", "llama 3 3 community license agreement", "", ""),
    ("LicenseRef-llama4", "llama 4 community license agreement", "", ""),
    ("LicenseRef-gemma", "gemma terms of use", "", ""),
    ("LicenseRef-qwen", "qwen license agreement", "", ""),
    ("LicenseRef-qwen-research", "qwen research license agreement", "", ""),
    ("LicenseRef-deepseek", "deepseek license agreement", "", ""),
    ("LicenseRef-stabilityai-ai-community", "stability ai community license agreement", "", ""),
)


def recognise(text: str) -> str:
    """The SPDX identifier (or ``LicenseRef-…``) of a licence's text; ``""`` if it is none that is known here.

    The GNU licences say nothing about "or any later version" in their own text, so ``-only`` is what is certain. Where
    a text holds several, the first counts: what follows are third parties' notices.
    """
    words = f" {_GAP.sub(' ', text.lower())} "
    found = (
        (words.find(f" {sentence} "), name)
        for name, sentence, wanted, unwanted in _FINGERPRINTS
        if wanted in words and not (unwanted and unwanted in words)
    )
    return min((hit for hit in found if hit[0] >= 0), default=(0, ""))[1]
