#include "reports/plot_private.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"

static const char *const colors[] = { "#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                      "#E69F00", "#56B4E9", "#000000", "#8C510A" };
enum { N_COLORS = sizeof colors / sizeof *colors };

const char *plot_color(int i) { return colors[i % N_COLORS]; }

int plot_index(plot_names *l, const char *name)
{
    for (int i = 0; i < l->n; i++)
        if (!strcmp(l->name[i], name)) return i;
    if (l->n == 64) return 63;
    l->name[l->n] = name;
    return l->n++;
}

/* A string inside gnuplot's single quotes, its enhanced-text characters escaped by the
 * noenhanced terminal. */
void plot_quoted(str *s, const char *text)
{
    str_putc(s, '\'');
    for (; *text; text++) {
        if (*text == '\'') str_putc(s, '\'');
        str_putc(s, *text);
    }
    str_putc(s, '\'');
}

static char *slug(const char *text)
{
    char *s = mem_strdup(text);
    for (char *c = s; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '-') *c = '_';
    return s;
}

static int run_gnuplot(const char *script, const char *name)
{
    char log[] = "/tmp/tiebreak-gnuplot-XXXXXX";
    int  fd    = mkstemp(log);
    if (fd < 0) return run_error("report: no temporary file for gnuplot's messages: %s", strerror(errno));
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fd, 1);
        dup2(fd, 2);
        execlp("gnuplot", "gnuplot", script, (char *)NULL);
        _exit(127);
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) < 0) status = 127 << 8;
    close(fd);
    str said = { 0 };
    file_read(log, 4096, &said);
    unlink(log);
    int rc = OK;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        rc = run_error("report: gnuplot was not found; install it (scripts/deps does) and run the report again");
    else if (status)
        rc = run_error("report: gnuplot failed on %s: %.400s", name, str_c(&said));
    str_free(&said);
    return rc;
}

int plot_finish(plot_list *list, const char *dir, const char *name, const char *caption, const str *body, int width,
                int height)
{
    char *stem = slug(name);
    str   svg = { 0 }, gp = { 0 }, text = { 0 };
    str_printf(&svg, "%s/plots/%s.svg", dir, stem);
    str_printf(&gp, "%s/plots/%s.gp", dir, stem);
    str_printf(&text, "set terminal svg size %d,%d noenhanced font 'DejaVu Sans,13' background '#ffffff'\nset output ",
               width, height);
    plot_quoted(&text, svg.s);
    str_puts(&text, "\nset border 3 lc rgb '#444444'\nset tics nomirror out\nset grid lc rgb '#dddddd' lw 1\n"
                    "set key outside right top vertical spacing 1.15 samplen 2\n");
    str_add(&text, body->s, body->n);
    int rc = file_write_atomic(gp.s, text.s, text.n);
    if (!rc) rc = run_gnuplot(gp.s, name);
    if (!rc) {
        if (list->n == list->cap) list->items = mem_grow(list->items, &list->cap, sizeof *list->items);
        str file = { 0 };
        str_printf(&file, "plots/%s.svg", stem);
        list->items[list->n++] = (plot_item) { file.s, mem_strdup(caption) };
    }
    free(stem);
    str_free(&svg);
    str_free(&gp);
    str_free(&text);
    return rc;
}

static double half_or_zero(double h) { return isfinite(h) ? h : 0; }

