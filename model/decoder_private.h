/* The decoder's inside: for decoder.c (what a run is, the loss), decoder_layer.c (one layer
 * forward and backward), decoder_stage.c (a linear with its pairs) and generate.c (runs over a
 * cache). */
#ifndef TIEBREAK_MODEL_DECODER_PRIVATE_H
#define TIEBREAK_MODEL_DECODER_PRIVATE_H
#include "kernels/variant.h"
#include "model/decoder.h"

/* An array that grows and is reused, of the type of the table that buffer_need is given; what it
 * held is lost when it grows. */
typedef struct {
    union {
        real  *p;
        param *params;
    };
    int64_t count;
} buffer;

/* What is added to the residual stream. */
enum { ATTENTION, MLP, BRANCHES };

/* The products of a layer. QKV is one product over all tokens; where queries are fewer than
 * keys, or keys go to a cache, Q and KV are two. */
typedef enum { STAGE_QKV, STAGE_Q, STAGE_KV, STAGE_O, STAGE_GATE_UP, STAGE_DOWN, STAGE_COUNT } stage_id;

/* What one layer leaves for its backward. n tokens, nq queries: n, or the rows that are wanted
 * in the last layer. */
typedef struct {
    buffer x;                /* [n, hidden] the layer's input */
    buffer qkv;              /* [n, q + 2 kv] after RoPE; or */
    buffer q, kv;            /* [nq, q], [n, 2 kv] */
    buffer qk;               /* [nq, q], [n, kv] after norms of their own and RoPE; those above are before both */
    buffer o, lse;           /* [nq, q], [nq, heads] of params */
    buffer mid;              /* [nq, hidden] what the MLP's norm reads: after attention, or x of a parallel block */
    buffer gate_up;          /* [nq, 2 inter], without a gate [nq, inter] */
    buffer branch[BRANCHES]; /* [nq, hidden] what attention and the MLP make, if it is not added at once */
    /* of params: statistics of the norms (decoder_norm_fwd) */
    buffer stats1, stats2, stats_qk, stats_after[BRANCHES];
    /* what each product's pairs leave (kernels/adapted.h) */
    buffer pairs_kept[STAGE_COUNT];
} activations;

/* What a variant made of a stage's W and pairs, and of which adapter (decoder.adapter counts). */
typedef struct {
    buffer                 room;
    const adapted_variant *variant;
    int64_t                adapter;
} stage_copies;

/* Rows of the rotary tables for texts of one class of lengths (model/rotary.h); row `first` is
 * position 0. */
typedef struct {
    int64_t length, first, positions;
    bool    used; /* in this run */
} rope_section;

/* Keys and values of earlier tokens: layer l's rows [rows, 2 kv] at layers[l]. A span's kv0 is a
 * row there. */
typedef struct {
    real  **layers;
    int64_t rows;
} kv_cache;

/* One forward: n packed tokens, of which n_rows are wanted at the end. Host arrays. `spans` has
 * every token as a query, `row_spans` the wanted ones, counted from 0. With a cache, spans have
 * no prefix, cover the tokens in order, and say where the new keys go: rows kv0 + kv_len - q_len
 * and on. decode: every token is a span of its own and wanted, none sees more than kv_most rows.
 * Then decoder_compute takes from the plan no more than sizes and kv_most, and a graph of it
 * serves every plan that has the same. */
typedef struct {
    int64_t               n, n_rows, n_spans, n_row_spans;
    const int32_t        *ids, *pos, *rows;
    const attention_span *spans, *row_spans;
    const int64_t        *lengths; /* [n_spans] of the texts; NULL: what the spans see */
    const kv_cache       *cache;
    bool                  decode;
    int64_t               kv_most;
} run_plan;

struct decoder {
    model         *m;
    const backend *be;
    int64_t        q_out, kv_out; /* widths of q and of k */
    int64_t        chunk_rows;    /* logits held at once */

    /* Tables of params, of both rotary configurations, each made of sections: one for all texts, or
     * one for each length whose frequencies differ. */
    buffer        rope_table[2];
    rope_section *sections;
    size_t        n_sections, cap_sections;

    /* the run */
    /* ids, pos, rows inside it are not kept past the forward */
    run_plan      run;
    bool          trim, keep, has_targets; /* trim: the wanted rows are not simply all tokens */
    bool          keep_before;             /* of the last forward, whether or not its backward came */
    pair_arrays  *pairs;                   /* [layers * SITE_COUNT], a copy */
    int64_t       adapter; /* counts the adapters seen: another one, or one that may have been trained */
    stage_copies *copies;  /* [layers * STAGE_COUNT] */
    /* where gradients end: the lowest layer with one; layers: none; -1: the embedding */
    int64_t low_layer;
    int     low_order; /* ... and the first of its stages with one */
    real   *last;      /* [n_rows, hidden] the last layer's output */

