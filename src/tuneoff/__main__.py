"""``python -m tuneoff``."""

from tuneoff.cli import main

if __name__ == "__main__":
    main()
