"""PEFT's and PyTorch's numbers for every method: losses, gradients, ten steps, AdaLoRA's trace, folders. -> adapters/golden

Everything is computed twice: in float32, as PEFT's users get it (factors, steps, logits, folders), and in float64, the truth to measure against (losses,
gradients, scores). Tied-LoRA and ShareLoRA, which PEFT does not have, come from the formula y = W x + s v (B (u (A x))) over the same model.
"""

import math
import re

from common import in_float64, np, path, random_model, rng, write, write_json, write_tensors

import torch
from peft import AdaLoraConfig, LoraConfig, PeftModel, VeraConfig, get_peft_model
from transformers import LlamaConfig, LlamaForCausalLM, LlamaForSequenceClassification
from transformers import get_constant_schedule_with_warmup, get_cosine_schedule_with_warmup, get_linear_schedule_with_warmup

ROOT = "adapters/golden/"
torch.set_num_threads(1)
in_float64()

SHAPE = dict(num_hidden_layers=2, max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0, dtype="float32")
BASES = {
    # No dimension is a multiple of 8, and lm_head is its own.
    "tiny-random": LlamaConfig(**SHAPE, vocab_size=53, hidden_size=20, intermediate_size=27, num_attention_heads=2, num_key_value_heads=1, head_dim=10, rms_norm_eps=1e-5,
                               rope_parameters={"rope_theta": 10000.0, "rope_type": "default"}, tie_word_embeddings=False),
    # Biases on q, k, v and o, and embeddings that serve twice.
    "tiny-bias": LlamaConfig(**SHAPE, vocab_size=41, hidden_size=44, intermediate_size=30, num_attention_heads=2, num_key_value_heads=1, head_dim=22, rms_norm_eps=1e-6,
                             rope_parameters={"rope_theta": 500000.0, "rope_type": "default"}, tie_word_embeddings=True, attention_bias=True),
}
ATTENTION, MLP = ["q_proj", "k_proj", "v_proj", "o_proj"], ["gate_proj", "up_proj", "down_proj"]
QV, QKV, ALL = ["q_proj", "v_proj"], ATTENTION[:3], ATTENTION + MLP

# base, case, method, rank, alpha, modules, options
CASES = [
    ("tiny-random", "lora-qkv-r8", "lora", 8, 16, QKV, {}),
    ("tiny-random", "lora-qv-r4", "lora", 4, 6, QV, {}),
    ("tiny-random", "lora-all-r3", "lora", 3, 5, ALL, {}),
    ("tiny-random", "rslora-qv-r5", "rslora", 5, 7, QV, dict(use_rslora=True)),
    ("tiny-random", "lora-patterns", "lora", 4, 8, QKV, dict(rank_pattern={"model.layers.1.self_attn.q_proj": 7, "v_proj": 2},
                                                             alpha_pattern={"k_proj": 3, "model.layers.1.self_attn.v_proj": 10})),
    ("tiny-random", "lora-fa-qv-r4", "lora-fa", 4, 6, QV, {}),
    ("tiny-random", "lora-qv-r4-clip-cosine", "lora", 4, 6, QV, {}),
    ("tiny-random", "vera-qv-r16", "vera", 16, None, QV, dict(projection_prng_key=424242)),
    ("tiny-random", "vera-qv-r16-nosave", "vera", 16, None, QV, dict(projection_prng_key=77, save_projection=False)),
    ("tiny-random", "vera-all-r6", "vera", 6, None, ALL, dict(projection_prng_key=0)),
    ("tiny-random", "adalora-qv-r6-t3", "adalora", 6, 9, QV, dict(target_r=3, tinit=5, tfinal=7, deltaT=3, beta1=0.85, beta2=0.85, orth_reg_weight=0.5, total_step=30)),
    ("tiny-random", "tied-ab-r5", "tied-lora", 5, 5, QKV, dict(trained="AB")),
    ("tiny-random", "tied-abuv-b0-r5", "tied-lora", 5, 5, QKV, dict(trained="ABuv")),
    ("tiny-random", "tied-abuv-v0-r5", "tied-lora", 5, 5, QKV, dict(trained="ABuv", zero="v")),
    ("tiny-random", "tied-uv-r5", "tied-lora", 5, 5, QKV, dict(trained="uv", zero="v")),
    ("tiny-random", "tied-a-r5", "tied-lora", 5, 5, QKV, dict(trained="A", zero="A")),
    ("tiny-random", "tied-b-r5", "tied-lora", 5, 5, QKV, dict(trained="B")),
    ("tiny-random", "tied-bu-r5", "tied-lora", 5, 5, QKV, dict(trained="Bu")),
    ("tiny-random", "tied-buv-r3", "tied-lora", 3, 3, QKV, dict(trained="Buv")),
    ("tiny-random", "sharelora-a-qv-r4", "sharelora-a", 4, 8, QV, dict(tied="A")),
    ("tiny-random", "sharelora-b-qv-r4", "sharelora-b", 4, 8, QV, dict(tied="B")),
    ("tiny-random", "sharelora-ab-qkv-r4", "sharelora-ab", 4, 6, QKV, dict(tied="AB")),
    ("tiny-bias", "lora-all-r3", "lora", 3, 6, ALL, {}),
    ("tiny-bias", "vera-qkv-r7", "vera", 7, None, QKV, dict(projection_prng_key=5, save_projection=False)),
    ("tiny-bias", "tied-abuv-b0-r4", "tied-lora", 4, 4, QKV, dict(trained="ABuv")),
]
ADAMW = dict(lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01)
STORED_STEPS = [1, 2, 6, 12, 18, 22]  # at these AdaLoRA's importance of every element is kept


