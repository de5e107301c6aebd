"""What can be said of the CUDA backend on a machine with a GPU, in stages, none of which costs the others their results.

    scripts/gpu-check [OPTION...] [STAGE [--quick]...]      default: build parity sanitize bench model large peer collect

Works from a plain copy of the tree, also with programs made elsewhere: `scripts/gpu-check pack` puts them with their libraries into runs/gpu/build.tar.xz,
which is unpacked where build/ is missing. cuBLAS of the same CUDA is needed there, where the loader, NVIDIA or Python has it, and glibc at least as new. What
has passed or was measured is not done again as long as the programs are the same; what broke its process (a crash, a hang, an error that stays with the
GPU's context) is named in left-out.txt and left out from then on.

    --out DIR         where everything goes; runs/gpu
    --deliver DIR     one archive, DIR/gpu-check.tar.gz, renewed after every stage and group of cases, of at most 16 MiB: records, logs, what ran
    --until SECONDS   of this call: every child gets at most what is left of it; a stage leaves what is set aside for those behind it
    --from ARCHIVE    begin with what an earlier call delivered
    --build DIR       the programs; build
    --large-dir DIR   for the large model, 14 GB
    --retry           try again what broke its process before
    --rehearse        with stages: these on the emulator, tiny; without: the two calls of a visit as they stand below. Nothing is measured by it
    --faults[=NAME,...]  with --rehearse: the two calls once more for each planted fault
    --check           try this script's own logic
"""
import argparse, doctest, os, pathlib, shutil, signal, sys, tarfile, time, traceback

from gpu_check import machine, plan, rehearse, stages, visit

DEFAULT = ("build", "parity", "sanitize", "bench", "model", "large", "peer", "collect")
VALUED = {"--out": "runs/gpu", "--deliver": None, "--until": None, "--from": None, "--build": "build",
          "--large-dir": os.path.join(os.environ.get("TMPDIR", "/tmp"), "tiebreak-large")}
FLAGS = ("--retry", "--rehearse", "--check", "--help")


def usage_error(text):
    print(f"gpu-check: {text}; --help says more", file=sys.stderr)
    sys.exit(2)


def parse(words):
    """Options as attributes, and .stages: (name, quick).

    >>> a = parse(["--until", "9.5", "large", "--quick", "peer"])
    >>> a.until, a.stages, a.out
    (9.5, [('large', True), ('peer', False)], 'runs/gpu')
    """
    a = argparse.Namespace(stages=[], faults=None, **{k[2:].replace("-", "_"): d for k, d in VALUED.items()}, **{f[2:]: False for f in FLAGS})
    words = list(words)
    while words:
        w = words.pop(0)
        if w in VALUED:
            if not words:
                usage_error(f"{w} needs a value")
            setattr(a, w[2:].replace("-", "_"), words.pop(0))
        elif w in FLAGS:
            setattr(a, w[2:], True)
        elif w == "--faults" or w.startswith("--faults="):
            a.faults = w[len("--faults="):].split(",") if "=" in w else list(rehearse.FAULTS)
        elif w == "--quick" and a.stages:
            a.stages[-1] = (a.stages[-1][0], True)
        elif w in stages.STAGES:
            a.stages.append((w, False))
        else:
            usage_error(f"{w}: must be a stage ({', '.join(stages.STAGES)}) or an option")
    unknown = [f for f in a.faults or () if f not in rehearse.FAULTS]
    if unknown:
        usage_error(f"--faults={unknown[0]}: must be of {', '.join(rehearse.FAULTS)}")
    if a.faults is not None and (a.stages or not a.rehearse):
        usage_error("--faults goes with --rehearse, without stages")
    try:
        a.until = None if a.until is None else float(a.until)
    except ValueError:
        a.until = -1.0
    if a.until is not None and not a.until > 0:
        usage_error("--until needs seconds above 0")
    return a


