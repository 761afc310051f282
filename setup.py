"""The four folders of this repository are installed as one package, `airan_market`.

All else is said in pyproject.toml, which cannot put found packages under another name.
"""

from setuptools import find_packages, setup

FLOORS = ("scenarios", "sim", "agents", "analysis")
rooms = [f"{floor}.{room}" for floor in FLOORS for room in find_packages(floor)]
setup(
    packages=["airan_market", *(f"airan_market.{place}" for place in (*FLOORS, *rooms))],
    package_dir={f"airan_market.{floor}": floor for floor in FLOORS},
)
