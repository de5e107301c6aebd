/* Errors: a function that can fail returns an int that is also the exit status; the text is
 * recorded once, here.
 *
 *     int rc = safetensors_open(&f, path);
 *     if (rc) return rc;                                // passes status and text up unchanged
 *     if (r < 1) return input_error("%s: rank %d: must be 1..65536", path, r);
 *
 * The lowest level that knows the cause writes the text: what, the value, what is allowed, the
 * next step. Only `main` prints it. */
#ifndef TIEBREAK_CORE_ERROR_H
#define TIEBREAK_CORE_ERROR_H
#ifdef __cplusplus
extern "C" {
#endif

enum { OK = 0, ERR_FAILED = 1, ERR_INPUT = 2, ERR_INCONCLUSIVE = 3 };

/* Record a message (replacing an older one) and return ERR_INPUT: wrong usage, or a file that is
 * not what it should be. */
int input_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Record a message and return ERR_FAILED: the input was fine, the machine or the run was not. */
int run_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Put "prefix: " before the recorded message (a caller that knows the file or the place);
 * returns rc unchanged. */
int error_context(int rc, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The last recorded message of this thread; "" when there is none. */
const char *error_text(void);
void        error_clear(void);

/* One line on stderr, "warning: ...": something the user should know and that does not stop the
 * run. */
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

#ifdef __cplusplus
}
#endif
#endif
