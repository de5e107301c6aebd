#include "model/folder.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/memory.h"

#define PYTHON_MODEL "python3 -c \"from transformers import AutoModelForCausalLM as M; "

/* A row a sign: the folder has a file that fits the pattern, and the first such row counts. In
 * `what`, %d is the folder and %f the file's path in it. */
static const struct {
    folder_kind wanted;
    const char *pattern, *what;
} kinds[] = {
    { FOLDER_MODEL, "adapter_config.json",
      "is an adapter, not a model: give it as --adapter, and its base as --model" },
    { FOLDER_MODEL, "adapters.safetensors",
      "is an MLX adapter, not a model: build it into its base (mlx_lm.fuse --de-quantize) and give that" },
    { FOLDER_MODEL, "pytorch_model*.bin",
      "holds its weights as PyTorch's .bin (%f), which is not read; write them as safetensors: " PYTHON_MODEL
      "M.from_pretrained('%d').save_pretrained('%d')\"" },
    { FOLDER_MODEL, "*.gguf",
      "holds GGUF weights (%f), which are not read; take the Hugging Face folder that they were made from, or write "
      "one: " PYTHON_MODEL "from transformers import AutoTokenizer as T; [C.from_pretrained('%d', gguf_file='%f')"
      ".save_pretrained('model') for C in (M, T)]\"" },
    { FOLDER_MODEL, "weights*.npz",
      "holds MLX's weights (%f), which are not read; take the folder that they were made from" },
    { FOLDER_MODEL, "weights*.safetensors",
      "holds MLX's weights (%f), which are not read; take the folder that they were made from" },
    { FOLDER_MODEL, "consolidated*", "is in its maker's own layout (%f); take the folder in the Hugging Face layout" },
    { FOLDER_MODEL, "params.json", "is in its maker's own layout (%f); take the folder in the Hugging Face layout" },
    { FOLDER_MODEL, "zero_to_fp32.py",
      "is a checkpoint of DeepSpeed in shards; join them: python3 %d/zero_to_fp32.py %d model --safe_serialization" },
    { FOLDER_MODEL, "*/*.distcp",
      "is a checkpoint of FSDP in shards (%f); save the model whole with accelerate merge-weights" },
    { FOLDER_MODEL, "*.distcp",
      "is a checkpoint of FSDP in shards (%f); save the model whole with accelerate merge-weights" },
    { FOLDER_MODEL, "tf_model.h5",
      "holds TensorFlow's weights (%f), which are not read; take a folder with safetensors" },
    { FOLDER_MODEL, "flax_model.msgpack",
      "holds Flax's weights (%f), which are not read; take a folder with safetensors" },
    { FOLDER_MODEL, "*.onnx", "holds ONNX weights (%f), which are not read; take a folder with safetensors" },
    { FOLDER_MODEL, "model_index.json", "is a diffusers pipeline, not a language model" },
    { FOLDER_MODEL, "snapshots/*/config.json",
      "is a repository of Hugging Face's cache; name the snapshot in it, with %f" },
    { FOLDER_MODEL, "checkpoint-*/config.json", "holds checkpoints of a training; name one of them, as that with %f" },
    { FOLDER_MODEL, "*/config.json", "holds no config.json; the folder inside it with %f may be the model" },

    { FOLDER_ADAPTER, "adapter_model.bin",
      "holds its weights as PyTorch's adapter_model.bin, which is not read; write them as safetensors: python3 -c "
      "\"import torch; from safetensors.torch import save_file as s; s({k: v.contiguous() for k, v in torch.load("
      "'%d/%f', map_location='cpu', weights_only=True).items()}, '%d/adapter_model.safetensors')\"" },
    { FOLDER_ADAPTER, "adapters.safetensors",
      "is an MLX adapter (%f), which is not read; build it into its base (mlx_lm.fuse --de-quantize) and give that as "
      "--model" },
    { FOLDER_ADAPTER, "adapters.npz",
      "is an MLX adapter (%f), which is not read; build it into its base (mlx_lm.fuse --de-quantize) and give that as "
      "--model" },
    { FOLDER_ADAPTER, "*.gguf",
      "is an adapter in GGUF (%f), which is not read; take the PEFT folder that it was made from" },
    { FOLDER_ADAPTER, "pytorch_lora_weights.safetensors", "is a LoRA of diffusers (%f), not of a language model" },
    { FOLDER_ADAPTER, "pytorch_adapter.bin", "is an adapter of the adapters library, not of PEFT, and is not read" },
    { FOLDER_ADAPTER, "model*.safetensors", "is a model, not an adapter: give it as --model" },
    { FOLDER_ADAPTER, "pytorch_model*.bin", "is a model, not an adapter: give it as --model" },
    { FOLDER_ADAPTER, "checkpoint-*/adapter_config.json",
      "holds checkpoints of a training; name one of them, as that with %f" },
    { FOLDER_ADAPTER, "snapshots/*/adapter_config.json",
      "is a repository of Hugging Face's cache; name the snapshot in it, with %f" },
    { FOLDER_ADAPTER, "*/adapter_config.json",
      "holds no adapter_config.json; the folder inside it with %f may be the adapter" },
    { FOLDER_ADAPTER, "config.json", "is a model, not an adapter: give it as --model" },
};

