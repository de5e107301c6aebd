/* One side of a parallel text, segment by segment, in the forms that IWSLT comes in:
 *
 *     XML or SGML of the talks   <doc docid="805"> ... <seg id="1"> text </seg>; what is outside <seg>
 *                                is skipped
 *     training form              header lines that begin with '<' (<doc docid=...>, <url>, ...), then
 *                                one segment a line
 *     plain                      one segment a line
 *
 * Segments lose the blanks at both ends; entities are decoded in the XML form. */
#ifndef TIEBREAK_DATASETS_SEGMENTS_H
#define TIEBREAK_DATASETS_SEGMENTS_H
#include "datasets/builder.h"

typedef enum { SEGMENTS_PLAIN, SEGMENTS_TAGS, SEGMENTS_XML } segments_form;

typedef struct {
    source        s;
    segments_form form;
    text_line     at;      /* where reading goes on: at.pos; for forms of lines also at.number */
    int64_t       line;    /* line of the segment, 1-based */
    char          doc[64]; /* the segment's talk; "" where the form has none */
    char          id[32];
    str           text;
    int64_t       count; /* segments so far */
} segments;

segments segments_open(const char *bytes, size_t n, const char *where); /* borrows both */
/* Reads the next segment; *more is false at the end. Unclosed tags, a <seg> without id and a
 * numeric reference that is no character are ERR_INPUT with the line. */
int  segments_next(segments *g, bool *more);
void segments_close(segments *g);
/* Appends "talk 805, segment 3", as far as the form has such names, else "segment 17". */
void segments_name(const segments *g, str *out);
#endif
