"""What the machine code of kernels says of their loops, for scripts/cuda-resources:

    cuobjdump -sass FILE | python3 scripts/sass_loops.py

A line for each kernel and architecture: name, architecture, `fences` and `copies`.
    fences  memory barriers beyond the block (MEMBAR) inside loops
    copies  of the main loop, which is the one with most products on tensor cores among those with asynchronous copies of 16 bytes into shared
            memory (LDGSTS.128): the instructions of the cheapest way round, and the copies on it, as 103/5. "-" where there is no such loop.
"""
import re
import sys
from fractions import Fraction

LINE = re.compile(r'\s+/\*([0-9a-f]{4,})\*/\s+(@!?U?P[0-9T]+)?\s*([A-Z0-9_]+)([^;]*);')
ENDS = {'BRA', 'CALL', 'EXIT', 'RET', 'JMP', 'BRX', 'KILL'}  # of a basic block


class Instruction:
    def __init__(self, match):
        condition, self.op, rest = match[2], match[3], match[4]
        self.at = int(match[1], 16)
        # a call comes back, but on sm_80 the way out of a loop may be a call to what follows
        jump = re.search(r'(0x[0-9a-f]+)\s*$', rest) if self.op in ('BRA', 'CALL') else None
        self.target = int(jump[1], 16) if jump else None
        always = condition in (None, '@PT', '@UPT') and not re.search(r'\bU?P[0-9]', rest)
        self.falls = self.op not in ENDS or self.op == 'CALL' or not always
        self.copies = self.op == 'LDGSTS' and '.128' in rest
        self.fences = self.op == 'MEMBAR' and '.CTA' not in rest


class Block:
    def __init__(self, code, after):
        self.at, self.size = code[0].at, len(code)
        self.copies = sum(i.copies for i in code)
        self.products = sum(i.op in ('HMMA', 'HGMMA') for i in code)
        self.fences = sum(i.fences for i in code)
        last = code[-1]
        self.next = ([last.target] if last.target is not None else []) + ([after] if after is not None and last.falls else [])


def blocks_of(code):
    heads = {code[0].at} | {i.target for i in code if i.target is not None}
    heads |= {after.at for i, after in zip(code, code[1:]) if i.op in ENDS}
    starts = [n for n, i in enumerate(code) if i.at in heads] + [len(code)]
    return {code[a].at: Block(code[a:b], code[b].at if b < len(code) else None) for a, b in zip(starts, starts[1:])}


def reach(start, following, without=None):
    seen, todo = {start}, [start]
    while todo:
        for n in following(todo.pop()):
            if n not in seen and n != without:
                seen.add(n)
                todo.append(n)
    return seen


def loops_of(blocks):
    """The natural loops, as sets of blocks: those that lead back to a block through which everything on the way in has passed."""
    entry, before = min(blocks), {at: [] for at in blocks}
    for b in blocks.values():
        for n in b.next:
            before[n].append(b.at)
    forward = lambda at: blocks[at].next
    there, loops = reach(entry, forward), {}
    for head in {n for at in there for n in blocks[at].next if n <= at}:
        around = reach(entry, forward, head) if head != entry else set()
        for at in before[head]:
            if at in there and at not in around:
                loops.setdefault(head, {head})
                if at != head:
                    loops[head] |= reach(at, lambda n: before[n], head) & there
    return list(loops.values())


def cheapest_way(blocks):
    """(instructions, copies) of the cycle with the fewest instructions a copy: as long as a cycle is cheaper than the best, it is the best."""
    best = None
    while True:
        price = Fraction(*best) if best else Fraction(sum(b.size for b in blocks.values()) + 1)
        cost, back, moved = {at: Fraction(0) for at in blocks}, {}, None
        for _ in blocks:
            moved = None
            for b in blocks.values():
                here = cost[b.at] + b.size - price * b.copies
                for n in b.next:
                    if n in blocks and here < cost[n]:
                        cost[n], back[n], moved = here, b.at, n
            if moved is None:
                return best
        for _ in blocks:
            moved = back[moved]
        way, at = [blocks[moved]], back[moved]
        while at != moved:
            way.append(blocks[at])
            at = back[at]
        best = sum(b.size for b in way), sum(b.copies for b in way)


def look_at(code):
    blocks = blocks_of(code)
    loops = loops_of(blocks)
    count = lambda loop, what: sum(getattr(blocks[at], what) for at in loop)
    fences = count(set().union(*loops), 'fences')
    copying = [loop for loop in loops if count(loop, 'copies') and count(loop, 'products')]
    if not copying:
        return fences, '-'
    main = max(copying, key=lambda loop: (count(loop, 'products'), -len(loop)))
    return fences, '%d/%d' % cheapest_way({at: blocks[at] for at in main})


def main():
    arch, name, code = None, None, []
    for line in [*sys.stdin, 'code for end']:
        title = re.match(r'\s*(code for|Function :) (\S+)', line)
        if title and code:
            print(name, arch, *look_at(code))
            code = []
        if title and title[1] == 'code for':
            arch = title[2]
        elif title:
            name = title[2]
        match = LINE.match(line)
        if match:
            code.append(Instruction(match))


main()
