"""What lm-evaluation-harness 0.4.13 asks of the small model of model/golden, what comes back, and its arithmetic; all on invented items. -> eval/golden

HellaSwag and GSM8K run as the harness's own tasks with our files for data. For the other tasks its model class answers the prompts, and the scores are those of
rouge_score, sacreBLEU and torchmetrics. ll is what the harness returned in float32, ll_f64 the same in float64.
"""

import copy
import json
import math
import os
import random
import re
import shutil
import sys
import tempfile

from common import OUT, in_float64, np, path, write, write_json, write_lines
from texts import Village

os.environ.update(HF_DATASETS_CACHE=tempfile.mkdtemp(), DISABLE_MULTIPROC="1")

import lm_eval
import sacrebleu
import torch
from lm_eval import utils
from lm_eval.api import metrics as harness
from lm_eval.api.instance import Instance
from lm_eval.filters.extraction import RegexFilter
from lm_eval.loggers import EvaluationTracker
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager
from rouge_score import rouge_scorer
from torchmetrics.functional.text import squad as torchmetrics_squad
from transformers import LlamaForCausalLM

sys.path.append("scripts")
import parity_metrics  # noqa: E402

ROOT, POSITIONS = "eval/golden/", 512
torch.set_num_threads(1)
BASE = str(OUT / "model/golden/base")
if not os.path.exists(BASE):
    BASE = "model/golden/base"
lm = HFLM(pretrained=BASE, dtype="float32", device="cpu", batch_size=1)
exact = LlamaForCausalLM.from_pretrained(BASE, dtype=torch.float64, attn_implementation="eager").eval()
results = {"tasks": {}, "analytic": {}, "bootstrap": {}}


# --- invented items, in the data sets' own formats


def hellaswag_docs(purpose, n):
    v, out = Village(purpose), []
    for i in range(n):
        first, label = v.story(14 if i % 8 == 7 else 1), v.number(0, 4)
        second = v.pick(["then she", "the dog", "", "he"])
        endings = [v.sentence().split(" ", 1)[1] for _ in range(4)]
        if i % 3 == 0:
            first = "[header] How to %s [title] %s [step] %s" % (v.sentence()[:-1].split(" ", 1)[1], v.sentence(), first)
            endings = ["[step] " + e if i % 2 else e + " [substeps] " + v.sentence() for e in endings]
        out.append(dict(ind=i, activity_label="Village %d" % v.number(0, 90), ctx_a=first, ctx_b=second, ctx=(first + " " + second).strip(), split="val", label=label, endings=endings))
    return out


EDGES = [  # activity, ctx_a, ctx_b, endings, why
    ("Bells", "She rings a bell in Aum.", "the BELL of AUM", ["NEW and LOUD.", "old.", "broken In Two.", "A GIFT."], "capitalize lower-cases the rest"),
    ("Straßen", "The sign says Gasse.", "ßtraße iS", ["da.", "ﬁne.", "weg.", "auf."], "sharp s and ligature"),
    ("Towns", "It lies by the sea.", "İZMİR ΟΔΟΣ", ["is far.", "is near.", "is wet.", "is old."], "dotted I, final sigma"),
    ("Drums", "It begins.", "ǆungla is", ["loud.", "low.", "slow.", "odd."], "title digraph"),
    ("Mills", "[a] The mill  turns. [b]", "it  [c] stops", ["[step] now.", "[x] [y] soon.", "a [ b ] c.", "  late."], "brackets and double blanks"),
    ("Maps", "See [one [two] three] here.", "x", ["[a]b]c.", "[]d.", "e[f.", "g]h."], "shortest bracket span, nested"),
    ("Boats", "A boat[title] lands. [title] Go", "[title]", ["on.", "off[title]x.", "in [title] out.", "up."], "title without a blank before it"),
    ("Stones", "Lift [the\nstone] now", "", ["a.", "b[c\nd]e.", "f.", "g."], "newline stops the bracket"),
    ("Kettles", "It boils.", "then", ["[gone]", "over.", "dry.", "up."], "ending that becomes empty"),
    ("Apples", "It falls.", "then it", ["rolls.", "rolls.", "rolls.", "rolls."], "equal endings: first maximum wins"),
    ("Cafés", "He waits.", "the café", ["ist geöffnet.", "日本 🙂.", "closes.", "é."], "characters against bytes"),
    ("Ladders", "It stands. [end]", "[up]", ["high.", "low.", "here.", "there."], "context ends in blanks after clean-up"),
]


