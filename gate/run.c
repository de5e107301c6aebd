#include "gate/run.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <time.h>

#include "core/error.h"
#include "core/file.h"
#include "core/process.h"
#include "core/progress.h"
#include "core/rng.h"
#include "gate/shift.h"

static const char *const sides[] = { "base", "head" };

/* What tells a program where to write, by its first argument; the last row is for all others. */
static const struct {
    const char *verb, *add[2];
} kinds[] = {
    { "bench", { "--out", "{dir}" } },
    { "train", { "--out", "{dir}" } },
    { "eval", { "--out", "{dir}" } },
    { NULL, { "--benchmark_out={out}", "--benchmark_out_format=json" } },
};

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double own_cpu_s(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + 1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

int64_t gate_run_block(const char *path)
{
    int64_t block = -1;
    for (const char *p = strstr(path, "block-"); p; p = strstr(p + 1, "block-")) {
        long long number;
        int       n = 0;
        if (p > path && p[-1] != '/') continue;
        if (sscanf(p, "block-%9lld%n", &number, &n) == 1 && number >= 0 && (p[n] == '/' || !p[n])) block = number;
    }
    return block;
}

/* --- one process */

typedef struct {
    gate_run *run;
    gate_set *sets[2];
    rng       draw;
    double    start_s, retaken_s, others_s, blocks_s;
} session;

/* The text with its placeholders replaced; the caller frees it. */
static char *filled(const char *text, const char *dir)
{
    str out = { 0 };
    while (*text) {
        if (!strncmp(text, "{dir}", 5)) {
            str_puts(&out, dir);
            text += 5;
        } else if (!strncmp(text, "{out}", 5)) {
            str_printf(&out, "%s/report.json", dir);
            text += 5;
        } else {
            str_putc(&out, *text++);
        }
    }
    char *copy = mem_strndup(str_c(&out), out.n);
    str_free(&out);
    return copy;
}

/* The arguments of a process that writes to dir, argv[0] and a NULL among them. */
static char **arguments(const gate_run *run, int side, const char *dir)
{
    char  **argv   = mem_alloc((size_t)run->n_args + 4, sizeof *argv);
    int64_t n      = 0;
    bool    placed = false;
    size_t  kind   = 0;
    argv[n++]      = mem_strndup(run->programs[side], strlen(run->programs[side]));
    for (int64_t i = 0; i < run->n_args; i++) {
        placed |= strstr(run->args[i], "{dir}") || strstr(run->args[i], "{out}");
        argv[n++] = filled(run->args[i], dir);
    }
    while (kinds[kind].verb && !(run->n_args && !strcmp(run->args[0], kinds[kind].verb))) kind++;
    for (int i = 0; i < 2 && !placed; i++) argv[n++] = filled(kinds[kind].add[i], dir);
    return argv;
}

static int failure(const gate_run *run, int side, int status, const char *log)
{
    str         text = { 0 };
    const char *last = "";
    if (!file_read(log, 16u << 20, &text) && text.n) {
        if (text.s[text.n - 1] == '\n') text.s[--text.n] = '\0';
        last = strrchr(text.s, '\n') ? strrchr(text.s, '\n') + 1 : text.s;
    }
    run_error("%s (%s): %s%s%.1000s; its output is in %s", run->programs[side], sides[side], process_end_text(status),
              *last ? ": " : "", last, log);
    str_free(&text);
    return status == 127 ? ERR_INPUT : ERR_FAILED;
}

/* Runs one process, and adds what it wrote to the set. */
static int run_one(session *s, int side, const char *dir, gate_set *set, process_end *end)
{
    enum { PADDING = 4096 }; /* a page: the stack's start moves within one */
    gate_run *run  = s->run;
    char     *log  = path_join(dir, "log");
    char    **argv = arguments(run, side, dir);
    char      padding[PADDING];
    size_t    n = (size_t)rng_below(&s->draw, PADDING - 1);
    memset(padding, 'x', n);
    padding[n] = '\0';
    int rc     = file_make_dirs(dir);
    if (!rc)
        rc = process_run_as(
            run->programs[side], argv, log,
            &(process_options) {
                .variable = "GATE_PADDING", .value = padding, .pinned = run->core >= 0, .core = run->core },
            end);
    if (!rc && end->status) rc = failure(run, side, end->status, log);
    const size_t before = set->n_samples;
    if (!rc) rc = gate_set_read(set, dir);
    if (!rc && set->n_samples == before)
        rc = input_error("%s: %s wrote nothing there that can be compared; put {out} (a file) or {dir} (a folder) into "
                         "its arguments where it takes its output's place, and see %s",
                         dir, run->programs[side], log);
    for (char **a = argv; *a; a++) free(*a);
    free(argv);
    free(log);
    return rc;
}

/* --- blocks */

static char *place(const gate_run *run, int side, int64_t pair)
{
    str text = { 0 };
    str_printf(&text, "%s/%s/block-%06lld", run->samples, sides[side], (long long)pair);
    return text.s;
}

/* Moves a block's samples aside, under a name that tells the reading. */
static int put_aside(const gate_run *run, int64_t block)
{
    str aside = { 0 };
    str_printf(&aside, "%s/disturbed", run->samples);
    int rc = file_make_dirs(aside.s);
    for (int k = 0; k < 4 && !rc; k++) {
        char *from = place(run, k / 2, 2 * block + k % 2);
        str   to   = { 0 };
        str_printf(&to, "%s/%s-%lld-%06lld", aside.s, sides[k / 2], (long long)run->retaken,
                   (long long)(2 * block + k % 2));
        if (rename(from, to.s)) rc = run_error("%s: cannot be moved to %s", from, to.s);
        str_free(&to);
        free(from);
    }
    str_free(&aside);
    return rc;
}

/* Four processes. Their samples go to sets of their own, so that a disturbed block leaves nothing
 * behind. */
static int run_block(session *s, bool *disturbed)
{
    gate_run    *run   = s->run;
    const int    first = (int)rng_below(&s->draw, 2);
    const double start = now_s(), busy = process_machine_busy_s(), own = own_cpu_s();
    double       theirs  = 0;
    int          rc      = OK;
    gate_set     scratch = { .field = s->sets[0]->field };
    for (int k = 0; k < 4 && !rc; k++) {
        process_end end;
        const int   side = (k == 1 || k == 2) ^ first;
        char       *dir  = place(run, side, 2 * run->blocks + k / 2);
        rc               = run_one(s, side, dir, &scratch, &end);
        if (!rc) theirs += end.cpu_s;
        free(dir);
    }
    gate_set_free(&scratch);
    const double wall = now_s() - start, others = process_machine_busy_s() - busy - theirs - (own_cpu_s() - own);
    s->blocks_s += wall;
    s->others_s += others > 0 ? others : 0;
    *disturbed = others > 0.1 * wall + 0.03; /* the system counts in hundredths of a second */
    return rc;
}

static int keep_block(session *s)
{
    int rc = OK;
    for (int k = 0; k < 4 && !rc; k++) {
        char *dir = place(s->run, k / 2, 2 * s->run->blocks + k % 2);
        rc        = gate_set_read(s->sets[k / 2], dir);
        free(dir);
    }
    s->run->blocks++;
    return rc;
}

static int64_t affordable(const session *s)
{
    const gate_run *run   = s->run;
    const int64_t   taken = run->blocks + run->retaken;
    const double    left  = run->budget_s - (now_s() - s->start_s);
    return taken && left > 0 ? (int64_t)(left / (s->blocks_s / (double)taken)) : 0;
}

/* Takes blocks until there are so many, or the budget is spent. The first stage is taken whatever
 * it costs. */
static int run_blocks(session *s, int64_t wanted)
{
    gate_run *run = s->run;
    progress  p   = progress_start("gate", wanted, "block", false);
    int       rc  = OK;
    while (run->blocks < wanted && !rc && (run->looks == 0 || affordable(s) > 0)) {
        const double start = now_s();
        bool         disturbed;
        progress_update(&p, run->blocks, "");
        rc = run_block(s, &disturbed);
        if (!rc && disturbed && s->retaken_s + (now_s() - start) < run->budget_s / 3) {
            s->retaken_s += now_s() - start;
            rc = put_aside(run, run->blocks);
            run->retaken++;
            continue;
        }
        run->disturbed += disturbed;
        if (!rc) rc = keep_block(s);
    }
    progress_end(&p);
    return rc;
}

/* --- the whole */

/* One process of each build that is not counted: it fills the caches of files, shows whether the
 * arguments work, how many cases there are, and how many cores the program uses. */
static int rehearse(session *s, int64_t *cases)
{
    gate_run *run = s->run;
    int       rc  = OK;
    *cases = 1, run->core = -1, run->cores = 0;
    for (int side = 0; side < 2 && !rc; side++) {
        gate_set    scratch = { .field = s->sets[0]->field };
        process_end end;
        str         dir = { 0 };
        str_printf(&dir, "%s/first/%s", run->samples, sides[side]);
        rc        = run_one(s, side, dir.s, &scratch, &end);
        int64_t n = 0;
        for (size_t i = 0; i < scratch.n_samples; i++) n += scratch.samples[i].kind != GATE_EXACT;
        if (n > *cases) *cases = n;
        if (!rc) run->cores = fmax(run->cores, end.cpu_s / end.wall_s);
        str_free(&dir);
        gate_set_free(&scratch);
    }
    if (!rc && run->cores <= 1.2) run->core = process_last_core();
    return rc;
}

/* What a program's own choice of addresses needs. */
static bool addresses_vary(void)
{
    str        text  = { 0 };
    const int  own   = personality(0xffffffff);
    const bool known = !file_read("/proc/sys/kernel/randomize_va_space", 64, &text);
    const bool vary  = (!known || strcmp(str_c(&text), "0\n") != 0) && !(own >= 0 && (own & ADDR_NO_RANDOMIZE));
    str_free(&text);
    return vary;
}

static void say_what_it_was_like(gate_result *r, const gate_run *run)
{
    gate_say(
        r, &r->notes,
        "%lld blocks of four processes in %.0f s, %lld of them disturbed by other processes; %lld more were disturbed "
        "and taken again; other processes kept %.2f cores busy",
        (long long)run->blocks, run->spent_s, (long long)run->disturbed, (long long)run->retaken, run->others);
    if (run->core >= 0)
        gate_say(r, &r->notes, "all processes ran on core %d", run->core);
    else
        gate_say(r, &r->notes,
                 run->cores > 1.2 ? "no process was pinned: the program keeps %.1f cores busy"
                                  : "no process was pinned: the system does not tell the cores (%.1f in use)",
                 run->cores);
    if (!addresses_vary())
        gate_say(r, &r->notes,
                 "the system gives every process the same addresses (ADDR_NO_RANDOMIZE, or randomize_va_space is 0), "
                 "so a lucky layout of one build cannot be told from a change");
    gate_say(r, &r->notes,
             "judged %lld times while it ran; the same verdicts again: tiebreak gate %s/base %s/head --looks %d",
             (long long)run->looks, run->samples, run->samples, GATE_LOOKS);
}

/* How many blocks the undecided cases need; 0: none is undecided. */
static int64_t needed_blocks(const gate_result *r)
{
    int64_t most = 0;
    for (size_t i = 0; i < r->n; i++) {
        const gate_judgement *j = &r->cases[i].j;
        if (j->verdict != GATE_INCONCLUSIVE) continue;
        const int64_t needs = j->needs > j->n_base ? j->needs : j->n_base + j->n_base / 4 + 2;
        if (needs > most) most = needs;
    }
    return (most + 1) / 2;
}

static int judge(gate_result *r, session *s, const gate_options *rules)
{
    gate_result_free(r);
    *r             = (gate_result) { 0 };
    gate_options o = *rules;
    o.looks        = GATE_LOOKS;
    s->run->looks++;
    return gate_judge_sets(r, s->sets[0], s->sets[1], &o);
}

int gate_run_judge(gate_result *r, gate_set *base, gate_set *head, gate_run *run, const gate_options *rules)
{
    enum { BLOCKS_MAX = 900 };
    session s = { .run = run, .sets = { base, head }, .draw = rng_seed(run->seed), .start_s = now_s() };
    int64_t cases, wanted;
    char   *first = path_join(run->samples, "first");
    int     rc    = OK;
    run->blocks = run->disturbed = run->retaken = run->looks = 0;
    if (file_exists(first) || file_is_dir(first))
        rc = input_error(
            "%s: holds the samples of another run; choose another folder (--samples), or judge those: tiebreak "
            "gate %s/base %s/head",
            run->samples, run->samples, run->samples);
    free(first);
    if (!rc) rc = rehearse(&s, &cases);
    if (!rc) wanted = (shift_of_pairs_least(gate_alpha(cases * GATE_LOOKS)) + 3) / 2;
    while (!rc) {
        rc = run_blocks(&s, wanted);
        if (!rc) rc = judge(r, &s, rules);
        if (rc) break;
        const int64_t needs = needed_blocks(r), most = run->blocks + affordable(&s);
        if (!needs || run->looks == GATE_LOOKS || most <= run->blocks || run->blocks >= BLOCKS_MAX) break;
        wanted = needs + needs / 5;
        if (wanted > most || run->looks == GATE_LOOKS - 1) wanted = most < 3 * wanted ? most : 3 * wanted;
        if (wanted <= run->blocks) wanted = run->blocks + 1;
        if (wanted > BLOCKS_MAX) wanted = BLOCKS_MAX;
    }
    run->spent_s = now_s() - s.start_s;
    run->others  = s.blocks_s > 0 ? s.others_s / s.blocks_s : 0;
    if (!rc) say_what_it_was_like(r, run);
    return rc;
}
