/* The one place that tells a model that runs here from one that is served: a folder or a URL. */
#include <string.h>

#include "core/error.h"
#include "eval/cell_private.h"
#include "eval/lm/local.h"

int check_model_options(const eval_request *q)
{
    bool url = is_endpoint_url(q->model);
    if (url && q->adapter)
        return input_error("--adapter %s: the model at %s is served as it is; score its served adapter by --model-name",
                           q->adapter, q->model);
    if (url && (q->dtype || q->variant || (q->device && strcmp(q->device, "cpu") != 0)))
        return input_error(
            "--device, --dtype and --variant are for a model that runs here; where the one at %s runs, its server decides",
            q->model);
    if (!url && (q->tokenizer || q->http.gen_kwargs || q->http.model || q->http.key_env || q->http.concurrency))
        return input_error(
            "--tokenizer, --model-name, --gen-kwargs, --api-key-env and --concurrency are for a served model: "
            "--model http://HOST[:PORT]/v1");
    return OK;
}

int open_model(lm **out, const eval_request *q, bool with_tokenizer)
{
    endpoint_options served = q->http;
    served.url              = q->model;
    served.tokenizer        = q->tokenizer;
    served.max_length       = q->max_length;
    if (is_endpoint_url(q->model)) return endpoint_open(out, &served);
    return local_open(out, &(local_options) { .model        = q->model,
                                              .adapter      = q->adapter,
                                              .base_changed = q->base_changed,
                                              .tokenizer    = with_tokenizer,
                                              .max_length   = q->max_length,
                                              .device       = q->device,
                                              .dtype        = q->dtype,
                                              .variant      = q->variant,
                                              .threads      = q->threads });
}
