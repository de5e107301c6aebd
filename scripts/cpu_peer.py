#!/usr/bin/env python3
"""PyTorch with PEFT and transformers beside ours on the same CPU: fine-tuning, scoring and generation of whole models, in turn, in one run.

    scripts/peer-cpu --out DIR [--model DIR]... [--rounds N] [--quick]

Without --model: two Llamas with random weights, of 15 and of 110 million parameters (vocabulary 32,000, tied embeddings), whose speed does not depend on what
the weights are. Both sides use the same weights, texts and threads. Each measurement is a process of its own; a round takes ours, PyTorch in f32 and PyTorch
in bf16 once each, and the rounds follow each other, so that a drift of the machine falls on all. One JSON record a comparison; those that are there are not
measured again. A ratio is of the best of all rounds on both sides, its range that of the rounds; the peer is the faster of f32 and bf16. Memory is the
process's peak less what it had once its imports were done (ours has none). --quick is one round of a tiny model: it tries this script, and measures nothing.

Exit 0: measured; 1: something failed; 2: wrong usage. It is Python because the peer is.
"""
import argparse, hashlib, json, os, pathlib, resource, shutil, subprocess, sys, tempfile, time

LLAMA = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 32000, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
         "hidden_act": "silu", "tie_word_embeddings": True, "attention_bias": False, "mlp_bias": False, "bos_token_id": 0, "eos_token_id": 1, "torch_dtype": "float32"}
SHAPES = {"15m": (6, 288, 768, 6), "110m": (12, 768, 2048, 12), "tiny": (2, 64, 128, 2)}  # layers, hidden, MLP, heads
FULL = {"batch": 8, "words": 60, "steps": (2, 8), "items": 120, "new": 64, "copies": (1, 8)}
TINY = {"batch": 2, "words": 6, "steps": (1, 2), "items": 8, "new": 4, "copies": (1, 2)}
PROMPT = "The miller takes the loom and some wax to the bridge. The smith takes the pot and some grass to the lake. "
RANK = 8


def fail(text):
    print(f"peer-cpu: {text}", file=sys.stderr)
    sys.exit(1)


