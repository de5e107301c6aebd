#include "reports/plot_private.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/process.h"

static const char *const colors[] = { "#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                      "#E69F00", "#56B4E9", "#000000", "#8C510A" };
enum { N_COLORS = sizeof colors / sizeof *colors };

const char *plot_color(int i) { return colors[i % N_COLORS]; }

int plot_index(plot_names *l, const char *name)
{
    for (int i = 0; i < l->n; i++)
        if (!strcmp(l->name[i], name)) return i;
    if (l->n == PLOT_NAMES) return PLOT_NAMES - 1;
    l->name[l->n] = name;
    return l->n++;
}

void chart_quote(str *s, const char *text)
{
    str_putc(s, '\'');
    for (; *text; text++) {
        if (*text == '\'') str_putc(s, '\'');
        str_putc(s, *text);
    }
    str_putc(s, '\'');
}

void chart_series(chart *c, const char *title, const char *format, ...)
{
    char    text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    str_item(&c->series, ", ", text);
    if (!*title) return;
    str_puts(&c->series, " title ");
    chart_quote(&c->series, title);
}

static char *slug(const char *text)
{
    char *s = mem_strdup(text);
    for (char *c = s; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '-') *c = '_';
    return s;
}

static int run_gnuplot(char *script, const char *name)
{
    char log[] = "/tmp/tiebreak-gnuplot-XXXXXX";
    int  fd    = mkstemp(log), status;
    str  said  = { 0 };
    if (fd < 0) return run_error("report: no temporary file for gnuplot's messages: %s", strerror(errno));
    close(fd);
    int rc = process_run("gnuplot", (char *[]) { (char[]) { "gnuplot" }, script, NULL }, log, &status);
    file_read(log, 4096, &said);
    unlink(log);
    if (!rc && status == 127)
        rc = run_error("report: gnuplot was not found; install it (scripts/deps does) and run the report again");
    else if (!rc && status)
        rc = run_error("report: gnuplot failed on %s: %.400s", name, str_c(&said));
    str_free(&said);
    return rc;
}

int chart_finish(chart *c, plot_list *list, const char *dir)
{
    char *stem = slug(str_c(&c->file));
    str   svg = { 0 }, gp = { 0 }, text = { 0 };
    str_printf(&svg, "%s/plots/%s.svg", dir, stem);
    str_printf(&gp, "%s/plots/%s.gp", dir, stem);
    str_printf(&text, "set terminal svg size %d,%d noenhanced font 'DejaVu Sans,13' background '#ffffff'\nset output ",
               c->width, c->height);
    chart_quote(&text, svg.s);
    str_puts(&text, "\nset border 3 lc rgb '#444444'\nset tics nomirror out\nset grid lc rgb '#dddddd' lw 1\n"
                    "set key outside right top vertical spacing 1.15 samplen 2\n");
    str_add(&text, c->script.s, c->script.n);
    str_printf(&text, "plot %s\n", str_c(&c->series));
    int rc = file_write_atomic(gp.s, text.s, text.n);
    if (!rc) rc = run_gnuplot(gp.s, str_c(&c->file));
    if (!rc) {
        if (list->n == list->cap) list->items = mem_grow(list->items, &list->cap, sizeof *list->items);
        str file = { 0 };
        str_printf(&file, "plots/%s.svg", stem);
        list->items[list->n++] = (plot_item) { file.s, mem_strdup(str_c(&c->caption)) };
    }
    free(stem);
    str *strings[] = { &svg, &gp, &text, &c->script, &c->series, &c->title, &c->caption, &c->file };
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) str_free(strings[i]);
    return rc;
}

static double half_or_zero(double h) { return isfinite(h) ? h : 0; }

static bool is_base(const quality_point *p) { return !strcmp(p->method, "base") && p->trainable == 0; }

/* The base alone is no such point, but a line. */
static bool on_axis(const quality_point *p) { return p->trainable > 0 && isfinite(p->mean); }

/* Data blocks, one a method; then the front's points, whose number is returned. */
static int quality_data(const quality_point *points, size_t n, const plot_names *methods, str *out)
{
    int on_front = 0;
    for (int m = 0; m < methods->n; m++) {
        str_printf(out, "$m%d << EOD\n", m);
        for (const quality_point *p = points; p < points + n; p++)
            if (on_axis(p) && !strcmp(p->method, methods->name[m]))
                str_printf(out, "%lld %.9g %.9g %lld\n", (long long)p->trainable, p->mean, half_or_zero(p->half),
                           (long long)(p->rank < 0 ? 0 : p->rank));
        str_puts(out, "EOD\n");
    }
    str_puts(out, "$front << EOD\n");
    for (const quality_point *p = points; p < points + n; p++) {
        if (!p->on_front || !on_axis(p)) continue;
        str_printf(out, "%lld %.9g\n", (long long)p->trainable, p->mean);
        on_front++;
    }
    str_puts(out, "EOD\n");
    return on_front;
}

