/* The table of variants, one for each working type. The first row is what the model does. A new
 * variant is a file of its own beside this one, its stages' names here, and a row. */
#include "kernels/cuda/variants/steps.h"
#include "kernels/cuda/working.h"

/* Stages in the files beside this one. */
#define STAGE(name) void name(adapted_walk *w, const adapted_linear *l)
#define STAGES(one, two) STAGE(one), two(adapted_walk *w, const adapted_linear *l)
#define REFUSES(name) const char *name(const adapted_linear *l)
STAGES(TYPED(stacked_forward), TYPED(stacked_backward));
STAGES(TYPED(adapter_first_forward), TYPED(adapter_first_backward));
STAGES(TYPED(merged_forward), TYPED(merged_backward));
STAGE(TYPED(merged_prepare));
STAGES(TYPED(augmented_forward), TYPED(augmented_backward));
STAGES(TYPED(augmented_prepare), TYPED(augmented_adapt));
STAGES(eager_forward, eager_backward);
REFUSES(eager_refuses);
STAGES(graph_forward, graph_backward);
STAGES(graph_prepare, graph_release);
STAGE(one_pass_backward);
REFUSES(one_pass_refuses);
STAGES(split_k_forward, split_k_backward);
REFUSES(split_k_refuses);
STAGES(fused_forward, fused_backward);
STAGES(fused_cluster_forward, fused_cluster_backward);
STAGE(fused_prepare);
REFUSES(fused_refuses);
STAGE(decode_forward);
REFUSES(decode_refuses);
STAGE(gather_forward);
REFUSES(gather_refuses);

extern const adapted_variant TYPED(adapted_cuda)[] = {
    { .name     = "stacked",
      .about    = "x read once for all pairs; the base added last, or first where columns are left out",
      .needs    = "",
      .forward  = TYPED(stacked_forward),
      .backward = TYPED(stacked_backward) },
    { .name = "eager",
#ifdef TIEBREAK_BF16
      .about = "a framework, op for op, its adapters in f32",
      .needs = "the factors in f32",
#else
      .about = "a framework, op for op",
      .needs = "the factors",
#endif
      .takes      = TAKES_FACTORS,
      .pairs_most = 1,
      .forward    = eager_forward,
      .backward   = eager_backward,
      .refuses    = eager_refuses },
#ifdef TIEBREAK_BF16
    { .name       = "eager-bf16",
      .about      = "a framework, op for op, all in bf16",
      .needs      = "the factors in bf16",
      .takes      = TAKES_NARROW,
      .pairs_most = 1,
      .forward    = eager_forward,
      .backward   = eager_backward,
      .refuses    = eager_refuses },
#endif
    { .name     = "base-first",
      .about    = "the base first, then each pair added to y",
      .needs    = "",
      .forward  = TYPED(base_first_forward),
      .backward = TYPED(base_first_backward) },
#ifdef TIEBREAK_BF16
    { .name     = "one-pass",
      .about    = "base-first, but dh and dB' come from one reading of dy",
      .needs    = "rows of dy that begin at multiples of 16 bytes",
      .forward  = base_first_forward_bf16,
      .backward = one_pass_backward,
      .refuses  = one_pass_refuses },
#endif
    { .name     = "adapter-first",
      .about    = "the pairs into y, then the base added to it",
      .needs    = "pairs that reach every column of y once",
      .covers   = true,
      .forward  = TYPED(adapter_first_forward),
      .backward = TYPED(adapter_first_backward) },
#ifdef TIEBREAK_BF16
    { .name     = "split-k",
      .about    = "adapter-first, its products with a rank for a side by our own kernels, cut along the other",
      .needs    = "in and out multiples of 8",
      .covers   = true,
      .forward  = split_k_forward,
      .backward = split_k_backward,
      .refuses  = split_k_refuses },
#endif
    { .name          = "merged",
      .about         = "W + B'A' once, then one product",
      .needs         = "a copy of W an adapter; the backward makes h again",
      .makes_h_again = true,
      .prepare       = TYPED(merged_prepare),
      .forward       = TYPED(merged_forward),
      .backward      = TYPED(merged_backward) },
    { .name       = "augmented-k",
      .about      = "[x | h] times [W | B'], one product",
      .needs      = "a copy of W with room for B' and A'; x and dy with room behind each row",
      .pad        = 16,
      .overwrites = true,
      .prepare    = TYPED(augmented_prepare),
      .adapt      = TYPED(augmented_adapt),
      .forward    = TYPED(augmented_forward),
      .backward   = TYPED(augmented_backward) },
    { .name        = "producer-shrink",
      .about       = "x and h made by the op before; then adapter-first",
      .needs       = "the op before in the call: RMSNorm or SwiGLU",
      .pairs_most  = 8,
      .covers      = true,
      .from_source = true,
      .forward     = TYPED(adapter_first_forward),
      .backward    = TYPED(adapter_first_backward) },
    { .name        = "producer-augmented",
      .about       = "x and h made by the op before; then one product, as augmented-k",
      .needs       = "what augmented-k does; the op before in the call",
      .pad         = 16,
      .overwrites  = true,
      .from_source = true,
      .prepare     = TYPED(augmented_prepare),
      .adapt       = TYPED(augmented_adapt),
      .forward     = TYPED(augmented_forward),
      .backward    = TYPED(augmented_backward) },
#ifdef TIEBREAK_BF16
    { .name          = "decode",
      .about         = "h, and W streamed once with the pair in its end: two launches",
      .needs         = "the factors in bf16; at most 64 rows",
      .takes         = TAKES_NARROW,
      .pairs_most    = 4,
      .forward_only  = true,
      .many_adapters = true,
      .forward       = decode_forward,
      .refuses       = decode_refuses },
    { .name          = "gather",
      .about         = "the base, then h and its expansion from each row's own pair: three launches",
      .needs         = "at most 64 rows",
      .forward_only  = true,
      .many_adapters = true,
      .forward       = gather_forward,
      .refuses       = gather_refuses },
    { .name       = "fused",
      .about      = "h; then one product, h B' added from the same ring of tiles",
      .needs      = "compute capability 9.0; in and out multiples of 8",
      .pairs_most = 4,
      .overwrites = true,
      .prepare    = fused_prepare,
      .forward    = fused_forward,
      .backward   = fused_backward,
      .refuses    = fused_refuses },
    { .name       = "fused-cluster",
      .about      = "fused, by pairs of blocks that share what they read of W",
      .needs      = "compute capability 9.0; in and out multiples of 8",
      .pairs_most = 4,
      .overwrites = true,
      .prepare    = fused_prepare,
      .forward    = fused_cluster_forward,
      .backward   = fused_cluster_backward,
      .refuses    = fused_refuses },
    { .name        = "producer-fused",
      .about       = "x and h made by the op before; then one product, as fused",
      .needs       = "what fused does; the op before in the call",
      .pairs_most  = 4,
      .overwrites  = true,
      .from_source = true,
      .prepare     = fused_prepare,
      .forward     = fused_forward,
      .backward    = fused_backward,
      .refuses     = fused_refuses },
#endif
    { .name        = "graph",
      .about       = "the launches of base-first, captured once and replayed",
      .needs       = "the same arrays in every call; preparing it writes y and dx",
      .overwrites  = true,
      .same_arrays = true,
      .prepare     = graph_prepare,
      .forward     = graph_forward,
      .backward    = graph_backward,
      .release     = graph_release },
    {},
};
