#!/usr/bin/env python3
"""One adapted linear in PyTorch with PEFT beside ours, on the same GPU: forward and backward of a training step, and decode.

    scripts/gpu_peer.py --out DIR [--tiebreak build/tiebreak]      one JSON file a comparison; those that are there are not measured again
    scripts/gpu_peer.py --check                                    what is missing here, if anything
    scripts/gpu_peer.py --rehearse --out DIR                       tiny shapes, torch on the CPU, ours on the emulator: tries this script, measures nothing

Exit 0: measured; 1: something failed, or the time was over; 2: wrong usage; 77: skipped, the last line says why. Not run on a GPU yet.

PEFT runs in its two precisions on a bf16 base (its default, adapters in f32; and all in bf16), eager, and for the wide linear through torch.compile
too. Both sides are timed by events behind a held stream, hot (the same arrays again), so the host's part of a launch is left out of both; ours is
`tiebreak bench`, run before and after PEFT so that a drift of the clock shows. It is Python because the peer is.
"""
import argparse, hashlib, json, pathlib, statistics, subprocess, sys, time

SKIP = 77
FULL = {"shape": "llama2-7b", "sites": {"o": (4096, 4096), "qkv": (4096, 12288)}, "ops": [("fwd+bwd", 8192), ("decode", 1), ("decode", 8), ("decode", 64)],
        "rank": 16, "compiled": [("qkv", "fwd+bwd", 8192), ("qkv", "decode", 8)]}
TINY = {"shape": "mini", "sites": {"qkv": (128, 384)}, "ops": [("fwd+bwd", 32), ("decode", 8)], "rank": 8, "compiled": []}
SECONDS_MOST = 540


def missing():
    """Why there can be no comparison here, or None. Imports are tried, not looked up: a broken package is a missing one."""
    why = []
    for name in ("torch", "peft"):
        try:
            __import__(name)
        except Exception as e:
            why.append(f"{name} ({type(e).__name__}: {e})")
    return "Python has no " + ", no ".join(why) + "; pip install torch peft, and run this with that Python" if why else None


