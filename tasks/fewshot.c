#include "tasks/fewshot.h"

#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/pyrandom.h"

int shots_open(shot_set *s, const shot_options *asked, const task *t)
{
    *s = (shot_set) { .asked = *asked, .task = t };
    if (!asked->k) return OK;
    if (t->answer == TASK_LIKELIHOOD)
        return input_error("--fewshot: the task %s asks nothing, so there is no example to show", t->name);
    int rc = task_read(t, asked->data, &s->pool);
    if (!rc) rc = originals_open(&s->originals, asked->data);
    if (!rc) s->texts = mem_alloc((size_t)s->pool->n, sizeof *s->texts);
    if (!rc && s->pool->n < asked->k)
        rc = input_error(
            "%s: holds %lld items and --fewshot %lld needs as many: give a larger --fewshot-data, or 1..%lld",
            asked->data, (long long)s->pool->n, (long long)asked->k, (long long)s->pool->n);
    if (rc) shots_close(s);
    return rc;
}

void shots_close(shot_set *s)
{
    for (int64_t i = 0; s->texts && i < s->pool->n; i++) free(s->texts[i]);
    free(s->texts);
    free(s->drawn);
    originals_free(&s->originals);
    dataset_free(s->pool);
    *s = (shot_set) { 0 };
}

/* --- drawing */

/* The item that is drawn for, where it may itself be in the pool. */
typedef struct {
    shot_set        *s;
    const originals *originals; /* of the items' file */
    const data_item *item;
} asker;

static bool is_itself(const asker *a, int64_t i)
{
    return original_equal(&a->s->originals, &a->s->pool->items[i], a->originals, a->item);
}

/* Indices of the pool without the item, in order; the caller frees them. */
static int64_t *others(const asker *a, int64_t *count)
{
    int64_t *index = mem_alloc((size_t)a->s->pool->n, sizeof *index);
    *count         = 0;
    for (int64_t i = 0; i < a->s->pool->n; i++)
        if (!is_itself(a, i)) index[(*count)++] = i;
    return index;
}

/* Takes the first k of the others or, with a generator, draws k of them. */
static int draw_from_others(const asker *a, mt19937 *m, int64_t *out)
{
    int64_t  count, k = a->s->asked.k;
    int64_t *index = others(a, &count);
    int      rc    = OK;
    if (count < k)
        rc = input_error("%s: --fewshot %lld: only %lld items differ from item %s", a->s->asked.data, (long long)k,
                         (long long)count, a->item->id);
    else if (m)
        py_sample(m, count, k, out);
    for (int64_t i = 0; i < k && !rc; i++) out[i] = index[m ? out[i] : i];
    free(index);
    return rc;
}

static int draw_without_self(const asker *a, mt19937 *m, int64_t *out)
{
    int64_t  k = a->s->asked.k, n = 0;
    int64_t *more = mem_alloc((size_t)k + 1, sizeof *more);
    py_sample(m, a->s->pool->n, k + 1, more);
    for (int64_t i = 0; i <= k && n < k; i++)
        if (!is_itself(a, more[i])) out[n++] = more[i];
    free(more);
    return n < k ? draw_from_others(a, m, out) : OK;
}

int shots_draw(shot_set *s, const dataset *items, const char *where, int64_t n)
{
    originals known;
    mt19937   m;
    int64_t   k    = s->asked.k;
    bool      self = s->pool &&
                (s->task->rules.shots_drop_self || (*s->pool->sha256 && !strcmp(s->pool->sha256, items->sha256)));
    if (!k) return OK;
    if (self && !s->asked.first && s->pool->n < k + 1)
        return input_error("%s: holds %lld items; --fewshot %lld draws one more, "
                           "because the item itself may be among them: give at least %lld",
                           s->asked.data, (long long)s->pool->n, (long long)k, (long long)k + 1);
    int rc   = originals_open(&known, self ? where : NULL);
    s->drawn = mem_alloc((size_t)(n * k), sizeof *s->drawn);
    s->n     = n;
    py_seed(&m, (uint64_t)s->asked.seed);
    for (int64_t i = 0; i < n && !rc; i++) {
        asker    a   = { s, &known, &items->items[i] };
        int64_t *out = s->drawn + i * k;
        if (self)
            rc = s->asked.first ? draw_from_others(&a, NULL, out) : draw_without_self(&a, &m, out);
        else if (!s->asked.first)
            py_sample(&m, s->pool->n, k, out);
        else
            for (int64_t j = 0; j < k; j++) out[j] = j;
    }
    originals_free(&known);
    return rc;
}

/* --- text */

static int example_text(shot_set *s, int64_t i)
{
    task_text text;
    str       whole = { 0 };
    int       rc    = task_render(s->task, &s->pool->items[i], &text);
    if (rc) return error_context(rc, "%s: item %s", s->asked.data, s->pool->items[i].id);
    str_printf(&whole, "%s%s%s", text.prompt, text.target, s->task->rules.shot_separator);
    s->texts[i] = whole.s ? whole.s : mem_strdup("");
    task_text_free(&text);
    return OK;
}

int shots_text(shot_set *s, int64_t i, str *out)
{
    int rc = OK;
    for (int64_t j = 0; j < s->asked.k && !rc; j++) {
        int64_t p = s->drawn[i * s->asked.k + j];
        if (!s->texts[p]) rc = example_text(s, p);
        if (!rc) str_puts(out, s->texts[p]);
    }
    return rc;
}