def gsm8k_docs(purpose, n):
    v = Village(purpose)
    return [dict(zip(("question", "answer"), v.sum()[:2])) for _ in range(n)]


def squad_docs(n):
    """One question an article, as v1.1 has it; several right answers."""
    v, out = Village("squad"), []
    for i in range(n):
        sentence = v.sentence()
        context = " ".join([v.story(2), sentence, v.story(1)])
        thing = sentence.split(" the ")[1].split(" ")[1]
        golds = [thing, "the " + thing] + ([sentence.split(" ", 2)[2]] if i % 2 else [])
        out.append(dict(id="q%03d" % i, title="Village_%d" % i, context=context, question="What does %s %s?" % tuple(sentence.split(" ")[:2]), answers=golds))
    return out


def stories():
    v = Village("rolling")
    texts = [v.story(n) for n in (1, 3, 12, 40, 75)] + [" " + v.sentence() + " \n", "日本 🙂 Zwölf", v.story(30)[:1500]]
    return [dict(name="story %d" % i, text=t) for i, t in enumerate(texts)]


# --- asking


def ll_f64(context, continuation, positions=POSITIONS):
    """The log-likelihood of the continuation's ids after the context's, in float64; whether each is the most likely, and the smallest gap of the two best logits."""
    whole = (context + continuation)[-(positions + 1):]
    with torch.no_grad():
        logits = exact(torch.tensor([whole[:-1]])).logits[0, -len(continuation):]
    p = torch.log_softmax(logits, -1)[torch.arange(len(continuation)), torch.tensor(continuation)]
    two = torch.topk(logits, 2).values
    return p.sum().item(), bool((logits.argmax(-1) == torch.tensor(continuation)).all()), (two[:, 0] - two[:, 1]).min().item()


def pair_ids(context, continuation):
    return lm._encode_pair(context, continuation) if context else ([1], lm.tok_encode(continuation, add_special_tokens=False))


def scored(context, continuation, ll, greedy, positions=POSITIONS):
    first, ids = pair_ids(context, continuation)
    truth, best, _ = ll_f64(first, ids, positions)
    assert abs(truth - ll) < 2e-4 + 1e-6 * abs(truth) and best == greedy, (context, continuation, truth, ll)
    return dict(continuation=continuation, ids=ids, ll=ll, ll_f64=truth, is_greedy=greedy, truncated=max(0, len(first) + len(ids) - positions - 1))


def generated(prompt, until, max_new):
    """A text of the harness's model class, with the ids behind it."""
    request = Instance("generate_until", {}, (prompt, dict(until=list(until), max_gen_toks=max_new, do_sample=False, temperature=0.0)), 0)
    text = lm.generate_until([request], disable_tqdm=True)[0]
    whole = lm.tok_encode(prompt)
    kept = whole[-(POSITIONS - max_new):]
    ids = lm._model_generate(torch.tensor([kept]), attention_mask=torch.ones(1, len(kept), dtype=torch.long), max_length=len(kept) + max_new, stop=list(until) + ["</s>"],
                             do_sample=False)[0, len(kept):].tolist()
    _, same, margin = ll_f64(kept, ids)
    return dict(prompt=prompt, prompt_ids=kept, truncated=len(whole) - len(kept), generated_ids=ids, decoded=lm.tokenizer.decode(ids, skip_special_tokens=True), text=text,
                min_margin_f64=margin, f64_agrees=same)


