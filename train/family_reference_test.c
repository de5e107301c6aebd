/* A tiny model of every family, with what transformers and PEFT compute on it: log-likelihoods
 * of the base and of an adapter, greedy ids, five losses of training; and folders that we write
 * ourselves, read back. */
#include <glob.h>

#include "adapters/adapter.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"
#include "core/test_reference.h"
#include "model/generate.h"
#include "model/pack.h"
#include "train/trainer.h"

enum { LINES = 10, GREEDY = 24 };

/* --- stored lines */

typedef struct {
    train_example items[LINES];
    int64_t       n;
} lines;

static train_example example_of(const json *line)
{
    const json   *tokens = json_find(line, "input_ids"), *labels = json_find(line, "labels");
    const int64_t n  = json_size(tokens);
    train_example e  = { .ids     = mem_alloc((size_t)n, sizeof *e.ids),
                         .targets = mem_alloc((size_t)n, sizeof *e.targets) };
    const json   *id = json_items(tokens), *label = json_items(labels)->next;
    for (; id; id = id->next, label = label ? label->next : NULL, e.n++) {
        e.ids[e.n]     = (int32_t)json_number(id);
        e.targets[e.n] = label && json_number(label) != -100 ? (int32_t)json_number(label) : -1;
        e.n_scored += e.targets[e.n] >= 0;
    }
    return e;
}

static lines lines_read(const char *dir, const char *name)
{
    lines x    = { 0 };
    char *path = path_join(dir, name);
    str   text = { 0 };
    assert_ok(file_read(path, 1 << 20, &text));
    for (char *line = text.s, *end; x.n < LINES && (end = strchr(line, '\n')); line = end + 1) {
        json *j;
        assert_ok(json_parse(&j, line, (size_t)(end - line), path));
        x.items[x.n++] = example_of(j);
        json_free(j);
    }
    str_free(&text);
    free(path);
    return x;
}

static void lines_free(lines *x)
{
    for (int64_t i = 0; i < x->n; i++) free(x->items[i].ids), free(x->items[i].targets);
}

/* --- one folder */

typedef struct {
    const char *dir, *name, *device;
    json       *expected;
    model      *m;
    adapter    *a;
    decoder    *d;
    double      tolerance;
} family_case;

static double number_at(const json *list, int64_t i)
{
    const json *e = json_items(list);
    while (e && i--) e = e->next;
    return json_number(e);
}

static void check_lines(const family_case *c, const pair_arrays *pairs, const char *what, double tolerance)
{
    lines x = lines_read(c->dir, "tokens.jsonl");
    for (int64_t i = 0; i < x.n; i++) {
        pack    p    = { 0 };
        double  want = number_at(json_find(c->expected, what), i), got = 0;
        int64_t at = pack_tokens(&p, x.items[i].ids, x.items[i].n, 0, -1);
        for (int64_t t = 0; t < x.items[i].n; t++)
            if (x.items[i].targets[t] >= 0) pack_row(&p, at + t, x.items[i].targets[t], 0);
        assert_ok(pack_score(&p, c->d, pairs));
        for (int64_t r = 0; r < p.batch.n_rows; r++) got -= p.nll[r];
        pack_free(&p);
        double err = fabs(got - want) / fabs(want);
        if (!(err <= tolerance))
            fail_msg("%s on %s, line %d, %s: %.10g, transformers %.10g: %.2e apart, allowed %.0e", c->name, c->device,
                     (int)i, what, got, want, err, tolerance);
    }
    assert_int_equal(x.n, 4);
    lines_free(&x);
}

static void check_greedy(const family_case *c)
{
    int checked = 0;
    for (const json *g = json_items(json_find(c->expected, "greedy")); g; g = g->next) {
        int32_t       prompt[64], got[GREEDY];
        generate_item it = { .prompt = prompt, .max_new = GREEDY, .ids = got };
        for (const json *e = json_items(json_find(g, "prompt")); e; e = e->next)
            prompt[it.n_prompt++] = (int32_t)json_number(e);
        assert_ok(generate_items(c->d, NULL, &it, 1, (generate_options) { .batch = 1 }));
        if (!(json_number(json_find(g, "margin")) > 1e-3)) continue;
        for (int i = 0; i < GREEDY; i++)
            if (got[i] != (int32_t)number_at(json_find(g, "ids"), i))
                fail_msg("%s on %s: greedy id %d is %d, transformers' is %.0f", c->name, c->device, i, got[i],
                         number_at(json_find(g, "ids"), i));
        checked++;
    }
    assert_true(checked > 0);
}

