"""The templates of emitted files and starters; packaged as `archc.templates`."""
