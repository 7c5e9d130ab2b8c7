"""Run a benchmark by its name: each is a module here with ``main(argv)``."""

import sys
from importlib import import_module
from pathlib import Path


def main() -> None:
    names = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if not path.stem.startswith("_"))
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        seen = sys.argv[1] if len(sys.argv) > 1 else "nothing"
        sys.exit(f"{seen!r} asked for, one of {', '.join(names)} expected; say python -m benchmarks NAME --help")
    import_module(f"benchmarks.{sys.argv[1]}").main(sys.argv[2:])


if __name__ == "__main__":
    main()
