/* Cross-entropy over rows of logits on the CPU; exponentials in f32, their sum and the result in
 * f64. Contract: kernels/xent.h. */
#include "kernels/cpu.h"
#include "kernels/simd.h"

SIMD static float row_max(const float *row, int64_t n) { return max_f32(row, n); }

/* to = exp(row - max), whose sum is returned; to may be row. */
SIMD static float sum_exp(float *to, const float *row, int64_t n, float max)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < n; j++) {
        float e = exp_f32(row[j] - max);
        to[j]   = e;
        sum += e;
    }
    return sum;
}

SIMD static void scale_row(float *row, int64_t n, float a)
{
    for (int64_t j = 0; j < n; j++) row[j] *= a;
}

/* Sum of exp(row - max): f32 sums over short blocks, added up in f64. The exponentials go to
 * `to` (which may be row), or nowhere when it is NULL. */
static double row_sum_exp(float *to, const float *row, int64_t vocab, float max)
{
    enum { BLOCK = 512 };
    float  nowhere[BLOCK];
    double sum = 0;
    for (int64_t j = 0; j < vocab; j += BLOCK)
        sum += sum_exp(to ? to + j : nowhere, row + j, least(BLOCK, vocab - j), max);
    return sum;
}

void xent_fwd_cpu(const backend *be, double *nll, int32_t *best, const param *logits, const int32_t *targets, int64_t n,
                  int64_t vocab)
{
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (n * vocab > CPU_ALONE)
    for (int64_t t = 0; t < n; t++) {
        const float *row = (const float *)logits + t * vocab;
        float        max = row_max(row, vocab);
        nll[t]           = targets[t] < 0 ? 0 : max + log(row_sum_exp(NULL, row, vocab, max)) - row[targets[t]];
        if (!best) continue;
        int64_t j = 0;
        while (j < vocab && row[j] != max) j++;
        best[t] = j < vocab ? (int32_t)j : 0; /* all NaN: nll says so */
    }
}

void xent_bwd_cpu(const backend *be, param *logits, double *nll, const int32_t *targets, int64_t n, int64_t vocab,
                  double scale)
{
#pragma omp parallel for num_threads(cpu_threads(be)) schedule(static) if (n * vocab > CPU_ALONE)
    for (int64_t t = 0; t < n; t++) {
        float *row = (float *)logits + t * vocab;
        if (targets[t] < 0) {
            memset(row, 0, (size_t)vocab * sizeof *row);
            if (nll) nll[t] = 0;
            continue;
        }
        float  max = row_max(row, vocab), target = row[targets[t]];
        double sum = row_sum_exp(row, row, vocab, max);
        if (nll) nll[t] = max + log(sum) - target;
        scale_row(row, vocab, (float)(scale / sum));
        row[targets[t]] -= (float)scale;
    }
}
