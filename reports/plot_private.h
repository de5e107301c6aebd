/* What the plots share. */
#ifndef TIEBREAK_REPORTS_PLOT_PRIVATE_H
#define TIEBREAK_REPORTS_PLOT_PRIVATE_H
#include "reports/plot.h"

const char *plot_color(int i); /* Okabe and Ito's palette: told apart with any colour vision */

/* Different names in the order of their first occurrence. */
enum { PLOT_NAMES = 64 };
typedef struct {
    const char *name[PLOT_NAMES];
    int         n;
} plot_names;
int plot_index(plot_names *l, const char *name);

/* A plot while it is put together; zeroed, it is empty. */
typedef struct {
    str script;  /* gnuplot's data blocks and settings */
    str series;  /* what its plot command draws */
    str title;   /* as it stands above the plot; captions repeat it */
    str caption; /* below the plot, on the page */
    str file;    /* the name of its files */
    int width, height;
} chart;
/* Adds the text as a string of gnuplot's; the terminal takes no character of it as markup. */
void chart_quote(str *s, const char *text);
/* Adds something to draw. Its title follows the format, "" is none. */
void chart_series(chart *c, const char *title, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Writes the script, runs gnuplot, remembers the SVG; frees the chart's strings in any case. */
int chart_finish(chart *c, plot_list *list, const char *dir);

/* Cases of one device, shape, site, op, tokens, type and mode. */
typedef struct {
    const overhead_point *points;
    size_t                n;
} panel;
/* A point a variant and method, at the rank at which most variants were measured. Nothing where
 * none was. */
int plot_variants(plot_list *list, panel cases, const char *dir);
/* "cuda bf16 llama2-7b, qkv 12288x4096, 1 tokens: decode, cold" */
void plot_case_name(str *s, const overhead_point *p);
/* A file's name from the panel's own, and what before it tells its plots apart. */
void plot_case_file(str *s, const char *kind, const overhead_point *p);
#endif
