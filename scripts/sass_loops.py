"""What the machine code of every kernel says of its loops, for scripts/cuda-resources:

    cuobjdump -sass FILE... | python3 scripts/sass_loops.py

One line a kernel and architecture, sorted: its name, the architecture, `fences` and `per_copy`.
    fences    memory barriers (MEMBAR) inside loops: each waits until what the thread wrote is seen by others.
    per_copy  instructions for each asynchronous copy of 16 bytes into shared memory (LDGSTS.128) on the cheapest way round the main loop, in
              tenths. The main loop is the one with most tensor-core instructions among the loops that have copies. "-" where there is none.
"""
import re
import sys
from fractions import Fraction

CODE = re.compile(r'\s+/\*([0-9a-f]{4,})\*/\s+(?:@!?U?P[0-9T]+ )?\s*([A-Z0-9_]+)([^;]*);')
CONDITION = re.compile(r'/\s+@!?U?P[0-9]+ ')
ENDS = ('BRA', 'EXIT', 'RET', 'JMP', 'BRX', 'KILL')


class Instruction:
    def __init__(self, match, line):
        self.at, self.op, rest = int(match[1], 16), match[2], match[3]
        self.sometimes = bool(CONDITION.search(line)) or (self.op == 'BRA' and bool(re.search(r'\bU?P[0-9]', rest)))
        target = re.findall(r'0x[0-9a-f]+', rest) if self.op == 'BRA' else []
        self.target = int(target[-1], 16) if target else None
        self.copies = self.op == 'LDGSTS' and '.128' in rest
        self.multiplies = self.op in ('HMMA', 'HGMMA')


def blocks_of(code):
    """Basic blocks, {first address: (instructions, copies, next blocks)}."""
    heads = {code[0].at} | {i.target for i in code if i.target is not None}
    heads |= {after.at for i, after in zip(code, code[1:]) if i.op in ENDS}
    blocks, head, instructions, copies = {}, None, 0, 0
    for i, after in zip(code, code[1:] + [None]):
        head = i.at if head is None else head
        instructions, copies = instructions + 1, copies + i.copies
        if after and after.at not in heads:
            continue
        falls = after and (i.op not in ENDS or i.sometimes)
        blocks[head] = instructions, copies, ([i.target] if i.target is not None else []) + ([after.at] if falls else [])
        head, instructions, copies = None, 0, 0
    return blocks


def cheapest_way(blocks):
    """The least instructions a copy over all cycles, or None: while a cycle costs less than the best, it is the best."""
    best, counts, size = None, None, sum(b[0] for b in blocks.values()) + 1
    while True:
        price = Fraction(size) if best is None else best
        cost, back = {h: Fraction(0) for h in blocks}, {}
        for turn in range(len(blocks)):
            moved = None
            for head, (instructions, copies, following) in blocks.items():
                for f in following:
                    if f in blocks and cost[head] + instructions - price * copies < cost[f]:
                        cost[f], back[f], moved = cost[head] + instructions - price * copies, head, f
            if moved is None:
                return counts
        for _ in blocks:
            moved = back[moved]
        way, at = [moved], back[moved]
        while at != moved:
            way.append(at)
            at = back[at]
        best, counts = (lambda n, c: (Fraction(n, c), (n, c)))(sum(blocks[h][0] for h in way), sum(blocks[h][1] for h in way))


def look_at(code):
    loops = [(i.target, i.at) for i in code if i.target is not None and i.target < i.at]
    inside = lambda i: any(first <= i.at <= last for first, last in loops)
    fences = sum(i.op == 'MEMBAR' and inside(i) for i in code)
    copying = []
    for first, last in loops:
        body = [i for i in code if first <= i.at <= last]
        if any(i.copies for i in body):
            copying.append((sum(i.multiplies for i in body), first - last, first, last))
    if not copying:
        return fences, '-'
    products, _, first, last = max(copying)
    if not products:
        return fences, '-'
    blocks = blocks_of(code)
    return fences, '%d/%d' % cheapest_way({h: b for h, b in blocks.items() if first <= h <= last})


def main():
    arch, name, code, found = None, None, [], {}
    for line in [*sys.stdin, '\tcode for end']:
        title = re.match(r'\s*(code for|Function :) (\S+)', line)
        if title and code:
            found[name, arch] = look_at(code)
            code = []
        if title and title[1] == 'code for':
            arch = title[2]
        elif title:
            name = title[2]
        match = CODE.match(line)
        if match:
            code.append(Instruction(match, line))
    for (kernel, arch), (fences, per_copy) in sorted(found.items()):
        print('%-28s %-7s %7d %9s' % (kernel, arch, fences, per_copy))


main()
