"""metrics/golden: invented data files in the tasks' own formats, invented systems' answers to them, and the scores that the reference tools give
those: torchmetrics' copy of SQuAD's script, rouge_score, numpy's argmax, and GSM8K's rule for the number of a solution."""

import re

import numpy as np
from rouge_score import rouge_scorer
from torchmetrics.functional.text import squad as squad_metrics

from common import rng, write, write_json, write_lines
from texts import Village

FOLDER = "metrics/golden/"


def squad(version, articles=6, paragraphs=3, questions=4):
    """A file in SQuAD's form, and its questions as (id, golds): an unanswerable one has no gold."""
    v, data, asked = Village("squad", version), [], []
    for a in range(articles):
        entries = []
        for p in range(paragraphs):
            sentences = [v.sentence() for _ in range(questions)]
            context, qas = " ".join(sentences), []
            for q, sentence in enumerate(sentences):
                words = sentence.rstrip(".!").split()
                golds = [" ".join(words[2:5]), " ".join(words[3:5]), "%s, %s" % (words[0], " ".join(words[2:]))][: 1 + q % 3]
                golds = [g for g in golds if g in context] or [words[0]]
                none = version == "v2.0" and (a + p + q) % 3 == 0
                qid = "%s-%d-%d-%d" % (version, a, p, q)
                qas.append({"question": "What does %s %s?" % (words[0], words[1]), "id": qid,
                            "answers": [] if none else [{"text": g, "answer_start": context.index(g)} for g in golds]})
                if version == "v2.0":
                    qas[-1]["is_impossible"] = none
                asked.append((qid, [] if none else golds))
            entries.append({"context": context, "qas": qas})
        data.append({"title": "Village %d" % a, "paragraphs": entries})
    return {"version": version, "data": data}, asked


def answers(asked, system, right):
    """What a system that is right in a share of the questions says: a gold with marks and articles, a part of one, another's, or nothing."""
    r, predictions = rng("squad", system), {}
    for qid, golds in asked:
        other = asked[r.integers(len(asked))][1] or ["the café"]
        if r.random() < right:
            predictions[qid] = ("The " + golds[0].upper() + "!?") if golds and r.random() < 0.3 else (golds[-1] if golds else "")
        else:
            predictions[qid] = " ".join(golds[0].split()[1:] + ["again"]) if golds and r.random() < 0.5 else other[0]
    return predictions


def of_question(prediction, golds):
    """Exact match and F1 of one answer, the best over the golds."""
    made = squad_metrics([{"prediction_text": prediction, "id": "q"}], [{"answers": {"text": golds, "answer_start": [0] * len(golds)}, "id": "q"}])
    return [float(made["exact_match"]), float(made["f1"])]


def squad_v1(asked, predictions):
    exact, f1 = np.mean([of_question(predictions[qid], golds) for qid, golds in asked], axis=0)
    return {"exact_match": float(exact), "f1": float(f1), "total": len(asked)}


def squad_v2(asked, predictions):
    """SQuAD 2.0 counts a question without an answer as right where nothing is said, and the two kinds of questions apart."""
    has = np.array([bool(golds) for _, golds in asked])
    scores = np.array([of_question(predictions[qid], golds) if golds else [100.0 * (predictions[qid] == "")] * 2 for qid, golds in asked])
    out = {}
    for prefix, chosen in (("", has | True), ("HasAns_", has), ("NoAns_", ~has)):
        exact, f1 = scores[chosen].mean(axis=0)
        out |= {prefix + "exact": float(exact), prefix + "f1": float(f1), prefix + "total": int(chosen.sum())}
    return out


def make_squad():
    expected = {}
    for version, official in (("v1.1", squad_v1), ("v2.0", squad_v2)):
        data, asked = squad(version)
        write_json(FOLDER + "squad/dev-%s.part.json" % version, data)
        for system, right in (("often", 0.8), ("seldom", 0.3)):
            name = version.removeprefix("v" if version == "v1.1" else "") + "." + system
            predictions = answers(asked, name, right)
            write_json(FOLDER + "squad/predictions/%s.json" % name, predictions)
            expected[name] = {"this_part": official(asked, predictions)}
    write_json(FOLDER + "squad/expected_scores.json", expected)


