"""One call: how long there is, what ran before, children that cannot outlive their time, and the archive that is there whatever comes later."""
import io, json, os, pathlib, re, shutil, signal, subprocess, tarfile, time
from dataclasses import dataclass

from gpu_check import machine, plan


class Stopped(Exception):
    """The call was told to end."""


@dataclass
class Ended:
    how: str      # "ended", "crashed" (by a signal), "hung" (no progress within its own limit), "time" (the stage's or the call's was over)
    status: int
    seconds: float

    def __bool__(self):
        return self.how == "ended" and self.status == 0

    def words(self):
        return {"ended": f"exit status {self.status}", "crashed": f"ended by signal {-self.status}", "hung": f"neither end nor progress within its limit, killed after {self.seconds:.0f} s",
                "time": "the time was over"}[self.how]


def cmocka(log):
    """What a test's log says: (passed, failed, skipped, reasons for skips that do not count as passes).

    >>> cmocka("[==========] 2 test(s) run.\\n[  PASSED  ] 1 test(s).\\n[  SKIPPED ] 1 test(s), listed below:\\nSKIP because this GPU: it is no sm_90")
    (1, 0, 1, ['this GPU: it is no sm_90'])
    >>> cmocka("[ RUN      ] refusals_say_what_is_missing\\nSKIP because no emulator\\n[ RUN      ] f\\nSKIP because data is not at hand; x\\n[  PASSED  ] 1 test(s).")
    (1, 0, 0, [])
    >>> cmocka("[ RUN      ] f\\nSKIP because libtiebreak-cuda-emulated.so is not there\\n[  PASSED  ] 1 test(s).")[3]
    ['libtiebreak-cuda-emulated.so is not there']
    """
    count = lambda word: int((re.findall(rf"^\[ *{word} *\] (\d+) test", log, re.M) or ["0"])[-1])
    test, refused = "", set()
    for run, reason in re.findall(r"^\[ RUN +\] (\S+)|SKIP because (.*)", log, re.M):
        test = run or test
        if reason and test not in plan.EMULATOR_ALONE and "is not at hand" not in reason:
            refused.add(reason)
    return count("PASSED"), count("FAILED"), count("SKIPPED"), sorted(refused)


def verdict(ended, log):
    """("passed" or what else, why): a test that ran nothing, or was refused by the device, has not passed.

    >>> ok = Ended("ended", 0, 1)
    >>> verdict(ok, "[==========] 1 test(s) run.\\n[  PASSED  ] 1 test(s).")
    ('passed', '1 passed')
    >>> verdict(ok, "[==========] 1 test(s) run.\\n[  PASSED  ] 0 test(s).\\n[  SKIPPED ] 1 test(s), listed below:\\nSKIP because this GPU: no")[0]
    'not proven'
    >>> verdict(ok, "")
    ('not proven', 'no test ran')
    >>> verdict(Ended("hung", -15, 45), "")[0], verdict(Ended("time", -15, 4), "")[0], verdict(Ended("crashed", -6, 4), "")[0], verdict(Ended("ended", 2, 4), "")[0]
    ('hung', 'time', 'crashed', 'failed')
    """
    passed, failed, skipped, refused = cmocka(log)
    if not ended:
        return (ended.how if ended.how != "ended" else "failed"), f"{ended.words()}; {passed} passed, {failed} failed"
    if refused:
        return "not proven", f"{passed} passed, but a part was refused: {refused[0][:200]}"
    if not passed:
        return "not proven", "all that there is was skipped" if skipped else "no test ran"
    return "passed", f"{passed} passed" + (f", {skipped} skipped" if skipped else "")


