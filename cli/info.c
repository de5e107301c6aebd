#include <stdio.h>

#include "cli/verbs.h"
#include "core/error.h"
#include "core/json.h"
#include "core/machine.h"
#include "kernels/backend.h"

static bool as_json;

static int run(int argc, char **argv)
{
    static const option table[] = { { "json", OPT_FLAG, &as_json, .help = "one JSON object on stdout" }, { 0 } };
    int                 rc      = options_parse(&verb_info, table, argc, argv, NULL);
    if (rc) return rc;
    json *j = json_object();
    json_set_str(j, "version", TIEBREAK_VERSION);
    json_set_str(j, "commit", build_commit());
    json_set_bool(j, "dirty", build_dirty());
    json_set_str(j, "compiler", build_compiler());
    json_set_str(j, "flags", build_flags());
    json_set_str(j, "cpu", machine_cpu());
    json_set_int(j, "cores", machine_cores());
    json_set_str(j, "os", machine_os());
    const backend *cuda = backend_find("cuda");
    json_set_str(j, "cuda", cuda ? cuda->about : error_text());
    if (as_json) {
        str out = { 0 };
        json_print(j, &out, true);
        fputs(out.s, stdout);
        str_free(&out);
    } else {
        for (const json *c = j->child; c; c = c->next) {
            str v = { 0 };
            json_print(c, &v, false);
            if (cJSON_IsString(c))
                printf("%-10s %s\n", c->string, c->valuestring);
            else
                printf("%-10s %s\n", c->string, v.s);
            str_free(&v);
        }
    }
    json_free(j);
    return OK;
}

const verb verb_info = { "info", "what was found on this machine", "[--json]", "  tiebreak info\n", run };