def make_dialogsum(n=40):
    v, kinds = Village("dialogsum"), ("rouge1", "rouge2", "rougeL")
    scorer, items, outputs, scores = rouge_scorer.RougeScorer(kinds, use_stemmer=False), [], [], []
    for i in range(n):
        story = [v.sentence() for _ in range(3)]
        items.append({"fname": "village_%d" % i, "dialogue": "#Person1#: %s\n#Person2#: %s" % (story[0], story[1]), "topic": "village"}
                     | {"summary%d" % (k + 1): " ".join(story[k:] + story[:k][:k % 2]) for k in range(3)})
        outputs.append(" ".join([story[i % 3], v.sentence()][: 1 + i % 2]) if i % 7 else story[0].upper())
        scores.append([[scorer.score(items[-1]["summary%d" % k], outputs[-1])[kind].fmeasure for kind in kinds] for k in (1, 2, 3)])
    scores = np.array(scores)
    write_lines(FOLDER + "dialogsum/dialogsum.test.part.jsonl", items)
    write(FOLDER + "dialogsum/output.txt", "\n".join(outputs) + "\n")
    write_json(FOLDER + "dialogsum/expected_rouge.json", {"output": {
        name: dict(zip(kinds, map(float, over(scores, axis=1).mean(axis=0)))) for name, over in (("mean_over_refs", np.mean), ("max_over_refs", np.max))
    } | {"n": n}})


def make_hellaswag(n=120):
    v, r = Village("hellaswag"), rng("hellaswag")
    gold, lines, expected = r.integers(4, size=n), [], {}
    for g in gold:
        name = v.pick("Ada Bela Coro Dima".split())
        lines += ["Village life: %s %s" % (v.sentence(), name), str(g)] + [v.sentence().split(" ", 1)[1] for _ in range(4)]
    write(FOLDER + "hellaswag/hellaswag_val.part.txt", "\n".join(lines) + "\n")
    for system, pull in (("often", 6.0), ("seldom", 1.0)):
        ll = np.round(-40 + 4 * r.standard_normal((n, 4)) + pull * (np.arange(4) == gold[:, None]), 6)
        ll[::17] = ll[::17, :1]  # A tie: the first of the largest wins.
        write(FOLDER + "hellaswag/loglikelihood/%s.csv" % system, "a,b,c,d\n" + "".join(",".join(map(repr, map(float, row))) + "\n" for row in ll))
        right = ll.argmax(axis=1) == gold
        expected[system + ".csv"] = {"part": {"correct": int(right.sum()), "n": n, "acc": float(right.mean())}}
    write_json(FOLDER + "hellaswag/expected_accuracy.json", expected)


def number_of(solution):
    """The number after the mark, by the rule in GSM8K's own repository."""
    found = re.search(r"#### (\-?[0-9\.\,]+)", solution.replace("A: ", "#### "))
    return found.group(1).strip().replace(",", "") if found else None


def make_gsm8k(n=60):
    v, r, items, solved = Village("gsm8k"), rng("gsm8k"), [], []
    for _ in range(n):
        a, b = v.number(2, 2000), v.number(2, 900)
        question = "%s How many are %d and %d?" % (v.sentence(), a, b)
        work = "They are %d + %d = <<%d+%d=%d>>%d.\n" % (a, b, a, b, a + b, a + b)
        items.append({"question": question, "answer": "%s#### %s" % (work, r.choice([str(a + b), format(a + b, ",")]))})
        truth = items[-1]["answer"].replace("#### ", "A: ")
        line = {"question": question, "ground_truth": truth}
        for system, right in (("often", 0.8), ("seldom", 0.3)):
            said = a + b + (0 if r.random() < right else int(r.integers(1, 9)))
            solution = work.replace(str(a + b), str(said)) + "A: " + str(r.choice([str(said), format(said, ","), "-%d" % said]))
            line[system] = {"is_correct": number_of(solution) == number_of(truth), "solution": solution}
        solved.append(line)
    write_lines(FOLDER + "gsm8k/test.jsonl", items)
    write_lines(FOLDER + "gsm8k/example_model_solutions.part.jsonl", solved)


make_squad()
make_dialogsum()
make_hellaswag()
make_gsm8k()