def harness_task(folder, name, data, pool):
    """A copy of one of the harness's tasks, under that name, which reads our files."""
    source = os.path.dirname(lm_eval.__file__) + "/tasks/" + folder
    place = tempfile.mkdtemp()
    shutil.copytree(source, place, dirs_exist_ok=True)
    for f in os.listdir(place):
        if f.endswith(".yaml") and f != folder + ".yaml":
            os.remove(place + "/" + f)
    text = open(place + "/" + folder + ".yaml").read()
    split = "validation" if folder == "hellaswag" else "test"
    text = re.sub(r"dataset_path: .*", "dataset_path: json\ndataset_kwargs:\n  data_files:\n    %s: %s\n    train: %s" % (split, os.path.abspath(OUT / data), os.path.abspath(OUT / pool)), text)
    text = re.sub(r"dataset_name: .*\n", "", text)
    text = re.sub(r"\ntask: .*", "\ntask: " + name, text) if "\ntask: " in text else re.sub(r"task: .*", "task: " + name, text, count=1)
    open(place + "/" + folder + ".yaml", "w").write(text)
    return place


def run(folder, name, data, pool, shots, model=None, log=None, **more):
    tracker = EvaluationTracker(output_path=tempfile.mkdtemp()) if log else None
    if tracker:
        tracker.general_config_tracker.model_name = "base"
    manager = TaskManager(include_path=harness_task(folder, name, ROOT + data, ROOT + pool), include_defaults=False)
    model = model or lm
    made = lm_eval.simple_evaluate(model=model, tasks=[name], num_fewshot=shots, task_manager=manager, log_samples=True, bootstrap_iters=100, evaluation_tracker=tracker,
                                   random_seed=0, numpy_random_seed=1234, torch_random_seed=1234, fewshot_random_seed=1234, **more)
    samples = copy.deepcopy(made["samples"][name])  # writing the log changes them
    if log:
        tracker.save_results_aggregated(results=made, samples=made["samples"])
        tracker.save_results_samples(task_name=name, samples=made["samples"][name])
        files = {f.split("_")[0]: os.path.join(p, f) for p, _, inside in os.walk(tracker.output_path) for f in inside}
        shutil.copyfile(files["samples"], path(ROOT + "logs/samples_%s.jsonl" % log))
        # What describes the machine and the hour is left out.
        keep = ("results", "group_subtasks", "n-shot", "n-samples", "higher_is_better", "task_hashes", "tokenizer_pad_token", "tokenizer_eos_token", "tokenizer_bos_token",
                "eot_token_id", "max_length", "chat_template")
        write_json(ROOT + "logs/results_%s.json" % log, {k: v for k, v in json.load(open(files["results"])).items() if k in keep})
    return samples, made["results"][name]


def numbers(result):
    return {k: v for k, v in result.items() if k not in ("alias", "name")}


def shots_in(prompt, pool):
    """The places in the pool of the examples that the prompt begins with."""
    out = []
    while True:
        hit = [i for i, text in enumerate(pool) if prompt.startswith(text + "\n\n")]
        if not hit:
            return out
        out.append(hit[0])
        prompt = prompt[len(pool[hit[0]]) + 2:]


def hellaswag(name, data, pool, shots, positions=POSITIONS, log=None, why=None, limit=None):
    model = lm if positions == POSITIONS else HFLM(pretrained=BASE, dtype="float32", device="cpu", batch_size=1, max_length=positions)
    samples, said = run("hellaswag", name, data, pool, shots, model=model, log=log, limit=limit)
    from lm_eval.tasks.hellaswag.utils import preprocess
    examples = []
    for d in map(json.loads, open(OUT / (ROOT + pool))):
        examples.append(preprocess(d["activity_label"] + ": " + d["ctx_a"] + " " + d["ctx_b"].capitalize()) + " " + preprocess(d["endings"][d["label"]]))
    assert len(set(examples)) == len(examples)
    lines = []
    for s in sorted(samples, key=lambda s: s["doc_id"]):
        asked, told = zip(*s["arguments"])
        answers = [r[0] for r in s["resps"]]
        choices = [scored(c, t, a[0], a[1], positions) for c, t, a in zip(asked, told, answers)]
        ll = np.array([c["ll"] for c in choices])
        chars, bytes_ = [len(t) - 1 for t in told], [len(t[1:].encode()) for t in told]
        with np.errstate(divide="ignore"):
            order = dict(pred=int(ll.argmax()), pred_norm=int((ll / np.array(chars, float)).argmax()), pred_bytes=int((ll / np.array(bytes_, float)).argmax()))
        line = dict(doc_id=s["doc_id"], gold=s["doc"]["gold"], shots=shots_in(asked[0], examples), context=asked[0], context_ids=pair_ids(asked[0], told[0])[0], choices=choices,
                    chars=chars, bytes=bytes_, **order, acc=float(s["acc"]), acc_norm=float(s["acc_norm"]))
        assert line["acc"] == float(line["pred"] == line["gold"])
        if why:
            line["why"] = why[s["doc_id"]]
        lines.append(line)
    write_lines(ROOT + name + ".jsonl", lines)
    results["tasks"][name] = numbers(said)
    return lines


