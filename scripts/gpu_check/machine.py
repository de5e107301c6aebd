"""What a machine offers: programs, the libraries they want, a GPU; and the archive of programs for a machine that has no compiler."""
import ctypes, functools, glob, hashlib, os, pathlib, re, shutil, subprocess, sys, tarfile, tempfile

from gpu_check import plan

# Of the machine itself, or of its driver and CUDA: never packed.
OWN = r"^(ld-linux.*|libc|libm|libdl|librt|libpthread|libresolv|libcuda|libcublas|libcublasLt)[.]so"


def text_of(command, seconds=20, env=None):
    """What a command prints; "" where there is none of this name, or it fails."""
    try:
        done = subprocess.run([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=seconds, env=env)
        return done.stdout.decode(errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return ""


@functools.lru_cache(None)
def digest(path, size, changed_ns):
    return hashlib.sha256(pathlib.Path(path).read_bytes()).digest()


def hash_of(*files):
    stats = [os.stat(f) for f in files]
    return hashlib.sha256(b"".join(digest(str(f), s.st_size, s.st_mtime_ns) for f, s in zip(files, stats))).hexdigest()[:12]


# --- libraries

def missing_in(loader_text):
    """Names of the libraries that `ldd` did not find, or found in a version that is too old.

    >>> sorted(missing_in('''\\tlibcublas.so.13 => not found
    ... \\tlibm.so.6 => /lib/libm.so.6 (0x1)
    ... prog: /lib/libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by prog)'''))
    ['libcublas.so.13', 'libstdc++.so.6']
    """
    return set(re.findall(r"^\s*(\S+) => not found", loader_text, re.M)) | \
        {os.path.basename(path) for path in re.findall(r"(\S+): version `[^']*' not found", loader_text)}


def library_folders(build):
    """Where a library may lie that the loader does not find: what was packed, NVIDIA's places, Python's packages."""
    pythons = [p for p in sys.path if p]
    for python in dict.fromkeys((os.environ.get("PYTHON", "python3"), "python3")):
        pythons += text_of([python, "-c", "import sys; print('\\n'.join(p for p in sys.path if p))"]).splitlines()
    cuda = [os.environ[k] for k in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(k)]
    nvcc = shutil.which("nvcc")
    if nvcc:
        cuda.append(os.path.dirname(os.path.dirname(os.path.realpath(nvcc))))
    places = [f"{root}/{lib}" for root in cuda + sorted(glob.glob("/usr/local/cuda*"), reverse=True) for lib in ("lib64", "targets/x86_64-linux/lib")]
    places += [place for p in dict.fromkeys(pythons) for place in sorted(glob.glob(f"{p}/nvidia/*/lib"))]
    places += ["/usr/lib/x86_64-linux-gnu", "/usr/local/nvidia/lib64", f"{build}/lib"]
    return [p for p in dict.fromkeys(places) if os.path.isdir(p)]


def find_libraries(programs, build, used):
    """What the loader misses is linked into the folder `used`, again until nothing is missing or nothing more is found. Returns (LD_LIBRARY_PATH or "",
    {name: where it was found, or None})."""
    found, folders = {}, None
    shutil.rmtree(used, ignore_errors=True)
    before = os.environ.get("LD_LIBRARY_PATH", "")
    path = before
    for _ in range(8):
        wanted = set()
        for p in programs:
            wanted |= missing_in(text_of(["ldd", p], env=os.environ | {"LD_LIBRARY_PATH": path}))
        wanted -= set(found)
        if not wanted:
            break
        folders = folders or library_folders(build)
        used.mkdir(parents=True, exist_ok=True)
        for name in sorted(wanted):
            found[name] = next((f"{folder}/{name}" for folder in folders if os.path.exists(f"{folder}/{name}")), None)
            if found[name]:
                (used / name).symlink_to(os.path.abspath(found[name]))
        # the folder of cuBLAS too: it opens its neighbours by name
        nvidia = dict.fromkeys(os.path.dirname(f) for f in found.values() if f and "libcublas" in f)
        path = os.pathsep.join([os.path.abspath(used), *nvidia] + ([before] if before else []))
    return path, found


LIBC = ctypes.CDLL(None)


def die_with_parent():
    """For a child: a process group of its own, and the kernel's promise that it ends when the script is killed."""
    os.setpgid(0, 0)
    LIBC.prctl(1, 9)  # PR_SET_PDEATHSIG, SIGKILL


# --- the archive of programs

EXTRACT = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}


def gpu_tests(build, device_tests):
    """The tests of device code, then those of ops, model and training that run on the GPU; what uses suspicious kernels comes last, but for what is slow."""
    found = sorted(p for p in (build / device_tests).rglob("*_test") if p.is_file())
    found += [p for p in sorted((build / "kernels").glob("*_test")) if not re.search(plan.NEEDS_NO_GPU, str(p))]
    found += [p for p in (build / name for name in ("model/cuda_test", "model/bf16_test", "train/bf16_test", "train/variant_test", "train/peft_reference_test")) if p.exists()]
    return sorted(dict.fromkeys(found), key=lambda p: (p.name in plan.SLOW_S, bool(re.search(plan.SUSPICIOUS, p.name))))


def pack(build, out, data, say):
    """build/ as tests and benchmarks need it, stripped, with its libraries and, where it lies beside the tree, the tests' reference data."""
    needed = [build / "tiebreak", build / "libtiebreak-cuda.so", build / "kernels/pair_test", build / "cuda-test/mma_test"]
    for f in needed:
        if not f.exists():
            return f"{f} is missing: make all cuda"
    archive = out / "build.tar.xz"
    with tempfile.TemporaryDirectory() as tmp:
        root = pathlib.Path(tmp) / "build"
        programs = [build / "tiebreak", *gpu_tests(build, "cuda-test")]
        for p in [*programs, build / "libtiebreak-cuda.so"]:
            to = root / p.relative_to(build)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(p, to)
            if p.suffix != ".so":
                subprocess.run(["strip", str(to)], check=False)
        (root / "lib").mkdir()
        libraries = set()
        for p in programs:
            libraries |= set(re.findall(r"=> (/\S+)", text_of(["ldd", p])))
        for lib in sorted(libraries):
            if not re.match(OWN, os.path.basename(lib)):
                shutil.copy(lib, root / "lib" / os.path.basename(lib))
        lacking = [d for d in plan.DATA if not (data / d).is_dir()]
        for d in () if lacking else plan.DATA:
            shutil.copytree(data / d, root / "data" / d, copy_function=shutil.copyfile)
        subprocess.run(["chmod", "-R", "u+w", str(root)], check=False)
        with tarfile.open(archive.with_suffix(".new"), "w:xz", preset=6) as tar:
            tar.add(root, "build")
    archive.with_suffix(".new").rename(archive)
    size, tree = archive.stat().st_size, tree_bytes()
    say(f"{archive}: {size / 1e6:.1f} MB; with the tree {(size + tree) / 1e6:.1f} MB of {plan.CARRIED_BYTES / 1e6:.1f}"
        + (f"; {data / lacking[0]} is not there, so the tests read the small golden files alone" if lacking else ""))
    return "" if size + tree <= plan.CARRIED_BYTES else f"{(size + tree) / 1e6:.1f} MB are more than can be carried"


def tree_bytes():
    """Of the files that git does not ignore."""
    names = text_of(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]).split("\0")
    return sum(os.lstat(n).st_size for n in names if n and os.path.lexists(n))


def unpack(archive):
    """Programs from the archive, where none are."""
    with tarfile.open(archive) as tar:
        tar.extractall(".", **EXTRACT)
