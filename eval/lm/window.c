#include "eval/lm/window.h"

int window_at(window *out, int64_t k, int64_t n_inputs, int64_t row, int64_t positions)
{
    if (n_inputs - row <= positions) {
        int64_t first = n_inputs > positions ? n_inputs - positions : 0;
        *out          = (window) { .first = first, .n = n_inputs - first, .row = row };
        return k == 0 && n_inputs > row;
    }
    int64_t begin = row + k * positions;
    if (begin >= n_inputs) return 0;
    int64_t end = n_inputs - begin < positions ? n_inputs : begin + positions;
    *out        = (window) { .first = end - positions, .n = positions, .row = begin };
    return 1;
}