    /* integers on the device: ids to dev_spans are parts of `integers` in this run; capacities
     * in elements. */
    int32_t              *integers, *ids, *pos, *rows, *row_pos, *cache_rows, *targets, *best;
    const attention_span *dev_spans;
    int64_t               cap_integers, cap_rows;
    double               *nll; /* [cap_rows], on the device */

    activations *kept; /* [layers] */
    activations  scratch;
    buffer       stats_y, logits, capped; /* of params; capped: logits under a cap, which their gradients replace */
    buffer       last_kept, y, xn, xn_rows, act;
    buffer       normed, d_scaled, d_branch, dqk;
    buffer       dx, dx_rows, dxn, dxn_rows, dact, dqkv, d_o, pairs_scratch;

    /* host scratch; capacities as above */
    int32_t        *host_integers;
    double         *host_nll;
    attention_span *spans, *row_spans;
    int64_t        *lengths;
    size_t          cap_spans, cap_row_spans, cap_lengths;
};

/* At least count reals; returns b->p. */
real *buffer_need(const backend *be, buffer *b, int64_t count);
/* At least count params; returns b->params. */
param *params_need(const backend *be, buffer *b, int64_t count);
void   buffer_free(const backend *be, buffer *b);

/* Checks ids, positions and rows, and computes d->y [n_rows, hidden], the normalised states of
 * the wanted rows. The plan's arrays must live until the backward is done if keep. */
int decoder_run(decoder *d, const run_plan *plan, const pair_arrays *pairs, bool keep);
/* Its two halves: what the host does, with the integers' copy to the device; and the ops. */
int  decoder_prepare(decoder *d, const run_plan *plan, const pair_arrays *pairs, bool keep);
void decoder_compute(decoder *d);
/* Logits of rows first .. first+count-1 (count <= chunk_rows) on the device; valid until the
 * next call. */
param *decoder_logits_chunk(decoder *d, int64_t first, int64_t count);
/* ERR_INPUT that names the model's folder: a number that is not finite came out. */
int decoder_not_finite(const decoder *d, int64_t row);

/* A norm of the family over n rows of the residual stream: gain g, bias b or NULL. stats: 1
 * number a row of an RMSNorm, 2 of a LayerNorm; or NULL. The backward adds to dx. */
void decoder_norm_fwd(decoder *d, real *y, buffer *stats, const real *x, const real *g, const real *b, int64_t n);
void decoder_norm_bwd(decoder *d, real *dx, param *dg, param *db, const real *dy, const real *x, const buffer *stats,
                      const real *g, int64_t n);
/* Are attention's and the MLP's outputs added to the residual stream as they are? */
bool decoder_adds_at_once(const model_config *c);
/* A multiplier of the configuration, where 0 means there is none. */
static inline double multiplier(double scale) { return scale != 0 ? scale : 1; }
/* Columns of the product before the activation. */
static inline int64_t gate_up_width(const model_config *c) { return c->plan.ungated ? c->inter : 2 * c->inter; }

/* One layer: reads its activations' x, writes the next one's (d->last for the last layer). */
void layer_fwd(decoder *d, int64_t layer);
/* dx [nq, hidden] -> gradient of the layer's input [n, hidden], returned; NULL when nothing
 * below wants it. */
real *layer_bwd(decoder *d, int64_t layer, real *dx);
/* A stage of n rows. y = x W^T and so on, of STAGE_O and STAGE_DOWN y += ... if
 * decoder_adds_at_once; dx [n, in] is overwritten, NULL: not wanted. */
void stage_fwd(decoder *d, int64_t layer, stage_id s, real *y, const real *x, int64_t n);
void stage_bwd(decoder *d, int64_t layer, stage_id s, real *dx, const real *dy, const real *x, int64_t n);
/* Does the stage's backward read its input? */
bool stage_reads_input(const decoder *d, int64_t layer, stage_id s);
/* Does anything that trains lie before this stage, so that the gradient of its input is wanted? */
bool stage_wanted_below(const decoder *d, int64_t layer, stage_id s);
/* ERR_INPUT where the variant that was asked for refuses so many rows at some site. */
int stage_check(const decoder *d, int64_t rows, bool backward);
/* The activations a layer uses in this run: its own when they are kept. */
activations *layer_activations(decoder *d, int64_t layer);
/* 0..3: q k v, o, gate up, down. */
int site_order(site_id s);
#endif
