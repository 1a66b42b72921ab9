"""The language server: what editors show of a spec while it is typed.

`analyse` makes of a document's text all that the features need: the located tree, the problems, the blocks, and the
layers with their shapes, as far as each can be had. The features are plain functions of it.
"""
