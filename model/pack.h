/* A batch that grows: segments and wanted rows are added one by one, without padding.
 *
 *     pack p = { 0 };
 *     int64_t at = pack_tokens(&p, ids, n, 0, -1);
 *     pack_row(&p, at + n - 1, target, 0);
 *     int rc = pack_score(&p, decoder, pairs);      // p.nll[0] is -log p(target)
 *     pack_clear(&p);                               // the next batch, in the same memory
 *     pack_free(&p); */
#ifndef TIEBREAK_MODEL_PACK_H
#define TIEBREAK_MODEL_PACK_H
#include "model/decoder.h"

typedef struct {
    batch    batch; /* what decoder_forward takes; its arrays are those below */
    int32_t *ids, *pos, *rows, *targets;
    segment *segments;
    int64_t *owner; /* [n_rows] whatever the caller counts rows by */
    double  *nll;   /* [n_rows] room for the losses */
    int32_t *best;  /* [n_rows] and for the likeliest ids */
    int64_t  cap_tokens, cap_rows, cap_segments;
} pack;

/* Adds a segment of n >= 1 ids at positions pos, pos + 1, ...; `prefix` as in segment. Returns the
 * place of its first token. */
int64_t pack_tokens(pack *p, const int32_t *ids, int64_t n, int64_t pos, int64_t prefix);
/* Adds n >= 0 ids to the last segment instead. */
int64_t pack_join(pack *p, const int32_t *ids, int64_t n, int64_t pos);
/* Wants the logits of the token at place `row`, and its loss against `target`. */
void pack_row(pack *p, int64_t row, int32_t target, int64_t owner);
/* One forward over what was added: fills nll and best. */
int  pack_score(pack *p, decoder *d, const pair_arrays *pairs);
void pack_clear(pack *p); /* keeps the memory */
void pack_free(pack *p);
#endif