def gsm8k(name, shots, log=None):
    samples, said = run("gsm8k", "gsm8k", "data/gsm8k.docs.jsonl", "data/gsm8k.pool.jsonl", shots, log=log, gen_kwargs=dict(max_gen_toks=64))
    pool = ["Question: %(question)s\nAnswer: %(answer)s" % json.loads(x) for x in open(OUT / (ROOT + "data/gsm8k.pool.jsonl"))]
    assert len(set(pool)) == len(pool)
    lines = {}
    for s in samples:
        first = s["arguments"][0]
        prompt, until = first[0], first[1]["until"]
        if s["doc_id"] not in lines:
            lines[s["doc_id"]] = dict(doc_id=s["doc_id"], shots=shots_in(prompt, pool), **generated(prompt, until, 64), target=s["target"], filtered={}, exact_match={})
            assert lines[s["doc_id"]]["text"] == s["resps"][0][0]
        lines[s["doc_id"]]["filtered"][s["filter"]] = s["filtered_resps"][0]
        lines[s["doc_id"]]["exact_match"][s["filter"]] = float(s["exact_match"])
    write_lines(ROOT + name + ".jsonl", [lines[k] for k in sorted(lines)])
    results["tasks"][name] = numbers(said)


def mean(values):
    return dict(mean=harness.mean(values), stderr=harness.mean_stderr(values), n=len(values))


def squad(docs):
    lines = []
    for i, d in enumerate(docs):
        prompt = "Title: %s\n\nBackground: %s\n\nQuestion: %s\n\nAnswer:" % (d["title"], d["context"], d["question"])
        line = dict(doc_id=i, **generated(prompt, ["\n"], 32), id=d["id"], golds=d["answers"], target=" " + d["answers"][0])
        one = torchmetrics_squad([dict(prediction_text=line["text"], id=d["id"])], [dict(answers=dict(answer_start=[0] * len(d["answers"]), text=d["answers"]), id=d["id"])])
        em, f1 = max(float(parity_metrics.squad_normal(g) == parity_metrics.squad_normal(line["text"])) for g in d["answers"]), max(
            parity_metrics.squad_f1(g, line["text"], True) for g in d["answers"])
        # torchmetrics sums in float32; the same value in Python's floats is the nearest one that the rules give.
        v1 = max(parity_metrics.squad_f1(g, line["text"], False) for g in d["answers"])
        assert abs(100 * v1 - one["f1"].item()) < 1e-4 and 100 * em == one["exact_match"].item()
        line["scores"] = {"v2.0": dict(exact=em, f1=f1), "v1.1": dict(exact_match=em, f1=v1)}
        ll, greedy = lm.loglikelihood([Instance("loglikelihood", {}, (prompt, " unanswerable"), 0)], disable_tqdm=True)[0]
        line["unanswerable"] = scored(prompt, " unanswerable", ll, greedy)
        lines.append(line)
    write_lines(ROOT + "squad.jsonl", lines)
    f1 = [x["scores"]["v1.1"]["f1"] for x in lines]
    results["tasks"]["squad"] = {"official_v1.1": dict(f1=100 * harness.mean(f1))}
    results["analytic"]["squad v1.1 f1"] = mean(f1)
    results["analytic"]["squad v1.1 exact_match"] = mean([x["scores"]["v1.1"]["exact_match"] for x in lines])
    return f1


