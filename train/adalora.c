#include "train/adalora.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"

static int64_t last_mask(const adalora *a) { return a->total - a->options->tfinal; }

static int check(const adalora_options *o, int64_t total, int64_t n_modules, int64_t n_triplets)
{
    int64_t last = total - o->tfinal;
    if (o->delta_t < 1) return input_error("--delta-t %lld: must be 1 or more", (long long)o->delta_t);
    if (o->tinit < 0 || o->tfinal < 0)
        return input_error("--tinit %lld, --tfinal %lld: must be 0 or more", (long long)o->tinit, (long long)o->tfinal);
    if (o->tinit >= last)
        return input_error(
            "--tinit %lld: must be below the step of the final mask, %lld = %lld steps - tfinal %lld; give fewer warm-up steps or more "
            "steps",
            (long long)o->tinit, (long long)last, (long long)total, (long long)o->tfinal);
    if (o->target_rank < 0 || o->target_rank * n_modules > n_triplets)
        return input_error(
            "--target-rank %lld: must be 0..%lld, the rank at the start; give a smaller one or raise --rank",
            (long long)o->target_rank, (long long)(n_triplets / (n_modules ? n_modules : 1)));
    if (last < 2 && o->target_rank * n_modules < n_triplets)
        return input_error(
            "--steps %lld, --tfinal %lld: the final mask would fall on step 1, before any importance is known; give more steps",
            (long long)total, (long long)o->tfinal);
    return OK;
}

int adalora_new(adalora **out, const adalora_options *o, int64_t total, const adalora_module *modules,
                int64_t n_modules, int64_t theta_count)
{
    int64_t n_triplets = 0;
    *out               = NULL;
    for (int64_t m = 0; m < n_modules; m++) n_triplets += modules[m].rank;
    int rc = check(o, total, n_modules, n_triplets);
    if (rc) return rc;
    adalora *a     = mem_alloc(1, sizeof *a);
    a->options     = o;
    a->total       = total;
    a->n_modules   = n_modules;
    a->n_triplets  = n_triplets;
    a->theta_count = theta_count;
    a->target      = o->target_rank * n_modules;
    a->modules     = arena_alloc(&a->memory, (size_t)n_modules, sizeof *modules);
    a->sensitivity = arena_alloc(&a->memory, (size_t)theta_count, sizeof(double));
    a->uncertainty = arena_alloc(&a->memory, (size_t)theta_count, sizeof(double));
    a->scores      = arena_alloc(&a->memory, (size_t)n_triplets, sizeof(double));
    a->sorted      = arena_alloc(&a->memory, (size_t)n_triplets, sizeof(double));
    a->kept        = arena_alloc(&a->memory, (size_t)n_triplets, 1);
    if (n_modules) memcpy(a->modules, modules, (size_t)n_modules * sizeof *modules);
    memset(a->kept, 1, (size_t)n_triplets);
    *out = a;
    return OK;
}

void adalora_free(adalora *a)
{
    if (!a) return;
    arena_free(&a->memory);
    free(a);
}

adalora_phase adalora_phase_at(const adalora *a, int64_t step)
{
    if (step <= a->options->tinit) return ADALORA_WARM_UP;
    if (step == last_mask(a)) return ADALORA_FINAL_MASK;
    return step < last_mask(a) ? ADALORA_PRUNING : ADALORA_RE_MASK;
}

/* The cubic that both public implementations run. The paper prints another numerator. */
int64_t adalora_budget(const adalora *a, int64_t step)
{
    int64_t tinit = a->options->tinit, last = last_mask(a);
    if (step <= tinit) return a->n_triplets;
    if (step >= last) return a->target;
    double m = 1 - (double)(step - tinit) / (double)(last - tinit);
    return (int64_t)((double)(a->n_triplets - a->target) * pow(m, 3) + (double)a->target);
}

bool adalora_observes(const adalora *a, int64_t step) { return step < last_mask(a); }

void adalora_observe(adalora *a, const double *theta, const double *grad, double clip)
{
    double b1 = a->options->beta1, b2 = a->options->beta2;
    for (int64_t i = 0; i < a->theta_count; i++) {
        double s          = fabs(theta[i] * (clip * grad[i]));
        double sensed     = b1 * a->sensitivity[i] + (1 - b1) * s;
        a->sensitivity[i] = sensed;
        a->uncertainty[i] = b2 * a->uncertainty[i] + (1 - b2) * fabs(s - sensed);
    }
}

/* The mean of I U over n elements from `at` on, `stride` apart; 0 where the factor is not
 * trained. */
static double mean_importance(const adalora *a, bool trained, int64_t at, int64_t stride, int64_t n)
{
    double sum = 0;
    if (!trained) return 0;
    for (int64_t i = 0; i < n; i++) sum += a->sensitivity[at + i * stride] * a->uncertainty[at + i * stride];
    return sum / (double)n;
}

void adalora_score(adalora *a)
{
    double *score = a->scores;
    for (const adalora_module *m = a->modules; m < a->modules + a->n_modules; m++)
        for (int64_t i = 0; i < m->rank; i++)
            *score++ = mean_importance(a, true, m->u + i, 1, 1) +
                       mean_importance(a, m->A >= 0, m->A + i * m->in, 1, m->in) +
                       mean_importance(a, m->B >= 0, m->B + i, m->rank, m->out);
}

static int ascending(const void *x, const void *y)
{
    double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

/* Nothing goes when the budget is all there is, a case in which PEFT fails. */
static void mask(adalora *a, int64_t budget)
{
    int64_t gone = a->n_triplets - budget;
    memset(a->kept, 1, (size_t)a->n_triplets);
    if (gone < 1) return;
    adalora_score(a);
    memcpy(a->sorted, a->scores, (size_t)a->n_triplets * sizeof *a->scores);
    qsort(a->sorted, (size_t)a->n_triplets, sizeof *a->sorted, ascending);
    a->threshold = a->sorted[gone - 1];
    for (int64_t i = 0; i < a->n_triplets; i++) a->kept[i] = a->scores[i] > a->threshold;
}

bool adalora_allocate(adalora *a, int64_t step)
{
    switch (adalora_phase_at(a, step)) {
    case ADALORA_WARM_UP: return false;
    case ADALORA_PRUNING:
        if (step % a->options->delta_t) return false;
        break;
    case ADALORA_FINAL_MASK: break;
    case ADALORA_RE_MASK: return true;
    }
    mask(a, adalora_budget(a, step));
    return true;
}
