"""The stages: each a function of a visit and of whether it is the quick form; its docstring's first line is its help. True: the call may go on."""
import hashlib, json, math, os, pathlib, re, shutil, subprocess, sys, time

from gpu_check import machine, plan
from gpu_check.visit import BROKEN

DATA = pathlib.Path(os.environ.get("TIEBREAK_DATA", "../shared/data"))
MINI = "datasets/mini"


def stage_pack(v, quick):
    """(only when named; needs no GPU) the archive for a machine that has neither compilers nor packages"""
    why = machine.pack(v.build, v.out, DATA, v.say)
    if why:
        v.failed(why)
    return not why


def stage_build(v, quick):
    """nvcc and the program, unless build/ has both"""
    if all((v.build / p).exists() for p in ("tiebreak", "libtiebreak-cuda.so", "kernels/pair_test")):
        v.say(f"{v.build}/ has the program, its tests and the CUDA backend")
        return True
    ended = v.run(["make", f"-j{os.cpu_count()}", "all", "cuda"], v.out / "build.log", 3000)
    if not ended:
        v.failed(f"make all cuda: {ended.words()}; the log is {v.out / 'build.log'}")
    return bool(ended)


# --- what everything needs

def prepare(v):
    """Programs are there, and the loader finds what they want: said once a call. False: nothing can run."""
    if getattr(v, "prepared", None) is not None:
        return v.prepared
    v.prepared = False
    archive = v.out / "build.tar.xz"
    if not (v.build / "tiebreak").exists() and archive.exists():
        machine.unpack(archive)
    for f in (v.build / "tiebreak", v.library()):
        if not f.exists():
            v.failed(f"{f} is missing: scripts/gpu-check build, or an archive of `scripts/gpu-check pack` in {archive}")
            return False
    path, found = machine.find_libraries([v.build / "tiebreak", v.library(), *tests_of(v)], v.build, v.out / "libraries")
    if path:
        v.env["LD_LIBRARY_PATH"] = path
    if (v.build / "data").is_dir():
        v.env["TIEBREAK_DATA"] = str((v.build / "data").resolve())
    for name, where in found.items():
        if where:
            v.say(f"{name}: not where the loader looks; taken from {where}")
        else:
            v.failed(f"{name} is nowhere on this machine" + ("; cuBLAS of the CUDA version that it was built with is needed" if "cublas" in name else ""))
    if not all(found.values()):
        return False
    v.prepared = open_device(v)
    return v.prepared


def open_device(v):
    """The program opens its device, or this says why not."""
    (v.out / "probe").mkdir(parents=True, exist_ok=True)
    facts = v.out / "probe" / "machine.txt"
    facts.write_text("".join(f"$ {' '.join(c)}\n{machine.text_of(c)}\n" for c in (
        ["uname", "-a"], ["nvidia-smi"], ["python3", "--version"], ["ldd", str(v.library())], [str(v.build / "tiebreak"), "info"])))
    info = v.run([v.build / "tiebreak", "info"], v.out / "probe" / "info.txt", v.plan.test_s)
    text = (v.out / "probe" / "info.txt").read_text(errors="replace")
    listed = v.run(tiebreak(v, "bench", "--list", "--filter", ".", "--dtype", "bf16"), v.out / "probe" / "cases.txt", v.plan.test_s)
    cuda = (re.findall(r"^cuda +(.*)", text, re.M) or [""])[0]
    if not info or not listed or (v.plan.device == "cuda" and "compute capability" not in cuda):
        v.failed(f"the device {v.plan.device} does not open: " + (cuda if v.plan.device == "cuda" else (v.out / "probe" / "cases.txt").read_text(errors="replace").strip()[-600:]))
        return False
    # of these programs on this machine: records of others are no measurement of it
    where = "".join(re.findall(r"^(?:cpu|os|gpu[.]).*\n", text, re.M))
    v.records = v.out / "bench" / f"{v.programs()}-{hashlib.sha256(where.encode()).hexdigest()[:6]}"
    return True