def dialogsum(docs):
    kinds, lines = ["rouge1", "rouge2", "rougeL", "rougeLsum"], []
    scorers = {"nostem": rouge_scorer.RougeScorer(kinds), "stem": rouge_scorer.RougeScorer(kinds, use_stemmer=True)}
    for i, d in enumerate(docs):
        line = dict(doc_id=i, **generated("Dialogue:\n%s\nSummary:" % d["dialogue"], ["\n"], 48), fname=d["fname"], references=[d["summary%d" % k] for k in (1, 2, 3)])
        line["rouge"] = {name: {k: [list(s.score(ref, line["text"])[k]) for ref in line["references"]] for k in kinds} for name, s in scorers.items()}
        lines.append(line)
    write_lines(ROOT + "dialogsum.jsonl", lines)
    said = results["tasks"]["dialogsum"] = {}
    for k in kinds[:3]:
        best = [max(f for _, _, f in x["rouge"]["stem"][k]) for x in lines]
        said[k + ",none"], said[k + "_stderr,none"] = harness.mean(best), harness.mean_stderr(best)
        if k == "rouge1":
            results["analytic"]["dialogsum rouge1 max stem"] = mean(best)
    return best, [x["rouge"]["nostem"]["rouge1"][0][2] for x in lines]


def chrfpp(items):
    references, predictions = zip(*items)
    return sacrebleu.corpus_chrf(predictions, [references], word_order=2).score


def iwslt(pairs):
    chrf, chrf2, lines = sacrebleu.CHRF(), sacrebleu.CHRF(word_order=2), []
    for i, (en, de) in enumerate(pairs):
        line = dict(doc_id=i, **generated("German phrase: %s\nEnglish phrase:" % de, ["\n"], 48), source=de, reference=en)
        text = line["text"]
        line["sentence"] = {"bleu": sacrebleu.sentence_bleu(text, [en]).score, "chrf": chrf.sentence_score(text, [en]).score, "chrf++": chrf2.sentence_score(text, [en]).score}
        lines.append(line)
    write_lines(ROOT + "iwslt_de_en.jsonl", lines)
    items = [(x["reference"], x["text"]) for x in lines]
    for name, f in (("bleu", harness.bleu), ("chrf", harness.chrf), ("chrf++", chrfpp), ("ter", harness.ter)):
        results["bootstrap"][name] = dict(iterations=100, n=len(items), value=f(items), stderr=harness.bootstrap_stderr(f, items, 100))
    references, predictions = [[x[0] for x in items]], [x[1] for x in items]
    official = {}
    for name, metric in (("bleu", sacrebleu.BLEU()), ("chrf", chrf), ("chrf++", chrf2)):
        score = metric.corpus_score(predictions, references)
        official[name] = dict(score=score.score, line=score.format(signature=metric.get_signature().format()))
    b = results["bootstrap"]["bleu"]
    results["tasks"]["iwslt_de_en"] = {"bleu,none": b["value"], "bleu_stderr,none": b["stderr"], "official": official}


def rolling(docs):
    lines, sums = [], np.zeros(3)
    for i, d in enumerate(docs):
        ids = lm.tok_encode(d["text"])
        windows = []
        for context, predicted in map(utils.make_disjoint_window, utils.get_rolling_token_windows(token_list=ids, prefix_token=lm.prefix_token_id, max_seq_len=POSITIONS, context_len=1)):
            windows.append(dict(context_tokens=len(context), predicted_tokens=len(predicted), ll_f64=ll_f64(context, predicted)[0]))
        ll = float(lm.loglikelihood_rolling([Instance("loglikelihood_rolling", {}, (d["text"],), 0)], disable_tqdm=True)[0])
        truth, words, size = sum(w["ll_f64"] for w in windows), len(re.split(r"\s+", d["text"])), len(d["text"].encode())
        assert abs(truth - ll) < (2e-4 + 1e-6 * abs(truth)) * len(windows)
        sums += (ll, words, size)
        lines.append(dict(doc_id=i, name=d["name"], ids=ids, windows=windows, ll=ll, ll_f64=truth, words=words, bytes=size, characters=len(d["text"]),
                          word_perplexity=math.exp(-ll / words), byte_perplexity=math.exp(-ll / size), bits_per_byte=-ll / size / math.log(2)))
    write_lines(ROOT + "rolling.jsonl", lines)
    results["tasks"]["rolling"] = {"word_perplexity,none": math.exp(-sums[0] / sums[1]), "byte_perplexity,none": math.exp(-sums[0] / sums[2]),
                                   "bits_per_byte,none": -sums[0] / sums[2] / math.log(2)}