def batches(base):
    """Ten batches of four padded sequences that begin with BOS; the labels leave out a prompt and the padding. One sequence has no target at all."""
    r, vocab, out = rng("batches", base), BASES[base].vocab_size, []
    for i in range(10):
        lengths = r.integers(4, 10, 4)
        ids = np.zeros((4, max(lengths)), np.int64)
        labels, mask = np.full_like(ids, -100), np.zeros_like(ids)
        for s, n in enumerate(lengths):
            ids[s, :n] = np.concatenate(([1], r.integers(3, vocab, n - 1)))
            mask[s, :n] = 1
            prompt = n if (i, s) == (7, 2) else r.integers(1, n - 1)
            labels[s, prompt:n] = ids[s, prompt:n]
        out.append(dict(input_ids=torch.tensor(ids), attention_mask=torch.tensor(mask), labels=torch.tensor(labels)))
    return out


def loss_of(logits, labels, **_):
    """Mean of -log p over all labels of the batch that are not -100."""
    p = torch.log_softmax(logits[:, :-1], -1).gather(2, labels[:, 1:].clamp(min=0)[..., None])[..., 0]
    return -p[labels[:, 1:] != -100].mean()


def open_base(base, dtype):
    model = LlamaForCausalLM.from_pretrained(path(ROOT + "bases/" + base + "/config.json").parent, dtype=dtype, attn_implementation="eager")
    model.loss_function = loss_of
    return model.eval().requires_grad_(False)


def linears(model, modules):
    """(layer, module's name as "self_attn.q_proj", the linear) in the order of the layers."""
    for layer, block in enumerate(model.model.layers):
        for m in modules:
            part = "self_attn" if m in ATTENTION else "mlp"
            yield layer, part + "." + m, getattr(getattr(block, part), m)


class Formula(torch.nn.Module):
    """y = W x + s v (B (u (A x))), with the rows of B and v that belong to this linear."""

    def __init__(self, linear, factors, names, rows, s):
        super().__init__()
        self.linear, self.f, self.names, self.rows, self.s = linear, factors, names, rows, s

    def forward(self, x):
        A, B, u, v = (self.f[n] if n else None for n in self.names)
        h = x @ A.T
        h = h if u is None else h * u
        d = h @ B[self.rows[0]:self.rows[1]].T
        return self.linear(x) + self.s * (d if v is None else d * v[self.rows[0]:self.rows[1]])


