"""Build the documentation site: `make docs`, or `python docs/site/build.py [--no-gallery]`.

The pages lie where people read them on a code host; here they are copied into `build/site-source`
in the same places, beside pages written from the code, and Sphinx makes `build/site` of them.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from typer.main import get_command

ROOT = Path(__file__).resolve().parents[2]
SOURCE, SITE = ROOT / "build" / "site-source", ROOT / "build" / "site"
PAGES = ("README.md", "DESIGN.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")


def assemble() -> None:
    """Copy the pages, and write those that come from the code."""
    for page in PAGES:
        copy(ROOT / page, SOURCE / page)
    for folder, kinds in (
        ("docs", (".md", ".rst", ".png", ".py")),
        ("notebooks", (".md", ".ipynb")),
    ):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in kinds and path != ROOT / "docs" / "trust.md":
                copy(path, SOURCE / path.relative_to(ROOT))
    shutil.rmtree(SOURCE / "docs" / "site" / "api", ignore_errors=True)  # names that are gone
    written = {"site/commands": commands(), "site/api": api(), "trust": trust()}
    for name, text in written.items():
        path = SOURCE / "docs" / f"{name}.md"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for page in sorted(SOURCE.rglob("*.md")):  # files of the repository that pages point to
        for target in re.findall(r"\]\(([^)#:]+)", page.read_text(encoding="utf-8")):
            path = (page.parent / target).resolve()
            own = ROOT / path.relative_to(SOURCE) if path.is_relative_to(SOURCE) else path
            if own.is_file() and own.suffix not in (".md", ".ipynb"):
                copy(own, path)
    copy(ROOT / "docs/site/index.md", SOURCE / "index.md")
    (SOURCE / "docs/site/index.md").unlink()


def copy(source: Path, target: Path) -> None:
    """Copy a file, unless it is there as it is: Sphinx makes anew what is newer."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() or target.read_bytes() != source.read_bytes():
        shutil.copyfile(source, target)


def commands() -> str:
    """Page of every command with its arguments and options."""
    from airan_market.analysis.cli.program import app

    lines = [
        "# Commands",
        "",
        "Written from the program. `airan-market COMMAND --help` says it too.",
    ]
    group = get_command(app)
    for name, command in sorted(vars(group)["commands"].items()):
        lines += [
            "",
            f"## {name}",
            "",
            plain(command.help or ""),
            "",
            "| option | value | meaning |",
            "| --- | --- | --- |",
        ]
        for parameter in command.params:
            if getattr(parameter, "hidden", False):
                continue
            names = ", ".join(f"`{n}`" for n in parameter.opts)
            said = plain(getattr(parameter, "help", "") or "")
            lines.append(f"| {names} | {plain(parameter.metavar or '')} | {said} |")
    return "\n".join(lines) + "\n"


def plain(text: str) -> str:
    """Help as one paragraph that no markup is seen in."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|").replace("[", "\\[").strip()


def api() -> str:
    """Page of every name at the front door."""
    import airan_market

    names = "\n".join(f"   {name}" for name in airan_market.__all__ if name != "figures")
    pictures = "\n".join(f"   {name}" for name in airan_market.figures.__all__)
    return f"""# Public API

What `from airan_market import …` offers; `airan_market.figures` has every picture there is.

```{{eval-rst}}
.. currentmodule:: airan_market

.. autosummary::
   :toctree: api

{names}

.. currentmodule:: airan_market.analysis.figures

.. autosummary::
   :toctree: api

{pictures}
```
"""


def trust() -> str:
    """Page of every equation with its tests, what they say of their error, and their controls."""
    spec = importlib.util.spec_from_file_location("trust_page", ROOT / "docs" / "site" / "trust.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    tables: str = module.page()
    return (ROOT / "docs" / "trust.md").read_text(encoding="utf-8") + tables


class References(HTMLParser):
    """Targets of links and of what a page loads, and the places in it."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.places: set[str] = set()
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag points to."""
        found = {name: value or "" for name, value in attrs}
        self.places.add(found.get("id", ""))
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        elif tag == "link" and found.get("rel") in ("stylesheet", "icon", "preload"):
            self.loaded.append(found["href"])
        elif "src" in found:
            self.loaded.append(found["src"])


def faults(site: Path) -> list[str]:
    """Links that lead nowhere, and what would be fetched from elsewhere."""
    pages = {
        path: References(path)
        for path in sorted(site.rglob("*.html"))
        if "_static" not in path.parts
    }
    found = []
    for path, page in pages.items():
        where = path.relative_to(site)
        for target in page.loaded:
            if urlsplit(target).scheme in ("http", "https") or target.startswith("//"):
                found.append(f"{where}: loads {target}")
        for target in (*page.links, *page.loaded):
            parts = urlsplit(target)
            if target.startswith("#") and len(target) > 1 and target[1:] not in page.places:
                found.append(f"{where}: {target} leads nowhere")
            if parts.scheme or parts.netloc or target.startswith("//") or not parts.path:
                continue
            other = (path.parent / unquote(parts.path)).resolve()
            if not other.exists():
                found.append(f"{where}: {target} leads nowhere")
    for style in site.rglob("*.css"):
        text = style.read_text(encoding="utf-8", errors="replace")
        found += [
            f"{style.relative_to(site)}: loads {u}"
            for u in re.findall(r"url\(\W?(https?:[^)'\"]*)", text)
        ]
    return found


def main() -> int:
    """Assemble, build, check; the number of faults is what it ends with, 1 at most."""
    assemble()
    shutil.rmtree(SITE, ignore_errors=True)  # pages that are gone; drawn figures stay in the source
    options = ["-D", "plot_gallery=0"] if "--no-gallery" in sys.argv else []
    built = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-c", ROOT / "docs" / "site",
         *options, SOURCE, SITE], check=False,
    ).returncode  # fmt: skip
    wrong = faults(SITE)
    print(*wrong, f"{len(list(SITE.rglob('*.html')))} pages in {SITE.relative_to(ROOT)}", sep="\n")
    return int(bool(built or wrong))


if __name__ == "__main__":
    sys.exit(main())
