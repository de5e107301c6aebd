/* Whole runs on a small random model and the task `tokens`: killed runs end with the same bytes,
 * finished ones are left, bad input is refused. */
#include "core/file.h"
#include "core/rng.h"
#include "model/test_model.h"
#include "train/run.h"

static const model_config shape = { .layers    = 3,
                                    .hidden    = 20,
                                    .inter     = 26,
                                    .heads     = 4,
                                    .kv_heads  = 2,
                                    .head_dim  = 6,
                                    .vocab     = 31,
                                    .positions = 24,
                                    .norm_eps  = 1e-5,
                                    .rope      = { { .theta = 10000 } },
                                    .bos       = 1 };

enum { ITEMS = 23 };

typedef struct {
    char *dir, *base, *data;
} world;

/* Items of 3..16 tokens with a pattern to learn: each scored token is one above that before it. */
static void write_data(const char *path, int items, int longest)
{
    rng r    = rng_seed(3);
    str text = { 0 };
    for (int i = 0; i < items; i++) {
        int n = 3 + (int)rng_below(&r, (uint64_t)longest - 2), prompt = 1 + (int)rng_below(&r, (uint64_t)n - 1),
            token  = 2 + (int)rng_below(&r, 10);
        str labels = { 0 };
        str_puts(&text, "{\"input_ids\":[1");
        str_puts(&labels, "-100");
        for (int k = 1; k < n; k++, token++) {
            str_printf(&text, ",%d", token);
            str_printf(&labels, ",%d", k < prompt ? -100 : token);
        }
        str_printf(&text, "],\"labels\":[%s]}\n", labels.s);
        str_free(&labels);
    }
    assert_ok(file_write_atomic(path, text.s, text.n));
    str_free(&text);
}

static int setup_world(void **state)
{
    world *w = mem_alloc(1, sizeof *w);
    w->dir   = test_tmpdir();
    w->base  = path_join(w->dir, "base");
    w->data  = path_join(w->dir, "train.jsonl");
    assert_ok(file_make_dirs(w->base));
    test_model_write(&shape, 11, w->base);
    write_data(w->data, ITEMS, 16);
    *state = w;
    return 0;
}

static int teardown_world(void **state)
{
    world *w = *state;
    free(w->base);
    free(w->data);
    test_rmdir(w->dir);
    free(w);
    return 0;
}

static train_request request(const world *w, const char *m, const char *out)
{
    return (train_request) { .model        = w->base,
                             .task         = "tokens",
                             .data         = w->data,
                             .method       = m,
                             .rank         = strcmp(m, "full") ? 4 : 0,
                             .steps        = 9,
                             .batch        = 3,
                             .accumulate   = 2,
                             .lr           = 5e-3,
                             .seed         = 17,
                             .threads      = 2,
                             .options      = { .beta1   = 0.9,
                                               .beta2   = 0.999,
                                               .eps     = 1e-8,
                                               .clip    = 1,
                                               .adalora = { .target_rank = 2,
                                                            .tinit       = 2,
                                                            .tfinal      = 2,
                                                            .delta_t     = 2,
                                                            .beta1       = 0.85,
                                                            .beta2       = 0.85,
                                                            .orth        = 0.5 } },
                             .out          = out,
                             .checkpoint_s = 1e9,
                             .quiet        = true };
}

static void run_ok(const train_request *q)
{
    json *record;
    assert_ok(train_run(q, &record));
    json_free(record);
}

static double result_of(const train_request *q, const char *key)
{
    json *record;
    assert_ok(train_run(q, &record)); /* finished: reads the record */
    double x = json_find(json_find(record, "result"), key)->valuedouble;
    json_free(record);
    return x;
}

static void same_file(const char *a, const char *b, const char *name)
{
    char *pa = path_join(a, name), *pb = path_join(b, name);
    str   x = { 0 }, y = { 0 };
    if (file_exists(pa)) {
        assert_ok(file_read(pa, 1u << 26, &x));
        assert_ok(file_read(pb, 1u << 26, &y));
        if (x.n != y.n || memcmp(x.s, y.s, x.n)) fail_msg("%s and %s differ in %s", a, b, name);
    }
    str_free(&x);
    str_free(&y);
    free(pa);
    free(pb);
}