def cases_of(v, dtype):
    """The names of all cases in this type."""
    listed = v.out / "bench" / f"cases-{dtype}.txt"
    v.run(tiebreak(v, "bench", "--list", "--filter", ".", "--dtype", dtype), listed, v.plan.test_s)
    return listed.read_text().split()


def tiebreak(v, verb, *words):
    return [v.build / "tiebreak", verb, *words, "--device", v.plan.device]


def name_of(v, path):
    """train-bf16_test is another test than model-bf16_test."""
    return str(path.relative_to(v.build)).replace("/", "-")


def tests_of(v):
    return [t for t in machine.gpu_tests(v.build, v.plan.device_tests) if re.search(v.plan.tests, str(t))]


# --- stages on a device

def stage_probe(v, quick):
    """cuBLAS found, the device opened, device code tested (what waits across blocks, in parity); a call ends here when that fails"""
    if not prepare(v):
        return False
    seen = re.findall(r"^cuda +(.*)", (v.out / "probe" / "info.txt").read_text(), re.M) if v.plan.device == "cuda" else ["opened"]
    cublas = re.findall(r"libcublas[.]so\S* => (\S+)", machine.text_of(["ldd", v.library()], env=v.env))
    v.say(f"{v.plan.device}: {seen[0]}" + (f"; cuBLAS: {cublas[0]}" if cublas else ""))
    tests = [t for t in tests_of(v) if (v.build / v.plan.device_tests) in t.parents and not re.search(plan.SUSPICIOUS, t.name)]
    for t in tests:
        v.test(name_of(v, t), [t], v.plan.test_s, [t])
    if not tests:
        v.failed(f"no test of device code in {v.build / v.plan.device_tests}")
    return bool(tests) and all(r in ("passed", "time") for r in v.results.values())


def stage_parity(v, quick):
    """every test of an op, of the model and of training in f32 and bf16, on the GPU against the f64 definition; PEFT's stored trainings"""
    if not prepare(v):
        return False
    tests = [t for t in tests_of(v) if v.before(name_of(v, t), machine.hash_of(t, v.library()), "probe").get("result") != "passed"]
    if not tests_of(v):
        v.failed(f"no test in {v.build}")
    for t in tests:
        v.test(name_of(v, t), [t], plan.SLOW_S.get(t.name, v.plan.test_s), [t])
    return True


def stage_sanitize(v, quick):
    """compute-sanitizer's memcheck, racecheck, initcheck and synccheck over the tests of the ops, pairs, variants, graphs and device code"""
    if not prepare(v):
        return False
    if not shutil.which("compute-sanitizer"):
        v.failed("compute-sanitizer is not on this machine; the CUDA Toolkit has it")
        return True
    for tool in ("memcheck", "racecheck", "initcheck", "synccheck"):
        for t in [t for t in tests_of(v) if not re.search("/(model|train)/", str(t)) or t.name == "variant_test"]:
            # a part of a test's cases, as under the other sanitizers
            v.test(f"{tool}-{name_of(v, t)}", ["compute-sanitizer", "--tool", tool, "--error-exitcode", "9", t], 300, [t], env={"TIEBREAK_TEST_PART": "1"})
    return True


# --- benchmarks

def exactly(names):
    """A filter of `tiebreak bench` that these names match, and no others.

    >>> exactly(["fwd+bwd/lora/x", "fwd/a"])
    '^(fwd[+]bwd/lora/x|fwd/a)$'
    """
    return "^(" + "|".join(re.sub(r"[^A-Za-z0-9_/=:-]", lambda m: f"[{m[0]}]", n) for n in names) + ")$"


def passed_test(v, word):
    """Has a test whose name ends so passed, with these programs, in any call?"""
    return any(name.endswith(word) and e["result"] == "passed" and e["stage"] in ("probe", "parity") and e["device"] == v.plan.device
               and e["programs"] in {machine.hash_of(t, v.library()) for t in tests_of(v) if t.name == word} for (_, name, _), e in v.ledger().items())


