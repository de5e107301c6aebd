#!/usr/bin/env python3
"""PyTorch with PEFT beside ours on the same GPU: one adapted linear (forward and backward of a training step, decode), then a whole model.

    scripts/gpu_peer.py --out DIR [--large-model DIR]      one JSON file a comparison; those that are there are not measured again
    scripts/gpu_peer.py --quick --out DIR ...              the model all in bf16, then one layer (LoRA's training step), each once, for minutes that are counted
    scripts/gpu_peer.py --check                            what is missing here, if anything
    scripts/gpu_peer.py --rehearse --out DIR               tiny shapes, torch on the CPU, ours on the emulator: tries this script, measures nothing

Exit 0: measured; 1: something failed, or the time was over (call it again, it goes on); 2: wrong usage; 77: skipped, the last line says why. Not run on
a GPU yet.

Layers: LoRA and VeRA are PEFT's own; Tied-LoRA, which PEFT does not have, is written here as its paper's formula reads, op for op, by autograd. Each in
PEFT's default precision (adapters in f32 beside a bf16 base), the same under torch.autocast, and all in bf16; eager, and for some cases through
torch.compile. Both sides are timed by events behind a held stream, hot (the same arrays again), so the host's part of a launch is left out of both; ours
is the fastest variant of `tiebreak bench` but merged weights, run before and after PEFT so that a drift of the clock shows.

The model: a Llama of --large-model's shape (transformers, random weights, the same batch and lengths): tokens/s of fine-tuning and of decoding, and peak
memory of the allocator, against `tiebreak train` and `tiebreak generate --time`. It is Python because the peer is.
"""
import argparse, contextlib, hashlib, json, pathlib, random, re, shutil, statistics, subprocess, sys, time

SKIP = 77
FULL = {"shape": "llama2-7b", "sites": {"qkv": (4096, 12288), "o": (4096, 4096)}, "rank": 16, "seconds": 0.5,
        "ops": [("fwd+bwd", 8192, "qkv"), ("fwd+bwd", 8192, "o"), ("decode", 8, "qkv"), ("decode", 1, "qkv"), ("decode", 64, "qkv")],
        "compiled": [("qkv", "fwd+bwd", 8192), ("qkv", "decode", 8)], "batch": 4, "words": 94, "steps": (4, 20), "new": 128, "copies": (1, 8)}
TINY = {"shape": "mini", "sites": {"qkv": (128, 384)}, "rank": 8, "seconds": 0, "ops": [("fwd+bwd", 32, "qkv"), ("decode", 8, "qkv")], "compiled": [],
        "batch": 2, "words": 2, "steps": (1, 2), "new": 4, "copies": (1,)}
METHODS = ("lora", "tied-lora", "vera")
PRECISIONS = ("default", "autocast", "bf16")
SECONDS_MOST = 540
COMMAND_SECONDS = 200  # one of ours, which may hang
MODEL_SECONDS, MODEL_SECONDS_QUICK = 240, 60  # a comparison of models is not begun with less
QUICK = {"methods": ("lora",), "compiled": [], "model_precisions": ("bf16",), "again": False}  # what --quick changes of a plan; the first row of "ops" alone stays


def missing(names=("torch", "peft")):
    """Why there can be no comparison here, or None. Imports are tried, not looked up: a broken package is a missing one."""
    why = []
    for name in names:
        try:
            __import__(name)
        except Exception as e:
            why.append(f"{name} ({type(e).__name__}: {e})")
    return "Python has no " + ", no ".join(why) + "; pip install torch peft transformers, and run this with that Python" if why else None


def interval(values, of=statistics.median, draws=400):
    """95 % bootstrap interval of a ratio: values is a list of lists, of takes one resampled list of each."""
    r = random.Random(1)
    found = sorted(of([[r.choice(v) for _ in v] for v in values]) for _ in range(draws))
    return found[int(0.025 * draws)], found[int(0.975 * draws)]


# --- layers

def tied_module(torch, linear, rank, dtype):
    """y = W x + v * (B (u * (A x))), as autograd sees it; A and B would be shared over layers."""
    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            new = lambda *shape: torch.nn.Parameter(torch.empty(*shape, device=linear.weight.device, dtype=dtype))
            self.linear, self.A, self.u, self.B, self.v = linear, new(rank, linear.in_features), new(rank), new(linear.out_features, rank), new(linear.out_features)
            linear.weight.requires_grad_(False)

        def forward(self, x):
            y = self.linear(x)
            h = torch.nn.functional.linear(x.to(self.A.dtype), self.A)
            d = torch.nn.functional.linear(self.u * h, self.B)
            return (y + self.v * d).to(y.dtype)
    return Tied()


