"""Compares golden files made anew with those of the repository, and puts them there unless --check is given. Run through scripts/reference-env.

Text, token ids and other whole numbers must be equal. Other numbers may differ as two processors' float32 does.
"""

import json
import math
import os
import pathlib
import shutil
import sys

from safetensors.numpy import load_file

TOLERANCE = 2e-5


def numbers_differ(a, b):
    """The largest difference of two JSON values, relative where they are above 1; infinite where anything but a fraction differs."""
    if isinstance(a, float) and isinstance(b, (int, float)) or isinstance(b, float) and isinstance(a, int):
        return 0.0 if a == b or a != a and b != b else abs(a - b) / max(1.0, abs(b))
    if type(a) is not type(b):
        return math.inf
    if isinstance(a, dict):
        return max((numbers_differ(a[k], b[k]) for k in a), default=0.0) if list(a) == list(b) else math.inf
    if isinstance(a, list):
        return max(map(numbers_differ, a, b), default=0.0) if len(a) == len(b) else math.inf
    return 0.0 if a == b else math.inf


def tensors_differ(a, b):
    a, b = load_file(a), load_file(b)
    if [(k, v.shape, v.dtype) for k, v in sorted(a.items())] != [(k, v.shape, v.dtype) for k, v in sorted(b.items())]:
        return math.inf
    return max((float(abs(a[k].astype(float) - b[k]).max() / max(1.0, abs(b[k]).max())) if a[k].size else 0.0 for k in a), default=0.0)


def differ(new, old):
    if new.read_bytes() == old.read_bytes():
        return 0.0
    if new.suffix == ".safetensors":
        return tensors_differ(new, old)
    if new.suffix in (".json", ".jsonl"):
        a, b = (p.read_text(encoding="utf-8") for p in (new, old))
        split = (lambda t: [json.loads(x) for x in t.split("\n") if x]) if new.suffix == ".jsonl" else json.loads
        return numbers_differ(split(a), split(b))
    return math.inf


def main():
    out, check = pathlib.Path(sys.argv[1]), "--check" in sys.argv
    count = bad = 0
    for new in sorted(p for p in out.rglob("*") if p.is_file()):
        old = pathlib.Path(os.path.relpath(new, out))
        count += 1
        how_far = differ(new, old) if old.exists() else math.inf
        if how_far:
            print("%s: %s" % (old, "new" if not old.exists() else "differs" if how_far == math.inf else "differs by %.1e at most" % how_far))
        bad += how_far > TOLERANCE
        if not check and how_far:
            old.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(new, old)
    print("%d files made, %d differ by more than rounding" % (count, bad))
    return 1 if bad else 0


sys.exit(main())