def measure(v, g):
    """One group of cases in a process of its own, and one more for each case that broke its process. False: the time is over."""
    names = [n for n in cases_of(v, g.dtype) if re.search(g.pattern, n)]
    if not names:
        v.failed(f"group {g.name}: no case has such a name ({g.pattern})")
        return True
    if g.needs and not passed_test(v, g.needs):
        v.failed(f"group {g.name}: {len(names)} cases left out, since {g.needs} has not passed")
        return True
    ledger, programs = v.ledger(), v.programs()
    broken = [n for n in names if ledger.get(("bench", n, programs), {}).get("result") in BROKEN and not v.args.retry]
    if broken:
        v.failed(f"group {g.name}: {len(broken)} cases are left out that broke their process before, left-out.txt names them; --retry tries them again")
    names = [n for n in names if n not in broken]
    log, current, lost = v.out / "bench" / f"{v.stage}-{g.name}.log", v.out / "bench" / "current", 0
    (v.out / "bench").mkdir(parents=True, exist_ok=True)
    while names:
        if v.left() < 2:
            v.failed(f"group {g.name}: {len(names)} cases: the time is over; call again, it goes on where it stopped")
            return False
        if lost > v.plan.broken_most:
            v.failed(f"group {g.name}: {lost} cases broke their process; the rest of the group is left out of this call")
            break
        current.unlink(missing_ok=True)
        before, old = count_records(v), log.stat().st_size if log.exists() else 0
        ended = v.run(tiebreak(v, "bench", "--dtype", g.dtype, "--filter", exactly(names), "--min-time-s", v.plan.bench_s, "--resume", "--out", v.records, "--current", current),
                      log, v.plan.case_s, progress=current, mode="ab")
        now = log.read_bytes()[old:].decode(errors="replace")
        last = now.strip().splitlines()[-1][:300] if now.strip() else ""
        case = current.read_text() if current.exists() else ""
        if ended:
            skipped = now.count("bench: SKIP")
            v.say(f"group {g.name}, {g.dtype}: {len(names)} cases, {count_records(v) - before} measured now" + (f", {skipped} refused by the device" if skipped else "") + f", {ended.seconds:.1f} s")
            break
        if ended.how == "time":
            v.failed(f"group {g.name}: the time was over after {count_records(v) - before} of {len(names)} cases; call again, it goes on where it stopped")
            return False
        if case in names and (ended.how in ("hung", "crashed") or ended.status == 5):
            lost += 1
            result = "lost" if ended.how == "ended" else ended.how
            v.remember(case, result, ended.seconds, last if result == "lost" else ended.words(), stage="bench")
            v.failed(f"group {g.name}: {case}: {'the device is lost to its process' if result == 'lost' else ended.words()}; {count_records(v) - before} cases were measured before it; the rest goes on without it")
            names.remove(case)
            v.deliver()
            continue
        v.failed(f"group {g.name}: {ended.words()}; {count_records(v) - before} measured; the log is {log}: {last}")
        break
    return True



def count_records(v):
    return len(list(v.records.glob("bench-*.json")))


def bench_groups(v, groups):
    for g in groups:
        go_on = measure(v, g)
        v.deliver()
        if not go_on:
            break
    v.say(f"{count_records(v)} records in {v.records}")
    return True


def stage_headline(v, quick):
    """the cases that the goals are about, a process a group: known ways, 64 tenants, decode with its rivals, fused and WGMMA (only if their tests passed)"""
    return prepare(v) and bench_groups(v, v.plan.headline)


def stage_bench(v, quick):
    """the whole floor table in bf16, then f32: prefill, training, decode for two widths; LoRA, Tied-LoRA, VeRA; every variant"""
    return prepare(v) and bench_groups(v, v.plan.bench)


