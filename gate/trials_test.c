/* The gate's own error rates, on real processes of this machine: scripts/gate-trials.
 *
 *     trials_test                       checks the judging on drawn numbers
 *     trials_test --child UNITS         one process of the suite: ten cases, their times on stdout
 *     trials_test --record FILE busy|idle BLOCKS MINUTES
 *                                       adds blocks to the pool, up to so many or for so long
 *     trials_test --table FILE...       cuts pools into windows, judges each, prints the table
 *
 * A build is a number of units of work: 1000, or 3, 5 or 10 % more. A block is one process of each
 * build, in an order by lot, each started as `gate --run` starts it: a fresh process, its
 * environment of random length, pinned to one core. So A and A', which both have 1000, are truly
 * the same, and the others are slower by exactly so much. */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

#include "core/file.h"
#include "core/memory.h"
#include "core/process.h"
#include "core/rng.h"
#include "core/stats.h"
#include "core/test.h"
#include "gate/shift.h"
#include "gate/test_trials.h"
#include "gate/verdict.h"

enum { UNITS = 1000, CASES = TRIALS_CASES, REPETITIONS = 6, BUILDS = 5, WINDOW = 16, BLOCKS_MAX = 20000 };
static const struct {
    const char *name;
    int         units;
} builds[BUILDS] = { { "A", 1000 }, { "A'", 1000 }, { "3 %", 1030 }, { "5 %", 1050 }, { "10 %", 1100 } };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* --- one process */

static int run_child(int64_t units)
{
    table = mem_alloc(TABLE, sizeof *table);
    for (uint64_t i = 0; i < TABLE; i++) table[i] = (uint32_t)mix(i + 1);
    for (int c = 0; c < CASES; c++) {
        for (int64_t u = 0; u < UNITS / 4; u++) sink += suite[c](u);
        for (int r = 0; r < REPETITIONS; r++) {
            const double start = now_s();
            for (int64_t u = 0; u < units; u++) sink += suite[c](u);
            printf("%.0f%c", 1e9 * (now_s() - start), c == CASES - 1 && r == REPETITIONS - 1 ? '\n' : ' ');
        }
    }
    free(table);
    return OK;
}

/* --- recording */

/* Keeps the core busy half of the time, until this process ends. */
static pid_t start_neighbour(int core)
{
    const pid_t pid = fork();
    if (pid) return pid;
    char *const argv[] = { (char[]) { "trials" }, (char[]) { "--neighbour" }, NULL };
    process_end end;
    exit(process_run_as("/proc/self/exe", argv, "/dev/null", &(process_options) { .pinned = core >= 0, .core = core },
                        &end));
}

static int be_a_neighbour(void)
{
    rng r = rng_seed((uint64_t)getpid());
    while (getppid() != 1) {
        /* busy and idle for 1 to 99 ms each: half of the time on average, and no beat */
        const double busy = 1e-3 * (1 + 98 * rng_uniform(&r)), idle = 1e-3 * (1 + 98 * rng_uniform(&r)),
                     start = now_s();
        while (now_s() - start < busy) sink += mix(sink);
        nanosleep(&(struct timespec) { .tv_nsec = (long)(1e9 * idle) }, NULL);
    }
    return OK;
}

/* The number of whole blocks of a pool, which is cut to them; a half one is from a run that was
 * ended. */
static int64_t whole_blocks(const char *path)
{
    str         text = { 0 };
    size_t      pos = 0, n, kept = 0;
    int64_t     lines = 0;
    const char *line;
    if (!file_exists(path)) return 0;
    assert_ok(file_read(path, (size_t)1 << 30, &text));
    while (next_line(str_c(&text), text.n, &pos, &line, &n)) {
        if (line + n == text.s + text.n) break; /* no end of line */
        if (*line == '#') kept = pos;
        if (*line != '#' && ++lines % BUILDS == 0) kept = pos;
    }
    assert_int_equal(truncate(path, (off_t)kept), 0);
    str_free(&text);
    return lines / BUILDS;
}

