/* Variants beside each other: a row a variant, a point a method, the floor as a line. */
#include <math.h>
#include <string.h>

#include "core/error.h"
#include "reports/plot_private.h"

/* Many adapters in a batch have a table of their own. */
static bool shown(const overhead_point *p, int64_t rank) { return p->rank == rank && p->adapters == 1; }

static int64_t rank_with_most(const overhead *o, size_t from, size_t to)
{
    int64_t best = 0;
    int     most = 0;
    for (size_t i = from; i < to; i++) {
        int n = 0;
        for (size_t k = from; k < to; k++) n += *o->points[k].variant && shown(&o->points[k], o->points[i].rank);
        if (n <= most) continue;
        most = n;
        best = o->points[i].rank;
    }
    return best;
}

/* From below the least to above the largest point: an interval may leave the plot, a point may
 * not. In percent. */
typedef struct {
    double low, high;
} range;

static range range_of(const overhead *o, size_t from, size_t to, int64_t rank)
{
    double low = 0, high = 0;
    for (size_t i = from; i < to; i++) {
        if (!shown(&o->points[i], rank)) continue;
        low  = fmin(low, fmin(o->points[i].overhead, o->points[i].floor));
        high = fmax(high, fmax(o->points[i].overhead, o->points[i].floor));
    }
    double room = fmax(0.005, 0.12 * (high - low)); /* for the numbers beside the points */
    return (range) { 100 * (low - room), 100 * (high + 1.5 * room) };
}

/* One method: its points, and the floor over all rows, which does not depend on the variant. */
static void add_method(str *s, const overhead *o, size_t from, size_t to, int64_t rank, const char *method, int m,
                       int methods, plot_names *variants, double label_most)
{
    double floor_ = NAN, lane = methods > 1 ? 0.5 * ((double)m / (methods - 1) - 0.5) : 0;
    str_printf(s, "$m%d << EOD\n", m);
    for (size_t i = from; i < to; i++) {
        const overhead_point *p = &o->points[i];
        if (!shown(p, rank) || strcmp(p->method, method)) continue;
        double y = plot_index(variants, p->variant) + lane;
        str_printf(s, "%.6g %.4f %.6g %.6g \"%+.1f\" %.6g\n", 100 * p->overhead, y, 100 * p->low, 100 * p->high,
                   100 * p->overhead, fmin(100 * p->high, label_most));
        if (isfinite(p->floor)) floor_ = 100 * p->floor;
    }
    str_printf(s, "EOD\n$f%d << EOD\n", m);
    for (int v = 0; v < variants->n && isfinite(floor_); v++)
        str_printf(s, "%.6g %.4f 0 %.4f\n", floor_, v + lane - 0.12, 0.24);
    str_puts(s, "EOD\n");
}

int plot_variants(plot_list *list, const overhead *o, size_t from, size_t to, const char *dir)
{
    const overhead_point *first    = &o->points[from];
    plot_names            variants = { .n = 0 }, methods = { .n = 0 };
    int64_t               rank = rank_with_most(o, from, to);
    if (!rank) return OK;
    for (size_t i = from; i < to; i++) {
        if (!shown(&o->points[i], rank)) continue;
        plot_index(&variants, o->points[i].variant);
        plot_index(&methods, o->points[i].method);
    }
    range x = range_of(o, from, to, rank);
    str   s = { 0 }, name = { 0 }, title = { 0 }, caption = { 0 };
    for (int m = 0; m < methods.n; m++)
        add_method(&s, o, from, to, rank, methods.name[m], m, methods.n, &variants, x.high - 0.1 * (x.high - x.low));
    plot_case_name(&title, first);
    str_printf(&title, ", rank %lld%s", (long long)rank, first->emulated ? " (REHEARSAL: no GPU)" : "");
    str_printf(&s, "set xrange [%.6g:%.6g]\n", x.low, x.high);
    str_puts(&s, "set title ");
    plot_quoted(&s, title.s);
    str_puts(&s, " font ',11'");
    str_puts(&s, "\nset xlabel 'overhead over the base GEMM, %'\nset ytics scale 0 (");
    for (int v = 0; v < variants.n; v++) {
        if (v) str_puts(&s, ", ");
        plot_quoted(&s, *variants.name[v] ? variants.name[v] : "the model's ops");
        str_printf(&s, " %d", v);
    }
    str_printf(&s,
               ")\nset yrange [%d.5:-0.5]\nset arrow from 0, graph 0 to 0, graph 1 nohead lc "
               "rgb '#444444'\nplot ",
               variants.n - 1);
    for (int m = 0; m < methods.n; m++) {
        if (m) str_puts(&s, ", ");
        str_printf(&s, "$f%d using 1:2:3:4 with vectors nohead lw 2 lc rgb '#888888' %s, ", m,
                   m ? "notitle" : "title 'floor'");
        str_printf(&s, "$m%d using 1:2:3:4 with xerrorbars pt 7 ps 0.7 lw 1.4 lc rgb '%s' title ", m, plot_color(m));
        plot_quoted(&s, methods.name[m]);
        str_printf(&s, ", $m%d using 6:2:5 with labels left offset 0.6,0 font ',9' tc rgb '%s' notitle", m,
                   plot_color(m));
    }
    str_putc(&s, '\n');
    str_printf(
        &caption,
        "Variants of the adapted linear, %s. Bars: 95 %% intervals. Grey: the floor, one pass at the device's own measured rates.",
        title.s);
    plot_case_file(&name, "variants", first);
    int rc = plot_finish(list, dir, name.s, caption.s, &s, 860, 110 + variants.n * (18 + 14 * methods.n));
    str_free(&s);
    str_free(&name);
    str_free(&title);
    str_free(&caption);
    return rc;
}
