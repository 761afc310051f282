"""Run the Python of the tutorials and keep their pictures: `python docs/tutorials.py`."""

import contextlib
import os
import re
import shutil
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parent


def main() -> None:
    """Each page in a folder of its own; pictures come back beside the page."""
    for page in sorted(DOCS.glob("tutorial_*.md")):
        code = "\n".join(re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.M | re.S))
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            print(f"# {page.name}")
            exec(compile(code, page.name, "exec"), {"__name__": "__main__"})
            for picture in Path(folder).glob("tutorial_*.png"):
                shutil.copy(picture, DOCS / picture.name)


if __name__ == "__main__":
    os.environ.setdefault("MPLBACKEND", "agg")
    main()