static int run_process(rng *draw, const char *log, int build, int core, str *line)
{
    char        padding[4096], units[16];
    size_t      n = (size_t)rng_below(draw, sizeof padding - 1);
    process_end end;
    memset(padding, 'x', n);
    padding[n] = '\0';
    snprintf(units, sizeof units, "%d", builds[build].units);
    char *const argv[] = { (char[]) { "trials" }, (char[]) { "--child" }, units, NULL };
    int         rc     = process_run_as(
                    "/proc/self/exe", argv, log,
                    &(process_options) { .variable = "GATE_PADDING", .value = padding, .pinned = core >= 0, .core = core }, &end);
    if (!rc && end.status) rc = run_error("a process of the suite: %s", process_end_text(end.status));
    if (!rc) rc = file_read(log, 1 << 16, line);
    return rc;
}

static int record(const char *path, const char *state, int64_t blocks, double minutes)
{
    const bool   busy  = !strcmp(state, "busy");
    const int    core  = process_last_core();
    const double start = now_s(), busy_before = process_machine_busy_s();
    char        *dir = test_tmpdir(), *log = path_join(dir, "log");
    int64_t      done      = whole_blocks(path);
    FILE        *f         = fopen(path, "a");
    rng          draw      = rng_seed((uint64_t)time(NULL) ^ (uint64_t)getpid() << 32);
    int          rc        = f ? OK : run_error("%s: cannot be written", path);
    pid_t        neighbour = busy && f ? start_neighbour(core) : 0;
    double       others    = 0;
    if (!rc && !done) fprintf(f, "# %s; block build, then %d cases x %d repetitions, ns\n", state, CASES, REPETITIONS);
    for (; !rc && done < blocks && now_s() - start < 60 * minutes; done++) {
        int64_t order[BUILDS];
        str     text = { 0 };
        for (int i = 0; i < BUILDS; i++) order[i] = i;
        rng_shuffle(&draw, order, BUILDS);
        for (int i = 0; i < BUILDS && !rc; i++) {
            str line = { 0 };
            rc       = run_process(&draw, log, (int)order[i], core, &line);
            str_printf(&text, "%lld %lld %s", (long long)done, (long long)order[i], str_c(&line));
            str_free(&line);
        }
        if (!rc && fwrite(text.s, 1, text.n, f) != text.n) rc = run_error("%s: cannot be written", path);
        str_free(&text);
        if (done % 100 == 0) fflush(f);
        if (done % 500 == 0)
            fprintf(stderr, "gate-trials: %s: block %lld of %lld\n", state, (long long)done, (long long)blocks);
    }
    if (neighbour) kill(neighbour, SIGTERM), waitpid(neighbour, NULL, 0);
    const double wall = now_s() - start;
    others            = (process_machine_busy_s() - busy_before) / (wall > 0 ? wall : 1);
    if (f)
        fprintf(f, "# %lld blocks so far; %.0f s; %.2f cores busy on average, this recording included\n",
                (long long)done, wall, others);
    if (f && fclose(f) && !rc) rc = run_error("%s: cannot be written", path);
    fprintf(stderr, "gate-trials: %s: %lld blocks in %s; this time %.0f s\n", state, (long long)done, path, wall);
    free(log);
    test_rmdir(dir);
    return rc;
}

/* --- the pool */

typedef struct {
    char    state[8];
    str     notes; /* of the recording */
    int64_t blocks;
    double  cores; /* busy while it was recorded, by the busiest note */
    float  *ns;    /* [blocks, BUILDS, CASES, REPETITIONS] */
} pool;

static const float *samples_of(const pool *p, int64_t block, int build, int c)
{
    return p->ns + ((block * BUILDS + build) * CASES + c) * REPETITIONS;
}

