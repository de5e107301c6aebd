/* The decoder, of any family (model/family.h), over a backend's ops: forward, loss, backward,
 * on packed sequences (no padding is ever computed).
 *
 *     model *m;            model_open(&m, "base/", be, false);
 *     decoder *d = decoder_new(m);
 *     decoder_forward(d, &batch, pairs, false);
 *     decoder_nll(d, nll, best);
 *     decoder_free(d);     model_close(m);
 *
 * One decoder owns one workspace that grows to the largest batch it has seen and is then
 * reused. */
#ifndef TIEBREAK_MODEL_DECODER_H
#define TIEBREAK_MODEL_DECODER_H
#include "kernels/backend.h"
#include "model/sites.h"

/* Weights of one layer; NULL where the plan has none. q, k, v are one array [q_out + 2 kv_out,
 * hidden] in the order q, k, v; gate and up one array [2 inter, hidden], without a gate [inter,
 * hidden]: fused sites and shared inputs then need no copies. */
#define LAYER_ARRAYS(T)                                                                                                \
    T *norm1, *norm1_bias, *qkv, *qkv_bias, *q_norm, *k_norm, *o, *o_bias, *norm1_after, *norm2, *norm2_bias,          \
        *gate_up, *gate_up_bias, *down, *down_bias, *norm2_after
typedef struct {
    LAYER_ARRAYS(real);
} layer_weights;
typedef struct {
    LAYER_ARRAYS(param);
} layer_gradients; /* of the same layout */
#undef LAYER_ARRAYS

typedef struct {
    model_config   cfg;
    const backend *be;
    char          *dir;
    /* [vocab, hidden]; [positions, hidden] or NULL; [hidden]; [hidden] or NULL; [vocab, hidden]:
     * embed when tied. */
    real          *embed, *positions, *norm, *norm_bias, *lm_head;
    layer_weights *layers;
    /* for `full` (model_open trainable): every weight in one array, its gradient in another of
     * the same layout. Between the weights of one layer there may be a few unused elements,
     * always 0: config_parameters counts the weights, flat_count the array. */
    real                *flat;
    param               *flat_grad;
    int64_t              flat_count;
    layer_gradients     *grads; /* [layers] addresses inside flat_grad, or NULLs */
    param               *embed_grad, *positions_grad, *norm_grad, *norm_bias_grad, *lm_head_grad;
    struct model_memory *memory; /* mapped files and owned arrays (model_io.c) */
    /* of its adapted linears (kernels/variant.h); NULL: the default of each */
    const struct adapted_variant *variant;
} model;

/* Load a Hugging Face folder: config.json and model.safetensors, or the shards
 * model.safetensors.index.json names; F32, F16, BF16 or F64.
 * A tensor that is missing, of another shape or unknown is named (ERR_INPUT). Values are not
 * looked at: the first number that is not finite shows in decoder_nll, decoder_logits or
 * generate_items.
 * trainable: own copies of all weights in `flat`, gradients beside them; ERR_INPUT where the
 * backend's working type is not its parameters'. Else F32 weights are used where the mapped file
 * has them when the backend can (backend.host); only q, k and v are copied, since files hold
 * them apart. */
int  model_open(model **out, const char *dir, const backend *be, bool trainable);
void model_close(model *m); /* NULL is fine */
/* Write the weights (F32 safetensors, Hugging Face names) into dir, made if need be, beside the
 * config, tokenizer and generation files of `like`. */
int model_save(const model *m, const char *dir, const char *like);
/* sha256 of the weights file; of several shards, that of their hex digests one after the other
 * in name order. Computed once, kept by m. */
const char *model_hash(model *m);

/* From now on the adapted linears are computed by the variant of this name; NULL: by the default of
 * each. pairs as decoder_forward gets them; backward: they are trained; rows: what one product has
 * at most, as far as it is known. ERR_INPUT names the site that the variant refuses, and why; or
 * the device has no such variant. A run that turns out to be refused after all is an error of
 * decoder_forward. */
int model_use_variant(model *m, const char *name, const pair_arrays *pairs, bool backward, int64_t rows);

/* Packed tokens. Host arrays, owned by the caller, read during decoder_forward only.
 * A segment is a run of `len` tokens from `start`; `prefix` is the index of an earlier segment
 * whose tokens it continues (its whole text is seen first), or -1. Prefixes do not nest.
 * Positions are given per token. rows: indices of tokens whose next-token logits are wanted,
 * ascending; targets[i] the id scored there. */
typedef struct {
    int32_t start, len, prefix;
} segment;
typedef struct {
    int64_t        n_tokens, n_segments, n_rows;
    const int32_t *ids, *pos;
    const segment *segments;
    const int32_t *rows, *targets; /* targets may be NULL when only logits are wanted */
} batch;

typedef struct decoder decoder;
decoder               *decoder_new(model *m);
void                   decoder_free(decoder *d);
model                 *decoder_model(decoder *d);

/* pairs: [layers * SITE_COUNT], index layer * SITE_COUNT + site, r = 0 where nothing is adapted;
 * or NULL for the base alone. The structs are copied; what they point to must live until the
 * backward is done, and its values change only after a forward with keep, as in a training step:
 * variants that copy them look no oftener.
 * keep: keep what the backward needs. Segments follow one another and cover the batch; a row may
 * stand twice (two targets of one token). Returns OK, or ERR_INPUT (position past cfg.positions,
 * id or target outside the vocabulary).
 *
 * Each row's numbers come out the same to the bit in any batch and for any number of threads, if
 * the backend's products do (ref and cpu): only a text that continues a prefix may differ from
 * the same text in one piece, by rounding. */
int decoder_forward(decoder *d, const batch *b, const pair_arrays *pairs, bool keep);
/* May texts of up to this length share a prefix? Not where their rotary frequencies depend on how
 * each goes on. */
bool decoder_shares_prefixes(const decoder *d, int64_t length);
/* After a forward: -log p(target) at each row (host f64 [n_rows], or NULL) and the argmax ids
 * (or NULL). Vocabulary products in chunks of rows.
 * A number that is not finite is ERR_INPUT naming the model's folder. */
int decoder_nll(decoder *d, double *nll, int32_t *best);
/* After a forward: logits of row first .. first+count-1 to the host, [count, vocab] f64. */
int decoder_logits(decoder *d, int64_t first, int64_t count, double *logits);
/* After a forward with keep and targets, once: gradients of scale * (sum of -log p over the
 * rows) are added to the pairs' dA and dB where these are not NULL, and, when the model is
 * trainable, to its flat_grad. Nothing below the lowest pair that trains is computed. nll as in
 * decoder_nll. */
int decoder_backward(decoder *d, double scale, double *nll);
#endif