class Run:
    """A case's model in one dtype: its factors by name, those that are trained, and how each adapted linear uses them."""

    def __init__(self, base, case, method, rank, alpha, modules, options, dtype):
        self.base, self.method, self.options, self.sites = open_base(base, dtype), method, options, []
        self.factors, self.peft = {}, None
        if method.startswith(("tied", "share")):
            self.by_formula(rank, alpha, modules, dtype)
        else:
            self.by_peft(case, rank, alpha, modules, dtype)

    def by_peft(self, case, rank, alpha, modules, dtype):
        common, seed = dict(task_type="CAUSAL_LM", target_modules=modules), len(case)
        torch.manual_seed(seed)
        if self.method == "vera":
            config = VeraConfig(r=rank, **common, **self.options)
        elif self.method == "adalora":
            config = AdaLoraConfig(init_r=rank, lora_alpha=alpha, **common, **self.options)
        else:
            config = LoraConfig(r=rank, lora_alpha=alpha, **common, **self.options)
        self.peft = get_peft_model(self.base, config, autocast_adapter_dtype=False)
        self.peft.to(dtype)
        letters = {"lora_A": "A", "lora_B": "B", "lora_E": "u", "vera_lambda_d": "u", "vera_lambda_b": "v"}
        self.parameter_of = {}
        for name, p in self.peft.named_parameters():
            m = re.match(r"base_model\.model\.model\.layers\.(\d+)\.\w+\.(\w+)\.(\w+)\.default", name)
            if m and m[3] in letters:
                ours = "layers.%s.%s.%s" % (m[1], m[2], letters[m[3]])
                self.factors[ours], self.parameter_of[ours] = p, name
        if self.method == "vera":
            pair = self.peft.base_model
            self.factors["shared.A"], self.factors["shared.B"] = pair.vera_A["default"], pair.vera_B["default"]
        trained = [n for n, p in self.factors.items() if p.requires_grad and not (self.method == "lora-fa" and n.endswith(".A"))]
        for name, p in self.factors.items():
            p.requires_grad_(name in trained)
        for layer, module, linear in linears(self.base, modules):
            own, plain = "layers.%d.%s." % (layer, module.split(".")[1]), linear.base_layer
            vera = self.method == "vera"
            # AdaLoRA divides by the rank it starts with, and never by zero.
            s = 1.0 if vera else linear.scaling["default"] / (rank + 1e-5 if self.method == "adalora" else 1)
            self.site(layer, module, plain, s, "shared.A" if vera else own + "A", "shared.B" if vera else own + "B", own + "u" if own + "u" in self.factors else None,
                      own + "v" if vera else None, 0)
        self.base.loss_function = loss_of

    def by_formula(self, rank, alpha, modules, dtype):
        tied = self.method == "tied-lora"
        s = 1.0 if tied else alpha / rank
        widths = [linear.out_features for _, _, linear in linears(self.base, modules)][:len(modules)]
        for layer, module, linear in list(linears(self.base, modules)):
            own, name = "layers.%d." % layer, module.split(".")[1]
            if tied:
                first = sum(widths[:modules.index(name)])
                A, B = "tied.qkv.A", "tied.qkv.B"
                u, v = (own + "qkv." + f if f in self.options["trained"] else None for f in "uv")
                rows, out = (first, first + linear.out_features), sum(widths)
            else:
                A, B = (("tied." if f in self.options["tied"] else own) + name + "." + f for f in "AB")
                u = v = None
                rows, out = (0, linear.out_features), linear.out_features
            for factor, shape in ((A, (rank, linear.in_features)), (B, (out, rank)), (u, (rank,)), (v, (out,))):
                if factor and factor not in self.factors:
                    trains = not tied or factor[-1] in self.options["trained"]
                    self.factors[factor] = torch.nn.Parameter(torch.zeros(shape, dtype=dtype), requires_grad=trains)
            self.site(layer, module, linear, s, A, B, u, v, rows[0])
            part, m = module.split(".")
            setattr(getattr(self.base.model.layers[layer], part), m, Formula(linear, self.factors, (A, B, u, v), rows, s))

    def site(self, layer, module, linear, s, A, B, u, v, first):
        rows = [first, first + linear.out_features]
        self.sites.append({"layer": layer, "module": module, "in": linear.in_features, "out": linear.out_features, "s": s, "A": A, "B": B, "B_rows": rows, "u": u, "v": v,
                           "v_rows": rows if v else None})

    def trained(self):
        return {n: p for n, p in self.factors.items() if p.requires_grad}

    def values(self, trained=False):
        # PEFT keeps AdaLoRA's E as [r, 1].
        return {n: (p.reshape(-1) if n[-1] in "uv" else p).detach().numpy().copy() for n, p in (self.trained() if trained else self.factors).items()}

    def set(self, values):
        with torch.no_grad():
            for n, p in self.factors.items():
                p.copy_(torch.from_numpy(values[n]).reshape(p.shape))

    def forward(self, batch):
        return (self.peft or self.base)(**batch)

    def logits(self, batch):
        """Of every position that is no padding, sequence by sequence."""
        with torch.no_grad():
            return self.forward(dict(batch, labels=None)).logits[batch["attention_mask"] == 1].numpy()

    def task_loss(self, batch):
        return loss_of(self.forward(dict(batch, labels=None)).logits, batch["labels"])

    def gradients(self, loss):
        return {n: (g.reshape(-1) if n[-1] in "uv" else g).numpy().copy() for n, g in zip(self.trained(), torch.autograd.grad(loss, list(self.trained().values())))}

    def merged(self, batch):
        """Logits with every W replaced by W + s diag(v) B diag(u) A."""
        plain, f = open_base(self.base_name, torch.float32), self.factors
        with torch.no_grad():
            for site, (_, _, linear) in zip(self.sites, linears(plain, self.modules)):
                B = f[site["B"]][slice(*site["B_rows"])]
                B = B if site["u"] is None else B * f[site["u"]]
                B = B if site["v"] is None else B * f[site["v"]][slice(*site["B_rows"])][:, None]
                linear.weight += site["s"] * B @ f[site["A"]]
            return plain(**dict(batch, labels=None)).logits[batch["attention_mask"] == 1].numpy()


