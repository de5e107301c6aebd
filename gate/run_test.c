/* Two builds run in turn: this program stands for both, and its name says which it is. */
#include "gate/run.h"

#include <signal.h>
#include <time.h>

#include "core/memory.h"
#include "core/rng.h"
#include "gate/test_gbench.h"

/* --- the program that is run */

static double drawn(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    rng r = rng_seed((uint64_t)t.tv_nsec ^ (uint64_t)getpid() << 32);
    return rng_normal(&r);
}

/* --child HOW PERCENT OUT: HEAD is slower by that many percent, and ends as HOW says. */
static int child(char **argv)
{
    const bool   head = strstr(argv[0], "head") != NULL;
    const char  *how = argv[2], *out = argv[4];
    const double percent = head ? strtod(argv[3], NULL) : 0, noise = !strcmp(how, "noisy") ? 1 : 0.002;
    test_report  t      = TEST_REPORT;
    json        *list   = json_array();
    char        *folder = mem_strndup(out, (size_t)(strrchr(out, '/') - out));
    puts("first words");
    fflush(stdout);
    if (head && !strcmp(how, "killed")) {
        signal(SIGXFSZ, SIG_DFL);
        raise(SIGXFSZ);
    }
    if (!strcmp(how, "failed")) {
        puts("the reason");
        exit(7);
    }
    if (!strcmp(how, "silent")) exit(0);
    test_benchmark(list, &t, "BM_x", 1000 * (1 + percent / 100) * exp(noise * drawn()));
    test_benchmark(list, &t, "BM_y", 500 * exp(noise * drawn()));
    test_write_report(folder, out + strlen(folder) + 1, &t, list);
    str pad = { 0 };
    str_printf(&pad, "%zu", strlen(getenv("GATE_PADDING")));
    assert_ok(file_write_in(folder, "padding", &pad));
    str_free(&pad);
    free(folder);
    return 0;
}

/* --- the tests */

static char *dir, *programs[2];