def adapted(torch, peft, method, d_in, d_out, rank, default_precision, device):
    """A bf16 linear with one adapter whose factors are all non-zero; only the adapter trains."""
    class Net(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(d_in, d_out, bias=False, device=device, dtype=torch.bfloat16)

        def forward(self, x):
            return self.linear(x)

    torch.manual_seed(1)
    config = peft.LoraConfig(r=rank, lora_alpha=rank, target_modules=["linear"]) if method == "lora" else \
        peft.VeraConfig(r=rank, target_modules=["linear"], projection_prng_key=1)
    net = peft.get_peft_model(Net(), config, autocast_adapter_dtype=default_precision).to(device)
    if not default_precision:
        net = net.to(torch.bfloat16)
    with torch.no_grad():
        for p in net.parameters():
            if p.requires_grad:
                p.uniform_(-0.5, 0.5)
    return net


def step_of(torch, net, op, tokens, d_in, d_out, device):
    x = torch.randn(tokens, d_in, device=device, dtype=torch.bfloat16)
    if op == "decode":
        def decode():
            with torch.no_grad():
                net(x)
        return decode
    x.requires_grad_(True)
    dy = torch.randn(tokens, d_out, device=device, dtype=torch.bfloat16)

    def train():
        x.grad = None
        for p in net.parameters():
            p.grad = None
        net(x).backward(dy)
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
        while len(taken) < 10 or (time.monotonic() < until and len(taken) < 4000):
            taken.append(one())
    return [round(t) for t in taken]


def ours(args, plan, names):
    """Samples of our cases by name, from records written to a folder of this call alone."""
    folder = pathlib.Path(args.out) / f"ours-{time.time_ns()}"
    pattern = "^(" + "|".join(n.replace("+", "[+]") for n in names) + ")$"
    command = [args.tiebreak, "bench", "--device", args.device, "--dtype", "bf16", "--filter", pattern, "--out", str(folder), "--min-time-s", str(args.seconds)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"gpu_peer: {' '.join(command)}: status {done.returncode}: {done.stderr.strip()[-800:]}")
    records = [json.loads(p.read_text()) for p in folder.glob("bench-*.json")]
    return {r["asked"]["case"]: r["result"] for r in records}


def case_name(args, plan, method, site, op, tokens):
    return f"{op}/{method}/r={plan['rank']}/shape={plan['shape']}/site={site}/tokens={tokens}/device={args.device}/dtype=bf16/mode=hot"


def compare(torch, peft, args, plan, wanted):
    """All comparisons of one case of ours; wanted: the asked of those that are not there yet."""
    asked = wanted[0][0]
    first = ours(args, plan, [asked["case"]])
    peers = []
    for a, _ in wanted:
        net = adapted(torch, peft, a["method"], a["d_in"], a["d_out"], a["rank"], a["precision"] == "default", args.torch_device)
        if a["compiled"]:
            net = torch.compile(net)
        step = step_of(torch, net, a["op"], a["tokens"], a["d_in"], a["d_out"], args.torch_device)
        peers.append(samples_ns(torch, step, args.torch_device == "cuda", args.seconds))
        del net, step
    second = ours(args, plan, [asked["case"]])
    mine = [r["case_ns"] for r in (first[asked["case"]], second[asked["case"]])]
    for (a, path), peer in zip(wanted, peers):
        median = statistics.median(mine[0] + mine[1])
        result = {"peer_ns": peer, "ours_before_ns": mine[0], "ours_after_ns": mine[1], "peer_over_ours": statistics.median(peer) / median,
                  "ours_after_over_before": statistics.median(mine[1]) / statistics.median(mine[0])}
        text = json.dumps(a, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        where = {"device": torch.cuda.get_device_name() if args.torch_device == "cuda" else "cpu", "torch": torch.__version__, "peft": peft.__version__,
                 "cuda": torch.version.cuda}
        record = {"schema": "tiebreak-record/1", "kind": "peer", "id": hashlib.sha256(text.encode()).hexdigest()[:16], "asked": a, "result": result,
                  "where": where, "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        path.with_suffix(".new").write_text(json.dumps(record, indent=2) + "\n")
        path.with_suffix(".new").rename(path)
        print(f"{path.stem}: PEFT takes {result['peer_over_ours']:.3f} of our time (ours after / before: {result['ours_after_over_before']:.3f})", flush=True)


def cases(args, plan):
    """Lists of (asked, path), one list for each case of ours."""
    for method in ("lora", "vera"):
        for site, (d_in, d_out) in plan["sites"].items():
            for op, tokens in plan["ops"]:
                some = []
                for compiled in (False, True):
                    if compiled and (site, op, tokens) not in plan["compiled"]:
                        continue
                    for precision in ("default", "bf16"):
                        asked = {"case": case_name(args, plan, method, site, op, tokens), "peer": "peft", "precision": precision, "compiled": compiled,
                                 "op": op, "method": method, "rank": plan["rank"], "tokens": tokens, "d_in": d_in, "d_out": d_out, "mode": "hot"}
                        name = f"peer-{method}-{op}-{site}-{tokens}-{precision}-{'compiled' if compiled else 'eager'}.json"
                        some.append((asked, pathlib.Path(args.out) / name))
                yield some


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out")
    parser.add_argument("--tiebreak", default="build/tiebreak")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--rehearse", action="store_true")
    args = parser.parse_args()
    why = missing()
    if not why and not args.rehearse:
        import torch
        why = None if torch.cuda.is_available() else f"torch {torch.__version__} sees no GPU"
    if why or args.check:
        print(why or "torch, peft and a GPU are here")
        return SKIP if why else 0
    if not args.out:
        parser.error("--out DIR is needed")
    import peft, torch
    plan, args.device, args.torch_device, args.seconds = (TINY, "cuda-emulated", "cpu", 0) if args.rehearse else (FULL, "cuda", "cuda", 0.5)
    pathlib.Path(args.out).mkdir(parents=True, exist_ok=True)
    start, failed, left = time.monotonic(), 0, 0
    for some in cases(args, plan):
        wanted = [(asked, path) for asked, path in some if not path.exists()]
        if not wanted:
            continue
        if time.monotonic() - start > SECONDS_MOST - 60:
            left += len(wanted)
            continue
        try:
            compare(torch, peft, args, plan, wanted)
        except Exception as e:  # one case that fails leaves the others their turn
            failed += len(wanted)
            print(f"{wanted[0][0]['case']}: FAILED: {type(e).__name__}: {e}", flush=True)
    if left:
        print(f"the time is over: {left} comparisons are left; call this again, it goes on where it stopped")
    return 1 if failed or left else 0


if __name__ == "__main__":
    sys.exit(main())
