"""The explorer: one page that shows an architecture from every side, as a file or served while a spec is edited."""