static int read_pool(pool *p, const char *path)
{
    str         text   = { 0 };
    size_t      pos    = 0, n;
    int64_t     number = 0, lines = 0;
    const char *line;
    int         rc = file_read(path, (size_t)1 << 30, &text);
    *p             = (pool) { .ns = mem_alloc((size_t)BLOCKS_MAX * BUILDS * CASES * REPETITIONS, sizeof *p->ns) };
    while (!rc && next_line(str_c(&text), text.n, &pos, &line, &n)) {
        number++;
        if (*line == '#') {
            if (!*p->state)
                sscanf(line, "# %7[a-z]", p->state);
            else if (strstr(line, "blocks so far")) {
                const char *comma = strstr(line, "s; ");
                str_printf(&p->notes, "%.*s\n", (int)n - 2, line + 2);
                if (comma) p->cores = fmax(p->cores, strtod(comma + 3, NULL));
            }
            continue;
        }
        char         *at    = (char *)(uintptr_t)line;
        const int64_t block = strtoll(at, &at, 10), build = strtoll(at, &at, 10);
        if (block != lines / BUILDS || build < 0 || build >= BUILDS || block >= BLOCKS_MAX) {
            rc = input_error("%s: line %lld: is no line of a pool, or stands at the wrong place", path,
                             (long long)number);
            break;
        }
        float *to = p->ns + (block * BUILDS + build) * CASES * REPETITIONS;
        for (int i = 0; i < CASES * REPETITIONS; i++) to[i] = strtof(at, &at);
        if (at != line + n || !(to[CASES * REPETITIONS - 1] > 0))
            rc = input_error("%s: line %lld: has not %d times", path, (long long)number, CASES * REPETITIONS);
        lines++;
    }
    p->blocks = lines / BUILDS;
    if (!rc && p->blocks < WINDOW)
        rc = input_error("%s: %lld blocks are no window of %d", path, (long long)p->blocks, WINDOW);
    str_free(&text);
    return rc;
}

/* --- who judges */

/* The samples of one case of one build in a window: one process after the other. */
typedef struct {
    double       all[WINDOW * REPETITIONS], means[WINDOW];
    gate_process processes[WINDOW];
} side;

static void fill_side(side *s, const pool *p, int64_t first, int build, int c)
{
    for (int64_t b = 0; b < WINDOW; b++) {
        const float *x = samples_of(p, first + b, build, c);
        double       logs[REPETITIONS], *all = s->all + b * REPETITIONS;
        for (int r = 0; r < REPETITIONS; r++) all[r] = x[r], logs[r] = log(x[r]);
        s->means[b]     = stats_mean(all, REPETITIONS);
        s->processes[b] = gate_process_of(logs, REPETITIONS, first + b);
    }
}

static gate_verdict by_gate(const side *a, const side *b)
{
    gate_judgement j;
    gate_judge(&j, a->processes, WINDOW, b->processes, WINDOW, &(gate_rule) { .margin = 3, .cases = CASES });
    return j.verdict;
}

static gate_verdict way(bool differs, double a, double b)
{
    return !differs ? GATE_EQUIVALENT : b > a ? GATE_REGRESSED : GATE_IMPROVED;
}

typedef struct {
    double x;
    int    of;
} ranked;
static int by_x(const void *p, const void *q)
{
    const double x = ((const ranked *)p)->x, y = ((const ranked *)q)->x;
    return (x > y) - (x < y);
}

/* The two-sided p-value of the Mann-Whitney test as SciPy computes it for more than eight numbers:
 * the normal distribution with correction for ties and continuity. */
static double mann_whitney(const double *a, int n, const double *b, int m)
{
    const int total    = n + m;
    ranked   *x        = mem_alloc((size_t)total, sizeof *x);
    double    rank_sum = 0, ties = 0;
    for (int i = 0; i < total; i++) x[i] = (ranked) { i < n ? a[i] : b[i - n], i >= n };
    qsort(x, (size_t)total, sizeof *x, by_x);
    for (int i = 0, k; i < total; i = k) {
        for (k = i; k < total && x[k].x == x[i].x;) k++;
        const double t = k - i, rank = i + (t + 1) / 2;
        for (int l = i; l < k; l++) rank_sum += x[l].of ? rank : 0;
        ties += t * t * t - t;
    }
    free(x);
    const double u = rank_sum - m * (m + 1) / 2., mean = n * (double)m / 2,
                 sd = sqrt(n * (double)m / 12 * (total + 1 - ties / (total * (total - 1.))));
    return sd > 0 ? fmin(1, 2 * stats_normal_cdf(-fmax(0, (fabs(u - mean) - 0.5) / sd))) : 1;
}

/* compare.py of Google Benchmark: the U test over all repetitions, at its 0.05. */
static gate_verdict by_compare(const side *a, const side *b)
{
    enum { N = WINDOW * REPETITIONS };
    return way(mann_whitney(a->all, N, b->all, N) < 0.05, stats_median(a->all, N), stats_median(b->all, N));
}

