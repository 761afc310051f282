"""How to cite the program and the papers whose markets it plays, in BibTeX.

What is said here is what CITATION.cff says; a test holds the two together.
"""

from __future__ import annotations

#: Entries of the two papers: key, title, authors.
PAPERS = (
    (
        "zhan-ai-ran-market",
        "Matching-with-Contracts for the {AI-RAN} Market: {AIGC}-as-a-Service for Teleoperation",
        "Zhan, Zijun and Dong, Yaxian and Doe, Daniel Mawunyo and Hu, Yuqing and Cao, Shaohua and "
        "Han, Zhu",
    ),
    (
        "yang-pact",
        "{PACT}: A Contract-Theoretic Framework for Pricing Agentic {AI} Services Powered by Large "
        "Language Models",
        "Yang, Ya-Ting and Zhu, Quanyan",
    ),
)


def bibtex(version: str, *, pact: bool) -> str:
    """Entries for the program at a version and for the paper whose market was played.

    Examples
    --------
    >>> print(bibtex("1.0", pact=True).splitlines()[0])
    @software{airan-market,
    """
    program = (
        "@software{airan-market,\n"
        "  title = {airan-market: simulator of the market for AI inference sold over radio access "
        "networks},\n"
        "  author = {{The airan-market authors}},\n"
        f"  version = {{{version}}},\n"
        "}"
    )
    key, title, authors = PAPERS[pact]
    return f"{program}\n\n@misc{{{key},\n  title = {{{title}}},\n  author = {{{authors}}},\n}}"