def edges():
    """Single requests, each a rule of its own."""
    v = Village("edges")
    contexts, asked = [v.sentence() for _ in range(4)], []
    for c in contexts:
        ids = lm.tok_encode(c)
        text = lm.tokenizer.decode(lm._model_generate(torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), max_length=len(ids) + 12, stop=["</s>"],
                                                      do_sample=False)[0, len(ids):])
        parts = text.split(" ")
        for n in (1, 2, 3, 5):
            asked.append(("the model's own first %d words" % n, c, " " + " ".join(parts[:n])))
        asked.append(("greedy but for the last word", c, " " + " ".join(parts[:2] + ["zebra"])))
    one, n = contexts[0], POSITIONS
    asked += [("empty context", "", one), ("empty context, BOS string", "", "<s>Ada"), ("trailing blank of the context moves over", one + " ", "Ada"),
              ("trailing newline moves over", one + "\n", "Ada"), ("several trailing blanks move over", one + " \n \t ", " Ada"), ("continuation without a blank", one, "Ada likes"),
              ("the border falls inside a word", "The lan", "tern is"), ("continuation is one letter", one, "s"), ("punctuation", one, "."), ("newline", one, "\n"),
              ("unicode by bytes", one, " é 日本 🙂"), ("context begins with the BOS string", "<s>" + one, " Ada"), ("context begins with a blank", " " + one, " Ada"),
              ("special-token string inside", one + "</s>", " Ada"), ("context is blanks only: it all moves", "   ", "Ada"), ("same but for one token", one, " Ada mends"),
              ("same but for one token", one, " Ada sells"), ("long continuation", one, " " + v.story(6)), ("blank continuation", one, " "), ("empty continuation", one, ""),
              ("the border falls inside a merge", "th", "e"), ("context longer than the model", v.story(60), " Ada"), ("continuation longer than the model", one, " " + v.story(60)),
              ("numbers", "Question: 3+4?\nAnswer:", " 7"), ("numbers", "Question: 3+4?\nAnswer:", " 1,007"), ("quotes", one, " \"Yes\""), ("capitals", one, " ADA"),
              ("a hundred blanks", one, " " * 100), ("tab", one, "\t"), ("carriage return", one, "\r\n"), ("a word", one, " the")]
    lines = []
    for why, context, continuation in asked:
        line = dict(why=why, context=context, continuation=continuation)
        try:
            ll, greedy = lm.loglikelihood([Instance("loglikelihood", {}, (context, continuation), 0)], disable_tqdm=True)[0]
            line["context_ids"] = pair_ids(context, continuation)[0]
            line.update(scored(context, continuation, ll, greedy), ids_differ_from_tokenizer_json=False)
        except (AssertionError, IndexError) as e:
            line = dict(why=why, context=context, continuation=continuation, error=type(e).__name__)
        lines.append(line)
    write_lines(ROOT + "loglikelihood_edge.jsonl", lines)
    texts = []
    for c in contexts:
        texts += [("no stop string", c, [], 40), ("stop at a full stop", c, ["."], 40), ("stop at a string of several tokens", c, [" the"], 40)]
    texts += [("one new token", one, [], 1), ("empty prompt", "", [], 20), ("prompt is a blank", " ", [], 20), ("prompt ends in a blank", one + " ", [], 20),
              ("prompt ends in a newline", one + "\n", ["\n"], 40), ("two stop strings, the later in the list comes first in the text", one, ["zzz", ".", " "], 40),
              ("stop string that spans tokens", one, ["e t"], 40), ("stop string with a leading blank", one, [" A"], 40), ("prompt begins with the BOS string", "<s>" + one, ["."], 40),
              ("prompt begins with a blank", " " + one, ["."], 40), ("EOS string in the prompt", one + "</s>", [], 30), ("prompt fills the window: cut from the left", v.story(60), ["."], 40),
              ("runs on", one, [], 200), ("unicode prompt", "Zwölf Boxkämpfer 日本 🙂", [], 30)]
    write_lines(ROOT + "generate_edge.jsonl", [dict(why=why, until=until, max_gen_toks=n, **generated(p, until, n), prompt_ids_differ_from_tokenizer_json=False)
                                               for why, p, until, n in texts])