/* One task: points [from, to) share task and metric. */
static int plot_quality(plot_list *list, const quality *q, size_t from, size_t to, const char *dir)
{
    plot_names           methods = { .n = 0 };
    str                  s = { 0 }, plot = { 0 }, caption = { 0 }, name = { 0 };
    const quality_point *first = &q->points[from], *base = NULL;
    for (size_t i = from; i < to; i++) {
        if (!strcmp(q->points[i].method, "base") && q->points[i].trainable == 0)
            base = &q->points[i];
        else
            plot_index(&methods, q->points[i].method);
    }
    for (int m = 0; m < methods.n; m++) {
        str_printf(&s, "$m%d << EOD\n", m);
        for (size_t i = from; i < to; i++) {
            const quality_point *p = &q->points[i];
            if (p != base && !strcmp(p->method, methods.name[m]) && p->trainable > 0 && isfinite(p->mean))
                str_printf(&s, "%lld %.9g %.9g %lld\n", (long long)p->trainable, p->mean, half_or_zero(p->half),
                           (long long)(p->rank < 0 ? 0 : p->rank));
        }
        str_puts(&s, "EOD\n");
    }
    str_puts(&s, "$front << EOD\n");
    size_t on_front = 0;
    for (size_t i = from; i < to; i++) {
        const quality_point *p = &q->points[i];
        if (p->on_front && p != base && p->trainable > 0 && isfinite(p->mean)) {
            str_printf(&s, "%lld %.9g\n", (long long)p->trainable, p->mean);
            on_front++;
        }
    }
    str_puts(&s, "EOD\nset logscale x\nset xlabel 'trained parameters (log scale)'\nset title ");
    str_printf(&name, "%s: %s against trained parameters", first->task, first->metric);
    plot_quoted(&s, name.s);
    str_printf(
        &s,
        "\nset ylabel '%s (%s is better)'\nset offsets graph 0.05, graph 0.05, graph 0.05, graph 0.05\nset format x '%%.0s%%c'\n",
        first->metric, first->higher_is_better ? "higher" : "lower");
    if (on_front)
        str_puts(&plot, "$front using 1:2 with points pt 6 ps 2.2 lw 1.5 lc rgb '#888888' title 'Pareto front'");
    if (base) {
        if (plot.n) str_puts(&plot, ", ");
        str_printf(&plot, "%.9g with lines dt 2 lw 2 lc rgb '#666666' title 'base, no adapter'", base->mean);
    }
    for (int m = 0; m < methods.n; m++) {
        if (plot.n) str_puts(&plot, ", ");
        str_printf(&plot, "$m%d using 1:2:3 with yerrorbars pt 7 ps 0.9 lw 1.6 lc rgb '%s' title ", m, plot_color(m));
        plot_quoted(&plot, methods.name[m]);
        str_printf(&plot, ", $m%d using 1:2 with lines lw 1 lc rgb '%s' notitle", m, plot_color(m));
    }
    str_printf(&s, "plot %s\n", str_c(&plot));
    str_printf(
        &caption,
        "%s, base model \"%s\". Bars: 95 %% intervals. Ringed: the Pareto front, which leaves out only what is worse beyond the intervals.",
        name.s, first->base);
    str_clear(&name);
    str_printf(&name, "quality-%s-%s", first->base, first->task);
    int rc = methods.n ? plot_finish(list, dir, name.s, caption.s, &s, 760, 430) : OK;
    str_free(&s);
    str_free(&plot);
    str_free(&caption);
    str_free(&name);
    return rc;
}

static bool same_panel(const overhead_point *a, const overhead_point *b)
{
    return !strcmp(a->device, b->device) && !strcmp(a->shape, b->shape) && !strcmp(a->site, b->site) &&
           !strcmp(a->op, b->op) && !strcmp(a->dtype, b->dtype) && !strcmp(a->mode, b->mode) && a->tokens == b->tokens;
}

void plot_case_name(str *s, const overhead_point *p)
{
    bool f32 = !strcmp(p->dtype, "f32");
    str_printf(s, "%s%s%s %s, %s %lldx%lld, %lld tokens: %s%s%s", p->device, f32 ? "" : " ", f32 ? "" : p->dtype,
               p->shape, p->site, (long long)p->d_out, (long long)p->d_in, (long long)p->tokens, p->op,
               *p->mode ? ", " : "", p->mode);
}

void plot_case_file(str *s, const char *kind, const overhead_point *p)
{
    str_printf(s, "%s-%s-%s-%s-%lld-%s", kind, p->device, p->shape, p->site, (long long)p->tokens, p->op);
    if (strcmp(p->dtype, "f32")) str_printf(s, "-%s", p->dtype);
    if (*p->mode) str_printf(s, "-%s", p->mode);
}

/* Overhead against rank, a line a method, of what the model calls. */
static bool on_ranks(const overhead_point *p) { return !*p->variant && p->adapters == 1; }

