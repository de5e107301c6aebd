"""Compare `tiebreak score` with the Python tools whose numbers it must give. Run through scripts/parity-metrics.

Seeded random items go as JSON lines to both sides; per item and for the corpus the numbers must agree to 1e-12 and 1e-9 (relative above 1). Every
reference is a tool from its registry: sacrebleu, rouge-score (with nltk) and lm_eval's filters and exact_match. SQuAD's two scripts are in none of them;
their rules are written down below from their definitions.
"""

import argparse
import collections
import json
import math
import os
import random
import re
import resource
import string
import subprocess
import sys
import time
import unicodedata

PER_ITEM, CORPUS = 1e-12, 1e-9

# --- random items

# Code points by script; those that the oldest supported tables do not know are left out below.
SCRIPTS = [
    (0x20, 0x7F), (0xA0, 0x100), (0x100, 0x250), (0x250, 0x300), (0x300, 0x370), (0x370, 0x400), (0x400, 0x530), (0x530, 0x590), (0x590, 0x600),
    (0x600, 0x700), (0x900, 0x980), (0xE00, 0xE80), (0x10A0, 0x1100), (0x1100, 0x1180), (0x1E00, 0x2000), (0x2000, 0x2070), (0x2070, 0x20D0),
    (0x2100, 0x2190), (0x2190, 0x2400), (0x2460, 0x2500), (0x2500, 0x27C0), (0x2C00, 0x2E00), (0x2E00, 0x2E50), (0x3000, 0x3040), (0x3040, 0x3100),
    (0x3200, 0x3400), (0x4E00, 0x4F00), (0xA640, 0xA6A0), (0xA720, 0xA800), (0xAB30, 0xABC0), (0xAC00, 0xAD00), (0xFB00, 0xFB50), (0xFE10, 0xFE70),
    (0xFF00, 0xFFF0), (0x10400, 0x10450), (0x1D400, 0x1D500), (0x1D7C0, 0x1D800), (0x1F300, 0x1F650), (0x20000, 0x20050), (0xE0020, 0xE0080),
]
BLANKS = [chr(c) for c in list(range(9, 14)) + list(range(28, 33)) + [0x85, 0xA0, 0x1680] + list(range(0x2000, 0x200B)) + [0x2028, 0x2029, 0x202F, 0x205F, 0x3000]]
WORDS = """the a an The A AN cat cats sat sitting mat hat running runs ran quickly quick flies fly dying lying skies news inning happily happiness
hopeful hopefully relational conditional rational valency hesitancy digitizer conformably radically differently analogously vietnamization predication
operator feudalism decisiveness callousness formality sensitivity sensibility triplicate formative formalize electricity electrical goodness revival
allowance inference airliner gyroscopic adjustable defensible irritant replacement adjustment dependent adoption homologous communism activate
angularity effective bowdlerize probate rate cease controlling rolling was is enjoy enjoyed agreed tied tie 1980s owed #Person1# don't it's U.S.A.
well-known 5-year state-of-the-art e.g. naïve café Straße ΟΔΟΣ ΣΑΣ Σ İstanbul DİYARBAKIR K 中文 模型 語言 русский Привет שלום مرحبا नमस्ते ไทย 日本語 テスト
한국어 ½ ² Ⅷ ١٢٣ 𝟗 ﬁn""".split()
PIECES = ["&quot;", "&amp;", "&lt;", "&gt;", "&apos;", "&amp;quot;", "&amp;amp;lt;", "<skipped>", "-\n", "\n", "\n\n", "- ", " -", "...", "..", ",,", ".,", "1,000.5",
          "3.14", "$5.00", "12%", "-7", "5-3", "2024-01-31", "a.b", "x,y", "'s", "``", "''", "“", "”", "‘", "’", "–", "—", "…", "(", ")", "[1]", "{x}", "a_b", "|", "~",
          "@", "#", "\\", "/", "e.g.,", "l’a", "a\u0301", "\u200b", "\ufeff", "\r\n", "\x1c", "€", "°", "№", "、", "。", "！", "10.", "10. ", "v.2,", ".5"]


