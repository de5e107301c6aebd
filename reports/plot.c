#include "reports/plot_private.h"

#include <ctype.h>
#include <dirent.h>
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
#include "core/string_table.h"

static const char *const colors[] = { "#0072B2", "#D55E00", "#009E73", "#CC79A7",
                                      "#E69F00", "#56B4E9", "#000000", "#8C510A" };
enum { N_COLORS = sizeof colors / sizeof *colors };

static const int markers[] = { 7, 5, 9, 11, 13, 6, 4, 8 }; /* disc, square, triangles, diamond; hollow ones */
enum { N_MARKERS = sizeof markers / sizeof *markers };

const char *plot_color(int i) { return colors[i % N_COLORS]; }
int         plot_marker(int i) { return markers[i / N_COLORS % N_MARKERS]; }

int plot_index(plot_names *l, const char *name)
{
    for (int i = 0; i < l->n; i++)
        if (!strcmp(l->name[i], name)) return i;
    if (l->n == PLOT_CURVES) {
        l->left_out++;
        return -1;
    }
    l->name[l->n] = name;
    return l->n++;
}

void plot_label(str *s, const char *name, int i)
{
    enum { ROOM = 30 };
    size_t n = strlen(name);
    if (n <= ROOM) {
        str_puts(s, name);
        return;
    }
    for (n = ROOM - 6; n > 0 && ((unsigned char)name[n] & 0xC0) == 0x80;) n--; /* whole characters */
    str_add(s, name, n);
    str_printf(s, "... (%d)", i + 1);
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

/* A name for files of letters, digits, - and _, at most 80 bytes, that no other picture has. */
static void file_stem(const plot_list *list, const char *text, str *stem)
{
    for (const char *c = text; *c && stem->n < 80; c++)
        str_putc(stem, isalnum((unsigned char)*c) || *c == '-' ? *c : '_');
    const size_t n = stem->n;
    for (size_t i = 0, again = 2; i < list->n; i++) {
        str file = { 0 };
        str_printf(&file, "plots/%s.svg", stem->s);
        const bool taken = !strcmp(file.s, list->items[i].file);
        str_free(&file);
        if (!taken) continue;
        stem->s[stem->n = n] = 0;
        str_printf(stem, "-%zu", again++);
        i = (size_t)-1;
    }
}

/* Runs gnuplot in the folder of the plots on a script there; NULL, or why there is no picture. */
static char *draw(const char *dir, const char *stem)
{
    char log[] = "/tmp/tiebreak-gnuplot-XXXXXX", script[128];
    int  fd = mkstemp(log), status = 0;
    str  said = { 0 }, why = { 0 };
    if (fd < 0) return mem_strdup("no temporary file for gnuplot's messages");
    close(fd);
    snprintf(script, sizeof script, "%s.gp", stem);
    if (process_run("gnuplot", (char *[]) { (char[]) { "gnuplot" }, script, NULL }, dir, log, &status)) {
        str_puts(&why, error_text());
        error_clear();
    } else if (status == 127) {
        str_puts(&why, "gnuplot was not found; install it (scripts/deps does) and run the report again");
    } else if (status) {
        if (file_read(log, 4096, &said)) error_clear();
        str_printf(&why, "gnuplot failed: %.400s", str_c(&said));
    }
    unlink(log);
    str_free(&said);
    return why.n ? why.s : NULL;
}

int chart_finish(chart *c, plot_list *list, const char *dir)
{
    str stem = { 0 }, gp = { 0 }, text = { 0 }, plots = { 0 }, file = { 0 };
    file_stem(list, str_c(&c->file), &stem);
    str_printf(&plots, "%s/plots", dir);
    str_printf(&gp, "%s/%s.gp", plots.s, stem.s);
    str_printf(&file, "plots/%s.svg", stem.s);
    str_printf(
        &text,
        "set terminal svg size %d,%d noenhanced font 'DejaVu Sans,13' background '#ffffff'\nset output '%s.svg'\n",
        c->width, c->height, stem.s);
    str_puts(&text, "set border 3 lc rgb '#444444'\nset tics nomirror out\nset grid lc rgb '#dddddd' lw 1\n"
                    "set key outside right top vertical spacing 1.15 samplen 2\n");
    str_add(&text, c->script.s, c->script.n);
    str_printf(&text, "plot %s\n", str_c(&c->series));
    int rc = file_write_atomic(gp.s, text.s, text.n);
    if (!rc) {
        char *missing = c->missing ? mem_strdup(c->missing) : draw(plots.s, stem.s);
        if (list->n == list->cap) list->items = mem_grow(list->items, &list->cap, sizeof *list->items);
        list->items[list->n++] = (plot_item) { mem_strdup(file.s), mem_strdup(str_c(&c->caption)), missing };
    }
    str *strings[] = { &stem, &gp, &text, &plots, &file, &c->script, &c->series, &c->title, &c->caption, &c->file };
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) str_free(strings[i]);
    return rc;
}