static int set_up(void **state)
{
    char self[4096] = { 0 };
    dir             = test_tmpdir();
    programs[0]     = path_join(dir, "base");
    programs[1]     = path_join(dir, "head");
    assert_true(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    for (int i = 0; i < 2; i++) assert_int_equal(symlink(self, programs[i]), 0);
    return 0;
}

static int tear_down(void **state)
{
    free(programs[0]);
    free(programs[1]);
    test_rmdir(dir);
    return 0;
}

typedef struct {
    gate_run    run;
    gate_set    base, head;
    gate_result r;
    int         rc;
    char       *samples;
} outcome;

static outcome run_with(const char *name, const char *how, const char *percent, double budget_s)
{
    char   *args[] = { (char[]) { "--child" }, mem_strdup(how), mem_strdup(percent), (char[]) { "{out}" } };
    outcome o      = { .base = { .field = "real_time" }, .head = { .field = "real_time" } };
    o.samples      = path_join(dir, name);
    o.run          = (gate_run) { .programs = { programs[0], programs[1] },
                                  .args     = args,
                                  .n_args   = 4,
                                  .samples  = o.samples,
                                  .budget_s = budget_s,
                                  .seed     = 1 };
    error_clear();
    o.rc       = gate_run_judge(&o.r, &o.base, &o.head, &o.run, &GATE_DEFAULTS);
    o.run.args = NULL;
    free(args[1]);
    free(args[2]);
    if (!o.rc) gate_finish(&o.r);
    return o;
}

static void outcome_free(outcome *o)
{
    gate_result_free(&o->r);
    gate_set_free(&o->base);
    gate_set_free(&o->head);
    free(o->samples);
}

static const gate_case *case_of(const gate_result *r, const char *name)
{
    for (size_t i = 0; i < r->n; i++)
        if (!strcmp(r->cases[i].name, name)) return &r->cases[i];
    fail_msg("no case %s", name);
    return NULL;
}

static bool noted(const gate_result *r, const char *part)
{
    for (size_t i = 0; i < r->notes.n; i++)
        if (strstr(r->notes.items[i], part)) return true;
    return false;
}

static void what_is_slower_is_found_and_what_is_not_is_equivalent(void **state)
{
    outcome o = run_with("slower", "quiet", "8", 1);
    assert_ok(o.rc);
    assert_int_equal(case_of(&o.r, "BM_x")->j.verdict, GATE_REGRESSED);
    assert_int_equal(case_of(&o.r, "BM_y")->j.verdict, GATE_EQUIVALENT);
    assert_string_equal(case_of(&o.r, "BM_x")->j.rule, "signed-rank");
    assert_int_equal(o.base.n_files, 2 * o.run.blocks);
    assert_int_equal(case_of(&o.r, "BM_x")->j.n_base, case_of(&o.r, "BM_x")->j.n_head);
    assert_true(noted(&o.r, "blocks of four processes"));
    assert_int_equal(gate_status(&o.r), ERR_FAILED);
    outcome_free(&o);
}

/* `gate BASE HEAD` over what a run kept: the same pairs, the same numbers. */
static void what_was_kept_gives_the_same_verdicts(void **state)
{
    outcome      o    = run_with("kept", "quiet", "1", 1);
    gate_set     base = { .field = "real_time" }, head = { .field = "real_time" };
    gate_result  r       = { 0 };
    gate_options rules   = GATE_DEFAULTS;
    char        *kept[2] = { path_join(o.samples, "base"), path_join(o.samples, "head") };
    assert_ok(o.rc);
    rules.looks = GATE_LOOKS;
    assert_ok(gate_set_read(&base, kept[0]));
    assert_ok(gate_set_read(&head, kept[1]));
    assert_ok(gate_judge_sets(&r, &base, &head, &rules));
    assert_int_equal(r.n, 2);
    for (size_t i = 0; i < r.n; i++) {
        const gate_judgement *x = &r.cases[i].j, *y = &case_of(&o.r, r.cases[i].name)->j;
        assert_string_equal(x->rule, "signed-rank");
        assert_true(x->verdict == y->verdict && x->change == y->change && x->low == y->low && x->high == y->high);
    }
    gate_result_free(&r);
    gate_set_free(&base);
    gate_set_free(&head);
    free(kept[0]);
    free(kept[1]);
    outcome_free(&o);
}

/* The environment of the processes differs in its length, and each runs in a folder of its own. */
static void each_process_starts_anew(void **state)
{
    outcome o       = run_with("anew", "quiet", "0", 1);
    int64_t lengths = 0;
    str     before  = { 0 };
    assert_ok(o.rc);
    for (int64_t i = 0; i < 2 * o.run.blocks; i++) {
        char name[64];
        str  text = { 0 };
        snprintf(name, sizeof name, "base/block-%06lld/padding", (long long)i);
        char *path = path_join(o.samples, name);
        assert_ok(file_read(path, 100, &text));
        lengths += strcmp(str_c(&text), str_c(&before)) != 0;
        str_free(&before);
        before = text;
        free(path);
    }
    assert_true(lengths >= o.run.blocks);
    str_free(&before);
    outcome_free(&o);
}

/* Noise above the margin: every look is taken that the budget allows, and the rest is said. */
static void what_stays_undecided_takes_more_blocks_and_stays_so(void **state)
{
    outcome o = run_with("noisy", "noisy", "0", 3);
    assert_ok(o.rc);
    const gate_case *x = case_of(&o.r, "BM_x");
    assert_int_equal(x->j.verdict, GATE_INCONCLUSIVE);
    assert_true(*x->why);
    assert_int_equal(o.r.simultaneous, 2 * GATE_LOOKS);
    assert_in_range(o.run.looks, 1, GATE_LOOKS);
    assert_int_equal(gate_status(&o.r), ERR_INCONCLUSIVE);
    outcome_free(&o);
}

static void a_program_that_fails_is_named_with_its_end(void **state)
{
    static const struct {
        const char *how, *words[3];
        int         status;
    } cases[] = {
        { "killed", { "/head (head)", "killed by signal 25", "first words" }, ERR_FAILED },
        { "failed", { "/base (base)", "exit status 7", "the reason" }, ERR_FAILED },
        { "silent", { "holds nothing to compare", "first/base", "no report" }, ERR_INPUT },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        outcome o = run_with(cases[i].how, cases[i].how, "0", 1);
        assert_int_equal(o.rc, cases[i].status);
        for (int k = 0; k < 3; k++)
            if (!strstr(error_text(), cases[i].words[k]))
                fail_msg("\"%s\" does not say \"%s\"", error_text(), cases[i].words[k]);
        outcome_free(&o);
    }
    char *kept  = programs[1];
    programs[1] = mem_strdup("no/such/program");
    outcome o   = run_with("missing", "quiet", "0", 1);
    assert_int_equal(o.rc, ERR_INPUT);
    assert_non_null(strstr(error_text(), "no/such/program"));
    outcome_free(&o);
    free(programs[1]);
    programs[1] = kept;
}

static void samples_of_another_run_are_not_mixed_in(void **state)
{
    outcome o = run_with("twice", "quiet", "0", 1);
    assert_ok(o.rc);
    outcome_free(&o);
    o = run_with("twice", "quiet", "0", 1);
    assert_int_equal(o.rc, ERR_INPUT);
    assert_non_null(strstr(error_text(), "holds the samples of another run"));
    outcome_free(&o);
}

static void a_path_tells_its_block(void **state)
{
    static const struct {
        const char *path;
        int64_t     block;
    } cases[] = { { "x/block-000012/report.json", 12 },
                  { "x/block-3", 3 },
                  { "block-7/a.json", 7 },
                  { "x/block-1/block-2/a", 2 },
                  { "x/my-block-4/a", -1 },
                  { "x/block-4b/a", -1 },
                  { "x/blocks/a", -1 },
                  { "x/block--4/a", -1 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (gate_run_block(cases[i].path) != cases[i].block) fail_msg("%s", cases[i].path);
}

int main(int argc, char **argv)
{
    if (argc == 5 && !strcmp(argv[1], "--child")) return child(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_slower_is_found_and_what_is_not_is_equivalent),
        cmocka_unit_test(what_was_kept_gives_the_same_verdicts),
        cmocka_unit_test(each_process_starts_anew),
        cmocka_unit_test(what_stays_undecided_takes_more_blocks_and_stays_so),
        cmocka_unit_test(a_program_that_fails_is_named_with_its_end),
        cmocka_unit_test(samples_of_another_run_are_not_mixed_in),
        cmocka_unit_test(a_path_tells_its_block),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
