"""The tree of pages that the documentation's site is built from: the written ones, and those that follow from archc."""
