/* The two largest of rows of logits, on the host: in f64 the definition, in f32 the CPU's.
 * Contract: kernels/top_two.h. */
#include <math.h>

#include "kernels/cpu.h"
#include "kernels/ref.h"

/* Running maxima of many lanes side by side: the compiler keeps them in vector registers. x - x
 * is 0 only for finite x. */
enum { LANES = 32 };

static top_two finish(const double *first, const double *second, double bad)
{
    double max = -INFINITY, next = -INFINITY;
    for (int i = 0; i < LANES; i++) {
        double low = first[i] > max ? max : first[i];
        max        = first[i] > max ? first[i] : max;
        next       = low > next ? low : next;
        next       = second[i] > next ? second[i] : next;
    }
    return (top_two) { .margin = max - next, .finite = bad == 0 };
}

static top_two of_f32(const float *x, int64_t n)
{
    float   first[LANES], second[LANES], bad[LANES] = { 0 };
    int64_t i = 0;
    for (int k = 0; k < LANES; k++) first[k] = second[k] = -INFINITY;
    for (; i + LANES <= n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            float v   = x[i + k];
            float low = v > first[k] ? first[k] : v;
            first[k]  = v > first[k] ? v : first[k];
            second[k] = low > second[k] ? low : second[k];
            bad[k] += v - v;
        }
    for (; i < n; i++) {
        float v = x[i], low = v > first[0] ? first[0] : v;
        first[0]  = v > first[0] ? v : first[0];
        second[0] = low > second[0] ? low : second[0];
        bad[0] += v - v;
    }
    double f[LANES], s[LANES], sum = 0, max = -INFINITY;
    for (int k = 0; k < LANES; k++) {
        f[k] = first[k], s[k] = second[k], sum += bad[k];
        max = f[k] > max ? f[k] : max;
    }
    top_two t = finish(f, s, sum);
    while (t.finite && x[t.best] != (float)max) t.best++;
    return t;
}

static top_two of_f64(const double *x, int64_t n)
{
    double first[LANES], second[LANES], bad = 0;
    for (int k = 0; k < LANES; k++) first[k] = second[k] = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        double low = x[i] > first[0] ? first[0] : x[i];
        first[0]   = x[i] > first[0] ? x[i] : first[0];
        second[0]  = low > second[0] ? low : second[0];
        bad += x[i] - x[i];
    }
    top_two t = finish(first, second, bad);
    while (t.finite && x[t.best] != first[0]) t.best++;
    return t;
}

void top_two_ref(const backend *be, top_two *top, const param *logits, int64_t n, int64_t vocab)
{
    for (int64_t i = 0; i < n; i++) top[i] = of_f64((const double *)logits + i * vocab, vocab);
}

void top_two_cpu(const backend *be, top_two *top, const param *logits, int64_t n, int64_t vocab)
{
    for (int64_t i = 0; i < n; i++) top[i] = of_f32((const float *)logits + i * vocab, vocab);
}
