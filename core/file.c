#include "core/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/error.h"
#include "core/memory.h"

static int open_regular(const char *path, int *fd, struct stat *st)
{
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0) return input_error("%s: cannot be read: %s; check the path", path, strerror(errno));
    if (fstat(*fd, st)) {
        int e = errno;
        close(*fd);
        return input_error("%s: cannot be read: %s", path, strerror(e));
    }
    if (S_ISDIR(st->st_mode)) {
        close(*fd);
        return input_error("%s: is a folder; a file is needed here", path);
    }
    return OK;
}

/* What git leaves in a checkout whose large files were not fetched. */
static int refuse_pointer(const char *path, const void *bytes, size_t n)
{
    static const char begin[] = "version https://git-lfs.github.com/spec/";
    if (n < sizeof begin - 1 || memcmp(bytes, begin, sizeof begin - 1)) return OK;
    return input_error("%s: is a Git LFS pointer, %zu bytes that stand for the file; fetch the file itself: git lfs "
                       "pull in its folder, or download it again",
                       path, n);
}

int file_read(const char *path, size_t max_bytes, str *out)
{
    size_t      before     = out->n;
    bool        from_stdin = !strcmp(path, "-");
    int         fd         = 0;
    struct stat st         = { 0 };
    if (!from_stdin) {
        int rc = open_regular(path, &fd, &st);
        if (rc) return rc;
    }
    int  rc = OK;
    char buf[1 << 16];
    for (;;) {
        ssize_t k = read(fd, buf, sizeof buf);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) rc = run_error("%s: reading failed: %s", path, strerror(errno));
        if (k <= 0) break;
        if (out->n + (size_t)k > max_bytes) {
            rc = input_error("%s: larger than %zu bytes, the most that is read here", path, max_bytes);
            break;
        }
        str_add(out, buf, (size_t)k);
    }
    if (!from_stdin) close(fd);
    return rc ? rc : refuse_pointer(path, str_c(out) + before, out->n - before);
}

int file_map(file_map_t *m, const char *path)
{
    *m = (file_map_t) { 0 };
    int         fd;
    struct stat st;
    int         rc = open_regular(path, &fd, &st);
    if (rc) return rc;
    if (st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED)
            rc = run_error("%s: cannot be mapped: %s", path, strerror(errno));
        else
            *m = (file_map_t) { p, (size_t)st.st_size };
    }
    close(fd);
    if (!rc && m->n) rc = refuse_pointer(path, m->bytes, m->n);
    if (rc) file_unmap(m);
    return rc;
}

void file_unmap(file_map_t *m)
{
    if (m->bytes) munmap((void *)(uintptr_t)m->bytes, m->n);
    *m = (file_map_t) { 0 };
}

static int write_all(int fd, const char *path, const char *bytes, size_t n)
{
    for (size_t at = 0; at < n;) {
        ssize_t k = write(fd, bytes + at, n - at);
        if (k < 0 && errno == EINTR) continue;
        if (k < 0) return run_error("%s: writing failed: %s", path, strerror(errno));
        at += (size_t)k;
    }
    return OK;
}

int file_write_atomic_parts(const char *path, const file_part *parts, size_t n)
{
    str aside = { 0 };
    str_printf(&aside, "%s.tmp.%ld", path, (long)getpid());
    int rc = OK;
    int fd = open(aside.s, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) {
        rc = run_error("%s: cannot be written: %s", path, strerror(errno));
        str_free(&aside);
        return rc;
    }
    for (size_t i = 0; i < n && !rc; i++) rc = write_all(fd, path, parts[i].bytes, parts[i].n);
    if (!rc && fsync(fd)) rc = run_error("%s: fsync failed: %s", path, strerror(errno));
    if (close(fd) && !rc) rc = run_error("%s: closing failed: %s", path, strerror(errno));
    if (!rc && rename(aside.s, path)) rc = run_error("%s: renaming failed: %s", path, strerror(errno));
    if (rc) unlink(aside.s);
    str_free(&aside);
    return rc;
}