def start_values(run, base, case, start):
    """The factors of a start, in float32: the method's own, whose output is zero, or all of them random and none zero (VeRA's projections stay)."""
    values, r = run.values(), rng(base, case, start)
    for n, v in values.items():
        if start == "perturbed" and not n.startswith("shared."):
            size = 0.2 if n[-1] in "AB" else 0.4
            values[n] = ((1 if n[-1] in "uv" and run.peft is None else 0) + size * r.standard_normal(v.shape)).astype(np.float32)
        elif run.peft is None:
            zero = run.options.get("zero", "B")
            values[n] = (np.zeros(v.shape) if n[-1] == zero else np.ones(v.shape) if n[-1] in "uv" else 0.4 * r.standard_normal(v.shape)).astype(np.float32)
    return values


class Trace:
    """AdaLoRA's allocator, looked at after each step."""

    def __init__(self, run):
        self.run, self.allocator, self.config = run, run.peft.base_model.rankallocator, run.peft.peft_config["default"]
        self.modules = sorted({n[:-2] for n in run.factors})
        self.mask = np.ones((len(self.modules), run.config_rank), np.uint8)
        self.records, self.scores, self.u, self.masks, self.importance = [], [], [], [], {}
        update = self.allocator.mask_to_budget

        def masked(model, budget):
            self.before, self.budget = self.score(), budget
            return update(model, budget)

        self.allocator.mask_to_budget = masked

    def score(self):
        """I U of u_i + mean over row i of A + mean over column i of B, [modules, rank]."""
        def one(name):
            n = self.run.parameter_of[name].removeprefix("base_model.model.")
            return (self.allocator.exp_avg_ipt[n] * self.allocator.exp_avg_unc[n]).numpy()

        if not self.allocator.exp_avg_ipt:
            return np.zeros(self.mask.shape)
        return np.stack([one(m + ".u").reshape(-1) + one(m + ".A").mean(1) + one(m + ".B").mean(0) for m in self.modules])

    def step(self, t, loss, task):
        c, self.before = self.config, None
        last = c.total_step - c.tfinal
        self.run.peft.base_model.update_and_allocate(t)
        threshold = following = None
        if self.before is not None:
            ranked = np.sort(self.before.reshape(-1))
            gone = ranked.size - self.budget
            threshold, following = float(ranked[gone - 1]), float(ranked[gone])
            self.mask = (self.before > threshold).astype(np.uint8)
        scores = self.before if self.before is not None else self.score()
        self.scores.append(scores if t <= last else np.zeros_like(scores))
        self.u.append(np.stack([self.run.factors[m + ".u"].detach().numpy().reshape(-1) for m in self.modules]))
        self.masks.append(self.mask)
        if t in STORED_STEPS:
            for n, p in self.run.parameter_of.items():
                for what, arrays in (("sensitivity", self.allocator.exp_avg_ipt), ("uncertainty", self.allocator.exp_avg_unc)):
                    x = arrays[p.removeprefix("base_model.model.")].numpy()
                    self.importance.setdefault("%s/%s" % (what, n), []).append((x.reshape(-1) if n.endswith("u") else x).copy())
        phase = "warm-up" if t <= c.tinit else "pruning" if t < last else "final mask" if t == last else "re-mask"
        self.records.append(dict(step=t, phase=phase, budget=self.allocator.budget_schedule(t)[0], masked_by_score=threshold is not None, threshold=threshold, next_score=following,
                                 kept=self.mask.sum(1).tolist(), loss=loss, task_loss=task, orth=(loss - task) / c.orth_reg_weight))


