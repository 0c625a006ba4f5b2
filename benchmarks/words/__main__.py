"""Everything about words and speakers that docs/WORDS_BENCH.md quotes, one part after the other.

    make bench-words                       all parts, about a quarter of an hour
    python -m benchmarks.words asr         one of them

Ends with 1 when a bar is missed in any part.
"""

import argparse
import subprocess
import sys

PARTS = ("asr", "burned_in", "speakers", "active_speaker", "landmarks", "whole_job")


def main() -> int:
    """Each part in a process of its own, since each reports its own peak memory."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.words",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"any of {', '.join(PARTS)}; all without")
    parts = parser.parse_args().parts or PARTS
    if unknown := sorted(set(parts) - set(PARTS)):
        parser.error(f"there is no part {', '.join(unknown)}; choose of {', '.join(PARTS)}")
    codes = {}
    for part in parts:
        print(f"\n# {part}", flush=True)
        codes[part] = subprocess.run(
            [sys.executable, "-m", f"benchmarks.words.{part}"], check=False
        ).returncode
    missed = [part for part, code in codes.items() if code]
    print(f"\nbars missed in: {', '.join(missed)}" if missed else "\nall bars met")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
