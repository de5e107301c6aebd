/* The families of decoders: what differs between them, as rows of one table (model/family.c).
 *
 * A family whose features the plan of a layer already knows is one row there; one that names its
 * tensors in a way of its own has a row in model/names.c too. */
#ifndef TIEBREAK_MODEL_FAMILY_H
#define TIEBREAK_MODEL_FAMILY_H
#include <stdbool.h>
#include <stdint.h>

#include "kernels/activation.h"

typedef enum { NORM_RMS, NORM_LAYER } norm_kind;

/* Where the residual stream x is normalised, f being attention or the MLP: x + f(norm x), x +
 * norm(f x), x + norm(f(norm x)). ONE: attention and MLP of a parallel block read the same norm. */
typedef enum { NORMS_BEFORE, NORMS_AFTER, NORMS_AROUND, NORMS_ONE } norm_place;

/* Norms of q and k before they are rotated: of each head, by one gain for all heads; or of the
 * whole row. */
typedef enum { QK_PLAIN, QK_NORM_HEADS, QK_NORM_WHOLE } qk_norms;

/* What a layer computes. All zero is Llama's. */
typedef struct {
    norm_kind  norm;
    double     norm_offset; /* what norms add to their stored gains */
    norm_place norms;
    qk_norms   qk;
    activation act;
    bool       ungated;   /* MLP: down(act(up x)) instead of down(act(gate x) * up x) */
    bool       parallel;  /* x + attention(x) + mlp(x) */
    bool       positions; /* learned positions are added to the embedding; nothing is rotated */
} layer_plan;

/* Biases of the linears: as attention_bias and mlp_bias say, which are false when missing; none;
 * those of q, k and v; as attention_bias and mlp_bias say, which are true when missing; those of q,
 * k and v if use_qkv_bias says so. */
typedef enum { BIAS_BY_CONFIG, BIAS_NONE, BIAS_QKV, BIAS_USUAL, BIAS_QKV_BY_CONFIG } bias_rule;

/* Layers with a window of sliding_window tokens: none; all, if there is a size; those of
 * layer_types, if use_sliding_window is true; those of layer_types. */
typedef enum { WINDOW_NEVER, WINDOW_ALL, WINDOW_SWITCHED, WINDOW_BY_TYPE } window_rule;

/* How tensors and modules are named (model/names.h). */
typedef enum { NAMES_LLAMA, NAMES_LLAMA_AFTER, NAMES_PHI3, NAMES_GPT2, NAMES_GPT_NEOX, NAMES_COUNT } naming;

/* Members behind the first four hold for what config.json leaves out, as in transformers 5. */
typedef struct {
    const char *model_type, *architecture; /* as config.json has them */
    layer_plan  plan;
    naming      names;
    bias_rule   bias;
    window_rule window;
    /* pairs of the key that others use and this family's own, ended by NULL; or NULL */
    const char *const *keys;
    /* what it reads: multipliers of embedding, residual, attention, logits; query_pre_attn_scalar;
     * two rotary bases; no_rope_layers; and its embedding is scaled by sqrt(hidden). */
    bool multipliers, query_scalar, two_bases, some_unrotated, scaled_embedding;
    bool gelu_means_tanh; /* "gelu" was written for its tanh form */
    bool tied;
    /* 0: taken from heads, or must be there */
    int     heads, kv_heads, head_dim, vocab, positions;
    double  norm_eps, rope_theta; /* 0: 1e-6, 10000 */
    double  partial_rotary;       /* 0: heads are turned whole */
    double  attention_cap, logit_cap;
    int64_t sliding_window;
    int     every;              /* layer_types: full attention in each every-th layer */
    int64_t original_positions; /* original_max_position_embeddings */
} family;

enum { FAMILY_LLAMA };          /* the first row */
extern const family families[]; /* ended by a row without a model_type */
/* The row with that model_type, or -1. */
int family_find(const char *model_type);
#endif