class Visit:
    def __init__(self, args):
        self.args, self.plan = args, plan.REHEARSAL if args.rehearse else plan.GPU
        self.build, self.out = pathlib.Path(args.build), pathlib.Path(args.out)
        self.start = time.monotonic()
        self.end = self.start + args.until - (plan.RESERVE_S if args.until > 3 * plan.RESERVE_S else 0) if args.until else None
        self.stage_end, self.stage, self.fail, self.child = None, "", False, None
        self.results, self.timing, self.delivered = {}, [], self.start
        self.env = dict(os.environ, GOMP_SPINCOUNT="2000")
        self.out.mkdir(parents=True, exist_ok=True)

    # --- words

    def say(self, text):
        line = f"{self.stage:<9} {text}"
        print(line, flush=True)
        with open(self.out / "said.txt", "a") as f:
            f.write(line + "\n")

    def failed(self, text):
        self.fail = True
        self.say(f"FAILED: {text}")

    # --- what ran before: one line of JSON for each thing that ran, the last of a name counts

    def ledger(self):
        last = {}
        if (self.out / "ledger.jsonl").exists():
            for line in (self.out / "ledger.jsonl").read_text().splitlines():
                try:
                    e = json.loads(line)
                    last[e["stage"], e["name"], e["programs"]] = e
                except (ValueError, KeyError):
                    pass  # the line that a kill cut off
        return last

    def programs(self):
        return machine.hash_of(self.build / "tiebreak", self.library())

    def library(self):
        return self.build / f"libtiebreak-{self.plan.device}.so"

    def remember(self, name, result, seconds, why="", programs=None, stage=None):
        e = {"stage": stage or self.stage, "name": name, "result": result, "seconds": round(seconds, 1), "why": why, "programs": programs or self.programs(),
             "device": self.plan.device, "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
        with open(self.out / "ledger.jsonl", "a") as f:
            f.write(json.dumps(e) + "\n")
        with open(self.out / "left-out.txt", "w") as f:
            f.writelines(f"{e['stage']} {e['name']}: {e['result']}: {e['why']}\n" for e in self.ledger().values() if e["result"] in BROKEN)

    def before(self, name, programs=None, stage=None):
        return self.ledger().get((stage or self.stage, name, programs or self.programs()), {})

    # --- time and children

    def left(self):
        ends = [e for e in (self.end, self.stage_end) if e is not None]
        return min(ends) - time.monotonic() if ends else float("inf")

    def run(self, command, log, limit, env=None, progress=None, apart=None, mode="wb"):
        """A child's whole output goes to `log`, but what it prints to `apart` if that is given. It ends, or is killed with its process group when nothing has moved for `limit` seconds (since its start,
        or since the file `progress` last changed), or the time is over."""
        log.parent.mkdir(parents=True, exist_ok=True)
        start = moved = time.monotonic()
        stamp = None
        with open(log, mode) as f, open(apart or os.devnull, "wb") as printed:
            try:
                self.child = subprocess.Popen([str(c) for c in command], stdout=printed if apart else f, stderr=f, stdin=subprocess.DEVNULL, env=self.env | (env or {}),
                                              preexec_fn=machine.die_with_parent)
            except OSError as e:
                f.write(f"{e}\n".encode())
                return Ended("ended", 127, 0)
            how = "ended"
            while True:
                now = time.monotonic()
                if progress:
                    try:
                        seen = os.stat(progress).st_mtime_ns
                    except OSError:
                        seen = None
                    moved, stamp = (now, seen) if seen != stamp else (moved, stamp)
                how = "time" if self.left() <= 0 else "hung" if now - moved > limit else "ended"
                if how != "ended":
                    break
                if progress and now - self.delivered > plan.DELIVER_S:
                    self.deliver()
                try:
                    self.child.wait(timeout=0.1)
                    break
                except subprocess.TimeoutExpired:
                    pass
            if how != "ended":
                self.kill()
            status, self.child = self.child.returncode, None
        status = -9 if status is None else status
        return Ended("crashed" if how == "ended" and status < 0 else how, status, time.monotonic() - start)

    def kill(self):
        """The child's whole group: TERM, and KILL after some seconds."""
        for number, seconds in ((signal.SIGTERM, plan.KILL_S), (signal.SIGKILL, plan.KILL_S)):
            try:
                os.killpg(self.child.pid, number)
            except ProcessLookupError:
                pass
            try:
                self.child.wait(timeout=seconds)
            except subprocess.TimeoutExpired:
                continue
            if number == signal.SIGTERM:  # what the child left behind of its group
                try:
                    os.killpg(self.child.pid, signal.SIGKILL)
                except (ProcessLookupError, PermissionError):
                    pass
            return
        self.say("a process does not end after KILL; it is left alone")

    def test(self, name, command, limit, files, judge=verdict, env=None):
        """Runs it, unless it has passed before with the same programs, or broke its process then. True: it has passed."""
        sum_, log = machine.hash_of(*files, self.library()), self.out / self.stage / f"{name}.log"
        before = self.before(name, sum_)
        if before.get("result") == "passed":
            self.results[name] = "passed"
            self.say(f"{name}: passed before")
            return True
        if before.get("result") in BROKEN and not self.args.retry:
            self.results[name] = before["result"]
            self.failed(f"{name}: left out, since {before['result']} before ({before['why']}); --retry tries it again")
            return False
        if self.left() < 2:
            self.results[name] = "time"
            self.failed(f"{name}: not begun, the time is over; call again, it goes on where it stopped")
            return False
        ended = self.run(command, log, limit, env)
        text = log.read_text(errors="replace")
        result, why = judge(ended, text)
        self.results[name] = result
        if result != "time":
            self.remember(name, result, ended.seconds, why, sum_)
        if result == "passed":
            self.say(f"{name}: passed, {ended.seconds:.1f} s ({why})")
            return True
        for line in text.strip().splitlines()[-8:]:
            print(f"          | {line[:200]}", flush=True)
        self.failed(f"{name}: {result} ({why}); the log is {log}")
        return False

    def sequence(self, name, steps, files, fresh, check):
        """Several commands as one thing that passes or fails: steps are (file of its output in the stage's folder, command, seconds), `fresh` the folders that
        must not be there before; `check` says what is wrong with the outcome, or what is right after "ok: "."""
        sum_ = machine.hash_of(*files, self.library())
        if self.before(name, sum_).get("result") == "passed":
            self.say(f"{name}: passed before")
            return True
        for folder in fresh:
            shutil.rmtree(folder, ignore_errors=True)
        start = time.monotonic()
        for file, command, seconds in steps:
            log = self.out / self.stage / f"{file}.log"
            if self.left() < 2:
                self.failed(f"{name}: not finished, the time is over; call again")
                return False
            ended = self.run(command, log, seconds, apart=self.out / self.stage / file)
            if not ended:
                print("\n".join(f"          | {line[:200]}" for line in log.read_text(errors='replace').strip().splitlines()[-8:]), flush=True)
                if ended.how != "time":
                    self.remember(name, "failed", time.monotonic() - start, f"{file}: {ended.words()}", sum_)
                self.failed(f"{name}: {file}: {ended.words()}; the log is {log}")
                return False
        why = check()
        good = why.startswith("ok: ")
        self.remember(name, "passed" if good else "failed", time.monotonic() - start, why, sum_)
        (self.say if good else self.failed)(f"{name}: {'passed, ' if good else ''}{why.removeprefix('ok: ')} ({time.monotonic() - start:.1f} s)")
        return good

    # --- the archive

    def deliver(self):
        """Writes the archive aside and renames it. Records and words come first; what is too large is left out and named in it."""
        self.delivered = time.monotonic()
        if not self.args.deliver:
            return
        try:
            to = pathlib.Path(self.args.deliver) / "gpu-check.tar.gz"
            to.parent.mkdir(parents=True, exist_ok=True)
            size = write_archive(self.out, to)
            if size > plan.ARCHIVE_BYTES:
                self.failed(f"{to} has {size} bytes, more than {plan.ARCHIVE_BYTES}")
        except OSError as e:  # the next stage tries again
            self.failed(f"the archive: {e}")

    def begin(self, stage, quick):
        self.stage, self.began = stage, time.monotonic()
        self.results = {}

    def close(self, result):
        self.timing.append((self.stage, time.monotonic() - self.began, result))
        self.deliver()


BROKEN = ("hung", "crashed", "lost")  # ended its process: left out by the next call


def write_archive(folder, to, most=plan.ARCHIVE_BYTES, file_most=plan.FILE_BYTES):
    """Returns the archive's bytes. The smallest files come first, so the largest are left out where not all have room.

    >>> import tempfile
    >>> d = pathlib.Path(tempfile.mkdtemp())
    >>> for name, size in (("a/small", 10), ("a/large", 3 << 20), ("b.safetensors", 5), ("c", 2 << 20)):
    ...     (d / name).parent.mkdir(exist_ok=True); _ = (d / name).write_bytes(os.urandom(size))
    >>> size = write_archive(d, d / "to.tar.gz", most=4 << 20, file_most=8 << 20)
    >>> size <= 4 << 20, sorted(tarfile.open(d / "to.tar.gz").getnames())
    (True, ['gpu-check/a/small', 'gpu-check/c', 'gpu-check/not-in-here.txt'])
    >>> write_archive(d, d / "to.tar.gz", most=4 << 20, file_most=5) < 4096  # what was there is replaced
    True
    >>> shutil.rmtree(d)
    """
    files = sorted((p for p in folder.rglob("*") if p.is_file() and not p.is_symlink() and p.name != to.name), key=lambda p: p.stat().st_size)
    left, room = [], most - (1 << 20)
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w:gz", compresslevel=6) as tar:
        for p in files:
            size = p.stat().st_size
            # not weights, not programs, not what was delivered; and never more than certainly has room
            if size > file_most or p.suffix in (".safetensors", ".xz", ".so", ".new") or raw.tell() + size > room:
                left.append(f"{size:>12}  {p.relative_to(folder)}")
                continue
            tar.add(p, f"gpu-check/{p.relative_to(folder)}")
        if left:
            text = ("bytes, and the files that are not in this archive\n" + "\n".join(left) + "\n").encode()
            info = tarfile.TarInfo("gpu-check/not-in-here.txt")
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text))
    new = to.with_suffix(".new")
    new.write_bytes(raw.getvalue())
    new.rename(to)
    return to.stat().st_size