def filters():
    """The harness's two filters of GSM8K and its exact_match, on solutions that are hard to read."""
    strict, flexible = RegexFilter(regex_pattern=r"#### (\-?[0-9\.\,]+)"), RegexFilter(regex_pattern=r"(-?[$0-9.,]{2,})|(-?[0-9]+)", group_select=-1)
    ignore = [",", r"\$", r"(?s).*#### ", r"\.$"]
    made, lines = parity_metrics.Texts(3), []
    for i in range(150):
        response, (target, *_) = made.solutions(i)
        line = dict(response=response, target=target, filtered={}, exact_match={})
        for name, f in (("strict-match", strict), ("flexible-extract", flexible)):
            got = f.apply([[response]], [None])[0][0]
            line["filtered"][name] = got
            line["exact_match"][name] = float(harness.exact_match_hf_evaluate(predictions=[got], references=[target], regexes_to_ignore=ignore, ignore_case=True,
                                                                             ignore_punctuation=False)["exact_match"])
        if "\0" not in response + target:
            lines.append(line)
    write_lines(ROOT + "gsm8k_filters.jsonl", lines)
    results["tasks"]["gsm8k_filters"] = {name: {"exact_match": harness.mean([x["exact_match"][name] for x in lines]),
                                               "[invalid]": sum(x["filtered"][name] == "[invalid]" for x in lines)} for name in ("strict-match", "flexible-extract")}


def draws():
    out = []
    for seed in (0, 1, 7, 1234, 2**40 + 3):
        for n, k in ((5, 5), (21, 1), (21, 5), (24, 3), (80, 4), (85, 5), (86, 6), (160, 8), (7473, 5), (39905, 10)):
            r = random.Random(seed)
            out.append(dict(seed=seed, pool=n, k=k, draws=[r.sample(range(n), k) for _ in range(24)]))
    write_lines(ROOT + "fewshot_draws.jsonl", out)


def bootstraps(zero, three, f1, rouge_l, rouge_1):
    acc = [x["acc"] for x in zero]
    gold_ll = [x["choices"][x["gold"]]["ll"] / len(x["choices"][x["gold"]]["ids"]) for x in zero]
    both = [("squad f1", f1, harness.mean), ("dialogsum rougeL max stem", rouge_l, harness.mean), ("hellaswag acc", acc, harness.mean),
            ("hellaswag gold perplexity", gold_ll, harness.perplexity)]
    once = [("rouge1 median", rouge_1, harness.median), ("hellaswag f1 of (gold == 0, pred == 0)", [(x["gold"] == 0, x["pred"] == 0) for x in zero], harness.f1_score),
            ("hellaswag mcc of (gold, pred)", [(x["gold"], x["pred"]) for x in zero], harness.matthews_corrcoef)]
    for cases, counts in ((both, (1000, 100000)), (once, (1000,))):
        for name, items, f in cases:
            for k in counts:
                results["bootstrap"]["%s, %d" % (name, k)] = dict(iterations=k, n=len(items), stderr=harness.bootstrap_stderr(f, items, k))
    for name, key in (("hellaswag_0shot acc", "acc"), ("hellaswag_0shot acc_norm", "acc_norm")):
        results["analytic"][name] = mean([x[key] for x in zero])
    errors, sizes = [harness.mean_stderr([x["acc"] for x in lines]) for lines in (zero, three)], [len(zero), len(three)]
    results["analytic"]["pooled_sample_stderr of hellaswag_0shot and hellaswag_3shot acc"] = dict(stderr=harness.pooled_sample_stderr(errors, sizes))