def run(command, **more):
    """What it prints, and its peak memory in bytes."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        program = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=out, stderr=err, **more)
        _, status, used = os.wait4(program.pid, 0)
        program.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0), err.seek(0)
        if program.returncode:
            fail(f"{' '.join(map(str, command))}: status {program.returncode}: {err.read().strip()[-800:]}")
        return out.read(), used.ru_maxrss * 1024


# --- what both do

def training_data(path, words):
    """Items of one length whose answers, all of which is trained on, are nearly all of it."""
    with path.open("w") as f:
        for i in range(64):
            f.write(json.dumps({"question": "Count.", "answer": " ".join(f"the number is {(i * 7 + w * 13) % 10} and" for w in range(words)) + "\n#### 7"}) + "\n")


# --- ours

def our_training(a, model, work, steps):
    out = work / f"train-{steps}"
    shutil.rmtree(out, ignore_errors=True)
    _, peak = run([a.tiebreak, "train", "--model", model, "--task", "gsm8k", "--data", work / "train.jsonl", "--method", "lora", "--rank", RANK, "--sites", "q,k,v", "--steps", steps,
         "--batch", a.plan["batch"], "--lr", 1e-4, "--no-shuffle", "--threads", a.threads, "--out", out])
    return json.loads((out / "record.json").read_text())["result"] | {"peak": peak}


def ours(a, what, model, work):
    """{"per_s", "bytes"}: of training the rate between a short and a long run, so that what is done once does not count."""
    if what == "train":
        short, long_ = (our_training(a, model, work, s) for s in a.plan["steps"])
        tokens = long_["tokens"] - short["tokens"]
        return {"per_s": tokens / (long_["tokens"] / long_["tokens_per_s"] - short["tokens"] / short["tokens_per_s"]), "bytes": long_["peak"],
                "length": round(long_["tokens"] / (a.plan["steps"][1] * a.plan["batch"]))}
    if what == "score":
        out = work / "score"
        shutil.rmtree(out, ignore_errors=True)
        _, peak = run([a.tiebreak, "eval", "--model", model, "--task", "hellaswag", "--data", "datasets/mini/hellaswag/test.jsonl", "--limit", a.plan["items"], "--threads", a.threads,
             "--out", out])
        r = json.loads((out / "record.json").read_text())["result"]
        return {"per_s": a.plan["items"] / (r["tokens"] / r["tokens_per_s"]), "bytes": peak}
    copies = int(what.split("-")[1])
    text, peak = run([a.tiebreak, "generate", "--model", model, "--prompt", PROMPT, "--max-new-tokens", a.plan["new"], "--copies", copies, "--time", "--threads", a.threads,
                      "--json"])
    return {"per_s": json.loads(text)["tokens_per_s"], "bytes": peak}


# --- the peer, in a process of its own

def child(spec):
    import torch, transformers, peft
    torch.set_num_threads(spec["threads"])
    base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    dtype, plan = getattr(torch, spec["dtype"]), spec["plan"]
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=spec["model"] + "/tokenizer.json")
    net = transformers.AutoModelForCausalLM.from_pretrained(spec["model"], dtype=dtype)
    done = lambda per_s: print(json.dumps({"per_s": per_s, "bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - base, "torch": torch.__version__,
                                           "transformers": transformers.__version__, "peft": peft.__version__}))
    if spec["what"] == "train":
        net = peft.get_peft_model(net, peft.LoraConfig(r=RANK, lora_alpha=RANK, target_modules=["q_proj", "k_proj", "v_proj"], task_type="CAUSAL_LM"))
        optimizer = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], lr=1e-4)
        ids = torch.randint(3, net.config.vocab_size, (plan["batch"], spec["length"]))
        net.train()
        rates = []
        for step in range(plan["steps"][1]):
            start = time.perf_counter()
            net(input_ids=ids, labels=ids).loss.backward()
            torch.nn.utils.clip_grad_norm_((p for p in net.parameters() if p.requires_grad), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            rates.append(ids.numel() / (time.perf_counter() - start))
        return done(max(rates[1:]))
    net.eval()
    with torch.no_grad():
        if spec["what"] == "score":
            requests = []
            for line in open("datasets/mini/hellaswag/test.jsonl", encoding="utf-8").read().splitlines()[: plan["items"]]:
                item = json.loads(line)
                context = tokenizer(item["activity_label"] + ": " + item["ctx_a"] + " " + item["ctx_b"].capitalize())["input_ids"]
                requests += [(context, tokenizer(" " + e)["input_ids"]) for e in item["endings"]]
            requests.sort(key=lambda r: -len(r[0]) - len(r[1]))
            start = time.perf_counter()
            for at in range(0, len(requests), plan["batch"]):
                some = requests[at : at + plan["batch"]]
                longest = max(len(c) + len(e) for c, e in some)
                ids = torch.tensor([c + e + [0] * (longest - len(c) - len(e)) for c, e in some])
                logits = torch.log_softmax(net(input_ids=ids).logits, dim=-1, dtype=torch.float32)
                for k, (c, e) in enumerate(some):
                    logits[k, len(c) - 1 : len(c) + len(e) - 1].gather(-1, torch.tensor(e)[:, None]).sum().item()
            return done(plan["items"] / (time.perf_counter() - start))
        copies = int(spec["what"].split("-")[1])
        ids = torch.tensor([tokenizer(PROMPT)["input_ids"]] * copies)
        rates = []
        for _ in range(2):
            start = time.perf_counter()
            net.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=plan["new"], min_new_tokens=plan["new"], do_sample=False, use_cache=True, pad_token_id=0)
            rates.append(copies * plan["new"] / (time.perf_counter() - start))
        return done(rates[-1])


def peer(a, what, model, dtype, length):
    spec = {"what": what, "model": str(model), "dtype": dtype, "threads": a.threads, "plan": a.plan, "length": length}
    environment = os.environ | {"OMP_NUM_THREADS": str(a.threads), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "TRANSFORMERS_VERBOSITY": "error"}
    return json.loads(run([sys.executable, __file__, "--child", json.dumps(spec)], env=environment)[0].splitlines()[-1])


# --- comparing

def write(path, asked, result, where):
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    record = {"schema": "tiebreak-record/1", "kind": "peer", "id": hashlib.sha256(text.encode()).hexdigest()[:16], "asked": asked, "result": result, "where": where,
              "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    path.with_suffix(".new").write_text(json.dumps(record, indent=2) + "\n")
    path.with_suffix(".new").rename(path)


def compare(a, name, model, what, work, where):
    """Two records: of speed, against the faster precision, and of memory, against the smaller; and one of speed in f32 alone."""
    rounds = {"ours": [], "float32": [], "bfloat16": []}
    length = 0
    for r in range(a.rounds):
        mine = ours(a, what, model, work)
        length = mine.get("length", length)
        rounds["ours"].append(mine)
        for dtype in ("float32", "bfloat16"):
            got = peer(a, what, model, dtype, length)
            where |= {k: got.pop(k) for k in ("torch", "transformers", "peft")}
            rounds[dtype].append(got)
        print(f"{name} {what}, round {r + 1} of {a.rounds}: " + ", ".join(f"{k} {v[-1]['per_s']:.1f}/s" for k, v in rounds.items()), flush=True)
    best = {k: max(x["per_s"] for x in v) for k, v in rounds.items()}
    least = {k: min(x["bytes"] for x in v) for k, v in rounds.items()}
    base = {"peer": "peft" if what == "train" else "transformers", "method": "lora" if what == "train" else "", "compiled": False, "shape": name, "threads": a.threads,
            "batch": int(what.split("-")[1]) if what.startswith("generate") else a.plan["batch"]}
    faster = max(("float32", "bfloat16"), key=best.get)
    for precision, dtype in (("f32", "float32"), ("better", faster)):
        per_round = [o["per_s"] / p["per_s"] for o, p in zip(rounds["ours"], rounds[dtype])]
        result = {"ratio": best["ours"] / best[dtype], "ratio_low": min(per_round), "ratio_high": max(per_round), "ours": "f32",
                  "ours_per_s": [x["per_s"] for x in rounds["ours"]], "peer_per_s": [x["per_s"] for x in rounds[dtype]], "peer_dtype": dtype}
        write(pathlib.Path(a.out) / f"peer-cpu-{name}-{what}-{precision}.json", base | {"comparison": what.split("-")[0], "precision": precision}, result, where)
        if precision == "better" and faster == "float32":
            continue
        print(f"{name} {what}: ours is {result['ratio']:.2f} times as fast as PyTorch's {dtype} ({result['ratio_low']:.2f} .. {result['ratio_high']:.2f} in single rounds)", flush=True)
    smaller = min(("float32", "bfloat16"), key=least.get)
    result = {"ratio": least[smaller] / least["ours"], "ours": "f32", "ours_bytes": least["ours"], "peer_bytes": least[smaller], "peer_dtype": smaller}
    write(pathlib.Path(a.out) / f"peer-cpu-{name}-{what}-memory.json", base | {"comparison": f"memory of {what.split('-')[0]}", "precision": "better"}, result, where)
    print(f"{name} {what}: PyTorch takes {result['ratio']:.2f} times our memory ({result['peer_bytes'] / 1e6:.0f} against {result['ours_bytes'] / 1e6:.0f} MB)", flush=True)


def base_of(a, name, work):
    layers, hidden, inner, heads = SHAPES[name]
    config = LLAMA | {"num_hidden_layers": layers, "hidden_size": hidden, "intermediate_size": inner, "num_attention_heads": heads, "num_key_value_heads": heads,
                      "head_dim": hidden // heads}
    shape, out = work / "shape" / name, work / name
    shape.mkdir(parents=True)
    (shape / "config.json").write_text(json.dumps(config))
    run([a.tiebreak, "base", "--shape", shape, "--tokenizer", "datasets/mini/base", "--out", out])
    return out


def main():
    if sys.argv[1:2] == ["--child"]:
        return child(json.loads(sys.argv[2]))
    parser = argparse.ArgumentParser(prog="scripts/peer-cpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", required=True, help="folder of the records")
    parser.add_argument("--model", action="append", default=[], help="a Llama folder to compare on, besides or instead of the random ones")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--tiebreak", default="build/tiebreak")
    parser.add_argument("--quick", action="store_true")
    a = parser.parse_args()
    if a.rounds < 1 or a.threads < 1:
        parser.error("--rounds and --threads must be 1 or more")
    a.plan = TINY if a.quick else FULL
    if a.quick:
        a.rounds = 1
    pathlib.Path(a.out).mkdir(parents=True, exist_ok=True)
    info = dict(line.split(maxsplit=1) for line in run([a.tiebreak, "info"])[0].splitlines() if len(line.split(maxsplit=1)) == 2)
    where = {"device": "cpu", "cpu": info.get("cpu", "")} | ({"rehearsal": True} if a.quick else {})
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        training_data(work / "train.jsonl", a.plan["words"])
        models = {pathlib.Path(m).name: pathlib.Path(m) for m in a.model} or {n: None for n in (["tiny"] if a.quick else ["15m", "110m"])}
        for name, model in models.items():
            for what in ["train", "score"] + [f"generate-{c}" for c in a.plan["copies"]]:
                if (pathlib.Path(a.out) / f"peer-cpu-{name}-{what}-memory.json").exists():
                    continue
                model = model or base_of(a, name, work)
                compare(a, name, model, what, work, dict(where))
    return 0


if __name__ == "__main__":
    sys.exit(main())