static double half_or_zero(const quality_point *p)
{
    const double h = quality_half(p);
    return isfinite(h) ? h : 0;
}

static bool is_base(const quality_point *p) { return !strcmp(p->method, "base") && p->trained == 0; }

/* The base alone is no such point, but a line. */
static bool on_axis(const quality_point *p) { return p->trained > 0 && isfinite(p->mean); }

/* A curve: a method, its sites where it has several in this plot, and what else tells it from
 * others of its name. */
static const char *curve_of(const quality_point *p, bool several_sites, arena *texts)
{
    str name = { 0 };
    str_puts(&name, p->method);
    if (several_sites) str_printf(&name, ", %s", p->sites);
    if (*p->settings) str_printf(&name, ", %s", p->settings);
    const char *kept = arena_strndup(texts, name.s, name.n);
    str_free(&name);
    return kept;
}

/* The methods of which two points have different sites. */
static string_table with_several_sites(const quality_point *points, size_t n)
{
    string_table first = { 0 }, several = { 0 };
    for (size_t i = 0; i < n; i++) {
        const char   *method = points[i].method;
        const int64_t at     = string_table_put(&first, method, strlen(method), (int64_t)i);
        if (at >= 0 && strcmp(points[at].sites, points[i].sites)) string_table_put(&several, method, strlen(method), 0);
    }
    string_table_free(&first);
    return several;
}

/* Data blocks, one a curve; then the front's points, whose number is returned. curve [n]: of each
 * point, -1 for none. */
static int quality_data(const quality_point *points, size_t n, const int *curve, int curves, str *out)
{
    int on_front = 0;
    for (int m = 0; m < curves; m++) {
        str_printf(out, "$m%d << EOD\n", m);
        for (size_t i = 0; i < n; i++)
            if (curve[i] == m && on_axis(&points[i]))
                str_printf(out, "%lld %.9g %.9g %lld\n", (long long)points[i].trained, points[i].mean,
                           half_or_zero(&points[i]), (long long)(points[i].rank < 0 ? 0 : points[i].rank));
        str_puts(out, "EOD\n");
    }
    str_puts(out, "$front << EOD\n");
    for (const quality_point *p = points; p < points + n; p++) {
        if (!p->on_front || !on_axis(p)) continue;
        str_printf(out, "%lld %.9g\n", (long long)p->trained, p->mean);
        on_front++;
    }
    str_puts(out, "EOD\n");
    return on_front;
}

/* Room for the legend: a second column of it from 24 curves on. */
static void make_room(chart *c, int curves)
{
    const int rows = 100 + 21 * (2 + (curves > 24 ? (curves + 1) / 2 : curves));
    c->width       = curves > 24 ? 960 : 780;
    c->height      = rows > 430 ? rows : 430;
}

/* One column of scores and one base. */
static int plot_quality(plot_list *list, const quality_point *points, size_t n, const char *dir)
{
    plot_names           names        = { .n = 0 };
    arena                texts        = { 0 };
    chart                c            = { 0 };
    const quality_point *base         = NULL;
    int                 *curve        = mem_alloc(n + 1, sizeof *curve);
    string_table         several      = with_several_sites(points, n);
    bool                 points_there = false;
    for (size_t i = 0; i < n; i++) {
        curve[i] = -1;
        if (is_base(&points[i]))
            base = &points[i];
        else
            curve[i] = plot_index(
                &names, curve_of(&points[i],
                                 string_table_get(&several, points[i].method, strlen(points[i].method)) >= 0, &texts));
        points_there |= on_axis(&points[i]);
    }
    string_table_free(&several);
    if (!names.n) {
        free(curve);
        return OK;
    }
    if (!points_there) c.missing = "no point has a number of trained parameters above 0 and a score";
    int on_front = quality_data(points, n, curve, names.n, &c.script);
    make_room(&c, names.n);
    str_printf(&c.title, "%s: %s against trained parameters", points->task, points->metric);
    if (*points->answered) str_printf(&c.title, " (%s)", points->answered);
    str_puts(&c.script, "set logscale x\nset xlabel 'trained parameters (log scale)'\nset title ");
    chart_quote(&c.script, c.title.s);
    str_puts(&c.script, "\nset ylabel ");
    str label = { 0 };
    str_printf(&label, "%s (%s is better)", points->metric, points->higher_is_better ? "higher" : "lower");
    chart_quote(&c.script, label.s);
    str_puts(&c.script, "\nset offsets graph 0.05, graph 0.05, graph 0.05, graph 0.05\nset format x '%.0s%c'\n");
    if (on_front) chart_series(&c, "Pareto front", "$front using 1:2 with points pt 6 ps 2.2 lw 1.5 lc rgb '#888888'");
    if (base) chart_series(&c, "base, no adapter", "%.9g with lines dt 2 lw 2 lc rgb '#666666'", base->mean);
    for (int m = 0; m < names.n; m++) {
        str_clear(&label);
        plot_label(&label, names.name[m], m);
        chart_series(&c, label.s, "$m%d using 1:2:3 with yerrorbars pt %d ps 0.9 lw 1.6 lc rgb '%s'", m, plot_marker(m),
                     plot_color(m));
        chart_series(&c, "", "$m%d using 1:2 with lines lw 1 lc rgb '%s' notitle", m, plot_color(m));
    }
    str_printf(
        &c.caption,
        "%s, base model \"%s\". Bars: 95 %% intervals, over seeds, or of the items where there is one run. Ringed: the Pareto front, which leaves out only what is worse beyond the intervals.",
        c.title.s, points->base);
    if (names.left_out)
        str_printf(&c.caption, " %d more points, of other methods than the %d drawn, stand in the table.",
                   names.left_out, names.n);
    str_printf(&c.file, "quality-%s-%s", points->base, points->task);
    str_free(&label);
    arena_free(&texts);
    free(curve);
    return chart_finish(&c, list, dir);
}