def train(run, case, data, steps):
    """AdamW over the ten batches in turn. Returns what happened at each step and the factors after some."""
    cosine, clip = case.endswith("cosine"), 1.0 if "clip" in case else None
    optimizer = torch.optim.AdamW(run.trained().values(), **ADAMW)
    schedule = get_cosine_schedule_with_warmup(optimizer, 3, 10) if cosine else None
    trace = Trace(run) if run.method == "adalora" else None
    out, kept = dict(train_loss=[], grad_norm=[], lr=[]), {}
    for t in range(1, steps + 1):
        batch = data[(t - 1) % 10]
        loss, task = run.forward(batch).loss, run.task_loss(batch).item()
        optimizer.zero_grad()
        loss.backward()
        out["train_loss"].append(loss.item())
        out["grad_norm"].append(math.sqrt(sum(float((p.grad.double() ** 2).sum()) for p in run.trained().values())))
        out["lr"].append(optimizer.param_groups[0]["lr"])
        if clip:
            torch.nn.utils.clip_grad_norm_(run.trained().values(), clip)
        optimizer.step()
        if schedule:
            schedule.step()
        if trace:
            trace.step(t, loss.item(), task)
        if t in (1, 10, 30):
            kept["step%d" % t] = run.values(trained=True)
    return out, kept, trace


