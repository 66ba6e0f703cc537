from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.pack.metadata.license_text import recognise
from modelpack.pack.metadata.licenses import spdx


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("apache-2.0", "Apache-2.0"),
        ("MIT", "MIT"),
        ("cc-by-nc-sa-4.0", "CC-BY-NC-SA-4.0"),
        ("gpl-3.0", "GPL-3.0-only"),
        ("GPL-3.0-or-later", "GPL-3.0-or-later"),
        ("bsl-1.0", "BSL-1.0"),
        ("odc-by", "ODC-By-1.0"),
        ("etalab-2.0", "etalab-2.0"),
        ("llama3.1", "LicenseRef-llama3.1"),
        ("gemma", "LicenseRef-gemma"),
        ("openrail", "LicenseRef-openrail"),
        ("creativeml-openrail-m", "LicenseRef-creativeml-openrail-m"),
        ("LicenseRef-Mine", "LicenseRef-Mine"),
        ("My Own (v2)", "LicenseRef-My-Own-v2"),
        ("mit OR apache-2.0", "MIT OR Apache-2.0"),
        ("mit AND gemma", "MIT AND LicenseRef-gemma"),
        ("mit OR other", ""),
        ("other", ""),
        ("unknown", ""),
        (" ", ""),
        ("???", ""),
    ],
)
def test_names(name: str, expected: str) -> None:
    assert spdx(name) == expected


@settings(deadline=None)
@given(st.text(max_size=200))
def test_any_name_becomes_an_identifier_or_nothing(name: str) -> None:
    expression = spdx(name)
    assert all(c.isascii() and (c.isalnum() or c in ".- ") for c in expression)
    assert expression == "" or spdx(expression) == expression


_MIT = """MIT License

Copyright (c) 2026 Somebody

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files ..."""
_NOTICE = "\nThe above copyright notice and this permission notice shall be included in all copies\n"
_BSD = (
    "Redistribution and use in source and binary forms, with or without\nmodification, are permitted provided that:\n"
)
_NAME = "may be used to endorse or promote products derived from this software"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("All rights reserved.", ""),
        (
            "                                 Apache License\n                           Version 2.0, January 2004\n",
            "Apache-2.0",
        ),
        (_MIT + _NOTICE, "MIT"),
        (_MIT, "MIT-0"),
        (_MIT + _NOTICE + "Except as contained in this notice, the name", "X11"),
        (_BSD, "BSD-2-Clause"),
        (_BSD + _NAME, "BSD-3-Clause"),
        (_BSD + "All advertising materials mentioning" + _NAME, "BSD-4-Clause"),
        ("Creative Commons Attribution 4.0 International Public License", "CC-BY-4.0"),
        ("Attribution-NonCommercial 4.0 International", "CC-BY-NC-4.0"),
        ("Attribution-NonCommercial-ShareAlike 4.0 International", "CC-BY-NC-SA-4.0"),
        ("Attribution-ShareAlike 4.0 International", "CC-BY-SA-4.0"),
        ("CreativeML Open RAIL-M\ndated August 22, 2022", "LicenseRef-creativeml-openrail-m"),
        ("LLAMA 3.1 COMMUNITY LICENSE AGREEMENT\nLlama 3.1 Version", "LicenseRef-llama3.1"),
        ("META LLAMA 3 COMMUNITY LICENSE AGREEMENT", "LicenseRef-llama3"),
        ("LLAMA 2 COMMUNITY LICENSE AGREEMENT", "LicenseRef-llama2"),
        ("Gemma Terms of Use \n\nLast modified", "LicenseRef-gemma"),
        ("This is free and unencumbered software released into the public domain.", "Unlicense"),
        (_MIT + _NOTICE + "\n\nThird parties:\nApache License\nVersion 2.0", "MIT"),
    ],
)
def test_texts(text: str, expected: str) -> None:
    assert recognise(text) == expected


_COMMON = Path("/usr/share/common-licenses")


@pytest.mark.skipif(not _COMMON.is_dir(), reason="only Debian keeps licence texts there")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Apache-2.0", "Apache-2.0"),
        ("CC0-1.0", "CC0-1.0"),
        ("GPL-2", "GPL-2.0-only"),
        ("GPL-3", "GPL-3.0-only"),
        ("LGPL-2.1", "LGPL-2.1-only"),
        ("LGPL-3", "LGPL-3.0-only"),
        ("MPL-2.0", "MPL-2.0"),
        ("Artistic", ""),
        ("GFDL-1.3", ""),
    ],
)
def test_whole_texts(name: str, expected: str) -> None:
    assert recognise((_COMMON / name).read_text()) == expected