static gate_verdict by_means(const side *a, const side *b)
{
    const double ratio = stats_mean(b->all, WINDOW * REPETITIONS) / stats_mean(a->all, WINDOW * REPETITIONS);
    return ratio > 1.05 ? GATE_REGRESSED : ratio < 1 / 1.05 ? GATE_IMPROVED : GATE_EQUIVALENT;
}

/* benchstat: the exact U test over runs (each the mean of its repetitions), at its 0.05. Its
 * interval leaves 0 out where that test rejects. */
static gate_verdict by_benchstat(const side *a, const side *b)
{
    const shift s = shift_of_two(a->means, WINDOW, b->means, WINDOW, 0.05);
    return way(s.exists && (s.low > 0 || s.high < 0), stats_median(a->means, WINDOW), stats_median(b->means, WINDOW));
}

/* hyperfine's welch_ttest.py: Welch's t test over runs, at its 0.05. */
static gate_verdict by_welch(const side *a, const side *b)
{
    const double x = stats_mean(a->means, WINDOW), y = stats_mean(b->means, WINDOW), u = stats_stderr(a->means, WINDOW),
                 v = stats_stderr(b->means, WINDOW), e = u * u + v * v;
    const double df = e * e / ((u * u * u * u + v * v * v * v) / (WINDOW - 1));
    return way(e > 0 && stats_t_pvalue((y - x) / sqrt(e), df) < 0.05, x, y);
}

static const struct {
    const char *name;
    gate_verdict (*judge)(const side *a, const side *b);
} judges[] = {
    { "tiebreak gate, margin 3 %", by_gate },
    { "Google Benchmark's compare.py (U test, 0.05)", by_compare },
    { "5 % on means", by_means },
    { "benchstat's rule (U test over runs, 0.05)", by_benchstat },
    { "hyperfine's welch_ttest.py (0.05)", by_welch },
};
enum { JUDGES = sizeof judges / sizeof *judges, CONTRASTS = BUILDS - 1 };

/* What one judge said of one planted change, over all windows. */
typedef struct {
    int64_t windows, regressed_windows; /* with at least one case called regressed */
    int64_t cases[GATE_REGRESSED + 1];
} tally;

static void judge_windows(const pool *p, tally t[JUDGES][CONTRASTS])
{
    memset(t, 0, sizeof(tally) * JUDGES * CONTRASTS);
#pragma omp parallel for schedule(dynamic)
    for (int64_t w = 0; w < p->blocks / WINDOW; w++) {
        for (int k = 0; k < CONTRASTS; k++) {
            bool regressed[JUDGES] = { false };
            for (int c = 0; c < CASES; c++) {
                side a, b;
                fill_side(&a, p, w * WINDOW, 0, c);
                fill_side(&b, p, w * WINDOW, k + 1, c);
                for (int j = 0; j < JUDGES; j++) {
                    const gate_verdict v = judges[j].judge(&a, &b);
#pragma omp atomic
                    t[j][k].cases[v]++;
                    regressed[j] |= v == GATE_REGRESSED;
                }
            }
            for (int j = 0; j < JUDGES; j++) {
#pragma omp atomic
                t[j][k].windows++;
#pragma omp atomic
                t[j][k].regressed_windows += regressed[j];
            }
        }
    }
}

/* The upper end of the exact one-sided 95 % interval of a share (Clopper and Pearson 1934). */
static double upper_bound(int64_t k, int64_t n)
{
    double low = 0, high = 1;
    for (int i = 0; i < 60 && k < n; i++) {
        const double p    = (low + high) / 2;
        double       term = pow(1 - p, (double)n), sum = term;
        for (int64_t x = 1; x <= k; x++) sum += term *= p / (1 - p) * (double)(n - x + 1) / (double)x;
        if (sum > 0.05)
            low = p;
        else
            high = p;
    }
    return high;
}

static double percent(int64_t k, int64_t n) { return n ? 100. * (double)k / (double)n : NAN; }