static void check_training(const family_case *c, double tolerance)
{
    lines           x = lines_read(c->dir, "train.jsonl");
    trainer_options o = { .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8 };
    trainer        *t;
    assert_ok(trainer_new(&t, c->m, c->a, &o, 5));
    for (int step = 0; step < 5; step++) {
        const train_example *items[2] = { &x.items[2 * step], &x.items[2 * step + 1] };
        double               want     = number_at(json_find(c->expected, "train_loss"), step);
        step_result          r;
        assert_ok(trainer_step(t, items, 2, 1 + step % 2, 1e-2, &r));
        double err = fabs(r.loss - want) / want;
        if (!(err <= tolerance))
            fail_msg("%s on %s: loss of step %d is %.10g, PEFT's %.10g: %.2e apart, allowed %.0e", c->name, c->device,
                     step + 1, r.loss, want, err, tolerance);
    }
    trainer_free(t);
    lines_free(&x);
}

/* What we write reads as the same: the base to the bit, the adapter too. */
static void check_written_again(family_case *c)
{
    char    *dir = test_tmpdir(), *adapter_dir = path_join(dir, "adapter");
    model   *m = c->m;
    adapter *a = c->a;
    decoder *d = c->d;
    assert_ok(model_save(m, dir, c->dir));
    assert_ok(adapter_save(a, adapter_dir, "base", NULL, NULL));
    assert_ok(model_open(&c->m, dir, m->be, true));
    assert_ok(adapter_open(&c->a, m->be, &c->m->cfg, adapter_dir));
    json *config;
    assert_ok(adapter_read_config(&config, adapter_dir));
    assert_string_equal(json_text(json_find(config, "peft_type")), "LORA");
    json_free(config);
    c->d = decoder_new(c->m);
    check_lines(c, NULL, "loglikelihood", c->tolerance);
    check_lines(c, adapter_pairs(c->a), "loglikelihood_adapter", c->tolerance);
    decoder_free(c->d);
    adapter_free(c->a);
    model_close(c->m);
    c->m = m, c->a = a, c->d = d;
    free(adapter_dir);
    test_rmdir(dir);
}

static void run_case(const char *dir, const char *device, double tolerance, double along)
{
    family_case c        = { dir, strrchr(dir, '/') + 1, device, .tolerance = tolerance };
    char       *expected = path_join(dir, "expected.json"), *adapter_dir = path_join(dir, "adapter");
    assert_ok(json_read_file(&c.expected, expected, 1 << 20));
    assert_ok(model_open(&c.m, dir, backend_find(device), false));
    assert_ok(adapter_open(&c.a, c.m->be, &c.m->cfg, adapter_dir));
    c.d = decoder_new(c.m);
    check_lines(&c, NULL, "loglikelihood", tolerance);
    check_lines(&c, adapter_pairs(c.a), "loglikelihood_adapter", tolerance);
    check_greedy(&c);
    check_written_again(&c);
    check_training(&c, along);
    decoder_free(c.d);
    adapter_free(c.a);
    model_close(c.m);
    json_free(c.expected);
    free(expected);
    free(adapter_dir);
}

static void every_family(const char *device, double tolerance, double along)
{
    need_data(root, "family-reference");
    char pattern[1200];
    int  n = 0;
    snprintf(pattern, sizeof pattern, "%s/*/expected.json", root);
    glob_t found;
    if (glob(pattern, 0, NULL, &found)) fail_msg("%s: no such files", pattern);
    for (; n < (int)found.gl_pathc; n++) {
        *strrchr(found.gl_pathv[n], '/') = '\0';
        run_case(found.gl_pathv[n], device, tolerance, along);
    }
    globfree(&found);
    assert_true(n > 0);
}

static void in_f64(void **state)
{
    (void)state;
    every_family("ref", 1e-6, 2e-6);
}
static void on_the_cpu(void **state)
{
    (void)state;
    every_family("cpu", 3e-6, 2e-5);
}

int main(void)
{
    const struct CMUnitTest tests[] = { published_test(in_f64), published_test(on_the_cpu) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
