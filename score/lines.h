/* Reads the lines of a file or of stdin block by block: only one block is in memory, whatever the
 * size of the file.
 *
 *     json_lines in;
 *     int rc = json_lines_open(&in, "predictions.jsonl");
 *     while (!rc && !(rc = json_lines_next(&in)) && in.n)
 *         for (i = 0; i < in.n; i++) use(in.docs[i], json_line_where(&in, i, where));
 *     json_lines_close(&in); */
#ifndef TIEBREAK_SCORE_LINES_H
#define TIEBREAK_SCORE_LINES_H
#include "core/json.h"
#include "metrics/pytext.h"

/* The most bytes a line may have. A text of this length takes minutes to score, and a file without
 * line ends should not fill the memory. */
enum { LINE_BYTES_MAX = 16 << 20 };

typedef struct {
    const char *name; /* the file's name for messages; borrowed */
    /* [n]: the lines of this block without their LF or CRLF, valid until the next call. */
    slice  *lines;
    int64_t n, read; /* read: the number of lines in the blocks before this one */
    void   *file;
    char   *bytes;
    size_t  filled, used, cap, cap_lines;
    bool    begun, ended;
} line_blocks;

/* Opens a file, or stdin for "-". A missing or unreadable file is ERR_INPUT. A byte order mark is
 * skipped. */
int line_blocks_open(line_blocks *b, const char *path);
/* Reads the next n lines; n = 0: there are no more. A line above the limit, or one that holds a NUL
 * byte, is ERR_INPUT. */
int  line_blocks_next(line_blocks *b);
void line_blocks_close(line_blocks *b);
/* Call it before the first block: gives the beginning of the file, or all of a short file, and uses
 * nothing up. */
int line_blocks_peek(line_blocks *b, slice *start);
/* Appends everything that no block has given yet; above max_bytes it is ERR_INPUT. */
int line_blocks_rest(line_blocks *b, size_t max_bytes, str *out);

/* The same for a file of one JSON value a line; blank lines are skipped. */
typedef struct {
    line_blocks text;
    int64_t     n;
    json      **docs;    /* [n], those of this block */
    int64_t    *numbers; /* [n]: the line each stands on, from 1 */
    size_t      cap;
} json_lines;

int json_lines_open(json_lines *in, const char *path);
/* takes over a file after a peek at its beginning */
void json_lines_from(json_lines *in, line_blocks *opened);
/* Errors name file, line and column of the first line that is wrong. */
int  json_lines_next(json_lines *in);
void json_lines_close(json_lines *in);
/* json_parse_from with a hint about NaN and Infinity, which Python's json module writes. */
int json_parse_finite(json **out, const char *text, size_t n, const char *where, int64_t first_line);
/* Writes "FILE: line 7" into where, for messages about the i-th value. */
enum { LINE_WHERE = 512 };
const char *json_line_where(const json_lines *in, int64_t i, char where[LINE_WHERE]);

/* ERR_INPUT when a member that lines are known by ("id", "prediction", "scores", ...) occurs twice
 * in a line: readers differ in which of the two they take. */
int json_members_once(const json *line, const char *where);
/* Appends a value's id as text: a string as it is, a whole number in digits. Anything else, and an
 * empty string, is ERR_INPUT. */
int json_id(const json *value, const char *where, const char *key, str *out);
#endif