def stage_profile(v, quick):
    """ncu's word on five kernels, where it is"""
    if not prepare(v):
        return False
    if not shutil.which("ncu"):
        v.say("ncu is not on this machine; left out")
        return True
    for kernel, pattern in v.plan.profile:
        names = [n for n in cases_of(v, "bf16") if re.search(pattern, n)]
        if not names:
            v.failed(f"{kernel}: no case has such a name ({pattern})")
            continue
        if v.before(names[0], stage="bench").get("result") in BROKEN or not all(passed_test(v, t) for k, t in (("fused", "fused_test"), ("wgmma", "adapted_test")) if k in kernel):
            v.failed(f"{kernel}: left out, as it broke its process or its test did not pass")
            continue
        sections = [w for s in ("SpeedOfLight", "MemoryWorkloadAnalysis", "LaunchStats", "Occupancy", "WarpStateStats", "SchedulerStats") for w in ("--section", s)]
        judge = lambda ended, text: ("passed", "profiled") if ended and "Duration" in text else (ended.how if ended.how != "ended" else "failed", ended.words() + "; no profile in the log")
        v.test(re.sub(r"[^a-z_0-9]", "", kernel), ["ncu", "--clock-control", "none", "--kernel-name", f"regex:^{kernel}", "--launch-count", "2", *sections,
                        *tiebreak(v, "bench", "--dtype", "bf16", "--filter", exactly(names[:1]), "--min-time-s", "0")], v.plan.test_s, [v.build / "tiebreak"], judge)
    return True


# --- models

def number_in(path, key):
    """A number of a verb's JSON; NaN where there is none."""
    try:
        j = json.loads(path.read_text())
    except (OSError, ValueError):
        return math.nan
    stack = [j]
    while stack:
        here = stack.pop()
        if isinstance(here, dict):
            if isinstance(here.get(key), (int, float)):
                return here[key]
            stack += here.values()
    return math.nan


def same_bytes(a, b):
    return a.exists() and b.exists() and a.read_bytes() == b.read_bytes()


def stage_model(v, quick):
    """fine-tune on the miniature base twice, in f32 and bf16: the same adapter bytes, and the CPU's loss; score it, and generate: the CPU's scores and texts"""
    if not prepare(v):
        return False
    here, d, program = v.out / v.stage, v.plan.device, v.build / "tiebreak"
    train = lambda name, *words: (f"{name}.json", [program, "train", "--model", f"{MINI}/base", "--task", "hellaswag", "--data", f"{MINI}/hellaswag/train.jsonl", "--method", "tied-lora",
                                                   "--rank", 8, "--steps", v.plan.mini_steps, "--lr", 3e-3, "--batch", 4, "--out", here / name, "--json", *words], 300)
    loss = lambda name: number_in(here / f"{name}.json", "loss_last")
    same = lambda a, b: same_bytes(here / a / "adapter_model.safetensors", here / b / "adapter_model.safetensors")

    def judged(one, two, other, tolerance, words):
        """Two runs with the same bytes, whose loss is that of another."""
        if not same(one, two):
            return "two runs gave different adapters"
        a, b = loss(one), loss(other)
        if not (b > 0 and abs(a - b) <= tolerance * b):
            return f"the losses differ: {a} and, {words}, {b}"
        return f"ok: twice the same adapter; loss {a:.6g}, {words} {b:.6g}"

    fresh = lambda *names: [here / n for n in names]
    v.sequence("train", [train("one", "--device", d), train("two", "--device", d), train("cpu", "--device", "cpu")], [program], fresh("one", "two", "cpu"), lambda: judged("one", "two", "cpu", 1e-4, "on the CPU"))
    v.sequence("train-bf16", [train(n, "--device", d, "--dtype", "bf16") for n in ("bf16-one", "bf16-two")], [program], fresh("bf16-one", "bf16-two"), lambda: judged("bf16-one", "bf16-two", "one", 1e-2, "in f32"))
    at = {"cpu": "cpu", "device": d}
    steps = [step for n, device in at.items() for step in (
        (f"eval-{n}.json", [program, "eval", "--model", f"{MINI}/base", "--adapter", here / "one", "--task", "hellaswag", "--data", f"{MINI}/hellaswag/test.jsonl",
                            "--limit", v.plan.mini_items, "--device", device, "--out", here / f"eval-{n}", "--json"], 300),
        (f"text-{n}.txt", [program, "generate", "--model", f"{MINI}/base", "--adapter", here / "one", "--prompt", "The ", "--max-new-tokens", v.plan.mini_items, "--device", device], 300))]

    def scored():
        scores = [re.findall(r'"acc[a-z_]*":\{"value":[0-9.e-]*', re.sub(r"\s", "", (here / f"eval-{n}.json").read_text())) for n in at]
        if not scores[0] or scores[0] != scores[1]:
            return f"the scores differ: {scores[0]} on the CPU, {scores[1]} here"
        text = [(here / f"text-{n}.txt").read_text() for n in at]
        return f"ok: the CPU's scores and text ({len(text[0])} characters)" if text[0] and text[0] == text[1] else "the texts differ"
    v.sequence("score", steps, [program], fresh("eval-cpu", "eval-device"), scored)
    return True