/* The first file of the folder that fits the pattern, its path in the folder; the caller frees it.
 * NULL: none. */
static char *first_file(const char *dir, const char *pattern)
{
    str whole = { 0 };
    for (const char *c = dir; *c; c++) {
        if (strchr("*?[\\", *c)) str_putc(&whole, '\\');
        str_putc(&whole, *c);
    }
    str_printf(&whole, "/%s", pattern);
    glob_t found;
    char  *file = glob(str_c(&whole), 0, NULL, &found) ? NULL : mem_strdup(found.gl_pathv[0] + strlen(dir) + 1);
    globfree(&found);
    str_free(&whole);
    return file;
}

static void fill(str *out, const char *what, const char *dir, const char *file)
{
    for (const char *c = what; *c; c++) {
        const char *value = *c != '%' ? NULL : c[1] == 'd' ? dir : file;
        if (value)
            str_puts(out, value), c++;
        else
            str_putc(out, *c);
    }
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcmp(s + n - k, end);
}

int folder_explain(const char *path, folder_kind wanted, const char *otherwise)
{
    str  text = { 0 };
    bool file = !file_is_dir(path) && file_exists(path);
    if (file && ends_with(path, ".gguf"))
        str_puts(&text, "is a GGUF file, which is not read; take the Hugging Face folder that it was made from");
    else if (file)
        str_printf(&text, "is a file; %s is a folder: name the one that holds it",
                   wanted == FOLDER_MODEL ? "a model" : "an adapter");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds && !text.n; i++) {
        char *name = kinds[i].wanted == wanted ? first_file(path, kinds[i].pattern) : NULL;
        if (name) fill(&text, kinds[i].what, path, name);
        free(name);
    }
    int rc = input_error("%s: %s", path, text.n ? text.s : otherwise);
    str_free(&text);
    return rc;
}

int folder_check_model(const char *dir, bool weights)
{
    char *path = path_join(dir, "config.json");
    json *j    = NULL;
    int   rc   = file_exists(path) ? json_read_file(&j, path, (size_t)1 << 20)
                                   : folder_explain(dir, FOLDER_MODEL, "holds no config.json; a model's folder has one");
    if (!weights) json_free(json_take(j, "quantization_config")), json_free(json_take(j, "quantization"));
    const json *config = json_find(j, "quantization_config"), *mlx = json_find(j, "quantization");
    const char *method = json_text(json_find(config, "quant_method"));
    if (!method && json_is_true(json_find(config, "load_in_4bit"))) method = "bitsandbytes, 4 bits";
    if (!method && json_is_true(json_find(config, "load_in_8bit"))) method = "bitsandbytes, 8 bits";
    if (!rc && json_is_object(mlx))
        rc = input_error("%s: \"quantization\": MLX's quantised weights (%g bits) are not supported; take the folder "
                         "that they were made from",
                         path, json_number(json_find(mlx, "bits")));
    else if (!rc && json_is_object(config))
        rc = input_error("%s: \"quantization_config\": quantised weights (%.40s) are not supported; take the folder "
                         "that they were made from, in BF16, F16 or F32",
                         path, method ? method : "of an unnamed method");
    json_free(j);
    free(path);
    return rc;
}

const char *folder_tensor_kind(const char *name)
{
    static const struct {
        const char *end, *what;
    } ends[] = {
        { ".weight_scale_inv", "FP8 weights are not supported; take the folder that they were made from" },
        { ".weight_scale", "FP8 weights are not supported; take the folder that they were made from" },
        { ".input_scale", "FP8 weights are not supported; take the folder that they were made from" },
        { ".scales",
          "quantised weights (MLX's, GPTQ or AWQ) are not supported; take the folder that they were made from" },
        { ".biases", "MLX's quantised weights are not supported; take the folder that they were made from" },
        { ".qweight", "GPTQ's or AWQ's weights are not supported; take the folder that they were made from" },
        { ".qzeros", "GPTQ's or AWQ's weights are not supported; take the folder that they were made from" },
        { ".g_idx", "GPTQ's weights are not supported; take the folder that they were made from" },
        { ".absmax", "bitsandbytes' weights are not supported; take the folder that they were made from" },
        { ".quant_map", "bitsandbytes' weights are not supported; take the folder that they were made from" },
        { ".SCB", "bitsandbytes' weights are not supported; take the folder that they were made from" },
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_with(name, ends[i].end)) return ends[i].what;
    if (strstr(name, ".lora_A.") || strstr(name, ".lora_B."))
        return "an adapter lies among the weights; save it apart (PEFT's save_pretrained), or merge it first";
    if (strstr(name, ".base_layer."))
        return "the model was saved with an adapter around it; merge it (PEFT's merge_and_unload) and save again";
    return NULL;
}