def adapted(torch, peft, method, d_in, d_out, rank, precision, device):
    """A bf16 linear with one adapter whose trained factors are all non-zero; only the adapter trains."""
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(d_in, d_out, bias=False, device=device, dtype=torch.bfloat16)

        def forward(self, x):
            return self.linear(x)

    torch.manual_seed(1)
    if method == "tied-lora":
        net = tied_module(torch, Net().linear, rank, torch.bfloat16 if precision == "bf16" else torch.float32)
    else:
        config = peft.LoraConfig(r=rank, lora_alpha=rank, target_modules=["linear"]) if method == "lora" else \
            peft.VeraConfig(r=rank, target_modules=["linear"], projection_prng_key=1)
        net = peft.get_peft_model(Net(), config, autocast_adapter_dtype=precision != "bf16").to(device)
        if precision == "bf16":
            net = net.to(torch.bfloat16)
    with torch.no_grad():
        for p in net.parameters():
            if p.requires_grad:
                p.uniform_(-0.5, 0.5)
    return net


def step_of(torch, net, op, tokens, d_in, d_out, precision, device):
    x = torch.randn(tokens, d_in, device=device, dtype=torch.bfloat16)
    autocast = lambda: torch.autocast(device, dtype=torch.bfloat16, enabled=precision == "autocast")
    if op == "decode":
        def decode():
            with torch.no_grad(), autocast():
                net(x)
        return decode
    x.requires_grad_(True)
    dy = torch.randn(tokens, d_out, device=device, dtype=torch.bfloat16)

    def train():
        x.grad = None
        for p in net.parameters():
            p.grad = None
        with autocast():
            y = net(x)
        y.backward(dy.to(y.dtype))
    return train


def samples_ns(torch, step, on_gpu, seconds):
    """At least ten samples after a warm-up of as long as the measuring."""
    def one():
        if not on_gpu:
            start = time.perf_counter()
            step()
            return 1e9 * (time.perf_counter() - start)
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda._sleep(20_000_000)  # about 10 ms: the host puts the whole step on the stream meanwhile
        begin.record()
        step()
        end.record()
        end.synchronize()
        return 1e6 * begin.elapsed_time(end)

    for keep in (False, True):
        taken, until = [], time.monotonic() + seconds
        while len(taken) < 10 or (time.monotonic() < until and len(taken) < 400):
            taken.append(one())
    return [round(t) for t in taken]


def run(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, timeout=COMMAND_SECONDS)
    if done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: status {done.returncode}: {done.stderr.strip()[-800:]}")
    return done.stdout


def ours(args, pattern):
    """Results of our cases by variant, from records written to a folder of this call alone. A variant that refuses the case is left out by bench."""
    folder = pathlib.Path(args.out) / f"ours-{time.time_ns()}"
    bench = [args.tiebreak, "bench", "--device", args.device, "--dtype", "bf16", "--filter"]
    names = [n for n in run([*bench, pattern, "--list"]).split() if not re.fullmatch(args.without, (n.split("/variant=") + [""])[1])]
    run([*bench, "^(" + "|".join(n.replace("+", "[+]") for n in names) + ")$", "--out", folder, "--min-time-s", args.plan["seconds"]])
    records = [json.loads(p.read_text()) for p in folder.glob("bench-*.json")]
    shutil.rmtree(folder)  # the samples are in the comparison's record
    return {r["asked"].get("variant", ""): r for r in records}


def layer_pattern(args, a, variant):
    name = f"{a['op']}/{a['method']}/r={a['rank']}/shape={args.plan['shape']}/site={a['site']}/tokens={a['tokens']}/device={args.device}/dtype=bf16/mode=hot"
    return "^" + name.replace("+", "[+]") + ("(/variant=.*)?$" if variant is None else f"/variant={variant}$" if variant else "$")


