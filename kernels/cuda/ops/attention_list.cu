/* The list of spans that the attention kernels read, put together on the host. Contract:
 * kernels/cuda/ops/attention.h. */
#include "kernels/cuda/ops/attention.h"

/* Widens the ranges of the blocks that hold rows [row0, row0 + rows). */
static void name_blocks(int *kv_spans, int64_t row0, int64_t rows, int each, int span)
{
    for (int64_t b = row0 / each; rows > 0 && b <= (row0 + rows - 1) / each; b++) {
        if (kv_spans[2 * b + 1] == 0) kv_spans[2 * b] = span;
        kv_spans[2 * b + 1] = span + 1;
    }
}

attention_list attention_send(const attention_span *spans, int64_t n_spans, int queries, int64_t kv_rows, int kv_each)
{
    const int64_t at_first    = (n_spans * (int64_t)sizeof *spans + 7) / 8 * 8,
                  at_kv       = at_first + n_spans * (int64_t)sizeof(int64_t);
    const int64_t kv_bytes    = 2 * (int64_t)sizeof(int) * blocks_of(kv_rows, kv_each);
    char         *list        = (char *)cuda_list(at_kv + kv_bytes);
    int64_t      *first_block = (int64_t *)(list + at_first), blocks = 0;
    int          *kv_spans = (int *)(list + at_kv);
    if (n_spans > 0) memcpy(list, spans, (size_t)n_spans * sizeof *spans);
    memset(kv_spans, 0, (size_t)kv_bytes);
    for (int64_t i = 0; i < n_spans; i++) {
        first_block[i] = blocks;
        blocks += blocks_of(spans[i].q_len, queries);
        if (kv_rows == 0 || spans[i].q_len == 0) continue;
        name_blocks(kv_spans, spans[i].pre0, spans[i].pre_len, kv_each, (int)i);
        name_blocks(kv_spans, spans[i].kv0, spans[i].kv_len, kv_each, (int)i);
    }
    if (blocks == 0) return { NULL, NULL, 0, 0, NULL };
    const char *sent = cuda_send(at_kv + kv_bytes);
    return { (const attention_span *)sent, (const int64_t *)(sent + at_first), (int)n_spans, blocks,
             (const int *)(sent + at_kv) };
}