static void print_pool(const pool *p)
{
    tally         t[JUDGES][CONTRASTS];
    const int64_t windows = p->blocks / WINDOW;
    judge_windows(p, t);
    printf("## %s: %lld blocks, %lld disjoint windows of %d processes a side, %d cases\n\n",
           !strcmp(p->state, "busy") ? "Beside one process busy half of the time, on the same core"
           : p->cores > 1.25         ? "Meant to be idle, but other processes ran"
                                     : "Idle",
           (long long)p->blocks, (long long)windows, WINDOW, CASES);
    printf("%s\n", str_c(&p->notes));
    printf(
        "| judged by | A/A: windows with a false alarm | 95 %% at most | A/A: cases undecided | 3 %%: cases regressed | 5 %%: cases found | "
        "5 %%: undecided | 10 %%: cases found |\n|---|---:|---:|---:|---:|---:|---:|---:|\n");
    for (int j = 0; j < JUDGES; j++) {
        const tally  *x     = t[j];
        const int64_t cases = windows * CASES;
        printf("| %s | %lld of %lld (%.2f %%) | %.2f %% | %.1f %% | %.2f %% | %.1f %% | %.1f %% | %.1f %% |\n",
               judges[j].name, (long long)x[0].regressed_windows, (long long)windows,
               percent(x[0].regressed_windows, windows), 100 * upper_bound(x[0].regressed_windows, windows),
               percent(x[0].cases[GATE_INCONCLUSIVE], cases), percent(x[1].cases[GATE_REGRESSED], cases),
               percent(x[2].cases[GATE_REGRESSED], cases), percent(x[2].cases[GATE_INCONCLUSIVE], cases),
               percent(x[3].cases[GATE_REGRESSED], cases));
    }
    printf("\n");
}

/* How each case scatters, and what was planted, as it was measured: medians over all blocks. */
static void print_cases(const pool *p)
{
    static const char *const names[CASES] = { "integers", "chain", "roots",    "exponentials", "near sum",
                                              "far sum",  "chase", "branches", "copies",       "allocations" };
    printf(
        "| case | median of A, us | sd between processes | A' | 3 %% | 5 %% | 10 %% |\n|---|---:|---:|---:|---:|---:|---:|\n");
    for (int c = 0; c < CASES; c++) {
        double *logs[BUILDS];
        for (int k = 0; k < BUILDS; k++) {
            logs[k] = mem_alloc((size_t)p->blocks, sizeof **logs);
            for (int64_t b = 0; b < p->blocks; b++) {
                double x[REPETITIONS];
                for (int r = 0; r < REPETITIONS; r++) x[r] = log(samples_of(p, b, k, c)[r]);
                logs[k][b] = gate_process_of(x, REPETITIONS, b).value - (k ? logs[0][b] : 0);
            }
        }
        printf("| %s | %.0f | %.2f %%", names[c], exp(stats_median(logs[0], p->blocks)) / 1e3,
               100 * stats_sd(logs[0], p->blocks));
        for (int k = 1; k < BUILDS; k++) printf(" | %+.2f %%", 100 * expm1(stats_median(logs[k], p->blocks)));
        printf(" |\n");
        for (int k = 0; k < BUILDS; k++) free(logs[k]);
    }
    printf("\n");
}

static int print_table(int n, char **paths)
{
    int rc = OK;
    for (int i = 0; i < n && !rc; i++) {
        pool p;
        rc = read_pool(&p, paths[i]);
        if (!rc) print_pool(&p);
        if (!rc) print_cases(&p);
        free(p.ns);
        str_free(&p.notes);
    }
    return rc;
}

/* --- the ordinary run */

/* A pool drawn from known noise. */
static pool drawn_pool(double between, int64_t blocks)
{
    pool p = { .state  = "idle",
               .blocks = blocks,
               .ns     = mem_alloc((size_t)blocks * BUILDS * CASES * REPETITIONS, sizeof *p.ns) };
    rng  r = rng_seed(3);
    for (int64_t b = 0; b < blocks; b++)
        for (int k = 0; k < BUILDS; k++)
            for (int c = 0; c < CASES; c++) {
                const double place = between * rng_normal(&r);
                for (int i = 0; i < REPETITIONS; i++)
                    p.ns[((b * BUILDS + k) * CASES + c) * REPETITIONS + i] =
                        (float)(4e5 * builds[k].units / UNITS * exp(place + 0.002 * rng_normal(&r)));
            }
    return p;
}

