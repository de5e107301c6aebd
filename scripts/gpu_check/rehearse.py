"""The two calls of a visit on the emulator, and once more for each fault, which is planted for real: what was measured before it has to be in the archive, and
the next call has to go on."""
import json, os, pathlib, shutil, signal, subprocess, sys, tarfile, time
from dataclasses import dataclass

from gpu_check import plan


@dataclass(frozen=True)
class Fault:
    what: str
    plant: object = lambda folder, env: env        # (folder of its own, environment) -> the calls' environment, with "--build" in it where programs differ
    kill: tuple = (None, None)                     # for call 1 and 2: the file name whose appearance under the call's folder, `count` times, kills its group
    broken: str = ""                               # a word of what has to be named as broken
    leaves_out: tuple = ()                         # groups that are not measured
    lacks: int = 0                                 # records fewer than without a fault
    says: str = ""                                 # words that call 1 has to print
    call_2_says: str = ""


def kernel(fault):
    return lambda folder, env: env | {"TIEBREAK_EMULATE_FAULT": fault}


def without_gnuplot(folder, env):
    """A PATH of links to all programs of the old one but gnuplot."""
    bin_ = folder / "bin"
    bin_.mkdir(parents=True)
    for place in env["PATH"].split(os.pathsep):
        for program in pathlib.Path(place).iterdir() if os.path.isdir(place) else ():
            if not program.name.startswith("gnuplot") and not os.path.lexists(bin_ / program.name):
                (bin_ / program.name).symlink_to(program.resolve() if not program.is_symlink() else program)
    return env | {"PATH": str(bin_.resolve())}


def without_report(folder, env):
    (folder.parent / "out").mkdir(parents=True)
    (folder.parent / "out/report").write_text("in the way")
    return env


def without_cublas(folder, env):
    """Programs whose device library needs a libcublas.so.99 (a stand-in, of a version that no machine has) that lies nowhere but among Python's packages."""
    build, site = folder / "build", folder / "site/nvidia/cu13/lib"
    site.mkdir(parents=True)
    build.mkdir(parents=True)
    for p in pathlib.Path("build").rglob("*"):
        if p.name.endswith("_test") and p.is_file() or p.name == "tiebreak":
            (build / p.relative_to("build")).parent.mkdir(parents=True, exist_ok=True)
            os.link(p, build / p.relative_to("build"))
    shutil.copy("build/libtiebreak-cuda-emulated.so", build / "libreal.so")
    compiler = ["cc", "-shared", "-x", "c", "/dev/null", "-x", "none", "-Wl,--no-as-needed"]
    subprocess.run([*compiler, "-Wl,-soname,libcublas.so.99", "-o", site / "libcublas.so.99"], check=True)
    subprocess.run([*compiler, f"-L{build}", "-lreal", f"-L{site}", "-l:libcublas.so.99", "-Wl,-rpath,$ORIGIN", "-o", build / "libtiebreak-cuda-emulated.so"], check=True)
    return env | {"PYTHONPATH": str((folder / "site").resolve()), "--build": str(build)}


FAULTS = {
    "crash": Fault("a kernel ends its process, in four cases", kernel("crash:gather_expand_kernel"), broken="variant=gather", lacks=4),
    "lost": Fault("a kernel spoils the GPU's context, so that every later call of its process fails", kernel("lost:gather_expand_kernel"), broken="variant=gather", lacks=4),
    "hang-case": Fault("a kernel never ends while a case is measured", kernel("hang:gather_expand_kernel"), broken="variant=gather", lacks=4),
    "hang-test": Fault("a kernel never ends in a test, so its group is not begun", kernel("hang:fused_fwd_128_kernel"), broken="fused_test", leaves_out=("F",)),
    "no-gnuplot": Fault("gnuplot is not on the PATH", without_gnuplot, says="0 plots"),
    "no-report": Fault("the report cannot be written: a file lies where its folder would be", without_report, says="no report"),
    "no-cublas": Fault("cuBLAS lies among Python's packages alone", without_cublas, says="taken from"),
    "kill": Fault("SIGKILL to the whole group: in the second group of cases, and in the second training of call 2", kill=(("bench-*.json", 30), ("two.json", 1))),
}


# --- one call, as a user makes it

def archive_of(folder):
    """What the delivered archive holds: {"records": n, "ledger": [...], "said": text}; empty where there is none."""
    path = folder / "gpu-check.tar.gz"
    if not path.exists():
        return {"records": 0, "ledger": [], "bytes": 0}
    with tarfile.open(path) as tar:
        names = tar.getnames()
        ledger = tar.extractfile("gpu-check/ledger.jsonl").read().decode() if "gpu-check/ledger.jsonl" in names else ""
    last = {}
    for line in ledger.splitlines():
        e = json.loads(line)
        last[e["stage"], e["name"]] = e
    return {"records": sum("/bench/" in n and "/bench-" in n and "/measured/" not in n for n in names), "ledger": list(last.values()), "bytes": path.stat().st_size}


def left_behind(word):
    """Processes whose command line names the folder."""
    found = []
    for p in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word in p.read_text(errors="replace") and int(p.parent.name) != os.getpid() and (p.parent / "exe").exists():
                found.append(p.parent.name)
        except OSError:
            pass
    return found