static bool same_panel(const overhead_point *a, const overhead_point *b)
{
    return !strcmp(a->machine, b->machine) && !strcmp(a->device, b->device) && !strcmp(a->shape, b->shape) &&
           !strcmp(a->site, b->site) && !strcmp(a->op, b->op) && !strcmp(a->dtype, b->dtype) &&
           !strcmp(a->mode, b->mode) && a->tokens == b->tokens;
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
    chart                       c       = { 0 };
    const overhead_point *const first = cases.points, *const end = first + cases.n;
    bool tied[PLOT_CURVES] = { false };
    bool variants = false, ranks = false;
    for (const overhead_point *p = first; p < end; p++) {
        const int m = on_ranks(p) ? plot_index(&methods, p->method) : -1;
        if (m >= 0) tied[m] = p->tied;
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
        plot_label(&label, methods.name[m], m);
        str_puts(&label, tied[m] ? " (tied)" : " (untied)");
        chart_series(&c, label.s, "$m%d using 1:2:3:4 with yerrorbars pt %d ps 0.8 lw 1.4 lc rgb '%s'", m,
                     plot_marker(m), plot_color(m));
        chart_series(&c, "", "$m%d using 1:2 with lines dt %d lw 1.4 lc rgb '%s' notitle", m, tied[m] ? 2 : 1,
                     plot_color(m));
        str_free(&label);
    }
    str_printf(
        &c.caption,
        "Overhead of the adapter over the base GEMM in the same run, %s, on %s. Solid: untied. Dashed: tied. Dotted: its share of FLOPs.",
        c.title.s, first->machine);
    if (methods.left_out)
        str_printf(&c.caption, " %d more points, of other methods than the %d drawn, stand in the table.",
                   methods.left_out, methods.n);
    make_room(&c, methods.n);
    plot_case_file(&c.file, "overhead", first);
    return chart_finish(&c, list, dir);
}

/* Pictures and scripts of an earlier report, by their kinds' names. */
static void remove_old(const char *plots)
{
    DIR *d = opendir(plots);
    for (struct dirent *e; d && (e = readdir(d));) {
        const char *end  = strrchr(e->d_name, '.');
        const bool  ours = !strncmp(e->d_name, "quality-", 8) || !strncmp(e->d_name, "overhead-", 9) ||
                          !strncmp(e->d_name, "variants-", 9);
        if (!end || !ours || (strcmp(end, ".svg") != 0 && strcmp(end, ".gp") != 0)) continue;
        char *path = path_join(plots, e->d_name);
        unlink(path);
        free(path);
    }
    if (d) closedir(d);
}

int plot_all(plot_list *list, const quality *q, const overhead *o, const char *dir)
{
    *list     = (plot_list) { 0 };
    char *sub = path_join(dir, "plots");
    int   rc  = file_make_dirs(sub);
    if (!rc) remove_old(sub);
    free(sub);
    for (size_t from = 0, to; !rc && from < q->n; from = to) {
        const quality_point *p = &q->points[from];
        for (to = from + 1; to < q->n && quality_same_panel(&q->points[to], p); to++) {
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
        free(list->items[i].missing);
    }
    free(list->items);
    *list = (plot_list) { 0 };
}