def main():
    pool = hellaswag_docs("hellaswag pool", 24)
    later = hellaswag_docs("hellaswag three", 16)
    # A third of the items that are asked lie in the pool too.
    three = [d for i, d in enumerate(later) for d in ([d, pool[i]] if i % 2 else [d])]
    write_lines(ROOT + "data/hellaswag.docs.jsonl", hellaswag_docs("hellaswag", 48))
    write_lines(ROOT + "data/hellaswag_3shot.pool.jsonl", pool)
    write_lines(ROOT + "data/hellaswag_3shot.docs.jsonl", three)
    write_lines(ROOT + "data/hellaswag_edge.docs.jsonl", [dict(ind=i, activity_label=a, ctx_a=x, ctx_b=y, ctx=x + " " + y, split="val", label=i % 4, endings=e)
                                                          for i, (a, x, y, e, _) in enumerate(EDGES)])
    write_lines(ROOT + "data/gsm8k.docs.jsonl", gsm8k_docs("gsm8k", 20))
    write_lines(ROOT + "data/gsm8k.pool.jsonl", gsm8k_docs("gsm8k pool", 24))
    questions = squad_docs(16)
    write_json(ROOT + "data/squad.docs.json", dict(version="1.1", data=[dict(title=d["title"], paragraphs=[dict(context=d["context"], qas=[dict(
        id=d["id"], question=d["question"], answers=[dict(text=a, answer_start=max(0, d["context"].find(a))) for a in d["answers"]])])]) for d in questions]))
    write_lines(ROOT + "data/squad.flat.jsonl", [dict(id=d["id"], title=d["title"], context=d["context"], question=d["question"], answers=dict(
        text=d["answers"], answer_start=[max(0, d["context"].find(a)) for a in d["answers"]])) for d in questions])
    v = Village("dialogsum")
    talks = [v.dialogue() for _ in range(12)]
    talks = [dict(fname="talk_%d" % i, dialogue=t, **{"summary%d" % (k + 1): s for k, s in enumerate(three_of)}, **{"topic%d" % k: "things" for k in (1, 2, 3)})
             for i, (t, three_of) in enumerate(talks)]
    write_lines(ROOT + "data/dialogsum.docs.jsonl", talks)
    v = Village("iwslt")
    pairs = [v.pair() for _ in range(20)]
    write(ROOT + "data/iwslt.docs.en", "".join(en + "\n" for en, _ in pairs))
    write(ROOT + "data/iwslt.docs.de", "".join(de + "\n" for _, de in pairs))
    write_lines(ROOT + "data/iwslt.docs.jsonl", [dict(translation=dict(de=de, en=en)) for en, de in pairs])
    write_lines(ROOT + "data/rolling.docs.jsonl", stories())

    draws()
    filters()
    zero = hellaswag("hellaswag_0shot", "data/hellaswag.docs.jsonl", "data/hellaswag_3shot.pool.jsonl", 0)
    after = hellaswag("hellaswag_3shot", "data/hellaswag_3shot.docs.jsonl", "data/hellaswag_3shot.pool.jsonl", 3, log="hellaswag_3shot")
    hellaswag("hellaswag_edge", "data/hellaswag_edge.docs.jsonl", "data/hellaswag_3shot.pool.jsonl", 0, why=[e[-1] for e in EDGES])
    gsm8k("gsm8k_0shot", 0)
    gsm8k("gsm8k_1shot", 1, log="gsm8k")
    f1 = squad(questions)
    rouge_l, rouge_1 = dialogsum(talks)
    iwslt(pairs)
    rolling(stories())
    edges()
    hellaswag("hellaswag_maxlen192", "data/hellaswag.docs.jsonl", "data/hellaswag_3shot.pool.jsonl", 0, positions=192)
    bootstraps(zero, after, f1, rouge_l, rouge_1)
    write_json(ROOT + "results.json", results)


in_float64()
main()