def compare_layers(args, wanted):
    """All comparisons of one case of ours; wanted: (asked, path) of those that are not there yet."""
    torch, peft = args.torch, args.peft
    all_of_ours = ours(args, layer_pattern(args, wanted[0][0], None))
    median = lambda r: statistics.median(r["result"]["case_ns"])
    best = min((v for v in all_of_ours if v != "merged"), key=lambda v: median(all_of_ours[v]))
    floors = {v: r["result"]["ops_floor_ns"] for v, r in all_of_ours.items() if v != "merged"}
    first = ours(args, layer_pattern(args, wanted[0][0], best))[best]
    peers = []
    for a, _ in wanted:
        net = adapted(torch, peft, a["method"], a["d_in"], a["d_out"], a["rank"], a["precision"], args.torch_device)
        if a["compiled"]:
            net = torch.compile(net)
        step = step_of(torch, net, a["op"], a["tokens"], a["d_in"], a["d_out"], a["precision"], args.torch_device)
        peers.append(samples_ns(torch, step, args.torch_device == "cuda", args.plan["seconds"]))
        del net, step
        if args.torch_device == "cuda":
            torch.cuda.empty_cache()
    second = ours(args, layer_pattern(args, wanted[0][0], best))[best]
    mine = [r["result"]["case_ns"] for r in (first, second)]
    for (a, path), peer in zip(wanted, peers):
        ratio = lambda v: statistics.median(v[0]) / statistics.median(v[1])
        low, high = interval([peer, mine[0] + mine[1]], ratio)
        result = {"ratio": ratio([peer, mine[0] + mine[1]]), "ratio_low": low, "ratio_high": high, "ours": best or "ops", "peer_ns": peer,
                  "ours_before_ns": mine[0], "ours_after_ns": mine[1], "ours_after_over_before": statistics.median(mine[1]) / statistics.median(mine[0])}
        if (a["method"], a["precision"], a["op"]) == ("lora", "bf16", "fwd+bwd") and "eager-bf16" in floors:
            result["floor_ratio"] = floors["eager-bf16"] / min(floors.values())
        write(args, path, a, result, second["where"].get("gpu"))


def layer_cases(args):
    """Lists of (asked, path), one list for each case of ours."""
    for op, tokens, site in args.plan["ops"]:
        for method in args.plan.get("methods", METHODS):
            d_in, d_out = args.plan["sites"][site]
            some = []
            for compiled in (False, True):
                for precision in PRECISIONS:
                    if compiled and (site, op, tokens) not in args.plan["compiled"]:
                        continue
                    asked = {"comparison": "layer", "peer": "autograd" if method == "tied-lora" else "peft", "precision": precision, "compiled": compiled, "op": op,
                             "method": method, "rank": args.plan["rank"], "site": site, "tokens": tokens, "d_in": d_in, "d_out": d_out, "mode": "hot"}
                    name = f"peer-{method}-{op}-{site}-{tokens}-{precision}-{'compiled' if compiled else 'eager'}.json"
                    some.append((asked, pathlib.Path(args.out) / name))
            yield some


# --- the model

def large_data(path, words):
    """Items of one length whose answers, all of which is trained on, are nearly all of it."""
    with path.open("w") as f:
        for i in range(64):
            answer = "".join(f"the number is {(i * 7 + w * 13) % 10} and " for w in range(words)) + "so\n#### 7"
            f.write(json.dumps({"question": "Count.", "answer": answer}) + "\n")


def our_training(args, data, steps):
    out = pathlib.Path(args.out) / f"ours-train-{time.time_ns()}"
    run([args.tiebreak, "train", "--model", args.large_model, "--task", "gsm8k", "--data", data, "--method", "lora", "--rank", 16, "--sites", "q,v", "--steps", steps,
         "--batch", args.plan["batch"], "--lr", 1e-4, "--no-shuffle", "--device", args.device, "--dtype", "bf16", "--out", out])
    return json.loads((out / "record.json").read_text()), out


def our_rate(args, data):
    """tokens/s between a short and a long run, so that what is done once does not count; tokens of one item; peak memory; the adapter."""
    (short, _), (long_, adapter) = (our_training(args, data, s) for s in args.plan["steps"])
    a, b = short["result"], long_["result"]
    seconds = b["tokens"] / b["tokens_per_s"] - a["tokens"] / a["tokens_per_s"]
    length = b["tokens"] / (args.plan["steps"][1] * args.plan["batch"])
    return (b["tokens"] - a["tokens"]) / seconds, round(length), b.get("device_peak_bytes"), adapter, long_["where"].get("gpu")


