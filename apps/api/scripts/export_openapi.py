"""Write the API's description to packages/api-client/openapi/openapi.json, or check that it is there as it should be.

usage: export_openapi.py [--check]     --check changes nothing and exits with 1 on drift
"""

import argparse
import difflib
import json
import sys
from pathlib import Path

from slipway_gateway.app import build
from slipway_gateway.openapi import describe

ROOT = Path(__file__).resolve().parents[3]
TARGET = ROOT / "packages" / "api-client" / "openapi" / "openapi.json"
DIFF_LINES = 40
REMEDY = """\
Regenerate, first this, then the client, and commit both:
  PYTHONPATH=apps/api uv run --project apps/api python apps/api/scripts/export_openapi.py
  pnpm -C packages/api-client run generate"""


def rendered() -> str:
    """Return the description as it is checked in: sorted keys, two spaces, a newline at the end."""
    return json.dumps(describe(build()), sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Write or check; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 on drift")
    text = rendered()
    if not parser.parse_args().check:
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        TARGET.write_text(text, encoding="utf-8")
        print(f"wrote {TARGET.relative_to(ROOT)}")
        return 0
    standing = TARGET.read_text(encoding="utf-8") if TARGET.exists() else ""
    if standing == text:
        print(f"{TARGET.relative_to(ROOT)} is what the code says")
        return 0
    names = ("checked in", "what the code says")
    diff = list(difflib.unified_diff(standing.splitlines(), text.splitlines(), *names, lineterm="", n=2))
    print("\n".join(diff[:DIFF_LINES]), file=sys.stderr)
    if len(diff) > DIFF_LINES:
        print(f"… and {len(diff) - DIFF_LINES} more lines", file=sys.stderr)
    print(f"drift: {TARGET.relative_to(ROOT)} is not what the code says.\n{REMEDY}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