static int plot_ranks(plot_list *list, const overhead *o, size_t from, size_t to, const char *dir)
{
    plot_names            methods = { .n = 0 };
    str                   s = { 0 }, caption = { 0 }, name = { 0 };
    const overhead_point *first    = &o->points[from];
    bool                  tied[64] = { false };
    bool                  variants = false, ranks = false;
    for (size_t i = from; i < to; i++) {
        if (on_ranks(&o->points[i])) tied[plot_index(&methods, o->points[i].method)] = o->points[i].tied;
        variants |= *o->points[i].variant != 0;
        ranks |= o->points[i].rank != first->rank;
    }
    /* one rank: all of it is in the plot across variants */
    if (!methods.n || (variants && !ranks)) return OK;
    for (int m = 0; m < methods.n; m++) {
        str_printf(&s, "$m%d << EOD\n", m);
        for (size_t i = from; i < to; i++) {
            const overhead_point *p = &o->points[i];
            if (!on_ranks(p) || strcmp(p->method, methods.name[m])) continue;
            str_printf(&s, "%lld %.6g %.6g %.6g %.6g\n", (long long)p->rank, 100 * p->overhead, 100 * p->low,
                       100 * p->high, 100 * p->flop_share);
        }
        str_puts(&s, "EOD\n");
    }
    plot_case_name(&name, first);
    str_puts(
        &s,
        "set logscale x 2\nset xlabel 'rank r (log scale)'\nset ylabel 'overhead over the base GEMM, %'\nset title ");
    plot_quoted(&s, name.s);
    str_puts(
        &s,
        "\nset offsets graph 0.03, graph 0.03, graph 0.05, graph 0.05\nplot $m0 using 1:5 with lines dt 3 lw 2 lc rgb '#999999' title 'FLOP share'");
    for (int m = 0; m < methods.n; m++) {
        str_printf(&s, ", $m%d using 1:2:3:4 with yerrorbars pt %d ps 0.8 lw 1.4 lc rgb '%s' title ", m,
                   tied[m] ? 5 : 7, plot_color(m));
        str label = { 0 };
        str_printf(&label, "%s (%s)", methods.name[m], tied[m] ? "tied" : "untied");
        plot_quoted(&s, label.s);
        str_free(&label);
        str_printf(&s, ", $m%d using 1:2 with lines dt %d lw 1.4 lc rgb '%s' notitle", m, tied[m] ? 2 : 1,
                   plot_color(m));
    }
    str_putc(&s, '\n');
    str_printf(
        &caption,
        "Overhead of the adapter over the base GEMM in the same run, %s. Solid, round: untied. Dashed, square: tied. Dotted: its share of FLOPs.",
        name.s);
    str_clear(&name);
    plot_case_file(&name, "overhead", first);
    int rc = plot_finish(list, dir, name.s, caption.s, &s, 760, 430);
    str_free(&s);
    str_free(&caption);
    str_free(&name);
    return rc;
}

int plot_all(plot_list *list, const quality *q, const overhead *o, const char *dir)
{
    *list     = (plot_list) { 0 };
    char *sub = path_join(dir, "plots");
    int   rc  = file_make_dirs(sub);
    free(sub);
    for (size_t from = 0, to; !rc && from < q->n; from = to) {
        const quality_point *p = &q->points[from];
        for (to = from + 1; to < q->n && !strcmp(q->points[to].task, p->task) &&
                            !strcmp(q->points[to].metric, p->metric) && !strcmp(q->points[to].base, p->base);
             to++) {
        }
        if (p->primary) rc = plot_quality(list, q, from, to, dir);
    }
    for (size_t from = 0, to; !rc && from < o->n; from = to) {
        for (to = from + 1; to < o->n && same_panel(&o->points[to], &o->points[from]); to++) {
        }
        rc = plot_ranks(list, o, from, to, dir);
        if (!rc) rc = plot_variants(list, o, from, to, dir);
    }
    if (rc) plot_list_free(list);
    return rc;
}

void plot_list_free(plot_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        free(list->items[i].file);
        free(list->items[i].caption);
    }
    free(list->items);
    *list = (plot_list) { 0 };
}