def make_case(base, case, method, rank, alpha, modules, options):
    data = batches(base)

    def new(dtype):
        run = Run(base, case, method, rank, alpha, modules, dict(options), dtype)
        run.config_rank, run.base_name, run.modules = rank, base, modules
        return run

    folder, tensors, starts = "%scases/%s/%s/" % (ROOT, base, case), {}, {}
    first = new(torch.float32)
    for start in ["init", "perturbed"] if base == "tiny-random" else ["perturbed"]:
        values = start_values(new(torch.float32), base, case, start)
        one, two = new(torch.float32), new(torch.float64)
        one.set(values)
        two.set({n: v.astype(np.float64) for n, v in values.items()})
        keep = lambda what, arrays: tensors.update({"%s/%s/%s" % (start, what, n): v for n, v in arrays.items()})  # noqa: E731
        keep("factor", values)
        about = dict(loss_f32=[run_loss(one, b) for b in data], loss_f64=[run_loss(two, b) for b in data])
        if start == "perturbed":
            tensors["perturbed/logits"] = one.logits(data[0])
        if method == "adalora":
            keep("grad64_task", two.gradients(two.task_loss(data[0])))
        keep("grad64", two.gradients(two.forward(data[0]).loss))
        steps = 30 if method == "adalora" else 10
        happened, kept, trace = train(one, case, data, steps)
        truth, _, trace64 = train(two, case, data, steps)
        for step, arrays in kept.items():
            keep(step, arrays)
        about.update(train_loss_f32=happened["train_loss"], train_loss_f64=truth["train_loss"], grad_norm_f64=truth["grad_norm"], lr=happened["lr"])
        if trace:
            about.update(trace_modules=trace.modules, trace=trace.records, trace_f64=trace64.records)
            keep("trace", dict(mask=np.stack(trace.masks), u=np.stack(trace.u), scores64=np.stack(trace64.scores)))
            if start == "perturbed":
                about["trace_array_steps"] = STORED_STEPS
                keep("trace", {n: np.stack(x) for n, x in trace.importance.items()})
        starts[start] = about
        if start == "perturbed":
            tensors["perturbed/logits_after"] = one.logits(data[0])
            save_folder(one, base, rank, alpha, modules, folder, data[0])
            if one.peft is None and case in ("tied-ab-r5", "tied-abuv-v0-r5", "tied-buv-r3", "sharelora-ab-qkv-r4", "tied-abuv-b0-r4"):
                tensors["perturbed/logits_merged"] = one.merged(data[0])
    optimizer = dict(ADAMW, name="AdamW", clip_grad_norm=1.0 if "clip" in case else None, schedule="cosine, warm-up 3, total 10" if case.endswith("cosine") else "constant")
    info = dict(case=case, base=base, base_folder="bases/" + base, method=method, seed=len(case), rank=rank, alpha=alpha, optimizer=optimizer, **{k: v for k, v in options.items()
                if not isinstance(v, dict)}, trainable=sum(p.numel() for p in first.trained().values()),
                factors={n: dict(shape=list(v.shape), trained=first.factors[n].requires_grad) for n, v in first.values().items()}, sites=first.sites, starts=starts)
    write_json(folder + "case.json", info)
    write_tensors(folder + "tensors.safetensors", tensors)


def run_loss(run, batch):
    with torch.no_grad():
        return run.task_loss(batch).item()


def save_folder(run, base, rank, alpha, modules, folder, batch):
    """What PEFT writes after the last step; of a method it does not have, the same state as a plain LoRA that PEFT loads."""
    run.base.config._name_or_path = base
    model, name, want = run.peft, "adapter", run.logits(batch)
    if model is None:
        name = "export"
        s = run.sites[0]["s"]
        whole = int(s * rank) if s * rank == int(s * rank) else s * rank
        plain = open_base(base, torch.float32)
        plain.config._name_or_path = base
        model = get_peft_model(plain, LoraConfig(r=rank, lora_alpha=whole, target_modules=modules, task_type="CAUSAL_LM"))
        f = {n: p.detach().double() for n, p in run.factors.items()}
        with torch.no_grad():
            for site, (_, _, linear) in zip(run.sites, linears(plain, modules)):
                B = f[site["B"]][slice(*site["B_rows"])]
                B = B if site["u"] is None else B * f[site["u"]]
                B = B if site["v"] is None else B * f[site["v"]][slice(*site["B_rows"])][:, None]
                linear.lora_A["default"].weight.copy_(f[site["A"]])
                linear.lora_B["default"].weight.copy_(B)
    model.peft_config["default"].base_model_name_or_path = base
    model.peft_config["default"].target_modules = set(modules)
    place = path(folder + name + "/adapter_config.json").parent
    save_peft(model, place, modules)
    loaded = PeftModel.from_pretrained(open_base(base, torch.float32), place)
    with torch.no_grad():
        got = loaded(**dict(batch, labels=None)).logits[batch["attention_mask"] == 1].numpy()
    assert np.abs(got - want).max() < 1e-4, (folder, np.abs(got - want).max())


