"""What the pages name is there: links, paths, modules, commands, settings, decisions in their form."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import UUID

import pytest
from django.urls import resolve

from obscura.ops.metrics import middleware as metrics

BASE = Path(__file__).resolve().parents[2]
PAGES = [BASE / "README.md", BASE / "CONTRIBUTING.md", *sorted((BASE / "docs").rglob("*.md"))]
NAMES = [str(page.relative_to(BASE)) for page in PAGES]
PACKAGES = ("obscura", "tenants", "citadel", "billing", "proofs", "pools", "trading")
TOPS = (*PACKAGES, "docs", "tests", "templates", "requirements", ".ci", "deploy")
MADE = (".venv/", "node_modules/", "var/")
"""Folders that a checkout has only once it was used."""

_FENCE = re.compile(r"^```.*?^```$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"(!?)\[[^\]]*\]\(([^)\s]+)\)")
_SETTING = re.compile(r"(?:COPY|OBSCURA)_[A-Z_]+|DATABASE_URL|REDIS_URL")


def prose(page: Path) -> str:
    return _FENCE.sub("", page.read_text())


def spans(page: Path) -> list[str]:
    return _CODE.findall(prose(page))


def is_there(page: Path, link: str) -> bool:
    path, _, mark = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return False
    headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE) if mark else []
    return not mark or mark in {re.sub(r"[^\w -]", "", one.lower()).replace(" ", "-") for one in headings}


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_link_leads_somewhere(page):
    links = [link for image, link in _LINK.findall(prose(page)) if not image and "://" not in link]

    assert [link for link in links if not is_there(page, link)] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_picture_is_there(page):
    pictures = [link for image, link in _LINK.findall(prose(page)) if image]

    assert [link for link in pictures if not is_there(page, link)] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_path_is_there(page):
    paths = [
        span.rstrip("/")
        for span in spans(page)
        if re.fullmatch(r"[\w./-]+", span)
        and not span.startswith(MADE)
        and (span.split("/")[0] in TOPS if "/" in span else span.endswith((".py", ".md", ".toml", ".json")))
    ]

    assert [path for path in paths if not (BASE / path).exists()] == []


def is_importable(dotted: str) -> bool:
    """Whether a dotted name is a module of ours, or a name that a module's text has."""
    parts = dotted.split(".")
    for size in range(len(parts), 0, -1):
        stem = BASE.joinpath(*parts[:size])
        files = [file for file in (stem.with_suffix(".py"), stem / "__init__.py") if file.exists()]
        if files or stem.is_dir():
            text = files[0].read_text() if files else ""
            return all(re.search(rf"\b{name}\b", text) for name in parts[size:])
    return False


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_module_is_there(page):
    dotted = [
        span
        for span in spans(page)
        if re.fullmatch(r"\w+(\.\w+)+", span) and span.split(".")[0] in PACKAGES and not is_task(span)
    ]

    assert [name for name in dotted if not is_importable(name)] == []


def is_task(name: str) -> bool:
    """Whether a dotted name is a Celery task of ours: `trading.execute` is one, and no module."""
    app = name.split(".")[0]
    return any(f'"{name}"' in file.read_text() for file in (BASE / app).rglob("tasks.py"))


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_command_is_a_target(page):
    targets = set(re.findall(r"^([a-z-]+):.*## ", (BASE / "Makefile").read_text(), re.MULTILINE))

    named = set(re.findall(r"\bmake ([a-z-]+)", " ".join(_CODE.findall(page.read_text())) + fenced(page)))

    assert named <= targets


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_module_that_is_run_is_there(page):
    run = re.findall(r"python -m ([\w.]+)", page.read_text())

    assert [name for name in run if not is_importable(name)] == []


def fenced(page: Path) -> str:
    return "\n".join(re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL))


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_setting_is_read_somewhere(page):
    text = "\n".join(file.read_text() for package in PACKAGES for file in (BASE / package).rglob("*.py"))

    assert [name for name in set(_SETTING.findall(page.read_text())) if name not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_address_answers(page):
    addresses = [found[1] for span in spans(page) if (found := re.fullmatch(r"(?:[A-Z]+ )?(/[\w/{}-]+)", span))]

    for address in addresses:
        if address == metrics.PATH:
            continue  # answered before there are routes
        assert resolve(address.replace("{id}", str(UUID(int=0))), urlconf="obscura.urls")


def test_decisions_are_numbered_without_a_gap_and_have_their_three_parts():
    pages = sorted((BASE / "docs" / "decisions").glob("*.md"))

    assert [page.name[:4] for page in pages] == [f"{number:04d}" for number in range(1, len(pages) + 1)]
    for page in pages:
        text = page.read_text()
        assert text.startswith(f"# {page.name[:4]} ")
        assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == ["Context", "Decision", "Consequences"]
        assert "Given up" in " ".join(text.split())


def test_the_glossary_is_in_the_order_of_the_alphabet():
    words = re.findall(r"^\| ([^|]+?) \| ", (BASE / "docs" / "glossary.md").read_text(), re.MULTILINE)[1:]

    assert words == sorted(words, key=str.lower)