static void same_run(const char *a, const char *b)
{
    static const char *const names[] = { "adapter_model.safetensors", "adapter_config.json", "model.safetensors",
                                         "tiebreak.json", "train_log.jsonl" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) same_file(a, b, names[i]);
}

static bool same_weights(const char *a, const char *b)
{
    char ha[65], hb[65];
    assert_ok(adapter_hash(a, ha));
    assert_ok(adapter_hash(b, hb));
    return !strcmp(ha, hb);
}

static const char *const methods[] = { "lora", "adalora", "tied-lora", "vera", "full" };

/* The run is killed after step 3, where it has a checkpoint, and again after step 5, of which
 * nothing was kept. Then it goes to the end. */
static void killed_runs_end_with_the_same_bytes(void **state)
{
    const world *w = *state;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        char *whole = path_join(w->dir, methods[i]), *broken = path_join(w->dir, "broken"),
             *checkpoint = path_join(broken, "checkpoint.safetensors");
        train_request q = request(w, methods[i], whole), k = q;
        json         *record;
        q.valid = k.valid = w->data;
        q.valid_every = k.valid_every = 4;
        run_ok(&q);
        k.out          = broken;
        k.checkpoint_s = 0;
        k.stop_after   = 3;
        assert_int_equal(train_run(&k, &record), ERR_FAILED);
        assert_true(file_exists(checkpoint));
        k.checkpoint_s = 1e9;
        k.stop_after   = 2;
        assert_int_equal(train_run(&k, &record), ERR_FAILED);
        k.stop_after = 0;
        k.threads    = 1;
        run_ok(&k);
        assert_false(file_exists(checkpoint));
        same_run(whole, broken);
        assert_within(fabs(result_of(&q, "loss_first") - result_of(&k, "loss_first")), 0);
        assert_within(fabs(result_of(&q, "tokens") - result_of(&k, "tokens")), 0);
        char command[600];
        snprintf(command, sizeof command, "rm -rf '%s'", broken);
        assert_int_equal(system(command), 0);
        free(whole);
        free(broken);
        free(checkpoint);
    }
}

static void same_seed_same_bytes(void **state)
{
    const world  *w = *state;
    char         *a = path_join(w->dir, "seed-a"), *b = path_join(w->dir, "seed-b"), *c = path_join(w->dir, "seed-c");
    train_request q = request(w, "tied-lora", a);
    run_ok(&q);
    q.out     = b;
    q.threads = 1;
    run_ok(&q);
    same_run(a, b);
    q.out  = c;
    q.seed = 18;
    run_ok(&q);
    assert_false(same_weights(a, c));
    free(a);
    free(b);
    free(c);
}

/* Six items at once, or twice three: the same items in the same order, so the same numbers but
 * for the order of sums. */
static void accumulation_is_a_larger_batch(void **state)
{
    const world  *w = *state;
    char         *a = path_join(w->dir, "acc-a"), *b = path_join(w->dir, "acc-b");
    train_request q = request(w, "lora", a);
    run_ok(&q);
    double loss  = result_of(&q, "loss_last");
    q.out        = b;
    q.batch      = 6;
    q.accumulate = 1;
    run_ok(&q);
    /* f32 sums in another order, over nine steps */
    assert_within(fabs(result_of(&q, "loss_last") - loss) / loss, 1e-5);
    free(a);
    free(b);
}

static void every_method_learns(void **state)
{
    const world *w = *state;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++) {
        char         *out = path_join(w->dir, "learn");
        train_request q   = request(w, methods[i], out);
        json         *record;
        const json   *valid;
        q.steps = 40;
        q.lr    = strcmp(methods[i], "vera") ? 1e-2 : 1e-1;
        q.valid = w->data;
        assert_ok(train_run(&q, &record));
        assert_ok(json_get_object(json_find(record, "result"), "record", "valid", &valid));
        double before = json_find(valid, "loss_first")->valuedouble, after = json_find(valid, "loss_last")->valuedouble;
        if (!(after < 0.95 * before)) fail_msg("%s: loss %.4f -> %.4f", methods[i], before, after);
        json_free(record);
        char command[600];
        snprintf(command, sizeof command, "rm -rf '%s'", out);
        assert_int_equal(system(command), 0);
        free(out);
    }
}

