"""What setup.cfg cannot say: the recipes of configs/ are part of the package, under kgpt2/assets/recipes."""

from setuptools import find_packages, setup

RECIPES = "kgpt2.assets.recipes"
setup(packages=[*find_packages(include=["kgpt2*"]), RECIPES], package_dir={RECIPES: "configs"})
