"""The language server: support for editors while a spec is edited.

`analyse` converts the text of a document to everything that the features need: the located tree, the problems, the
blocks, and the layers with their shapes, as far as each is available. The features are plain functions of it.
"""
