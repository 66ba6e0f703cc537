from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelpack.errors import DocumentError, InputError
from modelpack.pack.files import IGNORE_FILE, IgnoreFile, Selection
from modelpack.pack.files.selection import NOT_INCLUDED
from modelpack.paths import parents


def _selected(path: str, selection: Selection) -> bool:
    return not any(selection.objection(folder, folder=True) for folder in parents(path)) and not selection.objection(
        path
    )


def _ignored(path: str, ignore: IgnoreFile) -> bool:
    return any(ignore.decide(folder, folder=True) for folder in parents(path)) or bool(
        ignore.decide(path, folder=False)
    )


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("config.json", ""),
        (".gitattributes", "hidden"),
        ("sub/.env", "hidden"),
        ("Modelfile", "a Modelfile"),
        ("sub/MODELFILE", "a Modelfile"),
        ("__pycache__", "compiled Python"),
        ("a.pyc", "compiled Python"),
        ("a.pyd", "compiled Python"),
        ("a.py", ""),
        ("Modelfile.txt", ""),
        (IGNORE_FILE, "hidden"),
    ],
)
def test_skips_what_modctl_skips(path: str, reason: str) -> None:
    assert Selection().objection(path) == reason


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (".env", True),
        ("sub/.env", True),
        (".git/HEAD", False),
        (".config/a.json", True),
        (".config/.secret", True),
        ("keep/.deep/x", True),
        ("keep/.other/x", False),
        (".cache/x.json", False),
        ("x.pyc", False),
        ("drop.json", False),
        ("mixed.txt", False),
    ],
)
def test_exclude_goes_before_include_before_skip(path: str, expected: bool) -> None:
    selection = Selection.of(
        [".env", ".config", "keep/.deep/x", "*.json", "mixed.txt"], ["drop.*", "mixed.*"], IgnoreFile()
    )
    assert _selected(path, selection) is expected


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        (".cache/**", ".cache/x", True),
        (".cache/**", ".cache/.deep/x", True),
        (".cache/", ".cache/a/x", True),
        ("**/.hidden.json", ".hidden.json", True),
        ("**/.hidden.json", "a/.hidden.json", True),
        ("**/.hidden.json", ".git/.hidden.json", False),
        ("*/.cache/x.json", "a/.cache/x.json", True),
        ("**/.cache/**", "a/b/.cache/x", True),
        ("logs/*.json", "logs/a.json", True),
        ("**/logs/*.json", "a/logs/a.json", True),
        ("*.json", "logs/a.json", False),
        ("*.json", ".cache/x.json", False),
        ("**", ".env", True),
        ("**", ".cache/x", True),
        ("*/x", "__pycache__/x", False),
        ("a/__pycache__/x.pyc", "a/__pycache__/x.pyc", True),
    ],
)
def test_only_a_pattern_that_names_it_leads_into_a_folder_that_is_skipped(
    pattern: str, path: str, expected: bool
) -> None:
    assert _selected(path, Selection.of([pattern], [], IgnoreFile.parse("logs/"))) is expected


def test_a_file_on_the_way_to_what_is_included_is_not() -> None:
    selection = Selection.of(["config/x.json"], [], IgnoreFile())
    assert selection.objection("config") == NOT_INCLUDED
    assert not selection.objection("config", folder=True)


def test_include_goes_before_the_ignore_file() -> None:
    selection = Selection.of(["a.log"], [], IgnoreFile.parse("*.log\n!.keep\n"))
    assert _selected("a.log", selection)
    assert selection.objection("b.log") == selection.objection(".keep") == NOT_INCLUDED
    without = Selection.of([], [], selection.ignore)
    assert without.objection("b.log") == f"in {IGNORE_FILE}"
    assert _selected(".keep", without)


def test_reads_comments_negation_escapes_and_spaces() -> None:
    ignore = IgnoreFile.parse(
        "# comment\r\n\n*.tmp\r\n!keep.tmp\n\\#name\n\\!name\ntrailing   \nspace\\ \n/root\ndir/\n"
    )
    assert ignore.decide("a.tmp", folder=False) is True
    assert ignore.decide("keep.tmp", folder=False) is False
    assert ignore.decide("#name", folder=False) is True
    assert ignore.decide("!name", folder=False) is True
    assert ignore.decide("trailing", folder=False) is True
    assert ignore.decide("space ", folder=False) is True
    assert ignore.decide("sub/root", folder=False) is None
    assert ignore.decide("dir", folder=False) is None
    assert ignore.decide("sub/dir", folder=True) is True


def test_reads_the_file_of_a_folder(tmp_path: Path) -> None:
    assert IgnoreFile.read(tmp_path) == IgnoreFile()
    (tmp_path / IGNORE_FILE).write_text("\ufeff*.log\n")
    assert IgnoreFile.read(tmp_path).decide("a.log", folder=False)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\xff", "not UTF-8 at byte 0"),
        (b"ok\n[a", "line 2: the pattern '\\[a'"),
        (b"x\n" * 1001, "1001 patterns"),
        (b"#" * 70_000, "more than 65536 bytes"),
    ],
)
def test_refuses_a_bad_file(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / IGNORE_FILE).write_bytes(content)
    with pytest.raises(DocumentError, match=reason):
        IgnoreFile.read(tmp_path)


def test_an_unreadable_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / IGNORE_FILE).write_text("x")
    path = tmp_path / IGNORE_FILE
    original = Path.open

    def refuse(self: Path, *args: object, **options: object) -> object:
        if self == path:
            raise PermissionError(13, "Permission denied")
        return original(self, *args, **options)  # type: ignore[call-overload]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", refuse)
        with pytest.raises(InputError, match="Permission denied"):
            IgnoreFile.read(tmp_path)


_NAMES = st.sampled_from(["a", "b", "ab", "x.y", "a.y", "-", "#a"])
_PATHS = st.lists(_NAMES, min_size=1, max_size=3).map("/".join)
# Without "a**": git compares the letters before the first wildcard apart, and then takes what is left for a leading "**/",
# against its manual ("other consecutive asterisks are considered regular asterisks").
_PIECES = st.sampled_from(
    ["a", "b", "*", "**", "?", "*.y", "[ab]", "[!a]", "a*", "*b", "x.y", "\\#a", "[a-b]?", "[]-]"]
)
_LINES = st.builds(
    lambda negation, start, pieces, end: negation + start + "/".join(pieces) + end,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "", "/"]),
    st.lists(_PIECES, min_size=1, max_size=3),
    st.sampled_from(["", "", "/", "  "]),
)


@settings(deadline=None, max_examples=60)
@given(lines=st.lists(_LINES, min_size=1, max_size=4), paths=st.lists(_PATHS, min_size=1, max_size=12, unique=True))
def test_agrees_with_git(tmp_path_factory: pytest.TempPathFactory, lines: list[str], paths: list[str]) -> None:
    repository = tmp_path_factory.getbasetemp() / "git-oracle"
    if not repository.is_dir():
        subprocess.run(["git", "init", "-q", repository], check=True)
    (repository / ".gitignore").write_text("".join(f"{line}\n" for line in lines))
    answer = subprocess.run(
        ["git", "-c", "core.excludesFile=", "check-ignore", "--no-index", "--stdin", "-z"],
        cwd=repository,
        input="".join(f"{path}\0" for path in paths),
        capture_output=True,
        text=True,
        check=False,
    )
    assert not answer.stderr
    ignored = set(answer.stdout.split("\0")) - {""}
    ours = IgnoreFile.parse("".join(f"{line}\n" for line in lines))
    assert {path for path in paths if _ignored(path, ours)} == ignored
