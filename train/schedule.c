#include "train/schedule.h"

#include <math.h>
#include <string.h>

#include "core/error.h"

/* done + left = 1. Where no step follows the warm-up, both are 0, and transformers' formulas
 * differ. */
static double constant(double done, double left) { return (void)done, (void)left, 1; }
static double linear(double done, double left) { return (void)done, fmax(0, left); }
static double cosine(double done, double left) { return (void)left, fmax(0, 0.5 * (1 + cos(M_PI * done))); }

static const schedule rows[] = { { "constant", constant }, { "linear", linear }, { "cosine", cosine } };

int schedule_find(const schedule **out, const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        *out = &rows[i];
        if (!strcmp(rows[i].name, name)) return OK;
    }
    return input_error("--schedule %s: must be constant, linear or cosine", name);
}

double schedule_lr(const schedule *s, double lr, int64_t step, int64_t warmup, int64_t total)
{
    int64_t index = step - 1, rest = total > warmup ? total - warmup : 1;
    if (index < warmup) return lr * ((double)index / (double)warmup);
    return lr * s->factor((double)(index - warmup) / (double)rest, (double)(total - index) / (double)rest);
}
