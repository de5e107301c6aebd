/* Errors. A function that can fail returns a status, which is also the program's exit status; the
 * text is recorded here, once.
 *
 *     int rc = safetensors_open(&f, path);
 *     if (rc) return rc;                                // passes status and text up unchanged
 *     if (r < 1) return input_error("%s: rank %d: must be 1..65536", path, r);
 *
 * The lowest level that knows the cause writes the text: what is wrong, the value, what is allowed
 * and the next step. Only `main` prints it. */
#ifndef TIEBREAK_CORE_ERROR_H
#define TIEBREAK_CORE_ERROR_H
#ifdef __cplusplus
extern "C" {
#endif

enum { OK = 0, ERR_FAILED = 1, ERR_INPUT = 2, ERR_INCONCLUSIVE = 3, ERR_BUSY = 4, ERR_DEVICE = 5 };
/* ERR_INCONCLUSIVE: nothing could be decided. ERR_BUSY: another process works on the same.
 * ERR_DEVICE: this process cannot use its device any more; another one may. */

/* Records a message in place of an older one and returns ERR_INPUT: the usage is wrong, or a file
 * is not what it should be. */
int input_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Records a message and returns ERR_FAILED: the input was fine, but the machine or the run
 * failed. */
int run_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Puts "prefix: " before the recorded message, for a caller that knows the file or the place.
 * Returns rc unchanged. */
int error_context(int rc, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The last recorded message of this thread; "" when there is none. */
const char *error_text(void);
void        error_clear(void);

/* Prints one line "warning: ..." on stderr: the user should know, but the run goes on. */
void warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

#ifdef __cplusplus
}
#endif
#endif
