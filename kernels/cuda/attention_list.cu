/* The list of spans that the attention kernels read, put together on the host. Contract: kernels/cuda/attention.h. */
#include "kernels/cuda/attention.h"

attention_list attention_send(const attention_span *spans, int64_t n_spans, int queries)
{
    const int64_t at_first = (n_spans * (int64_t)sizeof *spans + 7) / 8 * 8, bytes = at_first + n_spans * (int64_t)sizeof(int64_t);
    char         *list        = (char *)cuda_list(bytes);
    int64_t      *first_block = (int64_t *)(list + at_first), blocks = 0;
    if (n_spans > 0) memcpy(list, spans, (size_t)n_spans * sizeof *spans);
    for (int64_t i = 0; i < n_spans; i++) {
        first_block[i] = blocks;
        blocks += blocks_of(spans[i].q_len, queries);
    }
    if (blocks == 0) return { NULL, NULL, 0, 0 };
    const char *sent = cuda_send(bytes);
    return { (const attention_span *)sent, (const int64_t *)(sent + at_first), (int)n_spans, blocks };
}
