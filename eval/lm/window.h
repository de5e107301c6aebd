/* How a sequence longer than the model is scored: cut from the left, or in windows. */
#ifndef TIEBREAK_EVAL_LM_WINDOW_H
#define TIEBREAK_EVAL_LM_WINDOW_H
#include <stdint.h>

/* Inputs first .. first + n - 1 are fed. The predictions at inputs row .. first + n - 1 are
 * scored. */
typedef struct {
    int64_t first, n, row;
} window;

/* Window number k of a sequence of n_inputs whose predictions count from input `row` on, for a
 * model of `positions`. Returns 0 when there is no such window.
 *   - A sequence that fits is one window. Where only the scored part fits, the last `positions`
 *     inputs are the one window, and the rest is cut from the left.
 *   - Longer ones are scored in lm-evaluation-harness's rolling windows with one token of context:
 *     the first scores `positions` predictions from `row` on, each later one the next `positions`
 *     (the last one what is left), with as many earlier inputs before them as fill the window. */
int window_at(window *out, int64_t k, int64_t n_inputs, int64_t row, int64_t positions);
#endif