static void known_noise_gives_known_rates(void **state)
{
    const int64_t windows = 20, cases = windows * CASES;
    tally         t[JUDGES][CONTRASTS];
    pool          quiet = drawn_pool(0.003, windows * WINDOW), loud = drawn_pool(0.2, windows * WINDOW);
    judge_windows(&quiet, t);
    assert_int_equal(t[0][0].windows, windows);
    assert_int_equal(t[0][0].regressed_windows, 0);
    assert_int_equal(t[0][0].cases[GATE_EQUIVALENT], cases);
    assert_true(t[0][1].cases[GATE_REGRESSED] <= cases / 40);
    assert_int_equal(t[0][2].cases[GATE_REGRESSED], cases);
    assert_int_equal(t[0][3].cases[GATE_REGRESSED], cases);
    assert_int_equal(t[2][3].cases[GATE_REGRESSED], cases); /* 5 % on means finds 10 % */
    assert_int_equal(t[2][0].cases[GATE_EQUIVALENT], cases);
    for (int j = 1; j < JUDGES; j++) {
        /* a test at 0.05 on ten cases cries wolf in two windows of five; all find 10 % */
        if (j != 2) assert_in_range(t[j][0].regressed_windows, 1, windows - 1);
        assert_int_equal(t[j][3].cases[GATE_REGRESSED], cases);
    }
    judge_windows(&loud, t);
    assert_int_equal(t[0][0].regressed_windows, 0);
    assert_true(t[0][0].cases[GATE_INCONCLUSIVE] >= cases - 1);
    free(quiet.ns);
    free(loud.ns);
}

static void the_u_test_is_scipys(void **state)
{
    /* SciPy 1.17.1: mannwhitneyu(a, b, alternative="two-sided", method="asymptotic").pvalue */
    const double a[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, b[] = { 3, 5, 7, 9, 11, 13, 15, 17, 19, 21 };
    assert_within(fabs(mann_whitney(a, 10, b, 10) - 0.017090034751250798), 1e-9);
    assert_within(fabs(mann_whitney(a, 10, a, 10) - 1), 1e-9);
    assert_within(fabs(upper_bound(0, 300) - (1 - pow(0.05, 1. / 300))), 1e-9);
    assert_within(fabs(upper_bound(1, 475) - 0.00995), 5e-5);
}

static void a_pool_is_recorded_read_and_gone_on_with(void **state)
{
    char *dir = test_tmpdir(), *path = path_join(dir, "pool");
    pool  p;
    assert_ok(record(path, "busy", 2, 5));
    FILE *f = fopen(path, "a");
    assert_non_null(f);
    fputs("2 0 17 ", f); /* as of a run that was ended */
    fclose(f);
    assert_ok(record(path, "busy", WINDOW, 5));
    assert_ok(read_pool(&p, path));
    assert_int_equal(p.blocks, WINDOW);
    assert_string_equal(p.state, "busy");
    for (int k = 0; k < BUILDS; k++) assert_true(samples_of(&p, WINDOW - 1, k, CASES - 1)[REPETITIONS - 1] > 0);
    free(p.ns);
    str_free(&p.notes);
    free(path);
    test_rmdir(dir);
}

int main(int argc, char **argv)
{
    int rc = OK;
    if (argc == 3 && !strcmp(argv[1], "--child")) return run_child(strtoll(argv[2], NULL, 10));
    if (argc == 2 && !strcmp(argv[1], "--neighbour")) return be_a_neighbour();
    if (argc == 6 && !strcmp(argv[1], "--record"))
        rc = record(argv[2], argv[3], strtoll(argv[4], NULL, 10), strtod(argv[5], NULL));
    else if (argc >= 3 && !strcmp(argv[1], "--table"))
        rc = print_table(argc - 2, argv + 2);
    else if (argc == 1) {
        const struct CMUnitTest tests[] = {
            cmocka_unit_test(known_noise_gives_known_rates),
            cmocka_unit_test(the_u_test_is_scipys),
            cmocka_unit_test(a_pool_is_recorded_read_and_gone_on_with),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
    } else
        rc = input_error("usage: --child UNITS | --record FILE busy|idle BLOCKS MINUTES | --table FILE...");
    if (rc) fprintf(stderr, "gate-trials: %s\n", error_text());
    return rc;
}