/* One task: its points share base, task and metric. */
static int plot_quality(plot_list *list, const quality_point *points, size_t n, const char *dir)
{
    plot_names           methods = { .n = 0 };
    chart                c       = { .width = 760, .height = 430 };
    const quality_point *base    = NULL;
    for (const quality_point *p = points; p < points + n; p++) {
        if (is_base(p))
            base = p;
        else
            plot_index(&methods, p->method);
    }
    if (!methods.n) return OK;
    int on_front = quality_data(points, n, &methods, &c.script);
    str_printf(&c.title, "%s: %s against trained parameters", points->task, points->metric);
    str_puts(&c.script, "set logscale x\nset xlabel 'trained parameters (log scale)'\nset title ");
    chart_quote(&c.script, c.title.s);
    str_printf(
        &c.script,
        "\nset ylabel '%s (%s is better)'\nset offsets graph 0.05, graph 0.05, graph 0.05, graph 0.05\nset format x '%%.0s%%c'\n",
        points->metric, points->higher_is_better ? "higher" : "lower");
    if (on_front) chart_series(&c, "Pareto front", "$front using 1:2 with points pt 6 ps 2.2 lw 1.5 lc rgb '#888888'");
    if (base) chart_series(&c, "base, no adapter", "%.9g with lines dt 2 lw 2 lc rgb '#666666'", base->mean);
    for (int m = 0; m < methods.n; m++) {
        chart_series(&c, methods.name[m], "$m%d using 1:2:3 with yerrorbars pt 7 ps 0.9 lw 1.6 lc rgb '%s'", m,
                     plot_color(m));
        chart_series(&c, "", "$m%d using 1:2 with lines lw 1 lc rgb '%s' notitle", m, plot_color(m));
    }
    str_printf(
        &c.caption,
        "%s, base model \"%s\". Bars: 95 %% intervals. Ringed: the Pareto front, which leaves out only what is worse beyond the intervals.",
        c.title.s, points->base);
    str_printf(&c.file, "quality-%s-%s", points->base, points->task);
    return chart_finish(&c, list, dir);
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

/* What the model calls, with one adapter. */
static bool on_ranks(const overhead_point *p) { return !*p->variant && p->adapters == 1; }

/* Overhead against rank, a line a method. */
static int plot_ranks(plot_list *list, panel cases, const char *dir)
{
    plot_names                  methods = { .n = 0 };
    chart                       c       = { .width = 760, .height = 430 };
    const overhead_point *const first = cases.points, *const end = first + cases.n;
    bool tied[PLOT_NAMES] = { false };
    bool variants = false, ranks = false;
    for (const overhead_point *p = first; p < end; p++) {
        if (on_ranks(p)) tied[plot_index(&methods, p->method)] = p->tied;
        variants |= *p->variant != 0;
        ranks |= p->rank != first->rank;
    }
    /* one rank: all of it is in the plot across variants */
    if (!methods.n || (variants && !ranks)) return OK;
    for (int m = 0; m < methods.n; m++) {
        str_printf(&c.script, "$m%d << EOD\n", m);
        for (const overhead_point *p = first; p < end; p++)
            if (on_ranks(p) && !strcmp(p->method, methods.name[m]))
                str_printf(&c.script, "%lld %.6g %.6g %.6g %.6g\n", (long long)p->rank, 100 * p->overhead, 100 * p->low,
                           100 * p->high, 100 * p->flop_share);
        str_puts(&c.script, "EOD\n");
    }
    plot_case_name(&c.title, first);
    str_puts(
        &c.script,
        "set logscale x 2\nset xlabel 'rank r (log scale)'\nset ylabel 'overhead over the base GEMM, %'\nset title ");
    chart_quote(&c.script, c.title.s);
    str_puts(&c.script, "\nset offsets graph 0.03, graph 0.03, graph 0.05, graph 0.05\n");
    chart_series(&c, "FLOP share", "$m0 using 1:5 with lines dt 3 lw 2 lc rgb '#999999'");
    for (int m = 0; m < methods.n; m++) {
        str label = { 0 };
        str_printf(&label, "%s (%s)", methods.name[m], tied[m] ? "tied" : "untied");
        chart_series(&c, label.s, "$m%d using 1:2:3:4 with yerrorbars pt %d ps 0.8 lw 1.4 lc rgb '%s'", m,
                     tied[m] ? 5 : 7, plot_color(m));
        chart_series(&c, "", "$m%d using 1:2 with lines dt %d lw 1.4 lc rgb '%s' notitle", m, tied[m] ? 2 : 1,
                     plot_color(m));
        str_free(&label);
    }
    str_printf(
        &c.caption,
        "Overhead of the adapter over the base GEMM in the same run, %s. Solid, round: untied. Dashed, square: tied. Dotted: its share of FLOPs.",
        c.title.s);
    plot_case_file(&c.file, "overhead", first);
    return chart_finish(&c, list, dir);
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
        if (p->primary) rc = plot_quality(list, p, to - from, dir);
    }
    for (size_t from = 0, to; !rc && from < o->n; from = to) {
        for (to = from + 1; to < o->n && same_panel(&o->points[to], &o->points[from]); to++) {
        }
        panel cases = { &o->points[from], to - from };
        rc          = plot_ranks(list, cases, dir);
        if (!rc) rc = plot_variants(list, cases, dir);
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
