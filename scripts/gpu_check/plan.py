"""What a visit to a GPU consists of, as tables: the calls, the stages' seconds, the cases, and all of it once more for the rehearsal."""
from dataclasses import dataclass, replace

# The two calls of a visit of fifteen minutes, of which a machine's start and the way there and back take about four. A second call goes on where the first
# one stopped. To each, `--deliver DIR` is added.
CALLS = (("--until 305 probe parity headline collect").split(), ("--until 285 large --quick peer --quick model profile collect").split())

# Seconds of a stage: of a short call (one with --until), and else, where one command may take ten minutes. They add up in the order of the call: what a stage
# leaves, the next ones have, and none takes what is set aside for those behind it.
SECONDS = {
    "probe": (20, 120), "parity": (90, 580), "sanitize": (120, 580), "headline": (170, 580), "bench": (280, 570), "model": (35, 580), "large": (60, 580),
    "peer": (140, 580), "profile": (30, 300), "collect": (20, 120), "pack": (300, 580), "build": (580, 3000),
}
KILL_S = 5       # from TERM to KILL
DELIVER_S = 20   # at least this often while a group of cases runs
RESERVE_S = 7    # of --until, for a kill and the last archive
ARCHIVE_BYTES = 16 << 20
CARRIED_BYTES = 64 << 20
FILE_BYTES = 4 << 20  # a file that is larger is left out of an archive

METHODS = "(lora|tied-lora|vera)"
# Kernels with barriers across blocks, copies by TMA, or addresses from tables: what uses them runs last and in processes of its own.
SUSPICIOUS = r"fused|wgmma|adapted|variant|many_adapters"
NEEDS_NO_GPU = r"/(simd|library|backend)_test$"  # of the CPU, or of the emulator by name
EMULATOR_ALONE = ("refusals_say_what_is_missing",)  # tests in others' programs that skip where the emulator is not
SLOW_S = {"peft_reference_test": 150}  # tests that may take longer than others, and so come after all
DATA = ("peft-reference", "models/stories260K-hf")  # of ../shared/data: what the tests of stored trainings read


@dataclass(frozen=True)
class Group:
    """Cases of `tiebreak bench` that share a process; `needs` is a test without whose pass they are not begun."""
    name: str
    dtype: str
    pattern: str  # a regular expression, as Python has it, over the names of --list
    needs: str = ""


def headline(op, methods, where, many, wgmma_needs):
    """The cases that the goals are about, at one rank and shape; the kernels least sure to end come last."""
    head = rf"^{op}/{methods}/{where}/.*/mode=cold"
    return (
        Group("A", "bf16", rf"{head}(/variant=(eager-bf16|adapter-first|one-pass|split-k|augmented-k|graph))?$"),
        Group("T", "bf16", rf"^decode/{methods}/{where}/.*/{many[0]}/variant=(?!decode-wgmma/)[^/]*/{many[1]}$"),
        Group("B", "bf16", rf"{head}/variant=(decode(-graph)?|gather|producer-(shrink|augmented))$"),
        Group("F", "bf16", rf"{head}/variant=(producer-)?fused[^/]*$", needs="fused_test"),
        Group("W", "bf16", rf"^decode/{methods}/{where}/.*/(mode=cold/variant=decode-wgmma|{many[0]}/variant=decode-wgmma/{many[1]})$", needs=wgmma_needs),
    )


def floor_table():
    """All cases of the floor table, the most wanted first; cases that were measured for the headline are not measured again."""
    r16, op = "r=16/shape=llama2-7b", "(fwd|bwd|fwd[+]bwd|decode)"
    rows = (
        ("bf16", rf"^{op}/{METHODS}/{r16}/site=qkv/.*/mode=cold"), ("bf16", rf"^decode/{METHODS}/{r16}/site=qkv/.*/mode=hot"),
        ("bf16", rf"/{METHODS}/.*shape=llama2-7b/site=qkv/.*adapters=64"),
        ("bf16", rf"^{op}/{METHODS}/{r16}/site=o/.*/mode=cold"), ("bf16", rf"^decode/{METHODS}/{r16}/site=o/.*/mode=hot"),
        ("bf16", rf"/{METHODS}/.*shape=llama2-7b/site=o/.*adapters=64"),
        ("bf16", rf"^(fwd|fwd[+]bwd|decode)/{METHODS}/.*shape=llama2-7b/.*/mode=cold$"), ("bf16", rf"^(fwd|fwd[+]bwd)/{METHODS}/{r16}/.*/mode=hot"),
        ("f32", rf"^(fwd|fwd[+]bwd|decode)/{METHODS}/{r16}/.*/mode=cold"),
    )
    return tuple(Group(str(i + 1), *row) for i, row in enumerate(rows))


@dataclass(frozen=True)
class Plan:
    device: str = "cuda"
    device_tests: str = "cuda-test"      # folder, under that of the programs
    tests: str = r"."                    # a regular expression over the tests' paths
    test_s: float = 45                   # a test
    case_s: float = 20                   # a case of bench, which takes one or two
    bench_s: float = 0.1                 # a case's timing
    broken_most: int = 3                 # processes that a group may lose before it is left
    headline: tuple = headline("(fwd|bwd|fwd[+]bwd|decode)", "(lora|tied-lora)", "r=16/shape=llama2-7b/site=qkv", ("mode=cold", "adapters=64/popularity=different"), "adapted_test")
    bench: tuple = floor_table()
    shape: str = "llama2-7b"             # of the large model
    words: int = 94                      # of an answer it is trained on
    steps: tuple = (10, 20)              # of a training there; with --quick
    new: int = 128                       # tokens generated
    mini_steps: int = 5                  # of the stage `model`
    mini_items: int = 24
    profile: tuple = (                   # kernels, and a case that launches them
        ("pair_pass", "^bwd/lora/r=16/shape=llama2-7b/site=qkv/tokens=8192/.*/mode=hot/variant=split-k$"),
        ("decode_[0-9]", "^decode/lora/r=16/shape=llama2-7b/site=qkv/tokens=8/.*/mode=hot/variant=decode$"),
        ("fused_fwd", "^fwd/lora/r=16/shape=llama2-7b/site=qkv/.*/mode=hot/variant=fused$"),
        ("fused_bwd", "^bwd/lora/r=16/shape=llama2-7b/site=qkv/.*/mode=hot/variant=fused$"),
        ("decode_wgmma", "^decode/tied-lora/r=16/shape=llama2-7b/site=qkv/tokens=64/.*/mode=hot/variant=decode-wgmma$"),
    )


GPU = Plan()
# The same on the emulator. Nothing is measured by it.
REHEARSAL = replace(
    GPU, device="cuda-emulated", device_tests="kernels/cuda", tests=r"/(mma|pair_pass|producer|fused|rmsnorm|top_two)_test$", test_s=20, case_s=10, bench_s=0,
    headline=headline("(fwd[+]bwd|decode)", "(lora|tied-lora)", "r=8/shape=mini/site=qkv", ("mode=hot", "adapters=8/popularity=different"), "fused_test"),
    bench=(Group("1", "bf16", r"shape=mini/.*adapters="), Group("2", "f32", rf"^decode/{METHODS}/.*shape=mini/.*/mode=cold")),
    shape="mini", words=4, steps=(2, 2), new=4, mini_steps=2, mini_items=8,
    profile=(("decode_[0-9]", "^decode/lora/r=8/shape=mini/site=qkv/tokens=8/.*/mode=hot/variant=decode$"),),
)