def alphabet():
    """Characters both sides know: Python 3.11 has Unicode 14, the C side 15; from a newer Python only what is old in any case is taken."""
    old = tuple(map(int, unicodedata.unidata_version.split("."))) <= (15, 0, 0)
    known = unicodedata.category if old else unicodedata.ucd_3_2_0.category
    return [[chr(c) for c in range(a, b) if known(chr(c)) not in ("Cn", "Cs")] for a, b in SCRIPTS]


class Texts:
    def __init__(self, seed):
        self.r = random.Random(seed)
        self.scripts = [s for s in alphabet() if s]

    def word(self):
        r, x = self.r, self.r.random()
        if x < 0.62:
            return r.choice(WORDS)
        if x < 0.72:
            return r.choice(PIECES)
        if x < 0.80:
            return str(r.randint(-20, 2000)) + r.choice(["", ".", ",", "%", "th", ".0", "-", ","])
        script = r.choice(self.scripts)
        return "".join(r.choice(script) for _ in range(r.randint(1, 5)))

    def text(self):
        r, x = self.r, self.r.random()
        if x < 0.02:
            return ""
        if x < 0.04:
            return "".join(r.choice(BLANKS) for _ in range(r.randint(1, 4)))
        n = r.randint(1, 4) if x < 0.2 else r.randint(60, 150) if x > 0.99 else r.randint(3, 16)
        out = []
        for _ in range(n):
            out.append(self.word())
            out.append(" " if r.random() < 0.85 else r.choice(["", "", ".", ",", "\n", r.choice(BLANKS), " " + r.choice(string.punctuation) + " "]))
        return "".join(out[:-1] if r.random() < 0.8 else out)

    def edit(self, text):
        """A text that shares most of its parts with another one."""
        r, parts = self.r, re.split("( )", text)
        for _ in range(r.randint(0, 1 + len(parts) // 4)):
            i, x = r.randrange(len(parts)), r.random()
            if x < 0.25:
                parts[i] = ""
            elif x < 0.5:
                parts[i] = self.word()
            elif x < 0.7:
                j = r.randrange(len(parts))
                parts[i], parts[j] = parts[j], parts[i]
            elif x < 0.8:
                parts[i] = parts[i].upper() if r.random() < 0.5 else parts[i].lower()
            else:
                parts[i] += r.choice([" ", ".", ",", "\n", "s", " the"]) + self.word()
        return "".join(parts)

    def pair(self, references):
        first = self.text()
        refs = [first] + [self.edit(first) if self.r.random() < 0.7 else self.text() for _ in range(references - 1)]
        self.r.shuffle(refs)
        return (self.edit(first) if self.r.random() < 0.85 else self.text()), refs

    def texts(self, i):
        x = self.r.random()
        return self.pair(1 if x < 0.5 else self.r.randint(2, 4) if x < 0.97 else self.r.randint(5, 12))

    def answers(self, i):
        r = self.r
        if r.random() < 0.2:
            return ("" if r.random() < 0.4 else self.word()), []
        gold = " ".join(self.word() for _ in range(r.randint(1, 5)))
        if r.random() < 0.05:
            gold = r.choice(["", ".", "the", "the a", "…", " "])
        golds = [gold] + [self.edit(gold) for _ in range(r.randint(0, 4))]
        return (r.choice(["", "the", "!", " "]) if r.random() < 0.05 else self.edit(gold)), golds

    def number(self):
        r = self.r
        n = r.choice([str(r.randint(-99, 9999)), "%d,%03d" % (r.randint(1, 99), r.randint(0, 999)), "%.2f" % (r.random() * 100), "$%d" % r.randint(1, 50), "%d/%d" % (r.randint(1, 9), r.randint(0, 9)),
                      "1e3", "٣", "", "-", "..", "0%d" % r.randint(0, 9), "%d_000" % r.randint(1, 9)])
        return n + r.choice(["", "", "", ".", "..", "%", "!", ".0", " dollars", "\n", "$"])

    def solutions(self, i):
        r = self.r
        gold = r.choice([str(r.randint(-99, 9999)), "%d,%03d" % (r.randint(1, 99), r.randint(0, 999)), "%d.%d" % (r.randint(0, 99), r.randint(0, 9))])
        reference = r.choice(["", self.text() + "\n"]) + "#### " + gold + r.choice(["", "", "", ".", " ", ".\n"])
        x = r.random()
        answer = gold if x < 0.5 else self.number()
        mark = r.choice(["#### ", "#### ", "####", "The answer is ", "The answer is: ", "The final answer is: ", "**", "= ", ""])
        tail = r.choice(["", "", ".", "!", "\n", " (in %s)" % self.number(), "\n\n" + self.text(), " #### " + self.number()])
        return self.text() + r.choice([" ", "\n", ""]) + mark + answer + tail, [reference]


def write_items(path, make, count):
    items = []
    with open(path, "w", encoding="utf-8") as f:
        for i in range(count):
            prediction, references = make(i)
            items.append((prediction, references))
            f.write(json.dumps({"id": "q%d" % i, "prediction": prediction, "references": references}, ensure_ascii=i % 2 == 0) + "\n")
    return items


# --- the tools. Each case: options for tiebreak; a function of the items that gives ({metric: item scores}, {metric: corpus score}, signatures, seconds)


def timed(f):
    start = time.process_time()
    result = f()
    return result, time.process_time() - start


def streams(items):
    """sacreBLEU's references: a stream for each place, None where an item has fewer."""
    width = max(len(refs) for _, refs in items)
    return [[refs[k] if k < len(refs) else None for _, refs in items] for k in range(width)]


def sacre(name, metric, sentence):
    def score(items):
        per_item, seconds = timed(lambda: [sentence.sentence_score(p, refs).score for p, refs in items])
        corpus = metric.corpus_score([p for p, _ in items], streams(items))
        line = corpus.format(signature=metric.get_signature().format())
        return {name: per_item}, {name: corpus.score}, {name: line.split(" = ")[0]}, seconds

    return score


def bleu(**options):
    from sacrebleu.metrics import BLEU

    return sacre("bleu", BLEU(force=True, **options), BLEU(force=True, **dict(options, effective_order=True)))


def chrf(**options):
    from sacrebleu.metrics import CHRF

    return sacre("chrf++" if options.get("word_order") == 2 else "chrf", CHRF(**options), CHRF(**options))


ROUGES = ["rouge%d" % n for n in range(1, 10)] + ["rougeL", "rougeLsum"]


def rouge(stemmer, multi):
    from rouge_score import rouge_scorer

    def score(items):
        scorer = rouge_scorer.RougeScorer(ROUGES, use_stemmer=stemmer)

        def all_items():
            if multi == "max":
                return [{k: s.fmeasure for k, s in scorer.score_multi(refs, p).items()} for p, refs in items]
            out = []
            for p, refs in items:
                scores = [scorer.score(ref, p) for ref in (refs[:1] if multi == "first" else refs)]
                out.append({k: sum(s[k].fmeasure for s in scores) / len(scores) for k in ROUGES})
            return out

        rows, seconds = timed(all_items)
        per_item = {k: [row[k] for row in rows] for k in ROUGES}
        return per_item, {k: math.fsum(v) / len(v) for k, v in per_item.items()}, {}, seconds

    return score


# SQuAD, written down from the definitions of evaluate-v1.1.py and evaluate-v2.0.py.
PUNCTUATION, ARTICLES = set(string.punctuation), re.compile(r"\b(a|an|the)\b", re.UNICODE)


def squad_normal(text):
    bare = "".join(c for c in text.lower() if c not in PUNCTUATION)
    return " ".join(ARTICLES.sub(" ", bare).split())


def squad_f1(gold, answer, both_empty):
    g, a = squad_normal(gold).split(), squad_normal(answer).split()
    if both_empty and (not g or not a):
        return float(g == a)
    common = sum((collections.Counter(g) & collections.Counter(a)).values())
    if common == 0:
        return 0.0
    precision, recall = common / len(a), common / len(g)
    return 2 * precision * recall / (precision + recall)


def squad(version):
    def one(answer, golds):
        if version == 2:
            golds = [g for g in golds if squad_normal(g)] or [""]
        em = max(float(squad_normal(g) == squad_normal(answer)) for g in golds)
        return em, max(squad_f1(g, answer, version == 2) for g in golds)

    def score(items):
        rows, seconds = timed(lambda: [one(p, refs) for p, refs in items])
        per_item = {"em": [100 * r[0] for r in rows], "f1": [100 * r[1] for r in rows]}
        return per_item, {k: math.fsum(v) / len(v) for k, v in per_item.items()}, {}, seconds

    return score


def gsm8k(name):
    """lm_eval's own filters and metric, with the arguments of its task gsm8k, version 3."""
    from lm_eval.api.metrics import exact_match_hf_evaluate
    from lm_eval.filters.extraction import RegexFilter

    strict = RegexFilter(regex_pattern=r"#### (\-?[0-9\.\,]+)")
    flexible = RegexFilter(regex_pattern=r"(-?[$0-9.,]{2,})|(-?[0-9]+)", group_select=-1)
    ignore = [",", r"\$", r"(?s).*#### ", r"\.$"]

    def score(items):
        chosen = strict if name == "gsm8k-strict" else flexible

        def all_items():
            found = chosen.apply([[p] for p, _ in items], [None] * len(items))
            return [
                float(exact_match_hf_evaluate(predictions=[f[0]], references=[refs[0]], regexes_to_ignore=ignore, ignore_case=True, ignore_punctuation=False)["exact_match"])
                for f, (_, refs) in zip(found, items)
            ]

        values, seconds = timed(all_items)
        return {name: values}, {name: math.fsum(values) / len(values)}, {}, seconds

    return score


# PEFT's parser is in none of its packages: the rules of method_comparison/MetaMathQA/utils.py at 013424400c, written down.
def peft():
    from decimal import Decimal, DivisionByZero, InvalidOperation

    marks = ["The answer is: ", "The answer is ", "The final answer is: ", "The final answer is ", "#### "]

    def answer(text):
        text = text.strip().rstrip(".!?")
        mark = next((m for m in marks if m in text), None)
        return None if mark is None else text.rpartition(mark)[2].strip().split("\n", 1)[0].strip(" .!?$%")

    def value(text):
        try:
            parts = [Decimal(p.strip()) for p in text.strip().split("/")]
            if len(parts) > 2 or (len(parts) == 2 and parts[1] == 0):
                return text
            return float(parts[0] / parts[1] if len(parts) == 2 else parts[0])
        except (DivisionByZero, InvalidOperation, ValueError):
            return text

    def right(p, ref):
        got, want = answer(p), answer(ref)
        return float(got is not None and value(got) == value(want))

    def score(items):
        values, seconds = timed(lambda: [right(p, refs[0]) for p, refs in items])
        return {"gsm8k-peft": values}, {"gsm8k-peft": math.fsum(values) / len(values)}, {}, seconds

    return score


def cases():
    """(file of items, metrics, options for tiebreak, scorer)"""
    yield "texts", "bleu", "", bleu()
    for tokenizer in ("intl", "char", "none"):
        yield "texts", "bleu", "--tokenize " + tokenizer, bleu(tokenize=tokenizer)
    yield "texts", "bleu", "--smooth floor", bleu(smooth_method="floor")
    yield "texts", "bleu", "--smooth floor --smooth-value 0.5 --tokenize intl", bleu(smooth_method="floor", smooth_value=0.5, tokenize="intl")
    yield "texts", "bleu", "--smooth add-k", bleu(smooth_method="add-k")
    yield "texts", "bleu", "--smooth add-k --smooth-value 2 --lowercase", bleu(smooth_method="add-k", smooth_value=2, lowercase=True)
    yield "texts", "bleu", "--smooth none --effective-order", bleu(smooth_method="none", effective_order=True)
    yield "texts", "bleu", "--lowercase --tokenize char", bleu(lowercase=True, tokenize="char")
    yield "single", "bleu", "", bleu()
    yield "texts", "chrf", "", chrf()
    yield "texts", "chrf++", "", chrf(word_order=2)
    yield "texts", "chrf", "--lowercase --whitespace --beta 3", chrf(lowercase=True, whitespace=True, beta=3)
    yield "texts", "chrf", "--eps-smoothing --char-order 4", chrf(eps_smoothing=True, char_order=4)
    yield "texts", "chrf", "--word-order 1 --eps-smoothing", chrf(word_order=1, eps_smoothing=True)
    yield "single", "chrf++", "--lowercase", chrf(word_order=2, lowercase=True)
    for stemmer in (False, True):
        for multi in ("max", "first", "mean"):
            yield "texts", ",".join(ROUGES), ("--stemmer " if stemmer else "") + "--multi " + multi, rouge(stemmer, multi)
    yield "answers", "squad-v2.0", "", squad(2)
    yield "answered", "squad-v1.1", "", squad(1)
    for name in ("gsm8k-strict", "gsm8k-flexible"):
        yield "solutions", name, "", gsm8k(name)
    yield "solutions", "gsm8k-peft", "", peft()


# --- comparing


def run_tiebreak(program, metrics, options, path):
    command = [program, "score", "--metric", metrics, "--input", path, "--json", "--per-item", "--verbose"] + options.split()
    start = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=dict(os.environ, OMP_NUM_THREADS="1"))
    end = resource.getrusage(resource.RUSAGE_CHILDREN)
    whole = end.ru_utime - start.ru_utime + end.ru_stime - start.ru_stime
    if done.returncode:
        sys.exit("%s\nended with status %d: %s" % (" ".join(command), done.returncode, done.stderr))
    found = re.search(r"scored in ([0-9.]+) s", done.stderr)
    return json.loads(done.stdout), float(found.group(1)) if found else math.nan, whole


def off(got, want, tolerance):
    return not abs(got - want) <= tolerance * max(1.0, abs(want))


def compare(ours, theirs, items, shown):
    """Mismatches, printed up to `shown` of them, and the numbers compared."""
    per_item, corpus, signatures, _ = theirs
    bad = count = 0

    def complain(text):
        nonlocal bad
        bad += 1
        if bad <= shown:
            print("  MISMATCH " + text)

    if [item["id"] for item in ours["items"]] != ["q%d" % i for i in range(len(items))]:
        complain("the items are not those of the input, in its order")
        return bad, count
    for name, values in per_item.items():
        for item, want, (prediction, refs) in zip(ours["items"], values, items):
            count += 1
            if off(item[name], want, PER_ITEM):
                complain("%s of %s: %.17g, wanted %.17g; prediction %a, references %a" % (name, item["id"], item[name], want, prediction, refs))
        count += 1
        if off(ours["metrics"][name]["value"], corpus[name], CORPUS):
            complain("%s of the corpus: %.17g, wanted %.17g" % (name, ours["metrics"][name]["value"], corpus[name]))
        if name in signatures:
            count += 1
            if ours["metrics"][name]["signature"] != signatures[name]:
                complain("signature %s, wanted %s" % (ours["metrics"][name]["signature"], signatures[name]))
    return bad, count


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--tiebreak", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--items", type=int, default=50000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="cases whose text holds this")
    parser.add_argument("--shown", type=int, default=5)
    args = parser.parse_args()
    texts = Texts(args.seed)
    makers = {"texts": texts.texts, "single": lambda i: texts.pair(1), "answers": texts.answers, "solutions": texts.solutions}
    files = {}
    for name, make in makers.items():
        files[name] = write_items("%s/%s.jsonl" % (args.folder, name), make, args.items)
    answered = iter([x for x in files["answers"] if x[1]])
    files["answered"] = write_items("%s/answered.jsonl" % args.folder, lambda i: next(answered), sum(1 for x in files["answers"] if x[1]))
    print("%d items a file, seed %d, Unicode %s in Python" % (args.items, args.seed, unicodedata.unidata_version))
    print("Processor seconds, one thread: Python's scoring of the items alone; ours of the same; ours for the whole run (start, reading, corpus, standard")
    print("errors, printing every item)\n")
    print("%-66s %9s %9s %9s %9s %7s %10s" % ("case", "compared", "wrong", "Python s", "ours s", "ratio", "whole s"))
    wrong = 0
    for name, metrics, options, scorer in cases():
        title = "%s %s %s" % (name, metrics.replace(",".join(ROUGES), "rouge1..9,L,Lsum"), options)
        if args.only not in title:
            continue
        ours, seconds, whole = run_tiebreak(args.tiebreak, metrics, options, "%s/%s.jsonl" % (args.folder, name))
        theirs = scorer(files[name])
        bad, count = compare(ours, theirs, files[name], args.shown)
        wrong += bad
        print("%-66s %9d %9d %9.2f %9.3f %6.0fx %10.3f" % (title, count, bad, theirs[3], seconds, theirs[3] / max(seconds, 1e-4), whole), flush=True)
    print("\n%s" % ("every number agrees" if not wrong else "%d numbers differ" % wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