def peer_model(args, precision):
    torch, transformers = args.torch, args.transformers
    config = json.loads((pathlib.Path(args.large_model) / "config.json").read_text())
    config.pop("architectures", None), config.pop("torch_dtype", None)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    torch.manual_seed(1)
    there = torch.device(args.torch_device)
    with there if hasattr(there, "__enter__") else contextlib.nullcontext():  # an old torch makes it on the CPU
        net = transformers.LlamaForCausalLM(transformers.LlamaConfig(**config))
    torch.set_default_dtype(before)
    net = net.to(there)
    lora = args.peft.LoraConfig(r=16, lora_alpha=16, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    net = args.peft.get_peft_model(net, lora, autocast_adapter_dtype=precision == "default")
    return net.to(torch.bfloat16) if precision == "bf16" else net


def peer_training(args, net, length):
    """tokens/s of each step after two of warm-up; peak bytes of torch's allocator."""
    torch, device, batch = args.torch, args.torch_device, args.plan["batch"]
    optimizer = torch.optim.AdamW([p for p in net.parameters() if p.requires_grad], lr=1e-4)
    ids = torch.randint(0, net.config.vocab_size, (batch, length), device=device)
    wait = torch.cuda.synchronize if device == "cuda" else lambda: None
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    net.train()
    rates = []
    for step in range(10 if device == "cuda" else 3):
        wait()
        start = time.perf_counter()
        net(input_ids=ids, labels=ids).loss.backward()
        torch.nn.utils.clip_grad_norm_((p for p in net.parameters() if p.requires_grad), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        wait()
        if step >= 2:
            rates.append(batch * length / (time.perf_counter() - start))
    return rates, torch.cuda.max_memory_allocated() if device == "cuda" else None


def peer_decoding(args, net, copies, prompt):
    torch, new = args.torch, args.plan["new"]
    ids = torch.randint(3, net.config.vocab_size, (copies, prompt), device=args.torch_device)
    wait = torch.cuda.synchronize if args.torch_device == "cuda" else lambda: None
    net.eval()
    rates = []
    for k in range(3):
        wait()
        start = time.perf_counter()
        with torch.no_grad():
            net.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=new, min_new_tokens=new, do_sample=False, use_cache=True, pad_token_id=0)
        wait()
        if k:
            rates.append(copies * new / (time.perf_counter() - start))
    return rates


def our_decoding(args, adapter, copies):
    text = run([args.tiebreak, "generate", "--model", args.large_model, "--adapter", adapter, "--prompt", "The ", "--max-new-tokens", args.plan["new"], "--copies", copies,
                "--time", "--device", args.device, "--dtype", "bf16", "--json"])
    return json.loads(text)


def compare_models(args, precision, wanted):
    """wanted: what of "train", "memory", "generate-N" is not there yet, as {name: (asked, path)}. Ours runs before the peer's model is on the GPU, and once
    more after it has gone."""
    data = pathlib.Path(args.out) / "large.jsonl"
    large_data(data, args.plan["words"])
    rate, length, peak, adapter, gpu = our_rate(args, data)
    decoded = {c: our_decoding(args, adapter, c) for c in args.plan["copies"]}
    net = peer_model(args, precision)
    peer_rates, peer_peak = peer_training(args, net, length)
    peer_decoded = {c: peer_decoding(args, net, c, decoded[c]["prompt_tokens"]) for c in args.plan["copies"]}
    del net
    if args.torch_device == "cuda":
        args.torch.cuda.empty_cache()
    rates = [rate] + ([our_rate(args, data)[0]] if args.plan.get("again", True) else [])
    ratio = lambda mine, peer: {"ratio": statistics.mean(mine) / statistics.median(peer), "ratio_low": min(mine) / max(peer), "ratio_high": max(mine) / min(peer)}
    for name, (asked, path) in wanted.items():
        asked = asked | {"tokens": args.plan["batch"] * length} if name in ("train", "memory") else asked
        if name == "train":
            result = ratio(rates, peer_rates) | {"ours_tokens_per_s": rates, "peer_tokens_per_s": peer_rates}
        elif name == "memory":
            result = {"ours_bytes": peak, "peer_bytes": peer_peak} | ({"ratio": peer_peak / peak} if peak and peer_peak else {})
        else:
            copies = asked["copies"]
            mine = decoded[copies]["tokens_per_s"]
            result = ratio([mine], peer_decoded[copies]) | {"ours_tokens_per_s": [mine], "peer_tokens_per_s": peer_decoded[copies]}
        write(args, path, asked, result | {"ours": "the model's ops"}, gpu)


def model_cases(args):
    """(precision, {name: (asked, path)})"""
    for precision in args.plan.get("model_precisions", ("default", "bf16")):
        base = {"peer": "peft", "method": "lora", "precision": precision, "compiled": False, "rank": 16, "shape": args.plan["shape"], "batch": args.plan["batch"]}
        some = {"train": base | {"comparison": "train"}, "memory": base | {"comparison": "memory"}}
        for copies in args.plan["copies"]:
            some[f"generate-{copies}"] = base | {"comparison": "generate", "copies": copies, "tokens": copies * args.plan["new"]}
        yield precision, {n: (a, pathlib.Path(args.out) / f"peer-model-{n}-{precision}.json") for n, a in some.items()}


# --- records

def write(args, path, asked, result, gpu):
    text = json.dumps(asked, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    torch = args.torch
    where = {"device": torch.cuda.get_device_name() if args.torch_device == "cuda" else "cpu", "torch": torch.__version__, "peft": args.peft.__version__,
             "cuda": torch.version.cuda}
    if args.transformers:
        where["transformers"] = args.transformers.__version__
    if gpu:
        where["gpu"] = gpu
    if args.rehearse:
        where["rehearsal"] = True
    record = {"schema": "tiebreak-record/1", "kind": "peer", "id": hashlib.sha256(text.encode()).hexdigest()[:16], "asked": asked, "result": result,
              "where": where, "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    path.with_suffix(".new").write_text(json.dumps(record, indent=2) + "\n")
    path.with_suffix(".new").rename(path)
    if "ratio" not in result:
        print(f"{path.stem}: measured, no ratio here", flush=True)
        return
    low, high = result.get("ratio_low", result["ratio"]), result.get("ratio_high", result["ratio"])
    print(f"{'REHEARSAL ' if args.rehearse else ''}{path.stem}: ours ({result['ours']}) is {result['ratio']:.3f} times as good ({low:.3f} .. {high:.3f})", flush=True)


def attempt(what, names):
    """True when it was done; one that fails leaves the others their turn."""
    try:
        what()
        return True
    except Exception as e:
        print(f"{names}: FAILED: {type(e).__name__}: {str(e)[:1200]}", flush=True)
        return False


def layers(args, left_s):
    failed = left = 0
    for some in layer_cases(args):
        wanted = [(asked, path) for asked, path in some if not path.exists()]
        if wanted and left_s() < (20 if args.quick else 60):
            left += len(wanted)
        elif wanted and not attempt(lambda: compare_layers(args, wanted), wanted[0][1].stem):
            failed += len(wanted)
    return failed, left


def models(args, left_s):
    why = missing(("transformers",)) if args.large_model else "--large-model names no folder"
    if why:
        print(f"SKIP the model: {why}")
        return 0, 0
    import transformers
    args.transformers = transformers
    failed = left = 0
    for precision, some in model_cases(args):
        wanted = {n: w for n, w in some.items() if not w[1].exists()}
        if wanted and left_s() < (MODEL_SECONDS_QUICK if args.quick else MODEL_SECONDS):
            left += len(wanted)
        elif wanted and not attempt(lambda: compare_models(args, precision, wanted), f"the model, {precision}"):
            failed += len(wanted)
    return failed, left


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", help="folder of the records")
    parser.add_argument("--tiebreak", default="build/tiebreak")
    parser.add_argument("--large-model", help="a folder that `tiebreak base` wrote; without it the model is not compared")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--rehearse", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--without", default="merged", metavar="RE", help="variants of ours that are left out, as they break their process")
    parser.add_argument("--until", type=float, default=SECONDS_MOST, help="seconds of this call")
    args = parser.parse_args()
    why = missing()
    if not why and not args.rehearse:
        import torch
        why = None if torch.cuda.is_available() else f"torch {torch.__version__} sees no GPU"
    if why or args.check:
        print(f"SKIP: {why}" if why else "torch, peft and a GPU are here; " + (missing(("transformers",)) or "transformers too"))
        return SKIP if why else 0
    if not args.out:
        parser.error("--out DIR is needed")
    import peft, torch
    args.torch, args.peft, args.transformers = torch, peft, None
    args.plan, args.device, args.torch_device = (TINY, "cuda-emulated", "cpu") if args.rehearse else (FULL, "cuda", "cuda")
    if args.quick:
        args.plan = args.plan | QUICK | {"ops": args.plan["ops"][:1]}
    pathlib.Path(args.out).mkdir(parents=True, exist_ok=True)
    start = time.monotonic()
    left_s = lambda: args.until - (time.monotonic() - start)
    if args.rehearse:
        left_s = lambda: SECONDS_MOST
    failed = left = 0
    for compare in (models, layers) if args.quick else (layers, models):
        counts = compare(args, left_s)
        failed, left = failed + counts[0], left + counts[1]
    if left:
        print(f"the time is over: {left} comparisons are left; call this again, it goes on where it stopped")
    return 1 if failed or left else 0


if __name__ == "__main__":
    sys.exit(main())
