"""Owns `python -m tokensvc`."""

from tokensvc.cli.main import main

if __name__ == "__main__":
    main()