def large_data(words):
    """64 items that are equally long, so that tokens/s are of full batches; their answers, all of which is trained on, are nearly all of it."""
    item = lambda i: "".join(f"the number is {(i * 7 + w * 13) % 10} and " for w in range(words)) + "so\n#### 7"
    return "".join(json.dumps({"question": "Count.", "answer": item(i)}) + "\n" for i in range(64))


def stage_large(v, quick):
    """a model of Llama-2-7B's shape with random weights (13 GB in a temporary folder, --large-dir): fine-tuning and decoding, tokens/s and memory; --quick: LoRA alone, 20 steps"""
    if not prepare(v):
        return False
    here, model, program = v.out / v.stage, large_model(v), v.build / "tiebreak"
    here.mkdir(parents=True, exist_ok=True)
    if not (model / "model.safetensors.index.json").exists():
        new = model.with_name(f"{model.name}.new")  # the half of a model that a kill leaves is none
        shutil.rmtree(new, ignore_errors=True)
        ended = v.run([program, "base", "--shape", v.plan.shape, "--tokenizer", f"{MINI}/base", "--out", new], here / "base.log", 300)
        if ended:
            new.rename(model)
        else:
            v.failed(f"no model in {model}: {ended.words()}; --large-dir names a folder with 14 GB of room")
            return True
        v.say(f"the base, {sum(f.stat().st_size for f in model.glob('*')) / 1e9:.1f} GB: made in {ended.seconds:.1f} s")
    (here / "data.jsonl").write_text(large_data(v.plan.words))
    for run in ("lora",) if quick else ("lora", "tied-lora", "vera", "tied-lora-again"):
        method, folder = run.removesuffix("-again"), here / run
        command = [program, "train", "--model", model, "--task", "gsm8k", "--data", here / "data.jsonl", "--method", method, "--rank", 16, "--sites", "q,v", "--steps", v.plan.steps[quick],
                   "--batch", 4, "--lr", 1e-4, "--no-shuffle", "--device", v.plan.device, "--dtype", "bf16", "--out", folder, "--json"]

        def trained():
            if run != method and not same_bytes(here / method / "adapter_model.safetensors", folder / "adapter_model.safetensors"):
                return "two runs gave different adapters"
            rate = number_in(here / f"train-{run}.json", "tokens_per_s")
            return f"ok: {rate:.6g} tokens/s" if rate > 0 else "no tokens/s in what it printed"
        v.sequence(f"train-{run}", [(f"train-{run}.json", command, 150)], [program], [folder], trained)
    copies = (1, 8)

    def generated():
        rates = {c: number_in(here / f"generate-{c}.json", "tokens_per_s") for c in copies}
        return "ok: " + ", ".join(f"{c} at a time {r:.6g} tokens/s" for c, r in rates.items()) if all(r > 0 for r in rates.values()) else "no tokens/s in what it printed"
    v.sequence("generate", [(f"generate-{c}.json", [program, "generate", "--model", model, "--adapter", here / "lora", "--prompt", "The ", "--max-new-tokens", v.plan.new, "--copies", c, "--time",
                                                    "--device", v.plan.device, "--dtype", "bf16", "--json"], 100) for c in copies], [program], [], generated)
    return True


def large_model(v):
    return pathlib.Path(v.args.large_dir) / v.plan.shape


