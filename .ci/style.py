#!/usr/bin/env python3
"""Checks the language of comments, messages and documents; docs/contributing.md has the rules.

    .ci/style.py                 checks the tracked files; exit code 1 if it finds something
    .ci/style.py src/emitter     checks the files below these paths
    .ci/style.py --count         prints the number of findings per folder
"""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "docs/contributing.md"

# Comments are read in an editor beside the code, which rustfmt wraps at the same width.
COMMENT_COLUMNS = 110

TEXT = {".rs", ".md", ".py", ".sh", ".yml", ".toml", ".service", ".timer"}
NAMES = {"run", "crontab"}
# Data, recorded output and history.
EXEMPT = re.compile(r"^(fixtures/|findings/|proptest-regressions/|Cargo\.lock|.*/snapshots/|.*\.snap$)")

COMMENT = re.compile(r"^\s*(///|//!|//|#(?!\[|!))\s?(.*)$")
# A sentence that begins with a noun clause or a genitive; a question is none.
SENTENCE_START = re.compile(r"(?:^|(?<=[.!?:] ))((?:What|Whoever|Whom|Who|Of(?! kind \[)) [^.!?]*(?:[.!?]|$))")

# Addresses and paths of one machine, and of package registries, which a mirror replaces.
FORBIDDEN = [
    re.compile(text)
    for text in (r"(?<![\w./])(\.\./)?shared/", r"/work/", r"(index|static)\.crates\.io", r"pypi\.org", r"pythonhosted\.org",
                 r"npmjs\.(org|com)", r"--(extra-)?index-url", r"--find-links", r"goproxy|proxy\.golang")
]


def phrases():
    """The list of phrases in docs/contributing.md: a pattern, white space, and what to write instead."""
    block = re.search(r"^```text phrases\n(.*?)^```$", RULES.read_text(), re.M | re.S).group(1)
    for line in block.splitlines():
        pattern, instead = re.split(r" {2,}", line.strip(), maxsplit=1)
        yield re.compile(pattern, re.I), instead


def files(paths):
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *paths], cwd=ROOT, check=True,
                            capture_output=True, text=True).stdout.splitlines()
    for name in listed:
        path = ROOT / name
        if path.is_file() and not EXEMPT.match(name) and (path.suffix in TEXT or path.name in NAMES):
            yield name


def blocks(lines, is_markdown):
    """Comments, or paragraphs of a document, as (line number, text)."""
    text, start, fenced = "", 0, False
    for number, line in enumerate([*lines, ""], 1):
        found = None
        if is_markdown:
            fenced ^= line.startswith("```")
            if not fenced and line.strip() and not line.startswith(("```", "#", "|", "    ")):
                found = line.strip()
                if line.lstrip().startswith(("- ", "> ")) or re.match(r"\d+\. ", line.lstrip()):
                    if text:
                        yield start, text
                    text, found = "", re.sub(r"^(-|>|\d+\.) ", "", found)
        elif match := COMMENT.match(line):
            found = match.group(2).strip()
            if found.startswith("```"):
                fenced ^= True
                found = None
            elif fenced or found.startswith(("|", "#", "- ")):
                found = None
        else:
            fenced = False
        if found:
            start = start if text else number
            text += (" " if text else "") + found
        elif text:
            yield start, text
            text = ""


def check(name, banned):
    lines = (ROOT / name).read_text(errors="replace").splitlines()
    is_markdown = name.endswith(".md")
    own = name in (".ci/style.py", "docs/contributing.md")
    for number, line in enumerate(lines, 1):
        if not own:
            for pattern, instead in banned:
                if found := pattern.search(line):
                    yield number, f"`{found.group()}`: write {instead}"
            for pattern in FORBIDDEN:
                if found := pattern.search(line):
                    yield number, f"`{found.group()}`: no address or path of one machine or registry"
        if not is_markdown and COMMENT.match(line) and len(line) > COMMENT_COLUMNS and "://" not in line:
            yield number, f"a comment line of {len(line)} columns; the limit is {COMMENT_COLUMNS}"
    for number, text in blocks(lines, is_markdown):
        for found in SENTENCE_START.finditer(text):
            if not found.group(1).endswith("?"):
                yield number, f"`{found.group(1)[:50]}`: begin the sentence with its subject"


def main(arguments):
    count = "--count" in arguments
    paths = [argument for argument in arguments if argument != "--count"]
    banned = list(phrases())
    folders, total = Counter(), 0
    for name in files(paths):
        for number, message in sorted(check(name, banned)):
            total += 1
            parts = Path(name).parts
            folders["/".join(parts[:2]) if parts[0] in ("src", "crates", "tests", "docs") else parts[0]] += 1
            if not count:
                print(f"{name}:{number}: {message}")
    if count:
        for folder, found in folders.most_common():
            print(f"{found:6} {folder}")
    print(f"{total} findings", file=sys.stderr)
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
