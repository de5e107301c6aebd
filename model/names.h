/* How families name the tensors of their files and their modules, and how those lie there: rows of
 * one table (model/names.c). */
#ifndef TIEBREAK_MODEL_NAMES_H
#define TIEBREAK_MODEL_NAMES_H
#include <stddef.h>

#include "model/sites.h"

enum { WEIGHT_PARTS = 3, WEIGHT_NAME = 96, PREFIXES_MAX = 4 };

/* A tensor's place in a file, seen from the decoder's array [out, in]: the same; [in, out], as
 * GPT-2 keeps it; or with the rows of q, k and v of each head together, as GPT-NeoX keeps them. */
typedef enum { AS_IS, TRANSPOSED, BY_HEAD } weight_layout;

/* How a size follows from the shape. W_NONE ends the parts of an array; as columns it makes a
 * vector. */
typedef enum { W_NONE, W_HIDDEN, W_Q, W_KV, W_QKV, W_INTER, W_GATE_UP, W_HEAD } extent;
typedef enum {
    ALWAYS,
    WITH_NORM1, /* a norm before attention */
    WITH_NORM2, /* ... and one before the MLP */
    WITH_QK_HEADS,
    WITH_QK_WHOLE,
    WITH_LAYERNORM1,
    WITH_LAYERNORM2,
    WITH_QKV_BIAS,
    WITH_O_BIAS,
    WITH_MLP_BIAS
} condition;

/* One array of a layer, made of one to three tensors one below the other. */
typedef struct {
    condition     when;
    size_t        slot; /* offset in layer_weights */
    extent        cols;
    weight_layout layout;
    struct {
        const char *name; /* behind the layer's */
        extent      rows;
    } part[WEIGHT_PARTS];
} layer_row;

typedef struct {
    /* What stands before all names but the head's; a file may have any of them. Written: the
     * first. */
    const char      *prefix[PREFIXES_MAX];
    const char      *layers; /* "layers." */
    const char      *embed, *positions, *norm, *norm_bias, *head;
    const layer_row *rows; /* ended by one without parts */
    /* A layer's module at each site; "" where the file has none of its own */
    const char *module[SITE_COUNT];
    /* ends of names that are no weights: masks and frequencies that some files hold */
    const char *const *buffers;
} file_names;

extern const file_names names_table[NAMES_COUNT];
const file_names       *names_of(const model_config *c);
/* Do its files keep the rows of q, k and v by head? */
bool names_qkv_by_head(const model_config *c);
/* ... and matrices as [in, out]? */
bool names_transposed(const model_config *c);
#endif