def stage_peer(v, quick):
    """PEFT in PyTorch beside ours on the same GPU, where Python has torch, peft and transformers: layers, then the large model; --quick: the model all in bf16, then one layer"""
    if not prepare(v):
        return False
    command = [os.environ.get("PYTHON", "python3"), "scripts/gpu_peer.py", "--out", v.out / "peer", "--tiebreak", v.build / "tiebreak"]
    command += ["--quick"] if quick else []
    command += ["--rehearse"] if v.plan.device != "cuda" else []
    command += ["--large-model", large_model(v)] if (large_model(v) / "model.safetensors.index.json").exists() else []
    names = {e["name"] for e in v.ledger().values() if e["stage"] == "bench" and e["result"] in BROKEN} if not v.args.retry else ()
    without = {"merged", *re.findall(r"/variant=([^/\s]+)", " ".join(names))} | {p for p, t in ((".*fused.*", "fused_test"), ("decode-wgmma", "adapted_test")) if not passed_test(v, t)}
    command += ["--without", "|".join(sorted(without))]
    left = min(v.left(), plan.SECONDS["peer"][1])
    command += ["--until", max(1, int(left) - 2)]
    log = v.out / "peer.log"
    ended = v.run(command, log, left)
    print("\n".join(f"          | {line[:200]}" for line in log.read_text(errors='replace').strip().splitlines()[-12:]), flush=True)
    if ended:
        v.say(f"records in {v.out / 'peer'}")
    elif ended.how == "ended" and ended.status in (77, 127):
        v.say("SKIP: the last line says why")
    else:
        v.failed(f"{ended.words()}; the log is {log}")
    return True


# --- what comes of it

def stage_collect(v, quick):
    """what was measured, with where it came from, into measured/, ready for reports/measured/gpu; then the goals and a report of it"""
    if not prepare(v):
        return False
    info = (v.out / "probe" / "info.txt").read_text()
    name = re.sub(r"[^A-Za-z0-9]+", "-", (re.findall(r"^gpu[.]name +(.*)", info, re.M) or ["rehearsal"])[0]) if v.plan.device == "cuda" else "rehearsal"
    target = v.out / "measured" / name
    shutil.rmtree(v.out / "measured", ignore_errors=True)
    target.mkdir(parents=True)
    for to, source in (("bench", v.records), *((s, v.out / s) for s in ("peer", "large", "model"))):
        if source.is_dir():
            v.run(["scripts/collect", source, target / to], v.out / "collect" / f"{to}.log", 30)
    ran = [e for e in v.ledger().values() if e["device"] == v.plan.device]
    (target / "README.md").write_text(
        f"# Measured by scripts/gpu-check on {time.strftime('%Y-%m-%d', time.gmtime())}\n\n" + "".join(f"    {line}\n" for line in info.splitlines())
        + "\n" + "".join(f"- {e['stage']}/{e['name']}: {e['result']}, {e['seconds']} s: {e['why']}\n" for e in ran))
    v.say(f"{len(list(target.rglob('*.json')))} records in {target}, to be copied into reports/measured/gpu")
    v.deliver()
    # nothing that comes now may cost the archive, or the call
    report = v.run([v.build / "tiebreak", "report", target, "--out", v.out / "report"], v.out / "report.log", 60)
    last = ((v.out / "report.log").read_text(errors="replace").strip().splitlines() or [""])[-1][-200:]
    v.say(f"the report: {last}" if report else f"no report ({report.words()}: {last}); the records stand, `tiebreak report {target} --out DIR` makes it elsewhere")
    goals = v.run([sys.executable, "scripts/goals", target], v.out / "goals.txt", 30)
    lines = (v.out / "goals.txt").read_text(errors="replace").splitlines()
    verdicts = [line[:13].strip() for line in lines]
    v.say("goals: " + ", ".join(f"{verdicts.count(w)} {w}" for w in ("met", "missed", "not separable", "not measured")) if goals.status in (0, 1) and lines else f"no goals ({goals.words()})")
    return True


STAGES = {n.removeprefix("stage_"): f for n, f in dict(globals()).items() if n.startswith("stage_")}