def ends(names, until):
    """When each stage has to end, in seconds of the call: what is set aside for those behind it is theirs; where there is less than all want, the first have it,
    but for a fifth at most, which is for collecting.

    >>> ends(["probe", "parity", "headline", "collect"], 400), ends(["probe", "parity", "headline", "collect"], 50)
    ([120, 210, 380, 400], [20, 40.0, 40.0, 50])
    >>> ends(["bench"], 500), ends(["collect"], 10)
    ([500], [10])
    """
    aside = [plan.SECONDS[n][0] for n in names]
    last = until - min(aside[-1], until / 5) if names[-1] == "collect" else until
    return [min(last, max(sum(aside[:i + 1]), until - sum(aside[i + 1:]))) for i in range(len(names) - 1)] + [until]


STOPS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)


def run_stages(v):
    asked = v.args.stages or [(n, False) for n in DEFAULT]
    until = ends([n for n, _ in asked], v.end - v.start) if v.end else None
    stop = False
    for i, (name, quick) in enumerate(asked):
        v.begin(name, quick)
        if stop and name != "collect":
            v.say("left out, since the probe failed")
            continue
        v.stage_end = v.start + until[i] if until else time.monotonic() + plan.SECONDS[name][1]
        failed_before, v.fail = v.fail, False
        try:
            go_on = stages.STAGES[name](v, quick)
        except visit.Stopped:
            raise
        except Exception:
            v.failed("this script: " + traceback.format_exc().strip())
            go_on = True
        stop = stop or (name == "probe" and not go_on)
        v.fail = v.fail or not go_on
        v.close("failed" if v.fail else "fine")
        v.fail = v.fail or failed_before


def stop_on_signal(number, _):
    for s in STOPS:
        signal.signal(s, signal.SIG_IGN)
    raise visit.Stopped(signal.Signals(number).name)


def call(a):
    v = visit.Visit(a)
    if a.__dict__["from"] and not (v.out / "ledger.jsonl").exists():
        with tarfile.open(a.__dict__["from"]) as tar:
            tar.extractall(v.out.parent / f".{v.out.name}.from", **machine.EXTRACT)
        shutil.copytree(v.out.parent / f".{v.out.name}.from" / "gpu-check", v.out, dirs_exist_ok=True)
        shutil.rmtree(v.out.parent / f".{v.out.name}.from")
    for s in STOPS:
        signal.signal(s, stop_on_signal)
    try:
        run_stages(v)
    except visit.Stopped as e:
        if v.child:
            v.kill()
        v.failed(f"told to end ({e})")
        v.deliver()
    v.stage = "call"
    v.say(", ".join(f"{n} {s:.1f} s ({r})" for n, s, r in v.timing) + f"; {time.monotonic() - v.start:.1f} s in all")
    if (v.out / "left-out.txt").exists() and (v.out / "left-out.txt").stat().st_size:
        v.say(f"named in {v.out / 'left-out.txt'}: {len((v.out / 'left-out.txt').read_text().splitlines())} that broke their process")
    if a.deliver:
        v.deliver()
        v.say(f"{pathlib.Path(a.deliver) / 'gpu-check.tar.gz'}: {(pathlib.Path(a.deliver) / 'gpu-check.tar.gz').stat().st_size} bytes")
    return 1 if v.fail else 0


def help_text():
    rows = [f"    {n:<9} {plan.SECONDS[n][0]:>4} s  {f.__doc__}" for n, f in stages.STAGES.items()]
    calls = [f"    scripts/gpu-check --deliver DIR {' '.join(c)}" for c in plan.CALLS]
    return "\n".join([__doc__, "Stages, with the seconds that are set aside for each where --until is given:", "", *rows, "", "The two calls of a short visit:", "", *calls, "", "Faults:", "",
                      *(f"    {n:<10} {f.what}" for n, f in rehearse.FAULTS.items())])


def main(words):
    os.chdir(pathlib.Path(__file__).resolve().parents[2])
    a = parse(words)
    if a.help:
        print(help_text())
        return 0
    if a.check:
        return 1 if sum(doctest.testmod(m).failed for m in (machine, visit, stages, rehearse, sys.modules[__name__])) else 0
    if a.rehearse and not a.stages:
        return rehearse.rehearse(a)
    return call(a)