int file_write_atomic(const char *path, const void *bytes, size_t n)
{
    return file_write_atomic_parts(path, &(file_part) { bytes, n }, 1);
}

int file_write_in(const char *dir, const char *name, const str *text)
{
    char *path = path_join(dir, name);
    int   rc   = file_write_atomic(path, str_c(text), text->n);
    free(path);
    return rc;
}

int file_make_dirs(const char *path)
{
    char *p  = mem_strdup(path);
    int   rc = OK;
    for (char *s = p + 1; !rc; s++) {
        if (*s != '/' && *s) continue;
        char c = *s;
        *s     = '\0';
        if (mkdir(p, 0755) && errno != EEXIST) rc = run_error("%s: cannot be made: %s", p, strerror(errno));
        if (!c) break;
        *s = c;
    }
    if (!rc && !file_is_dir(p)) rc = input_error("%s: exists and is not a folder", p);
    free(p);
    return rc;
}

bool file_exists(const char *path) { return access(path, F_OK) == 0; }

bool file_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

char *path_join(const char *dir, const char *name)
{
    str    p = { 0 };
    size_t n = strlen(dir);
    str_printf(&p, "%s%s%s", dir, n && dir[n - 1] == '/' ? "" : "/", name);
    return p.s;
}

typedef struct {
    char **paths;
    size_t n, cap;
} path_list;

static int find_in(path_list *list, const char *dir, bool wanted(const char *name), int depth)
{
    DIR *d = opendir(dir);
    if (!d) return input_error("%s: cannot be opened as a folder: %s", dir, strerror(errno));
    int rc = OK;
    for (struct dirent *e; !rc && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        char       *path = path_join(dir, e->d_name);
        struct stat st;
        if (lstat(path, &st)) st.st_mode = 0;
        /* A link to a folder could lead back here. */
        if (S_ISLNK(st.st_mode) && (stat(path, &st) || !S_ISREG(st.st_mode))) st.st_mode = 0;
        if (S_ISDIR(st.st_mode) && depth < 16) rc = find_in(list, path, wanted, depth + 1);
        if (S_ISREG(st.st_mode) && wanted(e->d_name)) {
            if (list->n == list->cap) list->paths = mem_grow(list->paths, &list->cap, sizeof *list->paths);
            list->paths[list->n++] = path;
            path                   = NULL; /* the list's now */
        }
        free(path);
    }
    closedir(d);
    return rc;
}

static int by_text(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }

int file_find(char ***out, size_t *n, const char *dir, bool wanted(const char *name))
{
    path_list list = { 0 };
    int       rc   = find_in(&list, dir, wanted, 0);
    if (list.n) qsort(list.paths, list.n, sizeof *list.paths, by_text);
    *out = list.paths;
    *n   = list.n;
    return rc;
}

const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool next_line(const char *text, size_t n, size_t *pos, const char **line, size_t *len)
{
    if (*pos >= n) return false;
    const char *start = text + *pos;
    const char *end   = memchr(start, '\n', n - *pos);
    *line             = start;
    *len              = end ? (size_t)(end - start) : n - *pos;
    *pos += *len + (end ? 1 : 0);
    return true;
}

/* libcrypto uses the processor's SHA instructions where there are any: hashing a 7B base then takes
 * seconds instead of a minute. */
void sha256_hex(const void *bytes, size_t n, char out[65])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char     hash[32];
    if (!EVP_Digest(bytes, n, hash, NULL, EVP_sha256(), NULL)) {
        fputs("libcrypto on this machine gives no SHA-256: records cannot be made without it\n", stderr);
        exit(1);
    }
    for (int i = 0; i < 32; i++) {
        out[2 * i]     = digits[hash[i] >> 4];
        out[2 * i + 1] = digits[hash[i] & 15];
    }
    out[64] = 0;
}

int sha256_file(const char *path, char out[65])
{
    file_map_t m;
    int        rc = file_map(&m, path);
    if (rc) return rc;
    sha256_hex(m.bytes ? m.bytes : (const unsigned char *)"", m.n, out);
    file_unmap(&m);
    return OK;
}
