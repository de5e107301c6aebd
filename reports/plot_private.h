/* What the plots share. */
#ifndef TIEBREAK_REPORTS_PLOT_PRIVATE_H
#define TIEBREAK_REPORTS_PLOT_PRIVATE_H
#include "reports/plot.h"

const char *plot_color(int i); /* Okabe and Ito's palette: told apart with any colour vision */
void        plot_quoted(str *s, const char *text);

/* Different names in the order of their first occurrence. */
typedef struct {
    const char *name[64];
    int         n;
} plot_names;
int plot_index(plot_names *l, const char *name);

/* Writes the script, runs gnuplot, remembers the SVG. body: all of the script below the
 * terminal. */
int plot_finish(plot_list *list, const char *dir, const char *name, const char *caption, const str *body, int width,
                int height);

/* A panel of cases, [from, to), of one device, shape, site, op, tokens, type and mode: a point a
 * variant and method, at the rank at which most variants were measured. Nothing where none was. */
int plot_variants(plot_list *list, const overhead *o, size_t from, size_t to, const char *dir);
/* "cuda bf16 llama2-7b, qkv 12288x4096, 1 tokens: decode, cold" */
void plot_case_name(str *s, const overhead_point *p);
/* A file's name from the panel's own, and what after it tells its plots apart. */
void plot_case_file(str *s, const char *kind, const overhead_point *p);
#endif
