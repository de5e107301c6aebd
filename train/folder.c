#include "train/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/record.h"

enum { CELL_BYTES_MAX = 1 << 20 };

/* --- two cells compared, member by member */

static bool is_object(const json *j) { return cJSON_IsObject(j); }

static void difference(const json *there, const json *here, const char *at, int *count, str *out)
{
    if (is_object(there) && is_object(here)) {
        for (const json *h = here->child; h; h = h->next) {
            str path = { 0 };
            str_printf(&path, "%s%s%s", at, *at ? "." : "", h->string);
            difference(json_find(there, h->string), h, path.s, count, out);
            str_free(&path);
        }
        for (const json *t = there->child; t; t = t->next)
            if (!json_find(here, t->string)) difference(t, NULL, t->string, count, out);
        return;
    }
    if (there && here && cJSON_Compare(there, here, true)) return;
    if ((*count)++ >= 3) return;
    str a = { 0 }, b = { 0 };
    if (there) json_print(there, &a, false);
    if (here) json_print(here, &b, false);
    str_printf(out, "%s%s is %s there and %s here", *count > 1 ? "; " : "", at, there ? a.s : "absent",
               here ? b.s : "absent");
    str_free(&a);
    str_free(&b);
}

void cell_difference(const json *there, const json *here, str *out)
{
    int count = 0;
    difference(there, here, "", &count, out);
    if (count > 3) str_printf(out, "; and %d more", count - 3);
}

static int refuse_other(const char *out, const char *what, const json *there, const json *here)
{
    str text = { 0 };
    cell_difference(there, here, &text);
    int rc = input_error("%s: holds %s of another cell: %s. Choose another --out, or remove the folder", out, what,
                         str_c(&text));
    str_free(&text);
    return rc;
}

/* --- looking */

static int look_at_record(json **record, const char *out, const char *path, const json *asked)
{
    char id[17];
    int  rc = record_read(record, path);
    record_id(asked, id);
    if (!rc && strcmp(json_find(*record, "kind")->valuestring, "train")) {
        rc = input_error("%s: holds a record of another kind (%s): choose another --out", out,
                         json_find(*record, "kind")->valuestring);
    } else if (!rc && strcmp(json_find(*record, "id")->valuestring, id)) {
        rc = refuse_other(out, "the finished adapter", json_find(*record, "asked"), asked);
    }
    if (rc) {
        json_free(*record);
        *record = NULL;
    }
    return rc;
}

static int look_at_cell(const char *out, const char *path, const json *asked)
{
    json *there;
    char  id[17], its[17];
    int   rc = json_read_file(&there, path, CELL_BYTES_MAX);
    if (rc) return rc;
    record_id(asked, id);
    record_id(there, its);
    if (strcmp(id, its)) rc = refuse_other(out, "an unfinished run", there, asked);
    json_free(there);
    return rc;
}

/* Something in the folder that is no left-over of an interrupted atomic write; the name goes to
 * `name`. */
static bool holds_files(const char *dir, char *name, size_t size)
{
    DIR *d = opendir(dir);
    if (!d) return false;
    bool found = false;
    for (struct dirent *e; !found && (e = readdir(d));) {
        found = strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && !strstr(e->d_name, ".tmp.");
        snprintf(name, size, "%s", e->d_name);
    }
    closedir(d);
    return found;
}

int folder_look(folder_state *state, json **record, const char *out, const json *asked)
{
    char *record_path = path_join(out, "record.json"), *cell_path = path_join(out, "cell.json"), other[256];
    int   rc = OK;
    *record  = NULL;
    *state   = FOLDER_NEW;
    if (file_exists(out) && !file_is_dir(out)) {
        rc = input_error("--out %s: is a file; --out must be a folder", out);
    } else if (file_exists(record_path)) {
        *state = FOLDER_FINISHED;
        rc     = look_at_record(record, out, record_path, asked);
    } else if (file_exists(cell_path)) {
        *state = FOLDER_STARTED;
        rc     = look_at_cell(out, cell_path, asked);
    } else if (holds_files(out, other, sizeof other)) {
        rc = input_error("--out %s: holds files that are not a training cell's (%s): give a new or an empty folder",
                         out, other);
    }
    free(record_path);
    free(cell_path);
    return rc;
}

/* --- beginning and finishing */

int folder_begin(const char *out, const json *asked)
{
    int rc = file_make_dirs(out);
    if (rc) return rc;
    str   text = { 0 };
    char *path = path_join(out, "cell.json");
    json_print(asked, &text, true);
    rc = file_write_atomic(path, text.s, text.n);
    str_free(&text);
    free(path);
    return rc;
}

int folder_lock(int *fd, const char *out)
{
    char *path = path_join(out, "cell.json");
    int   rc   = OK;
    *fd        = open(path, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
        rc = run_error("%s: cannot be opened: %s", path, strerror(errno));
    else if (flock(*fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
        rc = run_error(
            "%s: another process is training in this folder; wait for it, or stop it and run the same command again",
            out);
    free(path);
    return rc;
}

static void remove_left_overs(const char *out)
{
    DIR *d = opendir(out);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strcmp(e->d_name, "cell.json") && strcmp(e->d_name, "checkpoint.safetensors") &&
            !strstr(e->d_name, ".tmp."))
            continue;
        char *path = path_join(out, e->d_name);
        unlink(path);
        free(path);
    }
    if (d) closedir(d);
}

int folder_finish(const char *out, const json *record)
{
    char *path = path_join(out, "record.json");
    int   rc   = record_write(record, path);
    free(path);
    if (!rc) remove_left_overs(out);
    return rc;
}
