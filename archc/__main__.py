"""`python -m archc`."""

from archc.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