def one_call(label, which, folder, env, build, kill):
    """Returns {"exit", "seconds", "said", and the archive's}."""
    command = [sys.executable, "scripts/gpu-check", "--rehearse", "--out", folder / "out", "--deliver", folder / "delivered", "--large-dir", folder / "large", "--build", build, *plan.CALLS[which]]
    log = folder / f"call-{label.replace(' ', '-')}.log"
    start, killed = time.monotonic(), False
    with open(log, "wb") as f:
        child = subprocess.Popen([str(c) for c in command], stdout=f, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=env, start_new_session=True)
        try:
            while child.poll() is None:
                time.sleep(0.05)
                if kill and not killed and len([p for p in (folder / "out").rglob(kill[0]) if "measured" not in p.parts]) >= kill[1]:
                    os.killpg(child.pid, signal.SIGKILL)
                    killed = True
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
    time.sleep(0.3)
    return {"exit": child.returncode, "seconds": time.monotonic() - start, "said": log.read_text(errors="replace"), "killed": killed,
            "behind": left_behind(str(folder / "out"))} | archive_of(folder / "delivered")


def show(name, which, r):
    passed = sum(e["result"] == "passed" for e in r["ledger"])
    broken = sorted({e["result"] for e in r["ledger"] if e["result"] in ("hung", "crashed", "lost")})
    named = [e["name"] for e in r["ledger"] if e["result"] in ("hung", "crashed", "lost")]
    how = "killed" if r["killed"] else str(r["exit"])
    print(f"{name:<11} {which:<8} {how:>6} {r['seconds']:>7.1f} {r['records']:>8} {passed:>7} {r['bytes'] / 1024:>7.0f}  {len(named)} named{' as ' + ', '.join(broken) if named else ''}", flush=True)


def stand_in_for_ncu(folder):
    """A program of that name that looks at its options, runs what it is to profile, and says a duration."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "ncu"
    path.write_text('#!/bin/sh\n[ "$1 $2" = "--clock-control none" ] || exit 9\nwhile [ "${1#*/tiebreak}" = "$1" ]; do shift; done\n"$@" && echo "    Duration (a stand-in: nothing was measured)"\n')
    path.chmod(0o755)


def calls_of(name, fault, root):
    """Runs call 1, call 1 again, call 2, and call 2 again where it was killed; returns their results."""
    folder = root / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    stand_in_for_ncu(folder / "ncu")
    env = fault.plant(folder / "planted", dict(os.environ, PATH=f"{(folder / 'ncu').resolve()}{os.pathsep}{os.environ['PATH']}"))
    build = env.pop("--build", "build")
    results = {}
    for label, which, kill in (("1", 0, fault.kill[0]), ("1 again", 0, None), ("2", 1, fault.kill[1]), *((("2 again", 1, None),) if fault.kill[1] else ())):
        results[label] = one_call(label, which, folder, env, build, kill)
        show(name, label, results[label])
    return results


def wrong(fault, got, whole):
    """What does not hold, in words; `whole`: the records of a visit without a fault."""
    first, again, second = got["1"], got["1 again"], got["2 again" if "2 again" in got else "2"]
    names = [e["name"] for e in first["ledger"] if e["result"] in ("hung", "crashed", "lost")]
    due = whole - fault.lacks
    checks = (
        (first["records"] > 0, "call 1 brought nothing back"),
        (again["records"] >= first["records"], "call 1 again lost records"),
        (bool(fault.leaves_out) or again["records"] == due, f"{again['records']} records where {due} are due"),
        (second["records"] >= again["records"], "call 2 lost records"),
        (not fault.broken or any(fault.broken in n for n in names), f"nothing like {fault.broken} is named as broken"),
        (bool(fault.broken) or not names, f"{names} broke their process"),
        (not fault.broken or "left out" in again["said"], "the next call did not leave out what broke"),
        (fault.says in first["said"], f"call 1 did not say \"{fault.says}\""),
        (not fault.kill[0] or first["killed"] and got["2"]["killed"], "the kill came too late"),
        (any(e["stage"] == "model" and e["result"] == "passed" for e in second["ledger"]), "call 2 did not get to the models"),
        (any(e["stage"] == "large" and e["name"] == "generate" and e["result"] == "passed" for e in second["ledger"]), "call 2 did not get through the large model"),
        (all(r["seconds"] <= float(plan.CALLS[0 if k.startswith("1") else 1][1]) for k, r in got.items()), "a call outlasted its --until"),
        (not any(r["behind"] for r in got.values()), "processes were left behind"),
        (fault.kill[0] or fault.broken or all(r["exit"] == 0 for r in got.values()), "a call failed"),
    )
    return [words for good, words in checks if not good]


def rehearse(a):
    for s in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(s, lambda number, _: sys.exit(128 + number))
    root = pathlib.Path(a.out)
    print("A REHEARSAL on the emulator: nothing is measured. The calls:")
    for c in plan.CALLS:
        print("    scripts/gpu-check --deliver DIR " + " ".join(c))
    print(f"{'fault':<11} {'call':<8} {'exit':>6} {'seconds':>7} {'records':>8} {'passed':>7} {'KiB':>7}  broke their process")
    none = Fault("nothing")
    got = {"none": calls_of("none", none, root)}
    whole = got["none"]["1"]["records"]
    bad = {"none": wrong(none, got["none"], whole)}
    for name in a.faults or ():
        got[name] = calls_of(name, FAULTS[name], root)
        bad[name] = wrong(FAULTS[name], got[name], whole)
    print()
    for name, words in bad.items():
        print(f"{name:<11} {'as it should be' if not words else 'WRONG: ' + '; '.join(words)}: {FAULTS[name].what if name in FAULTS else 'no fault'}")
    print(f"what each call said: {root}/FAULT/call-N.log")
    return 1 if any(bad.values()) else 0
