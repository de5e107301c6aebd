/* Cross-entropy over rows of logits on the CPU; exponentials in f32, their sum and the result in f64. Contract: kernels/backend.h. */
#include "kernels/cpu.h"
#include "kernels/simd.h"

SIMD static float row_max(const float *row, int64_t n) { return max_f32(row, n); }

SIMD static float sum_exp(const float *row, int64_t n, float max)
{
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < n; j++) sum += exp_f32(row[j] - max);
    return sum;
}

SIMD static void softmax_times(float *row, int64_t n, float lse_high, float lse_low, float scale)
{
    for (int64_t j = 0; j < n; j++) row[j] = exp_f32((row[j] - lse_high) - lse_low) * scale;
}

/* log sum exp of a row: f32 sums over short blocks, added up in f64. */
static double log_sum_exp(const float *row, int64_t vocab, float max)
{
    enum { BLOCK = 512 };
    double sum = 0;
    for (int64_t j = 0; j < vocab; j += BLOCK) sum += sum_exp(row + j, vocab - j < BLOCK ? vocab - j : BLOCK, max);
    return max + log(sum);
}

void xent_fwd_cpu(double *nll, int32_t *best, const real *logits, const int32_t *targets, int64_t n, int64_t vocab)
{
#pragma omp parallel for schedule(static) if (n * vocab > CPU_ALONE)
    for (int64_t t = 0; t < n; t++) {
        const float *row = (const float *)logits + t * vocab;
        float        max = row_max(row, vocab);
        nll[t]           = targets[t] < 0 ? 0 : log_sum_exp(row, vocab, max) - row[targets[t]];
        if (!best) continue;
        int64_t j = 0;
        while (j < vocab && row[j] != max) j++;
        best[t] = j < vocab ? (int32_t)j : 0; /* all NaN: nll says so */
    }
}

void xent_bwd_cpu(real *logits, double *nll, const int32_t *targets, int64_t n, int64_t vocab, double scale)
{
#pragma omp parallel for schedule(static) if (n * vocab > CPU_ALONE)
    for (int64_t t = 0; t < n; t++) {
        float *row = (float *)logits + t * vocab;
        if (targets[t] < 0) {
            memset(row, 0, (size_t)vocab * sizeof *row);
            if (nll) nll[t] = 0;
            continue;
        }
        double lse = log_sum_exp(row, vocab, row_max(row, vocab));
        if (nll) nll[t] = lse - row[targets[t]];
        softmax_times(row, vocab, (float)lse, (float)(lse - (double)(float)lse), (float)scale);
        row[targets[t]] -= (float)scale;
    }
}