static void finished_cells_are_left_and_others_refused(void **state)
{
    const world  *w   = *state;
    char         *out = path_join(w->dir, "left");
    train_request q   = request(w, "lora", out);
    json         *first, *again;
    assert_ok(train_run(&q, &first));
    assert_ok(train_run(&q, &again));
    assert_true(cJSON_Compare(first, again, true));
    json_free(first);
    json_free(again);
    q.lr = 6e-3;
    assert_input_error(train_run(&q, &again), "adapter.lr is 0.005 there and 0.006 here");
    assert_null(again);
    free(out);
}

static void adapters_are_continued(void **state)
{
    const world  *w = *state;
    char         *a = path_join(w->dir, "cont-a"), *b = path_join(w->dir, "cont-b"), *c = path_join(w->dir, "cont-c");
    train_request q = request(w, "adalora", a);
    json         *record;
    q.sites = "q,v";
    run_ok(&q);
    train_request k = q;
    k.init_adapter  = a;
    k.out           = b;
    k.method        = "lora";
    assert_input_error(train_run(&k, &record), "--method lora: --init-adapter");
    k.method = NULL;
    k.sites  = "q";
    assert_input_error(train_run(&k, &record), "has the sites q,v");
    k.sites = NULL;
    k.rank  = 5;
    assert_input_error(train_run(&k, &record), "has rank 4");
    k.rank                        = 0;
    k.options.adalora.target_rank = 1; /* the ranks that are left are the new start */
    k.lr                          = 0;
    k.options.adalora.tinit       = 9;
    k.options.adalora.tfinal      = 0;
    assert_input_error(train_run(&k, &record), "--tinit 9: must be below");
    k.options.adalora.tinit = 2;
    run_ok(&k);
    k.out     = c;
    k.method  = "adalora";
    k.sites   = "q,v";
    k.rank    = 4;
    k.threads = 1;
    run_ok(&k);
    same_run(b, c);
    free(a);
    free(b);
    free(c);
}

static void rate_zero_changes_nothing(void **state)
{
    const world  *w = *state;
    char         *a = path_join(w->dir, "zero-a"), *b = path_join(w->dir, "zero-b");
    train_request q = request(w, "lora", a);
    run_ok(&q);
    q.init_adapter = a;
    q.method       = NULL;
    q.rank         = 0;
    q.out          = b;
    q.lr           = 0;
    run_ok(&q);
    assert_true(same_weights(a, b));
    free(a);
    free(b);
}

static void epochs_and_steps(void **state)
{
    const world  *w = *state;
    char         *a = path_join(w->dir, "ep-a"), *b = path_join(w->dir, "ep-b"), *c = path_join(w->dir, "ep-c");
    train_request q = request(w, "lora", a);
    json         *record;
    q.steps  = 0;
    q.epochs = 2;
    run_ok(&q);
    assert_int_equal((int)result_of(&q, "steps"), 8); /* 46 items, 6 a step: the last step has 4 */
    double two_epochs = result_of(&q, "tokens");
    q.out             = b;
    q.epochs          = 1;
    run_ok(&q);
    assert_within(fabs(2 * result_of(&q, "tokens") - two_epochs), 0);
    q.out   = c;
    q.steps = 2;
    run_ok(&q);
    assert_int_equal((int)result_of(&q, "steps"), 2);
    q.steps = q.epochs = 0;
    assert_input_error(train_run(&q, &record), "one of --steps N and --epochs N");
    free(a);
    free(b);
    free(c);
}