def save_peft(model, place, modules):
    """What save_pretrained writes, without its model card, and with a set in one order: PEFT's is that of Python's hashes, another one in every process."""
    model.save_pretrained(place)
    (place / "README.md").unlink(missing_ok=True)
    config = place / "adapter_config.json"
    text = re.sub(r'"target_modules": \[[^]]*\]', '"target_modules": [\n    "%s"\n  ]' % '",\n    "'.join(sorted(modules)), config.read_text())
    config.write_text(text if text.endswith("\n") else text + "\n")


def make_batches(base):
    data, one, two = batches(base), open_base(base, torch.float32), open_base(base, torch.float64)
    write_tensors("%sbatches/%s.safetensors" % (ROOT, base), {"batch%d/%s" % (i, n): x.numpy() for i, b in enumerate(data) for n, x in b.items()})

    def losses(model):
        with torch.no_grad():
            return [loss_of(model(**dict(b, labels=None)).logits, b["labels"]).item() for b in data]

    write_json("%sbatches/%s.json" % (ROOT, base), dict(base=base, base_folder="bases/" + base, loss_f32=losses(one), loss_f64=losses(two)))
    with torch.no_grad():
        logits = one(**dict(data[0], labels=None)).logits[data[0]["attention_mask"] == 1].numpy()
    write_tensors("%sbatches/%s.base.safetensors" % (ROOT, base), {"logits": logits})


def make_schedules():
    """The rate of optimiser steps 1, 2, ..., two past the total."""
    out, lr = {"lr": 1e-3}, 1e-3
    for name, get in (("constant", get_constant_schedule_with_warmup), ("linear", get_linear_schedule_with_warmup), ("cosine", get_cosine_schedule_with_warmup)):
        for warmup, total in ((0, 10), (3, 10), (10, 10), (4, 25)):
            optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)
            schedule = get(optimizer, warmup) if name == "constant" else get(optimizer, warmup, total)
            rates = []
            for _ in range(total + 2):
                rates.append(optimizer.param_groups[0]["lr"])
                optimizer.step()
                schedule.step()
            out["%s warmup %d total %d" % (name, warmup, total)] = rates
    write_json(ROOT + "schedules.json", out)


def make_foreign():
    """Adapters of a classifier, which are not for us: as PEFT writes them, and as it once did, with the head's weights and no word of them in the configuration."""
    config = LlamaConfig(**{**BASES["tiny-random"].to_dict(), "num_labels": 3})
    torch.manual_seed(1)
    model = get_peft_model(LlamaForSequenceClassification(config), LoraConfig(r=2, target_modules=QV, task_type="SEQ_CLS"))
    for name in ("newer", "older"):
        place = path(ROOT + "foreign/" + name + "/adapter_config.json").parent
        model.peft_config["default"].base_model_name_or_path = "tiny-random"
        save_peft(model, place, QV)
    config = place / "adapter_config.json"
    config.write_text(re.sub(r'"modules_to_save": \[[^]]*\]', '"modules_to_save": null', config.read_text()))


for name, config in BASES.items():
    random_model(config, ROOT + "bases/" + name, name)
    make_batches(name)
for case in CASES:
    make_case(*case)
make_schedules()
make_foreign()