static void what_is_too_long_is_left_out(void **state)
{
    const world  *w = *state;
    char         *a = path_join(w->dir, "long-a"), *file = path_join(w->dir, "unscored.jsonl");
    train_request q = request(w, "lora", a);
    json         *record;
    q.max_length = 8;
    run_ok(&q);
    double dropped = result_of(&q, "too_long");
    assert_true(dropped > 0 && dropped < ITEMS);
    q.max_length = 2;
    assert_input_error(train_run(&q, &record), "longer than 2 tokens");
    const char text[] = "{\"input_ids\":[1,5,6],\"labels\":[-100,-100,-100]}\n";
    assert_ok(file_write_atomic(file, text, sizeof text - 1));
    q.max_length = 0;
    q.data       = file;
    assert_input_error(train_run(&q, &record), "none of its 1 items has a scored token");
    free(a);
    free(file);
}

static void options_that_contradict(void **state)
{
    const world  *w = *state;
    char         *a = path_join(w->dir, "contra");
    train_request q = request(w, "vera", a);
    json         *record;
    q.alpha = 8;
    assert_input_error(train_run(&q, &record), "--alpha 8: method vera has a fixed scale");
    q       = request(w, "full", a);
    q.sites = "q";
    assert_input_error(train_run(&q, &record), "full trains every weight");
    q          = request(w, "lora", a);
    q.schedule = "step";
    assert_input_error(train_run(&q, &record), "--schedule step");
    q                             = request(w, "adalora", a);
    q.options.adalora.target_rank = 5;
    assert_input_error(train_run(&q, &record), "--target-rank 5: must be 0..4");
    q        = request(w, "lora", a);
    q.device = "tpu";
    assert_input_error(train_run(&q, &record), "tpu");
    q.device = "cpu", q.dtype = "bf16";
    assert_input_error(train_run(&q, &record), "--dtype bf16: the device cpu computes in f32 alone");
    assert_false(file_exists(a)); /* nothing was begun */
    free(a);
}

static void divergence_is_named(void **state)
{
    const world  *w = *state;
    char         *a = path_join(w->dir, "diverge");
    train_request q = request(w, "full", a);
    json         *record;
    q.lr           = 1e18;
    q.checkpoint_s = 0;
    error_clear();
    assert_int_equal(train_run(&q, &record), ERR_FAILED);
    if (!strstr(error_text(), "learning rate 1e+18") || !strstr(error_text(), "step ")) fail_msg("%s", error_text());
    free(a);
}

static void broken_checkpoints_are_named(void **state)
{
    const world  *w = *state;
    char         *a = path_join(w->dir, "torn"), *path = path_join(a, "checkpoint.safetensors");
    train_request q = request(w, "lora", a);
    json         *record;
    str           bytes = { 0 };
    q.checkpoint_s      = 0;
    q.stop_after        = 2;
    assert_int_equal(train_run(&q, &record), ERR_FAILED);
    assert_ok(file_read(path, 1u << 26, &bytes));
    assert_ok(file_write_atomic(path, bytes.s, bytes.n / 2));
    assert_input_error(train_run(&q, &record), "checkpoint.safetensors");
    char *layout = memmem(bytes.s, bytes.n, "\"layout\":2", 10);
    assert_non_null(layout);
    layout[9] = '1'; /* values in another order */
    assert_ok(file_write_atomic(path, bytes.s, bytes.n));
    assert_input_error(train_run(&q, &record), "another version of this program");
    str_free(&bytes);
    free(a);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_runs_end_with_the_same_bytes),
        cmocka_unit_test(same_seed_same_bytes),
        cmocka_unit_test(accumulation_is_a_larger_batch),
        cmocka_unit_test(every_method_learns),
        cmocka_unit_test(finished_cells_are_left_and_others_refused),
        cmocka_unit_test(adapters_are_continued),
        cmocka_unit_test(rate_zero_changes_nothing),
        cmocka_unit_test(epochs_and_steps),
        cmocka_unit_test(what_is_too_long_is_left_out),
        cmocka_unit_test(options_that_contradict),
        cmocka_unit_test(divergence_is_named),
        cmocka_unit_test(broken_checkpoints_are_named),
    };
    return cmocka_run_group_tests(tests, setup_world, teardown_world);
}
